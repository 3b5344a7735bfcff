"""The log of a whole process: what is in it, and what must not be."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from gateway_shared import canonical_log

PROMPT = "my secret prompt"


def logged_by(program: str) -> list[dict[str, Any]]:
    """The lines of a process that runs `program`; nothing comes on its standard error."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    assert PROMPT not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_is_one_json_object_with_its_facts() -> None:
    (line,) = logged_by("""
from gateway_shared import canonical_log
canonical_log.configure("edge")
canonical_log.info("request", status=200)
""")
    assert (line["service"], line["level"], line["message"], line["status"]) == ("edge", "info", "request", 200)
    assert line["time"].endswith("Z")


def test_an_exception_is_its_type_and_place_and_not_its_words() -> None:
    (line,) = logged_by(f"""
from gateway_shared import canonical_log
canonical_log.configure("edge")
try:
    raise ValueError({PROMPT!r})
except ValueError as error:
    canonical_log.exception("failed", error)
""")
    assert line["error_class"] == "ValueError"
    assert line["error_at"]


def test_of_a_group_of_errors_the_cause_is_told() -> None:
    (line,) = logged_by("""
from gateway_shared import canonical_log
canonical_log.configure("edge")
canonical_log.exception("failed", ExceptionGroup("all", [ExceptionGroup("some", [OSError(5)])]))
""")
    assert line["error_class"] == "OSError"


def test_a_task_or_callback_that_fails_unseen_is_told_without_what_it_was_given() -> None:
    lines = logged_by(f"""
import asyncio, gc
from gateway_shared import canonical_log
canonical_log.configure("edge")

async def fail():
    raise ValueError({PROMPT!r})

def call(text):
    raise ValueError(text)

async def main():
    task = asyncio.create_task(fail())
    asyncio.get_running_loop().call_soon(call, {PROMPT!r})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()

asyncio.run(main())
""")
    assert {line["message"] for line in lines} == {"Task exception was never retrieved", "Exception in callback call"}
    assert {line["error_class"] for line in lines} == {"ValueError"}


def test_the_places_for_values_in_a_library_s_text_are_left_out() -> None:
    lines = logged_by("""
import logging
from gateway_shared import canonical_log
canonical_log.configure("billing")
logging.getLogger("aiormq").error("error when creating transport: %r", OSError())
""")
    assert [line["message"] for line in lines] == ["error when creating transport"]


def test_no_line_of_any_thread_is_lost() -> None:
    lines = logged_by("""
import asyncio
from gateway_shared import canonical_log
canonical_log.configure("edge")

def log(thread):
    for number in range(500):
        canonical_log.info("line", id=f"{thread}-{number}")

async def main():
    await asyncio.gather(*(asyncio.to_thread(log, thread) for thread in range(4)))

asyncio.run(main())
""")
    assert len({line["id"] for line in lines}) == 4 * 500


def test_a_loop_that_ends_before_its_lines_left_holds_up_no_later_one(capfd: pytest.CaptureFixture[str]) -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: canonical_log.warning("first"))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    async def later() -> None:
        canonical_log.warning("second")
        await asyncio.sleep(0)

    asyncio.run(later())
    told = [json.loads(line)["message"] for line in capfd.readouterr().out.splitlines()]
    assert told[-2:] == ["first", "second"]
