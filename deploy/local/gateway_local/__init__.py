"""Runs the whole product on one machine without containers: `make run`, `start`, `stop`, `clean`.

Standard library only: it makes the environments that everything else runs in.
"""
