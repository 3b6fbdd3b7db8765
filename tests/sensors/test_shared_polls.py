"""Answers that are shared, without a server: who is told when, who asks, and when nobody asks any more."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from airflow_provider_360learning.triggers.shared_polls import SharedPolls

LONG = 600.0


class Oracle:
    """Answers when it is told to, and counts."""

    def __init__(self):
        self.asked = self.given_up = self.most_at_once = 0
        self.speaks = asyncio.Event()

    async def __call__(self):
        self.asked += 1
        self.most_at_once = max(self.most_at_once, self.asked)
        try:
            await self.speaks.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return self.asked


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


def test_they_are_told_one_after_the_other():
    """What they all do with the answer must not hold up everybody else on the loop."""

    async def play():
        answers, oracle, told, seen = SharedPolls(1), Oracle(), [], []

        async def wait(number):
            await answers.get("?", oracle, LONG)
            told.append(number)

        waits = [asyncio.create_task(wait(number)) for number in range(20)]
        await turns()
        oracle.speaks.set()
        while len(told) < 20:
            seen.append(len(told))
            await asyncio.sleep(0)
        await asyncio.gather(*waits)
        assert told == list(range(20))
        assert oracle.asked == 1
        return seen

    seen = asyncio.run(play())
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) == 1


def test_who_comes_for_a_fresh_answer_is_told_at_once():
    async def play():
        answers, oracle = SharedPolls(1), Oracle()
        oracle.speaks.set()
        await answers.get("?", oracle, LONG)
        return await answers.get("?", oracle, LONG, max_wait=0.0)

    assert asyncio.run(play()) == 1


def test_no_more_questions_than_allowed_are_asked_at_once():
    async def play():
        answers, oracles = SharedPolls(2), [Oracle() for _ in range(5)]
        waits = [asyncio.create_task(answers.get(number, oracle, LONG)) for number, oracle in enumerate(oracles)]
        await turns()
        assert [oracle.asked for oracle in oracles] == [1, 1, 0, 0, 0], "first come, first served"
        oracles[1].speaks.set()
        await waits[1]
        await turns()
        assert [oracle.asked for oracle in oracles] == [1, 1, 1, 0, 0]
        for oracle in oracles:
            oracle.speaks.set()
        await asyncio.gather(*waits)

    asyncio.run(play())


@pytest.mark.parametrize("how", ["cancelled", "out of time"])
def test_the_last_one_to_leave_takes_the_question_back(how):
    async def play():
        answers, oracle = SharedPolls(1), Oracle()
        max_wait = 0.05 if how == "out of time" else None
        waits = [asyncio.create_task(answers.get("?", oracle, LONG, max_wait)) for _ in range(3)]
        await turns()
        if how == "cancelled":
            waits[0].cancel()
            waits[1].cancel()
            await turns()
            assert oracle.given_up == 0
            waits[2].cancel()
        results = await asyncio.gather(*waits, return_exceptions=True)
        await turns()
        assert {type(result) for result in results} == {asyncio.CancelledError if how == "cancelled" else TimeoutError}
        assert (oracle.asked, oracle.given_up) == (1, 1)
        oracle.speaks.set()
        assert await answers.get("?", oracle, LONG) == 2, "the next one asks anew"

    asyncio.run(play())


def test_an_answer_that_is_known_is_told_even_to_those_whose_time_is_up():
    """They wait for their turn to be told, not for the answer."""

    async def play():
        answers, oracle = SharedPolls(1, apart=LONG), Oracle()
        waits = [asyncio.create_task(answers.get("?", oracle, LONG, max_wait=0.1)) for _ in range(3)]
        await turns()
        oracle.speaks.set()
        return await asyncio.gather(*waits)

    assert asyncio.run(play()) == [1] * 3


def test_the_traceback_of_a_failure_does_not_grow_from_one_to_the_next():
    async def play():
        answers, depths = SharedPolls(1), []

        async def fail():
            await asyncio.sleep(0)
            raise ValueError("broken")

        async def wait():
            try:
                await answers.get("?", fail, LONG)
            except ValueError as error:
                traceback, depth = error.__traceback__, 0
                while traceback:
                    traceback, depth = traceback.tb_next, depth + 1
                depths.append(depth)

        await asyncio.gather(*(wait() for _ in range(30)))
        return depths

    depths = asyncio.run(play())
    assert len(depths) == 30
    assert depths[-1] <= depths[0]


def test_an_answer_is_forgotten_after_its_interval():
    async def play():
        answers, oracle = SharedPolls(1), Oracle()
        oracle.speaks.set()
        assert await answers.get("?", oracle, 0.01) == 1
        await asyncio.sleep(0.05)
        return await answers.get("?", oracle, LONG)

    assert asyncio.run(play()) == 2
