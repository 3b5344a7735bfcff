"""The pure parts of supervision: when to start again, and what a service says of itself."""

from gateway_shared.workers.restarts import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Restarts
from gateway_shared.workers.service_health import WorkerReport, merge


def test_who_dies_soon_waits_longer_each_time_up_to_a_bound() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_s(lived_s=0.5) for _ in range(10)]
    assert pauses[:3] == [FIRST_PAUSE_S, FIRST_PAUSE_S * 2, FIRST_PAUSE_S * 4]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pauses == sorted(pauses)


def test_who_lived_long_is_replaced_at_once_and_pauses_begin_anew() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.pause_s(lived_s=0.5)
    assert restarts.pause_s(lived_s=STEADY_S) == 0
    assert restarts.pause_s(lived_s=0.5) == FIRST_PAUSE_S


def worker(pid: int, status: str = "ok", *, ready: bool = True, **checks: str) -> WorkerReport:
    report = {"status": status, "ready": ready, "service": "s", "version": "1", "checks": checks, "same": 1, "own": pid}
    return WorkerReport(pid, report)


def merged(*workers: WorkerReport, was_ready: bool = True, draining: bool = False) -> tuple[bool, dict[str, object]]:
    return merge("s", "1", workers, was_ready=was_ready, draining=draining)


def test_a_service_is_ready_when_all_its_workers_are() -> None:
    is_ready, report = merged(worker(1, database="ok"), worker(2, database="ok"))
    assert is_ready
    assert (report["status"], report["checks"]) == ("ok", {"database": "ok"})


def test_one_unwell_worker_degrades_it_and_is_named() -> None:
    unwell = worker(2, "degraded", ready=False, database="away", broker="ok")
    is_ready, report = merged(worker(1, database="ok", broker="ok"), unwell)
    assert not is_ready
    assert report["status"] == "degraded"
    assert report["checks"] == {"database": "worker 1: away", "broker": "ok"}


def test_a_worker_that_can_do_without_what_is_away_leaves_the_service_ready() -> None:
    is_ready, report = merged(worker(1, database="ok"), worker(2, "degraded", database="away"))
    assert (is_ready, report["ready"], report["status"]) == (True, True, "degraded")
    assert [each["ready"] for each in report["workers"]] == [True, True]  # type: ignore[attr-defined]


def test_a_lone_workers_checks_stand_as_they_are() -> None:
    _, report = merged(worker(1, "degraded", database="away"))
    assert report["checks"] == {"database": "away"}


def test_a_worker_that_does_not_answer_is_told_with_the_reason() -> None:
    is_ready, report = merged(worker(1), WorkerReport(2, None, "no answer within 1 s"))
    assert not is_ready
    assert [each["status"] for each in report["workers"]] == ["ok", "no answer within 1 s"]  # type: ignore[attr-defined]


def test_it_starts_until_it_was_ready_once_and_drains_whatever_its_workers_say() -> None:
    starting = WorkerReport(1, None, "starting")
    assert merged(starting, was_ready=False)[1]["status"] == "starting"
    assert merged(WorkerReport(None, None, "ended"), was_ready=True)[1]["status"] == "degraded"
    assert merged(worker(1), draining=True) == (False, merged(worker(1), draining=True)[1])
    assert merged(worker(1), draining=True)[1]["status"] == "draining"


def test_what_all_workers_agree_on_stands_at_the_top() -> None:
    _, report = merged(worker(1), worker(2))
    assert report["same"] == 1
    assert "own" not in report
    assert [each["own"] for each in report["workers"]] == [1, 2]  # type: ignore[attr-defined]
