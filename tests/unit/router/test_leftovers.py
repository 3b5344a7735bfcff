import asyncio

from gateway_router.leftovers import end_leftovers


async def test_a_task_that_takes_a_cancellation_for_something_else_is_told_again() -> None:
    told = 0

    async def closing() -> None:
        nonlocal told
        while told < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1

    left = asyncio.create_task(closing())
    await asyncio.sleep(0)
    await end_leftovers(timeout_s=5)
    assert left.done()
    assert told == 2


async def test_one_that_never_ends_is_left_in_the_end() -> None:
    ended = asyncio.Event()

    async def stubborn() -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    left = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_leftovers(timeout_s=0.3)
    assert not left.done()
    ended.set()
    await left
