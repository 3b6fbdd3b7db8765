"""A spool holds rows in constant memory until they are read or discarded."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from typing import NamedTuple

import pytest

from airflow_provider_360learning.files.spool import Spool


class Pair(NamedTuple):
    """A row."""

    number: int
    name: str


@pytest.fixture
def spool():
    with Spool() as spool:
        yield spool


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 5432])
def test_returns_rows_in_their_order(spool, count):
    rows = [(number, f"{number}", None, 0.5) for number in range(count)]
    for row in rows:
        spool.append(row)
    assert len(spool) == count
    assert list(spool) == rows
    assert list(spool) == rows


def test_discards_rows(spool):
    for count in (5, 1500, 3, 2500):
        for number in range(count):
            spool.append(Pair(number, "discarded"))
        spool.discard()
        spool.discard()
        assert len(spool) == 0
        assert list(spool) == []
    spool.append(Pair(1, "kept"))
    assert list(spool) == [(1, "kept")]


def test_iterations_may_overlap(spool):
    for number in range(3500):
        spool.append([number])
    first, second = iter(spool), iter(spool)
    assert [next(first) for _ in range(1500)] == list(islice(second, 1500))
    assert list(first) == list(second) == [(number,) for number in range(1500, 3500)]


def test_rows_do_not_stay_in_memory(spool):
    tracemalloc.start()
    try:
        for number in range(60_000):
            spool.append((f"{number:01000}",))
        assert sum(1 for _ in spool) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # of 60 million
    finally:
        tracemalloc.stop()


def test_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool() as spool:
        for number in range(5000):
            spool.append((number,))
        assert list(tmp_path.iterdir()) == []  # it has no name even now, so that a killed process leaves none
