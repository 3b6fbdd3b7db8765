"""
Temporary files of this package, and the removal of leftovers of killed processes.

A file that needs no name has none, so that the operating system deletes it with its process. A file that is going to be
renamed needs one. Its process holds a lock on it: if another process gets the lock, the owner is dead.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from airflow_provider_360learning.files.local_paths import Location
from airflow_provider_360learning.files.permissions import PRIVATE, set_mode_like
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

SUFFIX = ".learning360"
#: On a network file system, the locks of another host may be invisible. A file of another boot of this host, or of
#: another host, is therefore removed only if it was not written to for so many seconds.
MIN_AGE_OF_OTHER_BOOTS = 86_400.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: Paths, devices and numbers of the folders from which leftovers were removed: a number is used again, if its folder is
#: removed.
_cleaned: set[tuple[str, int, int]] = set()


@contextmanager
def locked_sibling(target: Location, file_mode: int) -> Iterator[tuple[Location, BinaryIO]]:
    """
    Create a temporary file beside its target, and remove it if the block does not rename it.

    The first one in a folder also removes what killed processes left there.

    :param target: The file to be written.
    :param file_mode: Its permissions, if it does not exist.
    :return: The temporary file, and the same open for writing.
    """
    status = os.fstat(target.folder)
    folder = (os.path.dirname(target.path), status.st_dev, status.st_ino)
    if folder not in _cleaned:
        _cleaned.add(folder)
        remove_orphans(target)
    temporary, file = _create_locked(target)
    try:
        with file:
            set_mode_like(file.fileno(), target.status(), file_mode, target.path)
            yield temporary, file
    finally:
        temporary.remove()


def _create_locked(target: Location) -> tuple[Location, BinaryIO]:
    while True:
        temporary = target.sibling(f".{target.name}.{_boot()}-{uuid4().hex[:12]}{SUFFIX}")
        file = os.fdopen(temporary.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb")
        with suppress(OSError):  # a file system without locks: no other process can take one either
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.status() is not None:
            return temporary, file
        file.close()  # removed by another process before it was locked


def remove_orphans(target: Location) -> None:
    """
    Remove temporary files of dead processes from the folder of a file.

    :param target: The file.
    """
    with target.sibling(".").open_folder() as folder:
        names = [name for name in os.listdir(folder) if name.startswith(".") and name.endswith(SUFFIX)]
    for temporary in map(target.sibling, names):
        with suppress(OSError):  # locked by its owner, of another user, a link, or removed meanwhile
            size = _size_of_orphan(temporary)
            if size is not None:
                temporary.remove()
                log.info("Removed the temporary file of a killed process: path=%s bytes=%s", temporary.path, size)


def _size_of_orphan(temporary: Location) -> int | None:
    descriptor = temporary.open(os.O_RDWR | os.O_NONBLOCK)  # a pipe would wait for its other end
    try:
        status = os.fstat(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    is_old = time.time() - status.st_mtime > MIN_AGE_OF_OTHER_BOOTS
    is_orphan = stat.S_ISREG(status.st_mode) and (f".{_boot()}-" in temporary.name or is_old)
    return status.st_size if is_orphan else None


def _boot() -> str:
    try:
        return _BOOT_ID.read_text()[:8]
    except OSError:  # not Linux
        return "0" * 8


def path_of_open(file: BinaryIO) -> str:
    """
    Return a path under which this process can open a file without a name.

    :param file: The file, which stays open.
    """
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return f"{folder}/{file.fileno()}"
