"""One run of the load generator: what it is told, and what it tells."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.native import compiled
from bench.rig import Target
from bench.shapes import Shape, chat_body, http_request

LONGEST_S = 120.0
POLL_S = 0.25


class LoadFailed(Exception):
    """The target refused, broke or never ended answers; says how many and the first."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_token` and `chunk_delay` are None where there was no stream; `refusal` where none was refused."""

    finished: int
    chunks: int
    seconds: float
    latency: Percentiles
    first_token: Percentiles | None
    chunk_delay: Percentiles | None
    refused: int = 0
    refusal: Percentiles | None = None


def run_load(
    target: Target, shape: Shape, *, seconds: float, folder: Path, meanwhile: Callable[[], None] | None = None
) -> Outcome:
    """Loads `target`, calling `meanwhile` every now and then. Raises LoadFailed when any answer was not right."""
    program = compiled("load", folder)
    body = chat_body(shape, target.models[shape.dialect])
    with tempfile.NamedTemporaryFile(dir=folder) as request:
        request.write(http_request(target.port, target.path, target.headers, body))
        request.flush()
        numbers = (shape.connections, seconds, shape.requests_each, shape.ramp_ms, shape.chunks, shape.refused_pause_ms)
        process = subprocess.Popen(
            [program, str(target.port), request.name, *map(str, numbers)], stdout=subprocess.PIPE, env={**os.environ}
        )
        try:
            said = _said(process, seconds + LONGEST_S, meanwhile)
        finally:
            process.kill()
            process.wait()
    return parsed(said)


def parsed(said: bytes) -> Outcome:
    """Raises LoadFailed as run_load does."""
    told = json.loads(said)
    if told["errors"] or not told["finished"]:
        raise LoadFailed(
            f"failed: {told['errors']} answers, {told['finished']} were right; the first: {told['first_error'].strip()}"
        )
    latency = _percentiles(told["latency_ms"])
    assert latency
    return Outcome(
        told["finished"],
        told["chunks"],
        told["seconds"],
        latency,
        _percentiles(told["first_token_ms"]),
        _percentiles(told["chunk_delay_ms"]),
        told["refused"],
        _percentiles(told["refusal_ms"]),
    )


def _said(process: subprocess.Popen[bytes], patience_s: float, meanwhile: Callable[[], None] | None) -> bytes:
    waited_s = 0.0
    while waited_s < patience_s:
        try:
            return process.communicate(timeout=POLL_S)[0]
        except subprocess.TimeoutExpired:
            waited_s += POLL_S
            if meanwhile:
                meanwhile()
    raise LoadFailed(f"failed: the load generator did not end within {patience_s:.0f} s")


def _percentiles(told: dict[str, float] | None) -> Percentiles | None:
    return Percentiles(**told) if told else None
