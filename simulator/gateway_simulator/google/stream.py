"""Renders streamed GenerateContentResponses: each with the usage so far, the last piece with the finish reason."""

from collections.abc import Iterator
from typing import Any

from gateway_simulator.answer import Answer
from gateway_simulator.dialect import Envelope, Frame, data_event
from gateway_simulator.google.response import call_parts, candidate, response_document


def content_frames(answer: Answer, envelope: Envelope) -> Iterator[Frame]:
    steps = _steps(answer) or [{"text": ""}]
    share = answer.usage.output / max(len(steps), 1)
    for nth, part in enumerate(steps, start=1):
        last = nth == len(steps)
        output = answer.usage.output if last else int(share * nth)
        candidates = [candidate(answer, [part], index, last=last) for index in range(answer.choices)]
        document = response_document(answer, envelope, candidates, output=output)
        # Google ends its lines with CR LF.
        yield Frame(data_event(document, newline=b"\r\n"), content=True, usage=last and not answer.no_usage)


def _steps(answer: Answer) -> list[dict[str, Any]]:
    thoughts = [{"text": answer.thinking, "thought": True}] if answer.thinking else []
    texts = [{"text": piece} for piece in answer.refusal_pieces or answer.pieces]
    return thoughts + texts + call_parts(answer)
