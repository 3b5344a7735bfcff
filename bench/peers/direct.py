"""The provider itself, with no gateway between: what its latency is, every other's is measured against."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.rig import Rig, Target

NAME = "the provider, called directly"
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}


@contextmanager
def direct(rig: Rig) -> Iterator[Target]:
    yield Target(NAME, rig.provider_port, {}, models=MODELS)
