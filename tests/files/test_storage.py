"""A file appears whole or not at all, on this host and in an object store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import (
    atomic_writer,
    is_local,
    open_binary,
    storage_path,
    write_atomic,
)


class Broken(Exception):
    """What goes wrong in these tests."""


def content(where):
    with open_binary(where) as file:
        return file.read()


def begin_and_break(where, breakdown):
    with atomic_writer(where) as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        raise breakdown


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_a_file_is_there_when_its_block_ended_well(place):
    with atomic_writer(f"{place}/new/folder/a.txt") as file:
        file.write(b"one ")
        file.write(b"two")
    assert content(f"{place}/new/folder/a.txt") == b"one two"


def test_a_small_file_is_written_in_one_call(place):
    write_atomic(f"{place}/a.txt", b"first")
    write_atomic(f"{place}/a.txt", b"2nd")
    assert content(f"{place}/a.txt") == b"2nd"


@pytest.mark.parametrize("breakdown", [Broken, KeyboardInterrupt, SystemExit])
def test_a_block_that_breaks_leaves_nothing(place, breakdown, tmp_path, object_store):
    with pytest.raises(breakdown):
        begin_and_break(f"{place}/a.txt", breakdown)
    assert files_below(tmp_path) == []
    assert object_store.find("") == []


def test_a_block_that_breaks_leaves_the_file_that_was_there(place):
    write_atomic(f"{place}/a.txt", b"of yesterday")
    with pytest.raises(Broken):
        begin_and_break(f"{place}/a.txt", Broken)
    assert content(f"{place}/a.txt") == b"of yesterday"


def test_the_old_file_is_there_until_the_new_one_is_whole(place):
    write_atomic(f"{place}/a.txt", b"old")
    with atomic_writer(f"{place}/a.txt") as file:
        file.write(b"new")
        file.flush()
        assert content(f"{place}/a.txt") == b"old"
    assert content(f"{place}/a.txt") == b"new"


def test_while_it_is_written_a_local_file_is_hidden(tmp_path):
    """Whoever lists the folder for `*.csv` does not see it."""
    with atomic_writer(tmp_path / "a.csv") as file:
        file.write(b"x")
        assert list(tmp_path.glob("*.csv")) == []
        assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    assert files_below(tmp_path) == ["a.csv"]


def test_an_upload_that_breaks_is_an_error_and_leaves_nothing(object_store):
    object_store.breaks = True
    with pytest.raises(ConnectionError):
        write_atomic("memory://bucket/a.txt", b"x")
    assert object_store.find("") == []


def test_no_temporary_file_is_left_after_an_upload(object_store, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_atomic("memory://bucket/a.txt", b"x")
    object_store.breaks = True
    with pytest.raises(ConnectionError):
        write_atomic("memory://bucket/a.txt", b"x")
    assert files_below(tmp_path) == []


def test_a_file_may_be_read_by_those_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a.txt", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_and_leads_to_the_new_file(tmp_path):
    write_atomic(tmp_path / "data" / "a.txt", b"old")
    (tmp_path / "a.txt").symlink_to(tmp_path / "data" / "a.txt")
    write_atomic(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").is_symlink()
    assert content(tmp_path / "data" / "a.txt") == b"new"


@pytest.mark.parametrize("where", ["", ".", "users.csv", "data/users.csv", "~/users.csv", "file://data/users.csv"])
def test_a_path_that_means_another_file_on_each_worker_is_refused(where):
    with pytest.raises(InvalidRequestError, match=r"is not absolute: give one such as /data/users\.csv"):
        storage_path(where)


@pytest.mark.parametrize("where", ["/data/x.csv", "file:///data/x.csv", Path("/data/x.csv")])
def test_local_paths(where):
    assert is_local(where)
    assert storage_path(where).path == "/data/x.csv"


def test_paths_of_stores_keep_their_connection():
    path = storage_path("s3://my_conn@bucket/key/x.csv")
    assert not is_local(path)
    assert str(storage_path(path)) == "s3://my_conn@bucket/key/x.csv"
    assert str(path.parent / "y.csv") == "s3://my_conn@bucket/key/y.csv"


@pytest.mark.parametrize("where", ["nosuch://bucket/x.csv", "memory://a_connection@bucket/x.csv"])
def test_a_store_that_airflow_does_not_know_is_an_error_that_says_so(where):
    with pytest.raises(InvalidRequestError, match=r"x\.csv cannot be reached.*install the Airflow provider"):
        write_atomic(where, b"")
