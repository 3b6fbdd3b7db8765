"""Files appear whole or not at all, on this host and in an object store, and killed processes leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, StorageError, StorageUnavailableError
from airflow_provider_360learning.files.local_paths import locate
from airflow_provider_360learning.files.storage import (
    atomic_writer,
    check_file,
    check_folder,
    is_local,
    open_binary,
    storage_path,
    write_atomic,
)
from airflow_provider_360learning.files.temporary import MIN_AGE_OF_OTHER_BOOTS, SUFFIX, remove_orphans
from tests.files.object_store import StoreWithoutAppend, connect_object_store


class Broken(Exception):
    """The error that these tests raise."""


def content(where):
    with open_binary(where) as file:
        return file.read()


def write_and_break(where, error):
    with atomic_writer(where) as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        raise error


def clean(folder):
    """Remove the leftovers of killed processes from a folder, which the first file in it does only once."""
    with locate(f"{folder}/any.csv", to_write=True) as location:
        remove_orphans(location)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_writes_a_file_when_the_block_ends(place):
    with atomic_writer(f"{place}/new/folder/a.txt") as file:
        file.write(b"one ")
        file.write(b"two")
    assert content(f"{place}/new/folder/a.txt") == b"one two"


def test_writes_a_small_file_in_one_call(place):
    write_atomic(f"{place}/a.txt", b"first")
    write_atomic(f"{place}/a.txt", b"2nd")
    assert content(f"{place}/a.txt") == b"2nd"


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt, SystemExit])
def test_error_leaves_nothing(place, error, tmp_path, object_store):
    with pytest.raises(error):
        write_and_break(f"{place}/a.txt", error)
    assert files_below(tmp_path) == []
    assert object_store.find("") == []


def test_error_leaves_the_existing_file(place):
    write_atomic(f"{place}/a.txt", b"existing")
    with pytest.raises(Broken):
        write_and_break(f"{place}/a.txt", Broken)
    assert content(f"{place}/a.txt") == b"existing"


def test_existing_file_stays_until_the_new_one_is_complete(place):
    write_atomic(f"{place}/a.txt", b"old")
    with atomic_writer(f"{place}/a.txt") as file:
        file.write(b"new")
        file.flush()
        assert content(f"{place}/a.txt") == b"old"
    assert content(f"{place}/a.txt") == b"new"


def test_local_file_is_hidden_until_it_is_complete(tmp_path):
    """A listing of `*.csv` does not contain it."""
    with atomic_writer(tmp_path / "a.csv") as file:
        file.write(b"x")
        assert list(tmp_path.glob("*.csv")) == []
        assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    assert files_below(tmp_path) == ["a.csv"]


def test_failed_upload_leaves_nothing(object_store):
    object_store.breaks = True
    with pytest.raises(StorageUnavailableError, match="ConnectionError: the upload broke"):
        write_atomic("memory://bucket/a.txt", b"x")
    assert object_store.find("") == []


def test_upload_leaves_no_temporary_file(object_store, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_atomic("memory://bucket/a.txt", b"x")
    object_store.breaks = True
    with pytest.raises(StorageUnavailableError, match="ConnectionError: the upload broke"):
        write_atomic("memory://bucket/a.txt", b"x")
    assert files_below(tmp_path) == []


def test_replaces_the_target_of_a_link(tmp_path):
    write_atomic(tmp_path / "data" / "a.txt", b"old")
    (tmp_path / "a.txt").symlink_to(tmp_path / "data" / "a.txt")
    write_atomic(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").is_symlink()
    assert content(tmp_path / "data" / "a.txt") == b"new"


@pytest.mark.parametrize("where", ["", ".", "users.csv", "data/users.csv", "~/users.csv", "file://data/users.csv"])
def test_refuses_relative_paths(where):
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
def test_refuses_stores_that_airflow_does_not_know(where):
    with pytest.raises(InvalidRequestError, match=r"x\.csv cannot be reached.*install the Airflow provider"):
        write_atomic(where, b"")


# Checks


def test_a_check_leaves_nothing_and_replaces_nothing(place, tmp_path, object_store):
    write_atomic(f"{place}/a.txt", b"existing")
    check_file(f"{place}/a.txt")
    check_file(f"{place}/b.txt")
    check_folder(f"{place}/folder")
    check_folder(f"{place}/folder", only_adds=True)
    assert content(f"{place}/a.txt") == b"existing"
    assert [*files_below(tmp_path), *object_store.find("")] in (["a.txt"], ["/bucket/folder/a.txt"])


def test_a_check_follows_a_link(tmp_path):
    """The folder of the link need not be writable."""
    write_atomic(tmp_path / "data" / "a.txt", b"old")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.txt").symlink_to(tmp_path / "data" / "a.txt")
    changed = (tmp_path / "links").stat().st_mtime_ns, (tmp_path / "data").stat().st_mtime_ns
    check_file(tmp_path / "links" / "a.txt")
    assert (tmp_path / "links").stat().st_mtime_ns == changed[0]
    assert (tmp_path / "data").stat().st_mtime_ns > changed[1]


def test_a_folder_in_the_place_of_the_file_is_found_by_a_check(tmp_path):
    with pytest.raises(
        StorageError, match=rf"{tmp_path} \(no connection\) cannot be written to: IsADirectoryError"
    ) as raised:
        check_file(tmp_path)
    assert not raised.value.transient


# Killed processes

WRITER = """
import sys, time
from tests.files.object_store import connect_object_store
from airflow_provider_360learning.files.storage import atomic_writer
connect_object_store()
with atomic_writer(sys.argv[1]) as file:
    file.write(b"x" * 1_000_000)
    file.flush()
    print("written", flush=True)
    time.sleep(600)
"""


@contextmanager
def writer_of(where, tmp_path):
    """Run a process that writes a file and does not come to its end; it is killed when the block ends."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", WRITER, where], stdout=subprocess.PIPE, env=env) as process:
        try:
            assert process.stdout.readline() == b"written\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_next_process_removes_the_temporary_file_of_a_killed_one(tmp_path, caplog):
    """Also one that writes another file of the folder, as each run of a feed does."""
    caplog.set_level("INFO")
    folder = tmp_path / "out"
    with writer_of(f"{folder}/a.csv", tmp_path):
        (left,) = files_below(folder)
    assert files_below(folder) == [left]
    assert left.startswith(".a.csv.")
    write_atomic(f"{folder}/b.csv", b"new")
    assert files_below(folder) == ["b.csv"]
    assert f"Removed the temporary file of a killed process: path={folder}/{left} bytes=1000000" in caplog.text


@pytest.mark.slow
def test_temporary_file_of_a_living_process_stays(tmp_path):
    folder = tmp_path / "out"
    with writer_of(f"{folder}/a.csv", tmp_path):
        (temporary,) = files_below(folder)
        write_atomic(f"{folder}/b.csv", b"new")
        with atomic_writer(f"{folder}/a.csv"):
            clean(folder)
            assert len(files_below(folder)) == 3
        assert files_below(folder) == [temporary, "a.csv", "b.csv"]


@pytest.mark.slow
def test_killed_upload_leaves_no_temporary_file(tmp_path):
    with writer_of("memory://bucket/a.csv", tmp_path):
        assert files_below(tmp_path) == []  # it has no name even while it is written
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(("age", "remains"), [(0, True), (MIN_AGE_OF_OTHER_BOOTS + 60, False)])
def test_temporary_file_of_another_boot_is_removed_once_it_is_old(tmp_path, age, remains):
    """It may be that of another host, whose locks a network file system need not show."""
    file = tmp_path / f".a.csv.ffffffff-0123456789ab{SUFFIX}"
    file.write_bytes(b"x")
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - age))
    clean(tmp_path)
    assert file.exists() == remains


def test_other_hidden_files_stay(tmp_path):
    for name in (".a.csv.tmp", ".bashrc", f"a{SUFFIX}"):
        (tmp_path / name).write_bytes(b"")
    clean(tmp_path)
    assert len(files_below(tmp_path)) == 3


class S3(StoreWithoutAppend):
    """Has the operations of s3fs on multipart uploads, of which a killed process left some."""

    def __init__(self):
        super().__init__(skip_instance_cache=True)
        before, later = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (-1, 1))
        keys = {"a.csv": before, "a.csv.gz": before, "folder/a.csv": before}
        self.uploads = [{"Key": key, "UploadId": f"killed {key}", "Initiated": time} for key, time in keys.items()]
        self.uploads.append({"Key": "a.csv", "UploadId": "newer", "Initiated": later})

    def split_path(self, path):
        bucket, _, key = path.lstrip("/").partition("/")
        return bucket, key, None

    def call_s3(self, method, *, Bucket, Key=None, Prefix=None, UploadId=None):
        assert Bucket == "bucket"
        if method == "list_multipart_uploads":
            return {"Uploads": [each for each in self.uploads if each["Key"].startswith(Prefix)]}
        assert method == "abort_multipart_upload"
        self.uploads = [each for each in self.uploads if (each["Key"], each["UploadId"]) != (Key, UploadId)]
        return {}


def left_after_upload(kind, size):
    kind.clear_instance_cache()
    store = connect_object_store(kind())
    write_atomic("memory://bucket/a.csv", b"x" * size)
    assert store.size("/bucket/a.csv") == size
    return [upload["UploadId"] for upload in store.uploads]


def test_upload_aborts_unfinished_uploads_to_the_same_object(object_store):
    """Uploads to other objects stay, and so do later ones."""
    assert left_after_upload(S3, 17 << 20) == ["killed a.csv.gz", "killed folder/a.csv", "newer"]


def test_small_upload_does_not_list_unfinished_uploads(object_store):
    """It is a single request; listing would double the requests of a run that writes many parts."""
    assert len(left_after_upload(S3, 1000)) == 4


def test_missing_permission_to_list_uploads_does_not_fail_the_upload(object_store, caplog):
    class Forbidden(S3):
        def call_s3(self, method, **parameters):
            raise PermissionError("Access Denied")

    caplog.set_level("INFO")
    assert len(left_after_upload(Forbidden, 17 << 20)) == 4
    assert "Unfinished uploads could not be aborted: path=/bucket/a.csv error=PermissionError" in caplog.text
