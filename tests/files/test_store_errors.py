"""What a store refuses is explained in one form, and errors that a retry would only repeat are permanent."""

from __future__ import annotations

import gc
import io
import json
import traceback
from itertools import count

import pytest
from fsspec.spec import AbstractBufferedFile

from airflow_provider_360learning.exceptions import StorageError, StorageUnavailableError
from airflow_provider_360learning.files.object_store import PART_SIZE
from airflow_provider_360learning.files.storage import (
    check_file,
    check_folder,
    list_folder,
    open_binary,
    read_bounded,
    remove_files,
    storage_path,
    write_atomic,
)
from airflow_provider_360learning.files.store_errors import explained
from tests.api.support import Response, TinyServer
from tests.files.object_store import StoreWithoutAppend, connect_object_store

PATH = "memory://bucket/folder/a.csv"
_numbers = count()


@pytest.fixture
def connect_to(monkeypatch):
    """Return a function that makes a connection to a server that answers all requests alike, and returns its path."""
    # Without credentials, boto would ask the metadata service of a cloud.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def connect_to(server, endpoint_url=None, **fields):
        conn_id = f"tiny_{next(_numbers)}"
        extra = {"endpoint_url": endpoint_url or server.url, "region_name": "eu-west-1"}
        extra["config_kwargs"] = {"retries": {"max_attempts": 0}}
        fields = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "not-in-errors", **fields, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return f"s3://{conn_id}@bucket/a.csv"

    return connect_to


def answering(status, code, message="Something"):
    """Run an S3 server that answers all requests with an error."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return TinyServer(lambda request: Response(b"" if request.method == "HEAD" else body, status))


def error_of(use, path):
    with pytest.raises(StorageError) as raised:
        use(path)
    return raised.value


@pytest.mark.parametrize(
    ("status", "code", "problem", "is_transient"),
    [
        (400, "ExpiredToken", "the session token has expired", False),
        (403, "AllAccessDisabled", "the permission s3:", False),
        (400, "IllegalLocationConstraintException", "the bucket is in another region", False),
        (404, "NoSuchUpload", "another process has aborted this upload", True),
        (400, "SomethingNew", "SomethingNew", False),
        (500, "InternalError", "InternalError", True),
        (501, "NotImplemented", "NotImplemented", False),
    ],
)
def test_error_codes_of_s3(connect_to, status, code, problem, is_transient):
    with answering(status, code) as server:
        path = connect_to(server)
        for use in (check_file, check_folder):
            error = error_of(use, path)
            assert problem in str(error)
            assert f"{path} (connection 'tiny_" in str(error)
            assert isinstance(error, StorageUnavailableError) == error.transient == is_transient
            assert "not-in-errors" not in str(error)


def test_a_look_up_is_explained_by_reading_the_object(connect_to):
    with answering(400, "ExpiredToken") as server:
        assert "the session token has expired" in str(error_of(open_binary, connect_to(server)))
        assert {request.method for request in server.requests[:-1]} == {"HEAD"}
        assert server.requests[-1].method == "GET"


def test_a_request_without_credentials_is_called_anonymous(connect_to, monkeypatch):
    with answering(403, "AccessDenied") as server:
        error = error_of(check_file, connect_to(server, login=None, password=None))
        assert all("Authorization" not in request.headers for request in server.requests)
    assert "requests without credentials count as anonymous" in str(error)
    assert not error.transient


@pytest.mark.parametrize("use", [check_file, check_folder, open_binary])
@pytest.mark.parametrize("permission", ["kms:GenerateDataKey", "s3:PutObjectTagging"])
def test_the_permission_that_amazon_states_is_named(connect_to, use, permission):
    """A bucket with a key of KMS needs permissions of another service."""
    message = (
        f"User: arn:aws:iam::123456789012:user/airflow is not authorized to perform: {permission} on resource: "
        f"arn:aws:kms:eu-west-1:123456789012:key/1 because no identity-based policy allows the {permission} action"
    )
    with answering(403, "AccessDenied", message) as server:
        error = error_of(use, connect_to(server))
    assert f": the permission {permission} is missing (" in str(error)
    assert not error.transient


@pytest.mark.parametrize("use", [check_file, check_folder])
@pytest.mark.parametrize("body", [b"<html><body>Hello</body></html>", b"<!doctype html><p>Hello", b""])
@pytest.mark.parametrize(("status", "is_transient"), [(200, False), (404, False), (405, False), (502, True)])
def test_a_server_of_something_else_is_not_taken_for_an_s3_server(connect_to, use, status, is_transient, body):
    """Such as a console on another port: it may respond to every request with a page."""
    with TinyServer(lambda request: Response(body, status)) as server:
        error = error_of(use, connect_to(server))
    assert "the server does not respond as S3 does (" in str(error)
    assert "Check that endpoint_url in the extra of the connection is the address of the S3 API" in str(error)
    is_unclear = status == 200 and body.startswith(b"<!")  # botocore takes it for an error of the server
    assert error.transient == (is_transient or is_unclear)


@pytest.mark.parametrize("use", [check_file, check_folder, open_binary])
def test_an_invalid_endpoint_is_a_permanent_error_that_names_it(connect_to, use):
    with answering(500, "InternalError") as server:
        for endpoint, problem in {
            server.url.partition("//")[2]: "Correct endpoint_url in the extra of the connection",
            server.url.replace("http", "htp"): "Correct endpoint_url in the extra of the connection",
            server.url.replace("http", "https"): "Check the scheme of endpoint_url, and verify, in the extra",
        }.items():
            error = error_of(use, connect_to(server, endpoint))
            assert problem in str(error)
            assert not error.transient


# Other stores


class HttpError(Exception):
    """An error as the clients of Azure have it."""

    def __init__(self, status_code):
        super().__init__("refused")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (PermissionError("denied"), False),
        (FileNotFoundError("no such container"), False),
        (OSError(30, "Read-only file system"), False),
        (OSError(28, "No space left on device"), True),
        (ConnectionResetError("broken"), True),
        (HttpError(403), False),
        (HttpError(404), False),
        (HttpError(409), True),
        (HttpError(429), True),
        (HttpError(503), True),
    ],
)
def test_errors_of_other_stores(error, is_transient):
    with pytest.raises(StorageError) as raised, explained(storage_path(PATH), "written to"):
        raise error
    assert raised.value.transient == is_transient
    assert str(raised.value).startswith(
        f"{storage_path(PATH)} (no connection) cannot be written to: {type(error).__name__}: "
    )
    assert str(raised.value).endswith(". Check the path and its permissions.")


def test_an_error_shows_no_secret_of_a_url():
    text = "Cannot connect to https://user:s3cr3t@store.test/a.csv?sig=s3cr3t&se=1, retry"
    with pytest.raises(StorageError) as raised, explained(storage_path(PATH), "read"):
        raise ConnectionError(text)
    assert "https://…store.test/a.csv…" in str(raised.value)
    assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))


class Restricted(StoreWithoutAppend):
    """A store whose objects cannot be removed."""

    def rm_file(self, path):
        raise PermissionError("removal is not allowed")


def test_an_export_names_what_it_cannot_remove(object_store, caplog):
    store = connect_object_store(Restricted(skip_instance_cache=True))
    write_atomic(PATH, b"existing")
    check_file(PATH)
    (probe,) = (name for name in store.find("") if "write-test" in name)
    assert f"{probe} (no connection) cannot be removed: PermissionError" in caplog.text
    assert read_bounded(PATH, 10) == b"existing"


def test_a_bulk_task_fails_if_it_cannot_remove_objects(object_store):
    connect_object_store(Restricted(skip_instance_cache=True))
    assert "cannot be removed: PermissionError" in str(error_of(check_folder, "memory://bucket/folder"))


class Unreachable(StoreWithoutAppend):
    """A store that cannot be asked for anything."""

    def info(self, path, **options):
        raise ConnectionResetError("broken")

    def ls(self, path, detail=True, **options):
        raise ConnectionResetError("broken")


@pytest.mark.parametrize("use", [list_folder, remove_files])
def test_a_folder_that_cannot_be_listed_now_is_not_taken_for_a_missing_one(object_store, use):
    connect_object_store(Unreachable(skip_instance_cache=True))
    with pytest.raises(StorageUnavailableError, match="cannot be listed: ConnectionResetError"):
        use("memory://bucket/folder")


class BreakingDownload(io.BytesIO):
    """An object of which the second part cannot be read."""

    error = ConnectionResetError("broken")

    def readinto(self, buffer):
        if self.tell():
            raise self.error
        return super().readinto(buffer)


class StoreWithBreaks(StoreWithoutAppend):
    """A store whose downloads break."""

    def _open(self, path, mode="rb", **options):
        return BreakingDownload(self.content) if mode == "rb" else super()._open(path, mode, **options)


@pytest.mark.parametrize(
    ("error", "is_transient"), [(ConnectionResetError("broken"), True), (PermissionError("denied"), False)]
)
def test_an_object_that_breaks_while_it_is_read_is_named(object_store, monkeypatch, error, is_transient):
    monkeypatch.setattr(BreakingDownload, "error", error)
    store = connect_object_store(StoreWithBreaks(skip_instance_cache=True))
    store.content = bytes(3 << 20)
    with open_binary(PATH) as file, pytest.raises(StorageError) as raised:
        list(iter(lambda: file.read(1 << 20), b""))
    assert str(raised.value).startswith(f"{storage_path(PATH)} (no connection) cannot be read: {type(error).__name__}")
    assert raised.value.transient == is_transient


class StoreOfParts(StoreWithoutAppend):
    """A store with some of the options of an upload, as Google Cloud Storage has them."""

    def put_file(self, lpath, rpath, chunksize=50 << 20, **options):
        self.options = {"chunksize": chunksize, **options}


def test_a_store_gets_the_options_that_it_has(object_store):
    StoreOfParts.clear_instance_cache()
    store = connect_object_store(StoreOfParts(skip_instance_cache=True))
    write_atomic(PATH, b"x")
    assert store.options == {"chunksize": PART_SIZE}


class BreakingFile(AbstractBufferedFile):
    """An upload in parts, of which the second breaks once."""

    breaks = True

    def _initiate_upload(self):
        self.parts = []

    def _upload_chunk(self, final=False):
        if len(self.parts) == 1 and self.breaks:
            self.breaks = False
            raise ConnectionError("the upload broke")
        self.parts.append(self.buffer.getvalue())
        if final:
            self.fs.store[self.path] = b"".join(self.parts)
        return True


class StoreWithoutUpload(StoreWithoutAppend):
    """A store for which fsspec writes files in parts."""

    def _open(self, path, mode="rb", block_size=None, **options):
        if mode == "rb":
            return super()._open(path, mode, **options)
        return BreakingFile(self, path, mode, block_size)


def test_an_upload_that_breaks_leaves_the_old_object(object_store):
    write_atomic(PATH, b"old")
    store = connect_object_store(StoreWithoutUpload(skip_instance_cache=True))
    before = store.cat_file(PATH)
    with pytest.raises(StorageUnavailableError, match="the upload broke"):
        write_atomic(PATH, bytes(2 * PART_SIZE + 5))
    gc.collect()  # a file that is not closed completes its upload
    assert store.cat_file(PATH) == before == b"old"
