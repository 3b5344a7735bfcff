"""The requests that stand for each shape."""

import json

import pytest

from bench.shapes import SHAPES, chat_body, http_request, sized


@pytest.mark.parametrize("name", SHAPES)
def test_a_body_asks_in_openais_wire_and_tells_the_provider_its_shape(name: str) -> None:
    shape = SHAPES[name]
    body = json.loads(chat_body(shape, "gpt-4o"))
    assert body["model"] == "gpt-4o"
    assert body.get("stream", False) is shape.is_stream
    assert body["messages"][0]["content"].startswith(shape.marker)


@pytest.mark.parametrize(("name", "size"), [("json-16", 200), ("body-20k", 20_000), ("body-1m", 1_000_000)])
def test_a_prompt_is_as_long_as_the_shape_says(name: str, size: int) -> None:
    assert len(json.loads(chat_body(SHAPES[name], "m"))["messages"][0]["content"]) == size


def test_open_streams_last_as_long_as_the_measurement() -> None:
    shape = sized(SHAPES["open"], seconds=4, streams=1000, idle_streams=5000)
    assert (shape.connections, shape.chunks, shape.requests_each) == (1000, 120, 1)
    assert shape.title.startswith("1,000 ")


def test_idle_streams_are_all_open_and_silent_for_as_long_as_the_measurement() -> None:
    shape = sized(SHAPES["idle"], seconds=4, streams=1000, idle_streams=5000)
    assert (shape.connections, shape.chunks, shape.gap_us, shape.requests_each) == (5000, 2, 9_000_000, 1)


def test_the_other_shapes_are_left_as_they_are() -> None:
    assert sized(SHAPES["sse"], seconds=4, streams=1000, idle_streams=5000) is SHAPES["sse"]


def test_a_request_carries_its_headers_and_the_length_of_its_body() -> None:
    assert http_request(80, "/v1/x", {"Authorization": "Bearer k"}, b"{}") == (
        b"POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer k\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_a_thousand_streams_are_all_open_for_as_long_as_the_measurement() -> None:
    shape = sized(SHAPES["stream-1000"], seconds=4, streams=1, idle_streams=1)
    lasts_s = shape.chunks * shape.gap_us / 1e6
    assert (shape.connections, shape.requests_each, shape.title[:5]) == (1000, 1, "1,000")
    assert round(lasts_s - shape.ramp_ms / 1e3) == 4
