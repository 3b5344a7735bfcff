"""Whatever schema comes, the instance built from it is one that the schema accepts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from gateway_simulator.hints import Hints, hints_in
from gateway_simulator.json_schema import SchemaUnsupported, build_instance
from tests.unit.simulator.schema_check import accepts

Schema = dict[str, Any]
NAMES = st.sampled_from(["name", "city", "count", "tags", "when"])


@st.composite
def ranges(draw: st.DrawFn, lowest: str, highest: str, values: st.SearchStrategy[Any]) -> Schema:
    bounds = sorted(draw(st.lists(values, min_size=2, max_size=2)))
    wanted = draw(st.sampled_from([(), (lowest,), (highest,), (lowest, highest)]))
    return {key: bound for key, bound in zip((lowest, highest), bounds, strict=True) if key in wanted}


@st.composite
def objects(draw: st.DrawFn, schemas: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(NAMES, schemas, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def arrays(schemas: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda items, bounds: {"type": "array", "items": items, **bounds},
        schemas,
        ranges("minItems", "maxItems", st.integers(0, 4)),
    )


LEAVES = st.one_of(
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"const": "fixed"}, {"const": 7}, {"type": ["string", "null"]}]
    ),
    st.builds(lambda options: {"enum": options}, st.lists(st.integers() | st.text(), min_size=1)),
    ranges("minLength", "maxLength", st.integers(0, 12)).map(lambda bounds: {"type": "string", **bounds}),
    ranges("minimum", "maximum", st.integers(-50, 50)).map(lambda bounds: {"type": "integer", **bounds}),
    ranges("minimum", "maximum", st.floats(-50, 50)).map(lambda bounds: {"type": "number", **bounds}),
    st.builds(
        lambda least, step: {"type": "integer", "minimum": least, "multipleOf": step},
        st.integers(-9, 9),
        st.integers(1, 9),
    ),
    st.integers(-9, 9).map(lambda bound: {"type": "integer", "exclusiveMinimum": bound}),
    st.integers(-9, 9).map(lambda bound: {"type": "integer", "exclusiveMaximum": bound}),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        objects(inner), arrays(inner), st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches})
    ),
    max_leaves=8,
)
HINTS = st.builds(
    Hints,
    numbers=st.lists(st.floats(-60, 60) | st.integers(-60, 60).map(float), max_size=3).map(tuple),
    quoted=st.lists(st.text(min_size=1, max_size=15), max_size=3).map(tuple),
)


@given(SCHEMAS, HINTS)
def test_an_instance_is_accepted_by_its_schema(schema: Schema, hints: Hints) -> None:
    instance = build_instance(schema, hints)
    assert accepts(schema, instance), (schema, instance)
    assert build_instance(schema, hints) == instance


class Node(BaseModel):
    label: str = Field(min_length=2, max_length=5)
    children: list["Node"]
    parent: "Node | None"


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = Node.model_json_schema()
    instance = build_instance(schema)
    assert accepts(schema, instance)
    assert Node.model_validate(instance).children[0].label


class Order(BaseModel):
    class Line(BaseModel):
        article: str
        pieces: int = Field(gt=0, le=10)

    lines: list[Line] = Field(min_length=2)
    priority: bool | None
    total: float = Field(ge=0.5, lt=0.75)


def test_a_pydantic_model_validates_its_instance() -> None:
    order = Order.model_validate(build_instance(Order.model_json_schema()))
    assert len(order.lines) == 2
    assert 0.5 <= order.total < 0.75


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}, {"n": 1}),
        (
            {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}},
            {"a": {}},
        ),
        ({"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}, "y": {}}}, {"x": "text"}),
        ({"type": "object"}, {}),
        ({"type": "string", "format": "date"}, "2025-01-15"),
        ({"type": "string", "nullable": True}, "text"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "boolean"}, {"type": "string"}]}, True),
        ({"allOf": [{"type": "object", "required": ["a"]}, {"required": ["b"]}]}, {"b": "text", "a": "text"}),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 3}, [1, 2, 3]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "text2"]),
        (
            {"type": "object", "minProperties": 2, "properties": {"a": {"type": "null"}}, "required": ["a"]},
            {"a": None, "key2": "text"},
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 3}}}, 3),
        (True, "text"),
    ],
)
def test_instances_are_small_and_known(schema: Any, expected: object) -> None:
    assert build_instance(schema) == expected


def test_values_come_from_the_users_text_where_they_fit() -> None:
    schema = {"type": "object", "properties": {"input": {"type": "integer", "maximum": 40}, "who": {"type": "string"}}}
    hints = hints_in("What is magic_function(3) of 'Ada Lovelace'? Not 41, v2.")
    assert hints == Hints(numbers=(3.0, 41.0), quoted=("Ada Lovelace",))
    assert build_instance(schema, hints) == {"input": 3, "who": "Ada Lovelace"}
    assert build_instance({"type": "integer", "minimum": 41}, hints) == 41
    assert build_instance({"type": "object", "additionalProperties": True}, hints) == {"Ada Lovelace": "text"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "strange"},
        {"type": "array", "items": False, "minItems": 1},
    ],
)
def test_a_schema_without_a_finite_instance_is_refused(schema: Schema) -> None:
    with pytest.raises(SchemaUnsupported):
        build_instance(schema)
