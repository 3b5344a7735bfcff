"""The process that owns a service: its workers, its public socket and its operations port.

    SIGTERM, SIGINT      /ready is 503, every worker drains, then it ends with 0; once more: they do not wait for
                         what is in flight
    SIGKILL              the kernel kills the workers with it (worker.py)
    a worker dies        another is forked: at once, or after a growing pause when the last one died soon. One that
                         dies before the service was ready ends the service: it would not come up by itself
    a worker hangs       it gets no new connections, and /health names it

Single-threaded and without asyncio, so that it can fork at any time. What takes long to import is imported here,
once: a worker that replaces another is there within moments, and shares the memory.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway_shared import canonical_log, descriptors, garbage
from gateway_shared.listener import BACKLOG, bound_to
from gateway_shared.multiprocess_metrics import MetricsFolder
from gateway_shared.workers.channel import Channel, Message
from gateway_shared.workers.operations_port import OperationsPort
from gateway_shared.workers.reactor import Reactor
from gateway_shared.workers.service_operations import ServiceOperations
from gateway_shared.workers.slot import Slot
from gateway_shared.workers.worker import Worker

GOODBYE_S = 20.0
"""After DRAIN_S, for what a worker does last; then it is killed."""

CONNECTIONS_AT_ONCE = 64
ACCEPT_AGAIN_S = 0.1

Work = Callable[[Worker], int]
"""A worker's whole life; returns its exit code."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """`load` runs once, before the first fork: it imports what is heavy.

    `patience_s`: how long new connections wait for a worker that is being replaced, rather than go to the others
    only; worth it where connections are few and live long. `notice_s`: how long a service that stops still takes
    connections, until whoever sends them has noticed.
    """

    name: str
    version: str
    workers: int
    host: str
    port: int
    ops_host: str
    ops_port: int
    drain_s: float
    patience_s: float = 0.0
    notice_s: float = 0.0
    load: Callable[[], Work]


def supervise(service: Service) -> int:
    """Returns the exit code of the supervisor or, in a forked child, the worker's. Raises OSError for a taken port."""
    descriptors.raise_limit()
    folder = MetricsFolder.create(service.name)
    owner = os.getpid()
    try:
        supervisor = _Supervisor(service, folder)
        with garbage.lasting():
            work = service.load()
        supervisor.listen()  # not before: whoever connects now is answered soon
        worker = supervisor.run()
        return supervisor.exit_code if worker is None else work(worker)
    finally:
        if os.getpid() == owner:
            folder.remove()


class _Supervisor:
    def __init__(self, service: Service, folder: MetricsFolder) -> None:
        self.exit_code = 0
        self._service = service
        self._folder = folder
        self._reactor = Reactor()
        self._public = bound_to(service.host, service.port)
        self._private = bound_to(service.ops_host, service.ops_port)
        self._is_accepting = self._is_closed = False
        self._patient_until_s = 0.0
        self._slots = [Slot(number, self._reactor, self._hear) for number in range(service.workers)]
        self._to_fork = list(self._slots)
        self._operations = ServiceOperations(service.name, service.version, self._reactor, self._slots, folder)
        self._is_hurrying = False
        self._reactor.on_signal(signal.SIGTERM, self._stop)
        self._reactor.on_signal(signal.SIGINT, self._stop)
        self._reactor.on_signal(signal.SIGCHLD, self._reap)

    def listen(self) -> None:
        self._public.setblocking(False)
        self._public.listen(BACKLOG)
        self._private.listen()
        OperationsPort(self._reactor, self._private, self._operations.answer)

    def run(self) -> Worker | None:
        """None when the service has ended; in a forked child, that worker."""
        while self._to_fork or not self._operations.draining or self._running():
            while self._to_fork:
                worker = self._fork(self._to_fork.pop())
                if worker is not None:
                    return worker
            self._reactor.run_once()
        self._reactor.close_all()
        return None

    def _running(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.pid is not None]

    def _fork(self, slot: Slot) -> Worker | None:
        supervisor_pid = os.getpid()
        ours, theirs = Channel.pair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = self._reactor.fork()
        if pid:
            theirs.close()
            slot.taken_by(pid, ours)
            self._operations.figures.worker_pids = [each.pid for each in self._slots if each.pid is not None]
            return None
        ours.close()
        alone = len(self._slots) == 1
        if not alone:
            self._public.close()
        return Worker.forked(
            slot.number, theirs, self._folder, supervisor_pid=supervisor_pid, public=self._public if alone else None
        )

    # Workers

    def _hear(self, slot: Slot, message: Message) -> None:
        if "answer" in message:
            self._operations.hear(slot, message)
        elif not self._operations.was_ready and all(each.is_started for each in self._slots):
            self._operations.was_ready = True
            canonical_log.info("service started", workers=len(self._slots))
        self._accept_or_not()

    def _reap(self) -> None:
        while (ended := _next_ended()) is not None:
            pid, status = ended
            slot = next((slot for slot in self._slots if slot.pid == pid), None)
            if slot is None:
                continue  # as process 1 of a container we are told of orphans too
            pause_s = slot.ended()
            self._folder.bury(pid)
            self._operations.figures.worker_pids = [each.pid for each in self._slots if each.pid is not None]
            self._operations.forget(slot)
            self._patient_until_s = time.monotonic() + self._service.patience_s
            self._reactor.call_later(self._service.patience_s, self._accept_or_not)
            self._accept_or_not()
            code = os.waitstatus_to_exitcode(status)
            if self._operations.draining:
                self.exit_code = self.exit_code or int(code != 0)
                continue
            self._operations.figures.workers_ended += 1
            canonical_log.warning("worker ended", worker=slot.number, pid=pid, exit_code=code, again_in_s=pause_s)
            if self._operations.was_ready:
                self._reactor.call_later(pause_s, lambda slot=slot: self._replace(slot))  # type: ignore[misc]
            else:
                self.exit_code = code if code > 0 else 1
                self._drain()

    def _replace(self, slot: Slot) -> None:
        if not self._operations.draining:
            self._to_fork.append(slot)

    # The end

    def _stop(self) -> None:
        if not self._operations.draining:
            canonical_log.info("service stops", drain_s=self._service.drain_s)
            self._drain()
        elif not self._is_hurrying:
            self._is_hurrying = True
            self._close()
            self._tell("hurry")
            self._reactor.call_later(GOODBYE_S, self._kill)

    def _drain(self) -> None:
        self._operations.draining = True
        self._to_fork.clear()
        self._tell("drain")
        self._reactor.call_later(self._service.notice_s, self._close)
        self._reactor.call_later(self._service.notice_s + self._service.drain_s + GOODBYE_S, self._kill)

    def _close(self) -> None:
        """Takes no connections any more."""
        self._is_closed = True
        self._reactor.close(self._public)

    def _tell(self, what: str) -> None:
        for slot in self._running():
            slot.send({"do": what})

    def _kill(self) -> None:
        for slot in self._running():
            canonical_log.warning("worker killed", worker=slot.number, pid=slot.pid)
            slot.kill()

    # Connections, when there is more than one worker to take them

    def _accept_or_not(self) -> None:
        """Connections wait in the kernel's queue for the first workers, and a moment for one that is replaced."""
        there = [slot for slot in self._slots if slot.is_started]
        are_enough = len(there) == len(self._slots) or (
            self._operations.was_ready and bool(there) and time.monotonic() >= self._patient_until_s
        )
        wanted = len(self._slots) > 1 and not self._is_closed and are_enough
        if wanted and not self._is_accepting:
            self._reactor.watch(self._public, self._accept)
        elif not wanted:
            self._reactor.unwatch(self._public)
        self._is_accepting = wanted

    def _accept(self) -> None:
        for _ in range(CONNECTIONS_AT_ONCE):
            try:
                connection, _ = self._public.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # the client left before we came, or descriptors are short, which a moment may mend
                canonical_log.exception("connection not accepted", error)
                self._reactor.unwatch(self._public)
                self._is_accepting = False
                self._reactor.call_later(ACCEPT_AGAIN_S, self._accept_or_not)
                return
            with connection:
                self._hand(connection)

    def _hand(self, connection: socket.socket) -> None:
        """To the worker with the fewest; one that hangs is asked last."""
        now_s = time.monotonic()
        by_load = sorted(self._slots, key=lambda slot: (not slot.accepts(now_s=now_s), slot.connections))
        if not any(slot.hand(connection) for slot in by_load):
            canonical_log.warning("connection refused: no worker takes it")


def _next_ended() -> tuple[int, int] | None:
    """A child that has ended, and its wait status."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None
