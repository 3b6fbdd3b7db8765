"""Paths of files on this host or in an object store, and atomic writes: a file appears whole or not at all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import local_files
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.temporary import path_of_open
from airflow_provider_360learning.log_text import get_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

log = get_logger(__name__)

#: A path as users give it: ``/data/x.csv``, ``s3://connection@bucket/x.csv``, or Airflow's own object.
StoragePath: TypeAlias = "str | os.PathLike[str] | ObjectStoragePath"

# `file://data/x` looks absolute but is not: it means the folder `data` in the working directory of the worker.
_ABSOLUTE = re.compile(r"/|file:///|(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_READ_AHEAD = 1 << 20
# s3fs uploads smaller files in one request.
_MIN_MULTIPART_BYTES = 10 * 1024 * 1024


def storage_path(where: StoragePath) -> ObjectStoragePath:
    """
    Return Airflow's object for a path, which has the connection of the path.

    :param where: An absolute path on this host, a URL such as ``s3://connection@bucket/key``, or a path object.
    :raises InvalidRequestError: if it is empty or relative (the same text would mean another file on each worker), or
        if no installed provider knows such paths.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    if isinstance(where, ObjectStoragePath):
        return where
    text = os.fspath(where)
    if not _ABSOLUTE.match(text):
        raise InvalidRequestError(
            f"The path {text!r} is not absolute: give one such as /data/users.csv, file:///data/users.csv or "
            "s3://connection_id@bucket/users.csv."
        )
    try:
        return ObjectStoragePath(text)
    except ValueError as error:
        raise _unreachable(text, error) from error


def is_local(where: StoragePath) -> bool:
    """Return whether a path is on the file system of this host."""
    return storage_path(where).protocol in ("", "file", "local")


def open_binary(where: StoragePath) -> BinaryIO:
    """
    Open a file to read its bytes.

    :param where: Its path.
    :raises InvalidRequestError: if it is anything but a regular file: reading a named pipe may never end.
    """
    path = storage_path(where)
    if is_local(path):
        return local_files.open_binary(path.path)
    return io.BufferedReader(_filesystem(path).open(path.path, "rb"), _READ_AHEAD)


def read_bounded(where: StoragePath, max_bytes: int) -> bytes:
    """
    Return the content of a file that fits in memory.

    :param where: Its path.
    :param max_bytes: Maximum number of bytes.
    :raises FileNotFoundError: if it does not exist.
    :raises InvalidRequestError: if it is longer, or not a regular file.
    """
    with open_binary(where) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InvalidRequestError(
            f"{storage_path(where)} has more than {max_bytes:,} bytes, which this package does not write: remove it."
        )
    return data


def size_of(where: StoragePath) -> int | None:
    """
    Return the size of a file in bytes; ``None`` if it does not exist.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        return local_files.size_of(path.path)
    try:
        return int(path.stat().st_size)
    except FileNotFoundError:
        return None


@contextmanager
def atomic_writer(where: StoragePath, *, file_mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """
    Write a file that appears at its path when the block ends without an error, and otherwise not at all.

    On this host it is written under a temporary name beside its path and renamed. The temporary file of a killed
    process is removed by the next one that writes to the folder. For an object store it is written to a local
    temporary file without a name (so there must be disk space) and uploaded as one object, because stores cannot
    append.

    :param where: Path of the file; an existing file is replaced.
    :param file_mode: Permissions of a new file on this host. Missing folders are created with the same, and users who
        may read may also enter them.
    :raises InvalidRequestError: if a link that another user may have put there leads elsewhere.
    """
    path = storage_path(where)
    with local_files.atomic_writer(path.path, file_mode) if is_local(path) else _uploaded_to(path) as file:
        yield file


def write_atomic(where: StoragePath, data: bytes, *, file_mode: int = PRIVATE) -> None:
    """
    Write a small file, whole or not at all; see :func:`atomic_writer`.

    :param where: Path of the file.
    :param data: Its content.
    :param file_mode: Permissions of a new file.
    """
    with atomic_writer(where, file_mode=file_mode) as file:
        file.write(data)


def write_new(where: StoragePath, data: bytes, *, file_mode: int = PRIVATE) -> bool:
    """
    Write a small file, unless there is one; object stores cannot do that, so that it is replaced there.

    :param where: Path of the file.
    :param data: Its content.
    :param file_mode: Its permissions.
    :return: Whether it was written.
    """
    path = storage_path(where)
    if is_local(path):
        return local_files.write_new(path.path, data, file_mode)
    write_atomic(path, data)
    return True


def remove(where: StoragePath) -> None:
    """
    Remove a file, if it exists.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove(path.path)
    else:
        path.unlink(missing_ok=True)


def remove_files(where: StoragePath) -> None:
    """
    Remove the files in a folder, if it exists.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove_files(path.path)
        return
    for each in list(path.iterdir()) if path.exists() else ():
        each.unlink(missing_ok=True)


def remove_empty_folder(where: StoragePath) -> None:
    """
    Remove a folder, if it exists and is empty; object stores have none.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove_empty_folder(path.path)


@contextmanager
def _uploaded_to(path: ObjectStoragePath) -> Iterator[BinaryIO]:
    filesystem = _filesystem(path)  # before hours of work: its provider may be missing
    started = datetime.now(UTC)
    with TemporaryFile(prefix="learning360-") as temporary:
        file = cast(BinaryIO, temporary)
        yield file
        file.flush()
        file.seek(0)
        if os.fstat(file.fileno()).st_size >= _MIN_MULTIPART_BYTES and hasattr(filesystem, "call_s3"):
            _abort_uploads(filesystem, path.path, started)
        filesystem.put_file(path_of_open(file), path.path)


def _abort_uploads(filesystem: Any, path: str, started: datetime) -> None:
    """
    Abort unfinished multipart uploads to a path in S3, which keeps (and charges for) the parts of a killed process.

    An upload cannot be traced to its process. But only the object that is about to be replaced is concerned, and only
    uploads from before this one started. Should another process still be alive, it gets an error instead of replacing
    the newer object by an older one. fsspec has no such operation for stores in general; others need none, because
    Google Cloud Storage and Azure delete unfinished uploads after a week.
    """
    try:
        bucket, key, _ = filesystem.split_path(path)
        uploads = filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key).get("Uploads", [])
        for upload in uploads:
            if upload["Key"] == key and upload["Initiated"] < started:
                filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])
                log.info("Aborted an unfinished upload: path=%s initiated=%s", path, upload["Initiated"])
    except Exception as error:  # e.g. the permission is missing, which must not fail the export
        log.info("Unfinished uploads could not be aborted: path=%s error=%s", path, type(error).__name__)


def _filesystem(path: ObjectStoragePath) -> Any:
    try:
        return path.fs
    except ValueError as error:
        raise _unreachable(str(path), error) from error


def _unreachable(path: str, error: ValueError) -> InvalidRequestError:
    return InvalidRequestError(
        f"{path} cannot be reached: {error}. Correct it, or install the Airflow provider for such paths "
        "(for s3:// apache-airflow-providers-amazon[s3fs], for gs:// apache-airflow-providers-google)."
    )
