"""Paths of files on this host or in an object store, and atomic writes: a file appears whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import local_files, object_store
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.store_errors import explained

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: A path as users give it: ``/data/x.csv``, ``s3://connection@bucket/x.csv``, or Airflow's own object.
StoragePath: TypeAlias = "str | os.PathLike[str] | ObjectStoragePath"

# `file://data/x` looks absolute but is not: it means the folder `data` in the working directory of the worker.
_ABSOLUTE = re.compile(r"/|file:///|(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)


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
        raise object_store.unreachable(text, error) from error


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
    return object_store.open_binary(path)


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
        raise _too_long(where, max_bytes)
    return data


def read_lines(where: StoragePath, max_bytes: int, max_line: int) -> Iterator[bytes]:
    """
    Yield the lines of a file that this package has written.

    :param where: Its path.
    :param max_bytes: Maximum number of bytes of the file.
    :param max_line: Maximum number of bytes of a line; a longer one comes in parts.
    :raises FileNotFoundError: if it does not exist.
    :raises InvalidRequestError: if it is longer, or not a regular file.
    """
    if (size_of(where) or 0) > max_bytes:
        raise _too_long(where, max_bytes)
    with open_binary(where) as file:
        while line := file.readline(max_line):
            yield line


def _too_long(where: StoragePath, max_bytes: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"{storage_path(where)} has more than {max_bytes:,} bytes, which this package does not write: remove it."
    )


def size_of(where: StoragePath) -> int | None:
    """
    Return the size of a file in bytes; ``None`` if it does not exist.

    :param where: Its path.
    """
    path = storage_path(where)
    return local_files.size_of(path.path) if is_local(path) else object_store.size_of(path)


def list_folder(where: StoragePath) -> list[ObjectStoragePath]:
    """
    Return the paths in a folder, none if it does not exist.

    :param where: Its path.
    :raises StorageError: naming the folder, its connection and what to correct.
    """
    return object_store.list_folder(storage_path(where))


def check_file(where: StoragePath, *, file_mode: int = PRIVATE) -> None:
    """
    Verify that a file can be written; nothing stays, and an existing file is not touched.

    :param where: Its path.
    :param file_mode: Permissions of a new file on this host. Missing folders are created.
    :raises StorageError: naming the path, its connection and what to correct.
    """
    path = storage_path(where)
    if is_local(path):
        with explained(path, "written to"):
            local_files.check(path.path, file_mode)
    else:
        object_store.check_file(path)


def check_folder(where: StoragePath, *, file_mode: int = PRIVATE, only_adds: bool = False) -> None:
    """
    Verify that files in a folder can be found, read, written and removed; none stays.

    :param where: The folder.
    :param file_mode: Permissions of new files on this host. Missing folders are created.
    :param only_adds: Whether files are only written.
    :raises StorageError: naming the folder, its connection and what to correct.
    """
    folder = storage_path(where)
    if is_local(folder):
        with explained(folder, "written to"):
            local_files.check(object_store.probe_in(folder).path, file_mode)
    else:
        object_store.check_folder(folder, only_adds=only_adds)


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
    with local_files.atomic_writer(path.path, file_mode) if is_local(path) else object_store.uploaded(path) as file:
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
        object_store.remove(path)


def remove_files(where: StoragePath) -> None:
    """
    Remove the files in a folder, if it exists.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove_files(path.path)
    else:
        object_store.remove_files(path)


def remove_tree(where: StoragePath) -> None:
    """
    Remove a folder with everything in it, or a file; of a link, only the link itself.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove_tree(path.path)
    else:
        object_store.remove_tree(path)


def remove_empty_folder(where: StoragePath) -> None:
    """
    Remove a folder, if it exists and is empty; object stores have none.

    :param where: Its path.
    """
    path = storage_path(where)
    if is_local(path):
        local_files.remove_empty_folder(path.path)
