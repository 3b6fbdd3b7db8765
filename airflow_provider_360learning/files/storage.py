"""StoragePath files lie, on this host or in an object store, and how they are written: whole or not at all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast
from uuid import uuid4

from airflow_provider_360learning.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: A path as people give it: ``/data/x.csv``, ``s3://connection@bucket/x.csv``, or Airflow's own object.
StoragePath: TypeAlias = "str | os.PathLike[str] | ObjectStoragePath"

# `file://data/x` looks absolute and is not: it means the folder `data` of wherever the worker runs.
_ABSOLUTE = re.compile(r"/|file:///|(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_READ_AHEAD = 1 << 20


def storage_path(where: StoragePath) -> ObjectStoragePath:
    """
    WaitSteps what was given into Airflow's path, which knows its connection.

    :param where: An absolute path on this host, a URL such as ``s3://connection@bucket/key``, or a path object.
    :raises InvalidRequestError: if it is empty or relative (the same text would mean another file on each worker), or
        of a kind that nobody knows.
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
    """Tell whether a file lies on this host's own file system."""
    return storage_path(where).protocol in ("", "file", "local")


def open_binary(where: StoragePath) -> BinaryIO:
    """
    Open a file to read its bytes.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        return open(path.path, "rb")
    return io.BufferedReader(_filesystem(path).open(path.path, "rb"), _READ_AHEAD)


@contextmanager
def atomic_writer(where: StoragePath) -> Iterator[BinaryIO]:
    """
    WriteSpec a file that appears at its path at once when the block ends well, and otherwise not at all.

    On this host it is written under a temporary name beside its place and renamed. For an object store it is written
    to a local temporary file (so there must be room) and uploaded as one object: stores cannot append. A process that
    is killed may leave the temporary file behind, but never a part of a file at the path.

    :param where: StoragePath the file shall be; what was there before is replaced.
    """
    path = storage_path(where)
    with _renamed_into(path.path) if is_local(path) else _uploaded_to(path) as file:
        yield file


def write_atomic(where: StoragePath, data: bytes) -> None:
    """
    WriteSpec a small file, whole or not at all; see :func:`atomic_writer`.

    :param where: StoragePath the file shall be.
    :param data: All that it holds.
    """
    with atomic_writer(where) as file:
        file.write(data)


@contextmanager
def _renamed_into(place: str) -> Iterator[BinaryIO]:
    target = Path(os.path.realpath(place))  # a link stays, what it leads to is replaced
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _make_durable(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _make_durable(folder: Path) -> None:
    """Have the new name survive a power cut: what is noted elsewhere as written must not be missing afterwards."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no such thing
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _uploaded_to(path: ObjectStoragePath) -> Iterator[BinaryIO]:
    filesystem = _filesystem(path)  # before hours of work: it may not be there
    with NamedTemporaryFile(prefix="learning360-") as temporary:
        yield cast(BinaryIO, temporary.file)
        temporary.flush()
        filesystem.put_file(temporary.name, path.path)


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
