"""Paths of files on this host or in an object store, and atomic writes: a file appears whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.temporary import locked_sibling, path_of_open
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
# Their files look regular, but are made by the kernel when they are read: variables of processes, for example.
_KERNEL_FILE_SYSTEMS = ("/proc", "/sys")
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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
        return open(path.path, "rb", opener=_open_regular)
    return io.BufferedReader(_filesystem(path).open(path.path, "rb"), _READ_AHEAD)


def _open_regular(path: str, flags: int) -> int:
    """Open a file that is regular, which is known of an open one only; opening waits for no other process."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket cannot be opened
            _check_regular(path, os.stat(path))
        raise
    try:
        _check_regular(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: str, status: os.stat_result) -> None:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None and status.st_dev in _devices_of_kernel():
        kind = "a file of the kernel"
    if kind is not None:
        raise InvalidRequestError(
            f"{path} is {kind}, not a regular file: copy its content to a file and use that one, or remove it."
        )


def _devices_of_kernel() -> set[int]:
    return {os.stat(folder).st_dev for folder in _KERNEL_FILE_SYSTEMS if os.path.ismount(folder)}


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


@contextmanager
def atomic_writer(where: StoragePath) -> Iterator[BinaryIO]:
    """
    Write a file that appears at its path when the block ends without an error, and otherwise not at all.

    On this host it is written under a temporary name beside its path and renamed. The temporary file of a killed
    process is removed by the next one that writes to the folder. For an object store it is written to a local
    temporary file without a name (so there must be disk space) and uploaded as one object, because stores cannot
    append.

    :param where: Path of the file; an existing file is replaced.
    """
    path = storage_path(where)
    with _renamed_into(path.path) if is_local(path) else _uploaded_to(path) as file:
        yield file


def write_atomic(where: StoragePath, data: bytes) -> None:
    """
    Write a small file, whole or not at all; see :func:`atomic_writer`.

    :param where: Path of the file.
    :param data: Its content.
    """
    with atomic_writer(where) as file:
        file.write(data)


@contextmanager
def _renamed_into(place: str) -> Iterator[BinaryIO]:
    target = Path(os.path.realpath(place))  # a link stays, its target is replaced
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked_sibling(target) as (temporary, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.replace(temporary, target)  # before the file is closed, which gives up the lock
        _make_durable(target.parent)


def _make_durable(folder: Path) -> None:
    """Make the new name survive a power cut: a file that is recorded as written must not be missing afterwards."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems do not support it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
