"""Files on this host: read, written whole or not at all, and removed, each in the folder that its path led to."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.local_paths import Location, locate
from airflow_provider_360learning.files.permissions import folder_mode
from airflow_provider_360learning.files.temporary import locked_sibling

# Their files look regular, but are made by the kernel when they are read: variables of processes, for example.
_KERNEL_FILE_SYSTEMS = ("/proc", "/sys")
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_binary(path: str) -> BinaryIO:
    """
    Open a file to read its bytes.

    :param path: Its path.
    :raises InvalidRequestError: if it is anything but a regular file: reading a named pipe may never end.
    """
    with locate(path) as location:
        return open(path, "rb", opener=lambda _, flags: _open_regular(location, flags))


def _open_regular(location: Location, flags: int) -> int:
    """Open a file that is regular, which is known of an open one only; opening waits for no other process."""
    try:
        descriptor = location.open(flags | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        status = location.status()
        if error.errno == errno.ENXIO and status is not None:  # a socket cannot be opened
            _check_regular(location.path, status)
        raise
    try:
        _check_regular(location.path, os.fstat(descriptor))
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
            f"{path} is {kind}, not a regular file: write what it contains to a file and use that one, or remove it."
        )


def _devices_of_kernel() -> set[int]:
    return {os.stat(folder).st_dev for folder in _KERNEL_FILE_SYSTEMS if os.path.ismount(folder)}


def size_of(path: str) -> int | None:
    """
    Return the size of a file in bytes; ``None`` if it does not exist.

    :param path: Its path.
    """
    with suppress(FileNotFoundError), locate(path) as location:
        status = location.status()
        return None if status is None else status.st_size
    return None


@contextmanager
def atomic_writer(path: str, file_mode: int) -> Iterator[BinaryIO]:
    """
    Write a file under a temporary name in its folder, and rename it when the block ends without an error.

    :param path: Path of the file; an existing one is replaced and its permissions are kept.
    :param file_mode: Permissions of a new one.
    """
    with _temporary_for(path, file_mode) as (target, temporary, file):
        yield file
        _finish(file)
        _rename(temporary, target)  # before the file is closed, which gives up the lock
        _make_durable(target)


def check(path: str, file_mode: int) -> None:
    """
    Verify that a file can be written, by a temporary file in its folder.

    :param path: Path of the file; an existing one is not touched.
    :param file_mode: Permissions of a new one.
    :raises OSError: if it cannot.
    """
    with _temporary_for(path, file_mode) as (target, _, _):
        status = target.status()
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


def write_new(path: str, data: bytes, file_mode: int) -> bool:
    """
    Write a small file, unless there is one.

    :param path: Path of the file.
    :param data: Its content.
    :param file_mode: Its permissions.
    :return: Whether it was written.
    """
    with _temporary_for(path, file_mode) as (target, temporary, file):
        file.write(data)
        _finish(file)
        try:
            os.link(
                temporary.name,
                target.name,
                src_dir_fd=temporary.folder,
                dst_dir_fd=target.folder,
                follow_symlinks=False,
            )
        except FileExistsError:
            return False
        except OSError:  # the file system has no links
            _rename(temporary, target)
        _make_durable(target)
        return True


def remove(path: str) -> None:
    """
    Remove a file or a link, if it exists.

    :param path: Its path.
    """
    with suppress(FileNotFoundError), locate(path, to_write=True, follow=False) as location:
        location.remove()


def remove_files(path: str) -> None:
    """
    Remove the files in a folder, if it exists.

    :param path: Its path.
    """
    with (
        suppress(FileNotFoundError),
        locate(path, to_write=True) as location,
        location.open_folder() as folder,
    ):
        for name in os.listdir(folder):
            os.unlink(name, dir_fd=folder)


def remove_empty_folder(path: str) -> None:
    """
    Remove a folder, if it exists and is empty.

    :param path: Its path.
    """
    with suppress(OSError), locate(path, to_write=True, follow=False) as location:
        os.rmdir(location.name, dir_fd=location.folder)


def remove_tree(path: str) -> None:
    """
    Remove a folder with everything in it, or a file; of a link, only the link itself.

    :param path: Its path.
    """
    with suppress(FileNotFoundError), locate(path, to_write=True, follow=False) as location:
        found = os.stat(location.name, dir_fd=location.folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(location.name, dir_fd=location.folder)  # follows no link
        else:
            location.remove()


@contextmanager
def _temporary_for(path: str, file_mode: int) -> Iterator[tuple[Location, Location, BinaryIO]]:
    with (
        locate(path, to_write=True, folder_mode=folder_mode(file_mode)) as target,
        locked_sibling(target, file_mode) as (temporary, file),
    ):
        yield target, temporary, file


def _finish(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(temporary: Location, target: Location) -> None:
    os.replace(temporary.name, target.name, src_dir_fd=temporary.folder, dst_dir_fd=target.folder)


def _make_durable(target: Location) -> None:
    """Make the new name survive a power cut: a file that is recorded as written must not be missing afterwards."""
    with target.sibling(".").open_folder() as folder, suppress(OSError):  # some network file systems do not support it
        os.fsync(folder)
