"""What a service tells on its operations port: the word of all its workers, asked for when somebody asks us."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway_shared.multiprocess_metrics import MetricsFolder
from gateway_shared.operations import CHECK_TIMEOUT_S
from gateway_shared.workers.channel import Message
from gateway_shared.workers.operations_port import Reply
from gateway_shared.workers.process_figures import ProcessFigures
from gateway_shared.workers.question import Answers, Question
from gateway_shared.workers.reactor import Reactor
from gateway_shared.workers.service_health import WorkerReport, merge
from gateway_shared.workers.slot import Slot

HEALTH_TIMEOUT_S = CHECK_TIMEOUT_S + 0.25
METRICS_TIMEOUT_S = 0.5


class ServiceOperations:
    """`was_ready` (once) and `draining` are the supervisor's to say."""

    def __init__(
        self, name: str, version: str, reactor: Reactor, slots: Sequence[Slot], metrics_folder: MetricsFolder
    ) -> None:
        self.was_ready = False
        self.draining = False
        self.figures = ProcessFigures(workers_configured=len(slots))
        self._name, self._version = name, version
        self._reactor = reactor
        self._slots = slots
        self._metrics_folder = metrics_folder
        self._questions: dict[int, Question] = {}
        self._questions_asked = 0
        self._registry = CollectorRegistry()
        self._registry.register(self.figures)

    def answer(self, path: str, reply: Reply) -> None:
        if path in ("/health", "/ready"):
            self._ask("health", HEALTH_TIMEOUT_S, lambda answers: self._tell_health(path, answers, reply))
        elif path == "/metrics":
            self._ask("metrics", METRICS_TIMEOUT_S, lambda _: self._tell_metrics(reply))
        else:
            reply(HTTPStatus.NOT_FOUND, "text/plain", b"")

    def hear(self, slot: Slot, message: Message) -> None:
        """A worker's answer; one that comes too late finds no question."""
        question = self._questions.get(message["question"])
        if question is not None:
            question.hear(slot, message["answer"])

    def forget(self, slot: Slot) -> None:
        """Its worker has died, and answers nothing any more."""
        for question in list(self._questions.values()):
            question.forget(slot)

    def _ask(self, subject: str, timeout_s: float, done: Callable[[Answers], None]) -> None:
        self._questions = {number: each for number, each in self._questions.items() if not each.is_done}
        self._questions_asked += 1
        question = self._questions[self._questions_asked] = Question(self._reactor, timeout_s, done)
        started = [slot for slot in self._slots if slot.is_started]
        question.ask(started, number=self._questions_asked, subject=subject)

    def _tell_health(self, path: str, answers: Answers, reply: Reply) -> None:
        is_ready, report = merge(
            self._name,
            self._version,
            [self._report_of(slot, answers) for slot in self._slots],
            was_ready=self.was_ready,
            draining=self.draining,
        )
        status = HTTPStatus.OK if is_ready or path == "/health" else HTTPStatus.SERVICE_UNAVAILABLE
        reply(status, "application/json", orjson.dumps(report))

    def _report_of(self, slot: Slot, answers: Answers) -> WorkerReport:
        if slot.number in answers:
            return WorkerReport(slot.pid, answers[slot.number])
        if slot.pid is None:
            return WorkerReport(None, None, "ended")
        return WorkerReport(slot.pid, None, f"no answer within {HEALTH_TIMEOUT_S} s" if slot.is_started else "starting")

    def _tell_metrics(self, reply: Reply) -> None:
        reply(HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics_folder.exposition() + generate_latest(self._registry))
