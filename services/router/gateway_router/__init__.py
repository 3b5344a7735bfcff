"""The router: providers, the calls to them, and the journal of what they used."""

__version__ = "0.1.0"
