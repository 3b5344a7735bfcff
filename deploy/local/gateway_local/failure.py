"""The one exception that a person is meant to read."""


class SetupFailed(Exception):
    """Says what is wrong and, in its last sentence, what mends it."""
