"""Files in S3: whole or not at all, in constant memory, with errors that name what is missing. All on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Lock

import pytest
import requests

from airflow_provider_360learning.exceptions import StorageError, StorageUnavailableError
from airflow_provider_360learning.files.object_store import PART_SIZE, READ_SIZE
from airflow_provider_360learning.files.storage import (
    check_file,
    check_folder,
    list_folder,
    open_binary,
    read_bounded,
    remove,
    remove_files,
    remove_tree,
    size_of,
    storage_path,
    write_atomic,
)
from airflow_provider_360learning.sync.marks import remove_results
from demo.ports import unused_port
from tests.api.support import Response, TinyServer

#: Each test has connections of its own, because Airflow connects once per connection id.
_numbers = count()
#: What a bulk task needs. `s3:HeadObject` is an action of the test server only.
CHANGE = ("s3:ListBucket", "s3:GetObject", "s3:HeadObject", "s3:PutObject", "s3:DeleteObject")
ABORT = "s3:AbortMultipartUpload"
#: Headers of a response that a proxy sets by itself.
SET_BY_SERVER = {"content-length", "connection", "transfer-encoding", "date", "server"}
NO_RETRIES = {"config_kwargs": {"retries": {"max_attempts": 0}}}


@pytest.fixture
def connect(s3_server, monkeypatch):
    """Return a function that makes a connection and returns its id."""

    def connect(credentials=None, **extra):
        conn_id = f"s3_{next(_numbers)}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", s3_server.connection(credentials, **extra))
        return conn_id

    return connect


@pytest.fixture
def connect_who_may(s3_server, connect):
    """Return a function that makes a connection of a user with these permissions and returns its id."""
    return lambda *actions: connect(s3_server.user_who_may(*actions))


def name_of(bucket):
    return bucket.partition("@")[2]


def path_in(bucket, conn_id, key="folder/file.csv"):
    return f"s3://{conn_id}@{name_of(bucket)}/{key}"


def error_of(check, path):
    with pytest.raises(StorageError) as raised:
        check(path)
    return raised.value


# Reading and writing


def test_writes_reads_and_removes(bucket, s3_server):
    path = f"{bucket}/new/folder/a.txt"
    assert size_of(path) is None
    with pytest.raises(FileNotFoundError):
        read_bounded(path, 10)
    write_atomic(path, b"first")
    write_atomic(path, b"2nd")
    assert (size_of(path), read_bounded(path, 10)) == (3, b"2nd")
    remove(path)
    remove(path)
    assert s3_server.objects(name_of(bucket)) == []


def test_lists_a_folder(bucket, s3_server):
    assert list_folder(f"{bucket}/folder") == []
    s3_server.client().put_object(Bucket=name_of(bucket), Key="folder/")  # as Amazon's console creates a folder
    for name in ("a.txt", "below/b.txt"):
        write_atomic(f"{bucket}/folder/{name}", b"x")
    assert [path.name for path in list_folder(f"{bucket}/folder")] == ["a.txt", "below"]


def test_removes_the_files_of_a_folder(bucket, s3_server):
    for key in ("parts/1", "parts/2", "parts-of-another/1"):
        write_atomic(f"{bucket}/{key}", b"x")
    remove_files(f"{bucket}/parts")
    remove_files(f"{bucket}/parts")
    assert s3_server.objects(name_of(bucket)) == ["parts-of-another/1"]


def test_aborts_the_unfinished_upload_of_a_killed_process(bucket, s3_server):
    name = name_of(bucket)
    for key in ("a.bin", "b.bin"):
        s3_server.client().create_multipart_upload(Bucket=name, Key=key)
    write_atomic(f"{bucket}/a.bin", bytes(PART_SIZE + 1))
    assert s3_server.unfinished_uploads(name) == ["b.bin"]


WRITER = """
import sys
from airflow_provider_360learning.files.storage import write_atomic
write_atomic(sys.argv[1], bytes(40 << 20))
"""


class Proxy:
    """
    Forwards requests to the server, and keeps what shows how much of an object is in memory.

    :param url: Address of the server.
    """

    def __init__(self, url):
        self._url = url
        self._lock = Lock()
        self._uploading = 0
        #: Maximum number of parts that were uploaded at the same time.
        self.parts_at_once = 0
        #: Set when a request waits; it waits until the other is set.
        self.stalled, self.released = Event(), Event()
        self.released.set()

    def forward(self, request):
        is_part = "partNumber=" in request.target
        with self._lock:
            self._uploading += is_part
            self.parts_at_once = max(self.parts_at_once, self._uploading)
        if "partNumber=2" in request.target:
            self.stalled.set()
            self.released.wait(60)
        url = self._url + request.target
        response = requests.request(request.method, url, headers=request.headers, data=request.body, timeout=60)
        with self._lock:
            self._uploading -= is_part
        headers = {name: value for name, value in response.headers.items() if name.lower() not in SET_BY_SERVER}
        if request.method == "HEAD":
            headers["Content-Length"] = response.headers["Content-Length"]
        return Response(response.content, response.status_code, headers)


@pytest.fixture
def proxy(s3_server):
    """Run a proxy of the server."""
    proxy = Proxy(s3_server.url)
    with TinyServer(proxy.forward) as server:
        proxy.server = server
        yield proxy
        proxy.released.set()


def test_holds_one_part_of_a_file_in_memory(bucket, s3_server, connect, proxy):
    data = os.urandom(1 << 20) * 40
    path = path_in(bucket, connect(endpoint_url=proxy.server.url), "a.bin")
    write_atomic(path, data)
    head = s3_server.client().head_object(Bucket=name_of(bucket), Key="a.bin")
    assert head["ETag"].strip('"').endswith(f"-{-(-len(data) // PART_SIZE)}"), "the number of parts"
    assert proxy.parts_at_once == 1
    with open_binary(path) as file:
        assert b"".join(iter(partial(file.read, 1 << 16), b"")) == data
    ranges = [request.headers["Range"] for request in proxy.server.requests if "Range" in request.headers]
    bounds = [map(int, each.removeprefix("bytes=").split("-")) for each in ranges]
    assert max(last - first for first, last in bounds) < READ_SIZE + (2 << 20)


@pytest.mark.slow
def test_a_killed_upload_leaves_the_old_object_and_is_aborted_by_the_next_one(bucket, s3_server, connect, proxy):
    write_atomic(f"{bucket}/a.bin", b"old")
    proxy.released.clear()
    path = path_in(bucket, connect(endpoint_url=proxy.server.url), "a.bin")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", WRITER, path], env=environment) as process:
        assert proxy.stalled.wait(120)
        process.kill()
    assert s3_server.unfinished_uploads(name_of(bucket)) == ["a.bin"]
    assert read_bounded(f"{bucket}/a.bin", 10) == b"old"
    write_atomic(f"{bucket}/a.bin", bytes(PART_SIZE + 1))
    assert s3_server.unfinished_uploads(name_of(bucket)) == []
    assert size_of(f"{bucket}/a.bin") == PART_SIZE + 1


# The destination


@pytest.mark.parametrize("check", [check_file, check_folder])
def test_a_check_leaves_nothing_and_replaces_nothing(bucket, s3_server, check):
    for key in ("folder", "folder/file.csv"):
        write_atomic(f"{bucket}/{key}", b"existing")
    check(f"{bucket}/folder/file.csv")
    check(f"{bucket}/folder")
    assert s3_server.objects(name_of(bucket)) == ["folder", "folder/file.csv"]
    assert s3_server.unfinished_uploads(name_of(bucket)) == []
    assert read_bounded(f"{bucket}/folder/file.csv", 10) == b"existing"


def test_an_export_needs_permission_to_put_only(bucket, connect_who_may, s3_server):
    conn_id = connect_who_may("s3:PutObject", ABORT)
    check_file(path_in(bucket, conn_id))
    check_folder(path_in(bucket, conn_id), only_adds=True)
    write_atomic(path_in(bucket, conn_id), b"x")
    assert s3_server.objects(name_of(bucket)) == ["folder/file.csv"]


def test_a_bulk_task_needs_five_permissions(bucket, connect_who_may, s3_server):
    conn_id = connect_who_may(*CHANGE, ABORT)
    check_folder(path_in(bucket, conn_id))
    assert s3_server.objects(name_of(bucket)) == []


@pytest.mark.parametrize("missing", [action for action in CHANGE if action != "s3:HeadObject"])
def test_names_the_permission_that_a_bulk_task_lacks(bucket, connect_who_may, s3_server, missing):
    conn_id = connect_who_may(*(action for action in CHANGE if action != missing), ABORT)
    error = error_of(check_folder, path_in(bucket, conn_id, "results"))
    assert f"{path_in(bucket, conn_id, 'results')} (connection '{conn_id}') cannot be " in str(error)
    assert f": the permission {missing} " in str(error)
    assert not error.transient
    assert s3_server.objects(name_of(bucket)) == []


def test_names_the_permission_that_an_export_lacks(bucket, connect_who_may):
    conn_id = connect_who_may("s3:ListBucket")
    error = error_of(check_file, path_in(bucket, conn_id))
    assert str(error) == (
        f"{path_in(bucket, conn_id)} (connection '{conn_id}') cannot be written to: the permission s3:PutObject is "
        "missing (CreateMultipartUpload: AccessDenied, Access Denied). Grant it to the credentials of the connection; "
        "requests without credentials count as anonymous."
    )


def test_says_what_stays_if_an_upload_may_not_be_aborted(bucket, connect_who_may, s3_server, caplog):
    conn_id = connect_who_may("s3:PutObject")
    check_file(path_in(bucket, conn_id))
    assert "An unfinished upload without data stays" in caplog.text
    assert "the permission s3:AbortMultipartUpload is missing" in caplog.text
    assert s3_server.objects(name_of(bucket)) == []


def test_a_bucket_that_does_not_exist(connect):
    path = f"s3://{connect()}@missing/file.csv"
    for use in (check_file, check_folder, open_binary, size_of, remove, lambda path: write_atomic(path, b"x")):
        error = error_of(use, path)
        assert "the bucket does not exist" in str(error)
        assert not error.transient


@pytest.mark.parametrize("name", ["bucket-1", "bucket-1/", "not a bucket/file.csv"])
def test_a_path_that_cannot_be_one_of_a_file(connect, name):
    error = error_of(check_file, f"s3://{connect()}@{name}")
    assert "Correct the path" in str(error)
    assert not error.transient


def test_wrong_credentials_are_told_apart(bucket, s3_server, connect):
    login, password = s3_server.user_who_may("s3:*")
    cases = {
        "the access key ID does not exist": connect(("AKIANOSUCHKEY", password)),
        "the secret access key is not that of the access key ID": connect((login, "not-the-secret")),
        "the session token is not accepted": connect((login, password), aws_session_token="not-the-token"),
    }
    for problem, conn_id in cases.items():
        # A `HEAD` request, with which an object is opened, is answered without a reason.
        for use in (check_file, check_folder, open_binary, size_of):
            error = error_of(use, path_in(bucket, conn_id))
            assert problem in str(error)
            assert not error.transient
            assert "not-the-" not in str(error)
            assert password not in str(error)


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [("http://127.0.0.1:PORT", "ConnectionRefusedError"), ("http://nosuchhost.invalid", "nosuchhost.invalid")],
)
def test_an_endpoint_that_cannot_be_reached_may_be_reached_later(connect, endpoint, problem):
    conn_id = connect(endpoint_url=endpoint.replace("PORT", str(unused_port())), **NO_RETRIES)
    error = error_of(check_file, f"s3://{conn_id}@bucket/file.csv")
    assert "the server cannot be reached" in str(error)
    assert problem in str(error)
    assert "endpoint_url" in str(error)
    assert isinstance(error, StorageUnavailableError)


def test_names_the_permission_that_a_file_of_rows_lacks(bucket, connect_who_may):
    write_atomic(f"{bucket}/rows.csv", b"mail\n")
    conn_id = connect_who_may("s3:ListBucket")
    error = error_of(open_binary, path_in(bucket, conn_id, "rows.csv"))
    assert "cannot be read: the permission s3:GetObject " in str(error)


@pytest.mark.parametrize("use", [list_folder, remove_files, remove_tree, remove_results])
def test_names_the_permission_that_a_folder_of_earlier_files_lacks(bucket, connect_who_may, use):
    conn_id = connect_who_may("s3:GetObject", "s3:HeadObject")
    error = error_of(use, storage_path(path_in(bucket, conn_id, "folder")))
    assert f"(connection '{conn_id}') cannot be listed: the permission s3:ListBucket is missing" in str(error)


def test_a_path_object_keeps_its_connection(s3_server, connect):
    conn_id = connect()
    path = storage_path(f"s3://{conn_id}@{s3_server.new_bucket()}/a/b.csv")
    write_atomic(path, b"x")
    assert (size_of(path), size_of(path.parent / "c.csv")) == (1, None)
    assert json.loads(os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"])["extra"]["endpoint_url"] == s3_server.url
