"""Billing: takes usage events from the queue, keeps each exactly once, and puts a price on it."""

__version__ = "0.1.0"
