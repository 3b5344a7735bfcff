"""One question that the supervisor asks all workers at once, and their answers until a deadline."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway_shared.workers.reactor import Reactor
from gateway_shared.workers.slot import Slot

Answers = Mapping[int, Any]
"""By the slot's number; a worker that did not answer in time is not in it."""


class Question:
    """Calls `done(answers)` once: when all have answered, have died, or `timeout_s` has passed."""

    def __init__(self, reactor: Reactor, timeout_s: float, done: Callable[[Answers], None]) -> None:
        self._done: Callable[[Answers], None] | None = done
        self._answers: dict[int, Any] = {}
        self._waiting: set[int] = set()
        self._timer = reactor.call_later(timeout_s, self._finish)

    @property
    def is_done(self) -> bool:
        return self._done is None

    def ask(self, slots: Iterable[Slot], *, number: int, subject: str) -> None:
        self._waiting = {slot.number for slot in slots if slot.send({"ask": subject, "question": number})}
        self._finish_if_complete()

    def hear(self, slot: Slot, answer: Any) -> None:
        self._answers[slot.number] = answer
        self.forget(slot)

    def forget(self, slot: Slot) -> None:
        self._waiting.discard(slot.number)
        self._finish_if_complete()

    def _finish_if_complete(self) -> None:
        if not self._waiting:
            self._finish()

    def _finish(self) -> None:
        if self._done is not None:
            done, self._done = self._done, None
            self._timer.cancel()
            done(self._answers)
