"""Builds a small valid instance of a JSON schema: the arguments of a tool call, the content of a structured answer.

Deterministic: the same schema and hints give the same instance. An object gets its required properties, or, at the
top where none is required, all of them; an array gets `minItems`, or one item where that is allowed. Numbers and
strings come from the hints (what the user's text counts or quotes) where the schema allows it.

Understood: type (a list of types and Google's upper-case names too), nullable, enum, const, $ref within the document,
anyOf and oneOf (the first branch that is not null), allOf, properties, required, minProperties, additionalProperties,
items, prefixItems, minItems, maxItems, uniqueItems, minLength, maxLength, format, minimum, maximum, exclusiveMinimum,
exclusiveMaximum, multipleOf. Not understood: pattern, not, if, dependentSchemas; give such arguments by an `args=`
directive.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_simulator.hints import Hints

_ONE_ITEM_DEPTH = 4
"""Below it arrays are as short as allowed, so that recursive schemas end."""
_NULL_DEPTH = 8
"""Below it a union that allows null is null, for the same reason."""
_MAX_DEPTH = 40

_FORMATS = {
    "date-time": "2025-01-15T12:00:00Z",
    "date": "2025-01-15",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "uri": "https://example.com/",
}


class SchemaUnsupported(ValueError):
    """No finite instance was found: the schema is endless, refers to nothing, or excludes everything."""


def build_instance(schema: Mapping[str, Any], hints: Hints = Hints()) -> Any:
    """An instance that the schema accepts. Raises SchemaUnsupported."""
    return _Builder(schema, hints).build(schema, depth=0, nth=0)


@dataclass(frozen=True, slots=True)
class _Builder:
    root: Mapping[str, Any]
    hints: Hints

    def build(self, schema: Any, *, depth: int, nth: int) -> Any:
        """`nth` makes the items of one array differ from one another."""
        if depth > _MAX_DEPTH:
            raise SchemaUnsupported("the schema refers to itself without end")
        if schema is True:
            schema = {}
        if not isinstance(schema, Mapping):
            raise SchemaUnsupported("a schema must be an object")
        schema = self._flattened(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][nth % len(schema["enum"])]
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema, nth)
            case "integer":
                return self._integer(schema, nth)
            case "number":
                return self._number(schema, nth)
            case "boolean":
                return nth % 2 == 0
            case "null":
                return None
            case unknown:
                raise SchemaUnsupported(f"type {unknown} is unknown")

    def _flattened(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """One schema without $ref, allOf, anyOf and oneOf: of a union, the first branch that is not null."""
        flat = dict(schema)
        for _ in range(_MAX_DEPTH):
            if "$ref" in flat:
                flat = _both(self._referred(flat.pop("$ref")), flat)
            elif "allOf" in flat:
                for part in flat.pop("allOf"):
                    flat = _both(part, flat)
            elif "anyOf" in flat or "oneOf" in flat:
                branches = flat.pop("anyOf", None) or flat.pop("oneOf", None) or [{}]
                flat = _both(self._branch(branches, depth), flat)
            else:
                return flat
        raise SchemaUnsupported("the schema refers to itself without end")

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found: Any = self.root
        for step in reference.removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if key:
                found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise SchemaUnsupported(f"{reference} refers to nothing")
        return found

    def _branch(self, branches: list[Any], depth: int) -> Mapping[str, Any]:
        nulls = [branch for branch in branches if _type_names(branch) == ("null",)]
        others = [branch for branch in branches if branch not in nulls]
        preferred = nulls + others if depth > _NULL_DEPTH else others + nulls
        return preferred[0] if isinstance(preferred[0], Mapping) else {}

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        names = _type_names(schema)
        if depth > _NULL_DEPTH and (schema.get("nullable") is True or "null" in names):
            return "null"
        if names:
            return next((name for name in names if name != "null"), "null")
        if "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        return "integer" if "minimum" in schema or "maximum" in schema else "string"

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        names = [str(name) for name in schema.get("required") or (properties if depth == 0 else ())]
        others = [name for name in properties if name not in names]
        additional = schema.get("additionalProperties", {})
        if depth == 0 and not names and additional is True:
            # Any object will do (JSON mode by way of a tool): the user's text may say which keys it wants.
            return dict.fromkeys(self.hints.quoted, "text")
        while len(names) < schema.get("minProperties", 0):
            names.append(others.pop(0) if others else f"key{len(names) + 1}")
        return {name: self.build(properties.get(name, additional or {}), depth=depth + 1, nth=0) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        prefix = schema.get("prefixItems") or []
        wanted = max(schema.get("minItems", 0), 1 if depth < _ONE_ITEM_DEPTH else 0)
        length = min(
            max(wanted, min(len(prefix), schema.get("minItems", len(prefix)))), schema.get("maxItems", math.inf)
        )
        items = schema.get("items", {})
        if items is False:
            length = min(length, len(prefix))
        if length < schema.get("minItems", 0):
            raise SchemaUnsupported("no array is long enough")
        return [
            self.build(prefix[nth] if nth < len(prefix) else items, depth=depth + 1, nth=nth)
            for nth in range(int(length))
        ]

    def _string(self, schema: Mapping[str, Any], nth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        for quoted in self.hints.quoted[nth:]:
            if shortest <= len(quoted) <= longest:
                return quoted
        text = "text" if nth == 0 else f"text{nth + 1}"
        text += "x" * (int(shortest) - len(text))
        return text if len(text) <= longest else str(nth)[: int(longest)].ljust(int(shortest), "x")

    def _integer(self, schema: Mapping[str, Any], nth: int) -> int:
        lowest, highest, step = _bounds(schema, whole=True)
        for number in self.hints.numbers[nth:]:
            if number.is_integer() and lowest <= number <= highest and number % step == 0:
                return int(number)
        return int(_first_multiple(lowest, highest, step, nth))

    def _number(self, schema: Mapping[str, Any], nth: int) -> float:
        lowest, highest, step = _bounds(schema, whole=False)
        for number in self.hints.numbers[nth:]:
            if lowest <= number <= highest and ("multipleOf" not in schema or number % step == 0):
                return number
        if "multipleOf" not in schema and highest - lowest < 1:
            return float(lowest + (highest - lowest) / (nth + 2))
        return float(_first_multiple(lowest, highest, step, nth))


def _both(one: Any, other: Mapping[str, Any]) -> dict[str, Any]:
    """The conjunction of two schemas, as far as an instance builder needs it."""
    if not isinstance(one, Mapping):
        return dict(other)
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return both


def _type_names(schema: Any) -> tuple[str, ...]:
    declared = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    names = (declared,) if isinstance(declared, str) else declared
    return tuple(str(name).lower() for name in names)


def _bounds(schema: Mapping[str, Any], *, whole: bool) -> tuple[float, float, float]:
    """Lowest and highest allowed value, both included, and the step between values."""
    step = schema.get("multipleOf", 1)
    nudge = 1 if whole else 1e-6
    lowest, highest = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    # In OpenAPI 3.0, which Google's schemas follow, the exclusive pair are booleans.
    lowest = lowest + nudge if above is True else lowest
    highest = highest - nudge if below is True else highest
    if isinstance(above, int | float) and not isinstance(above, bool):
        lowest = max(lowest, math.floor(above) + 1 if whole else above + nudge)
    if isinstance(below, int | float) and not isinstance(below, bool):
        highest = min(highest, math.ceil(below) - 1 if whole else below - nudge)
    return lowest, highest, step


def _first_multiple(lowest: float, highest: float, step: float, nth: int) -> float:
    """The nth allowed value, from 1 where that is allowed."""
    start = min(max(lowest, 1), highest)
    value = math.ceil(start / step) * step
    if value > highest:
        value = math.floor(highest / step) * step
    if not lowest <= value <= highest:
        raise SchemaUnsupported("no number is allowed")
    further = value + nth * step
    return further if further <= highest else max(value - nth * step, lowest)
