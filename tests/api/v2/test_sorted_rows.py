"""Rows that are sorted in memory, or with the help of a temporary file."""

from __future__ import annotations

import random
import tracemalloc
from operator import itemgetter

import pytest

from airflow_provider_360learning.api.v2.sorted_rows import BLOCK, SortedRows

ROWS = 3 * BLOCK + 7


@pytest.mark.parametrize("in_memory", [1, 2, 500, BLOCK + 1, ROWS - 1, ROWS, ROWS + 1])
def test_returns_all_rows_in_order(in_memory):
    shuffled = random.Random(1).sample(range(ROWS), ROWS)
    rows = SortedRows(key=int, max_in_memory=in_memory)
    rows.extend(shuffled[:100])
    rows.extend(iter(shuffled[100:]))
    assert rows.total == ROWS
    assert list(rows) == list(range(ROWS))


@pytest.mark.parametrize("in_memory", [3, 100])
def test_returns_equal_rows_as_often_as_they_were_added(in_memory):
    rows = SortedRows(key=itemgetter(0), max_in_memory=in_memory)
    rows.extend([(2, "x"), (1, "x"), (2, "x"), (1, "y"), (2, "x")])
    assert list(rows) == [(1, "x"), (1, "y"), (2, "x"), (2, "x"), (2, "x")]


@pytest.mark.parametrize("in_memory", [3, 100])
def test_rows_can_be_returned_again(in_memory):
    rows = SortedRows(key=int, max_in_memory=in_memory)
    rows.extend([5, 3, 4, 1, 2])
    assert list(rows) == list(rows) == [1, 2, 3, 4, 5]


def test_nothing_returns_nothing():
    assert list(SortedRows(key=int, max_in_memory=1)) == []


def test_as_many_rows_as_fit_in_memory_need_no_file():
    rows = SortedRows(key=int, max_in_memory=3)
    rows.extend([3, 2, 1])
    assert rows.is_in_memory
    rows.extend([0])
    assert not rows.is_in_memory


@pytest.mark.slow
def test_rows_beyond_the_maximum_are_not_in_memory():
    rows = SortedRows(key=itemgetter(0), max_in_memory=1000)
    tracemalloc.start()
    try:
        rows.extend((number % 1000, f"{number:0500}") for number in range(20_000))
        assert sum(1 for _ in rows) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000  # of 11 million; each part has a block in memory while they are merged
