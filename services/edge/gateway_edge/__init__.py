"""The edge: the public API of Agent Gateway."""

__version__ = "0.1.0"
