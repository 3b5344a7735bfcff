"""How large a client's JSON schemas become where their references are written out, as LiteLLM does for providers. Pure.

Twenty definitions of which each names the next one twice are 2 KB, and a million times that written out.
"""

from typing import Any

from gateway_shared.errors import BadRequest

MAX_BYTES = 4_000_000
"""Of all that stands in a request's schemas, references written out: roughly what they are as JSON."""

_BYTES_A_NODE = 16


def check_references(body: dict[str, Any]) -> None:
    """Raises BadRequest. For a body that has a `$ref` somewhere: the others are as large as they came."""
    for name in ("tools", "functions", "response_format"):
        if body.get(name):
            try:
                _Size(body[name]).add(body[name], frozenset())
            except (_TooLarge, RecursionError):
                raise BadRequest(
                    "The schemas are too large once their references ($ref) are written out.", param=name
                ) from None


class _TooLarge(Exception):
    pass


class _Size:
    """Goes along each reference, but never again into a definition that it is within."""

    def __init__(self, schemas: Any) -> None:
        self._left = MAX_BYTES
        self._definitions: dict[str, list[Any]] = {}
        self._collect(schemas)

    def _collect(self, schemas: Any) -> None:
        pending = [schemas]
        while pending:
            node = pending.pop()
            if isinstance(node, list):
                pending += node
            elif isinstance(node, dict):
                pending += node.values()
                for group in ("$defs", "definitions"):
                    defined = node.get(group)
                    for name, definition in defined.items() if isinstance(defined, dict) else ():
                        self._definitions.setdefault(name, []).append(definition)

    def add(self, node: Any, within: frozenset[str]) -> None:
        """Raises _TooLarge, and RecursionError for what is nested deeper than anything is."""
        self._left -= _BYTES_A_NODE + (len(node) if isinstance(node, str) else 0)
        if self._left < 0:
            raise _TooLarge
        if isinstance(node, list):
            for item in node:
                self.add(item, within)
        elif isinstance(node, dict):
            reference = node.get("$ref")
            name = reference.rpartition("/")[2] if isinstance(reference, str) else ""
            if name not in within:
                for definition in self._definitions.get(name, ()):
                    self.add(definition, within | {name})
            for key, value in node.items():
                self._left -= len(key)
                self.add(value, within)
