"""Text from elsewhere on a person's terminal. Pure."""


def printable(text: str) -> str:
    """Control characters and the like are escaped, so that what a stranger sent cannot steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
