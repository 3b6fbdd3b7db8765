"""Shared polls without a server: which wait polls, which gets a result when, and when a poll is canceled."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from airflow_provider_360learning.triggers.shared_polls import SharedPolls
from tests.sensors.virtual_time import run

LONG = 600.0


class Source:
    """Returns its number of polls once the test releases it."""

    def __init__(self):
        self.polls = self.canceled = 0
        self.released = asyncio.Event()

    async def __call__(self):
        self.polls += 1
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.canceled += 1
            raise
        return self.polls


async def iterate(count=5):
    """Let the event loop run some iterations."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_waits_get_a_result_in_successive_iterations_of_the_loop():
    """What they all do with it must not block the loop."""

    async def play():
        polls, source, served, seen = SharedPolls(1), Source(), [], []

        async def wait(number):
            await polls.get("key", source, LONG)
            served.append(number)

        waits = [asyncio.create_task(wait(number)) for number in range(20)]
        await iterate()
        source.released.set()
        while len(served) < 20:
            seen.append(len(served))
            await asyncio.sleep(0)
        await asyncio.gather(*waits)
        assert served == list(range(20))
        assert source.polls == 1
        return seen

    seen = run(play())
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) == 1


def test_a_fresh_result_is_returned_without_waiting():
    async def play():
        polls, source = SharedPolls(1), Source()
        source.released.set()
        await polls.get("key", source, LONG)
        return await polls.get("key", source, LONG, max_wait=0.0)

    assert run(play()) == 1


def test_limits_the_number_of_concurrent_polls():
    async def play():
        polls, sources = SharedPolls(2), [Source() for _ in range(5)]
        waits = [asyncio.create_task(polls.get(number, source, LONG)) for number, source in enumerate(sources)]
        await iterate()
        assert [source.polls for source in sources] == [1, 1, 0, 0, 0], "first come, first served"
        sources[1].released.set()
        await waits[1]
        await iterate()
        assert [source.polls for source in sources] == [1, 1, 1, 0, 0]
        for source in sources:
            source.released.set()
        await asyncio.gather(*waits)

    run(play())


@pytest.mark.parametrize("reason", ["canceled", "timed out"])
def test_the_last_wait_to_leave_cancels_the_poll(reason):
    async def play():
        polls, source = SharedPolls(1), Source()
        max_wait = 60.0 if reason == "timed out" else None
        waits = [asyncio.create_task(polls.get("key", source, LONG, max_wait)) for _ in range(3)]
        await iterate()
        if reason == "canceled":
            waits[0].cancel()
            waits[1].cancel()
            await iterate()
            assert source.canceled == 0
            waits[2].cancel()
        results = await asyncio.gather(*waits, return_exceptions=True)
        await iterate()
        assert {type(result) for result in results} == {
            asyncio.CancelledError if reason == "canceled" else TimeoutError
        }
        assert (source.polls, source.canceled) == (1, 1)
        source.released.set()
        assert await polls.get("key", source, LONG) == 2, "the next wait polls again"

    run(play())


def test_a_known_result_reaches_waits_whose_time_is_up():
    """They wait for their turn, not for the result."""

    async def play():
        polls, source = SharedPolls(1, stagger=LONG), Source()
        waits = [asyncio.create_task(polls.get("key", source, LONG, max_wait=60.0)) for _ in range(3)]
        await iterate()
        source.released.set()
        return await asyncio.gather(*waits), asyncio.get_running_loop().time()

    results, ended = run(play())
    assert results == [1] * 3
    assert ended == pytest.approx(60)


def test_the_traceback_of_a_shared_failure_does_not_grow():
    async def play():
        polls, depths = SharedPolls(1), []

        async def fail():
            await asyncio.sleep(0)
            raise ValueError("broken")

        async def wait():
            try:
                await polls.get("key", fail, LONG)
            except ValueError as error:
                traceback, depth = error.__traceback__, 0
                while traceback:
                    traceback, depth = traceback.tb_next, depth + 1
                depths.append(depth)

        await asyncio.gather(*(wait() for _ in range(30)))
        return depths

    depths = run(play())
    assert len(depths) == 30
    assert depths[-1] <= depths[0]


@pytest.mark.parametrize(("seconds", "polls_sent"), [(569, 1), (571, 2)])
def test_a_result_is_fresh_for_most_of_the_interval(seconds, polls_sent):
    async def play():
        polls, source = SharedPolls(1), Source()
        source.released.set()
        await polls.get("key", source, LONG)
        await asyncio.sleep(seconds)
        return await polls.get("key", source, LONG)

    assert run(play()) == polls_sent


def test_a_result_is_forgotten_after_its_interval():
    async def play():
        polls, source = SharedPolls(1), Source()
        source.released.set()
        await polls.get("key", source, 10.0)
        await asyncio.sleep(11)
        return await polls.get("key", source, LONG)

    assert run(play()) == 2
