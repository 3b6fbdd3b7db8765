"""A spool holds chunks in constant memory until they are read or discarded."""

from __future__ import annotations

import os
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from airflow_provider_360learning.files.spool import MAX_IN_MEMORY, Spool


@pytest.fixture
def spool():
    with Spool() as spool:
        yield spool


def chunks_of(size, count):
    return [b"%d" % number + bytes(size) for number in range(count)]


def temporary_files():
    """Return the open files without a name."""
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if "deleted" in link or "learning360-" in link]


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (0, 1), (10, 5), (10_000, 300), (MAX_IN_MEMORY - 1, 1), (MAX_IN_MEMORY, 3)]
)
def test_returns_chunks_in_their_order(spool, size, count):
    chunks = chunks_of(size, count)
    for chunk in chunks:
        spool.append(chunk)
    assert list(spool) == chunks
    assert list(spool) == chunks


def test_discards_chunks(spool):
    for size in (5, MAX_IN_MEMORY, 3, MAX_IN_MEMORY):
        for chunk in chunks_of(size, 2):
            spool.append(chunk)
        spool.discard()
        spool.discard()
        assert list(spool) == []
    spool.append(b"kept")
    assert list(spool) == [b"kept"]


@pytest.mark.parametrize("size", [10, 10_000])
def test_iterations_may_overlap(spool, size):
    chunks = chunks_of(size, 300)
    for chunk in chunks:
        spool.append(chunk)
    first, second = iter(spool), iter(spool)
    assert [next(first) for _ in range(150)] == list(islice(second, 150))
    assert list(first) == list(second) == chunks[150:]


def test_chunks_do_not_stay_in_memory(spool):
    tracemalloc.start()
    try:
        for number in range(600):
            spool.append(b"%0100000d" % number)
        assert sum(1 for _ in spool) == 600
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # of 60 million
    finally:
        tracemalloc.stop()


def test_few_chunks_need_no_file(spool):
    before = temporary_files()
    spool.append(bytes(MAX_IN_MEMORY))
    assert temporary_files() == before
    spool.append(b"more")
    assert len(temporary_files()) == len(before) + 1
    spool.discard()
    spool.append(b"few again")
    assert temporary_files() == before


def test_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool() as spool:
        spool.append(bytes(2 * MAX_IN_MEMORY))
        assert list(tmp_path.iterdir()) == []  # it has no name even now, so that a killed process leaves none
