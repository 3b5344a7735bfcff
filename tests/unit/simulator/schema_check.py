"""A validator for the part of JSON schema that the simulator builds instances of, written apart from the builder."""

import math
from collections.abc import Mapping
from typing import Any

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def accepts(schema: Any, value: Any, root: Mapping[str, Any] | None = None) -> bool:
    if isinstance(schema, bool):
        return schema
    root = schema if root is None else root
    if "$ref" in schema and not accepts(_referred(root, schema["$ref"]), value, root):
        return False
    checks = (
        _type_fits(schema, value),
        "const" not in schema or _same(schema["const"], value),
        "enum" not in schema or any(_same(option, value) for option in schema["enum"]),
        all(accepts(part, value, root) for part in schema.get("allOf", ())),
        "anyOf" not in schema or any(accepts(part, value, root) for part in schema["anyOf"]),
        "oneOf" not in schema or sum(accepts(part, value, root) for part in schema["oneOf"]) == 1,
        not isinstance(value, dict) or _object_fits(schema, value, root),
        not isinstance(value, list) or _array_fits(schema, value, root),
        not isinstance(value, str) or schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf),
        not isinstance(value, int | float) or isinstance(value, bool) or _number_fits(schema, value),
    )
    return all(checks)


def _referred(root: Mapping[str, Any], reference: str) -> Any:
    found: Any = root
    for step in reference.split("/")[1:]:
        found = found[step]
    return found


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _type_fits(schema: Mapping[str, Any], value: Any) -> bool:
    declared = schema.get("type")
    if declared is None or (value is None and schema.get("nullable") is True):
        return True
    names = [declared] if isinstance(declared, str) else declared
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _PYTHON_TYPES[name.lower()]) for name in names)


def _object_fits(schema: Mapping[str, Any], value: dict[str, Any], root: Mapping[str, Any]) -> bool:
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties", True)
    return (
        all(name in value for name in schema.get("required", ()))
        and all(accepts(properties.get(name, additional), item, root) for name, item in value.items())
        and len(value) >= schema.get("minProperties", 0)
    )


def _array_fits(schema: Mapping[str, Any], value: list[Any], root: Mapping[str, Any]) -> bool:
    prefix, items = schema.get("prefixItems", []), schema.get("items", True)
    distinct = all(not _same(one, other) for nth, one in enumerate(value) for other in value[:nth])
    return (
        schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
        and all(accepts(prefix[nth] if nth < len(prefix) else items, item, root) for nth, item in enumerate(value))
        and (distinct or not schema.get("uniqueItems", False))
    )


def _number_fits(schema: Mapping[str, Any], value: float) -> bool:
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        and (step is None or value % step == 0)
    )
