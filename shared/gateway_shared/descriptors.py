"""How many descriptors a process may have: a connection of a client is one, and so is one to a provider."""

import resource


def raise_limit() -> int:
    """To what the system allows at most: the usual default, 1,024, is that of programs that use select(2).

    Returns the limit. Processes forked from here on have it too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
