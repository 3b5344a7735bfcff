"""The peers, each a context manager that yields a Target or raises Absent; installed once, from package registries."""
