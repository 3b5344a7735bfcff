import asyncio

import pytest

from gateway_router.deadline import Deadline


async def ended_by(deadline: Deadline) -> str:
    with pytest.raises(TimeoutError):
        async with deadline:
            await asyncio.Event().wait()
    return deadline.reason


async def test_the_whole_call_is_the_last_limit() -> None:
    assert await ended_by(Deadline(call_timeout_s=0.01)) == "call"


async def test_the_earliest_limit_ends_it_and_says_so() -> None:
    deadline = Deadline(call_timeout_s=5)
    deadline.wait_at_most(0.01, "silence")
    assert await ended_by(deadline) == "silence"
    deadline = Deadline(call_timeout_s=0.01)
    deadline.wait_at_most(5, "silence")
    assert await ended_by(deadline) == "call"


async def test_a_new_wait_replaces_the_last_one() -> None:
    deadline = Deadline(call_timeout_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        deadline.wait_at_most(0.001, "silence")
        deadline.wait_at_most(None, "silence")
        ended = tasks.create_task(ended_by(deadline))
    assert ended.result() == "call"


async def test_the_end_only_moves_forward() -> None:
    deadline = Deadline(call_timeout_s=5)
    deadline.end_within(0.01, "drain")
    deadline.end_within(3, "shutdown")
    assert await ended_by(deadline) == "drain"


async def test_it_can_be_ended_from_outside_while_it_runs() -> None:
    deadline = Deadline(call_timeout_s=5)
    task = asyncio.create_task(ended_by(deadline))
    asyncio.get_running_loop().call_later(0.01, deadline.end_within, 0, "shutdown")
    async with asyncio.timeout(5):
        assert await task == "shutdown"


async def test_it_can_be_entered_again_and_the_end_of_the_whole_call_stays() -> None:
    deadline = Deadline(call_timeout_s=0.1)
    deadline.wait_at_most(0.01, "silence")
    assert await ended_by(deadline) == "silence"
    deadline.wait_at_most(None, "silence")
    assert 0 < deadline.remaining_s < 0.1
    assert await ended_by(deadline) == "call"
    assert deadline.remaining_s == 0
    assert await ended_by(deadline) == "call"
