"""Metrics in files: what is used of prometheus_client's format, each case in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.acceptance.metrics_text import total

SERVICE = """
    import os, sys
    from gateway_shared.metrics import Counter, Gauge, Histogram
    from gateway_shared.multiprocess_metrics import MetricsFolder, compute, refresh

    counter = Counter("calls", "Calls", ["kind"])
    early = counter.labels("early")
    seconds = Histogram("seconds", "Seconds", buckets=(1, 10))
    open_ = Gauge("open", "Open", multiprocess_mode="livesum")
    folder = MetricsFolder.create("unit")

    def worker(work):
        pid = os.fork()
        if pid == 0:
            folder.write_here()
            work()
            os._exit(0)
        os.waitpid(pid, 0)
        return pid
"""


def run(program: str) -> str:
    """Standard output of the program, after `SERVICE`."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SERVICE) + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_values_of_all_processes_are_summed_labels_made_before_and_after_the_fork_alike() -> None:
    text = run("""
        def work():
            early.inc(2)
            counter.labels("late").inc(3)
            seconds.observe(5)
            open_.set(7)
        worker(work), worker(work)
        sys.stdout.buffer.write(folder.exposition())
        folder.remove()
    """)
    assert total(text, "calls_total", kind="early") == 4
    assert total(text, "calls_total", kind="late") == 6
    assert total(text, "seconds_bucket", le="1.0") == 0
    assert total(text, "seconds_bucket", le="10.0") == 2
    assert total(text, "seconds_count") == 2
    assert total(text, "seconds_sum") == 10
    assert total(text, "open") == 14


def test_the_dead_keep_their_counts_and_lose_their_gauges_and_files() -> None:
    text = run("""
        def work():
            early.inc()
            seconds.observe(5)
            open_.set(7)
        for _ in range(3):
            folder.bury(worker(work))
        worker(work)
        files = [name for name in os.listdir(folder.path) if name.endswith(".db")]
        print("# files", len(files))
        sys.stdout.flush()
        sys.stdout.buffer.write(folder.exposition())
        folder.remove()
    """)
    assert total(text, "calls_total") == 4
    assert total(text, "seconds_count") == 4
    assert total(text, "open") == 7
    assert text.startswith("# files 5\n")


def test_values_survive_the_growth_of_a_file() -> None:
    text = run("""
        def work():
            early.inc()
            for number in range(5000):
                counter.labels(f"{number:050}").inc()
            early.inc()
        worker(work)
        sys.stdout.buffer.write(folder.exposition())
        folder.remove()
    """)
    assert total(text, "calls_total", kind="early") == 2
    assert total(text, "calls_total") == 5002


def test_a_computed_gauge_is_what_its_function_says_when_read() -> None:
    text = run("""
        def work():
            numbers = iter((1, 2))
            compute(open_, lambda: next(numbers))
            refresh()
            refresh()
        worker(work)
        sys.stdout.buffer.write(folder.exposition())
        folder.remove()
    """)
    assert total(text, "open") == 2


def test_a_folder_is_private_and_removed_by_the_next_when_its_supervisor_was_killed() -> None:
    killed = Path(run("print(folder.path)").strip())
    assert killed.stat().st_mode & 0o777 == 0o700
    run("folder.remove()")
    assert not killed.exists()


def test_a_process_without_files_has_its_metrics_in_memory() -> None:
    text = run("""
        from prometheus_client import generate_latest
        early.inc()
        sys.stdout.buffer.write(generate_latest())
        folder.remove()
    """)
    assert total(text, "calls_total") == 1
