"""
Temporary files of this package, and the removal of leftovers of killed processes.

A file that needs no name has none, so that the operating system deletes it with its process. A file that is going to be
renamed needs one. Its process holds a lock on it: if another process gets the lock, the owner is dead.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

SUFFIX = ".learning360"
#: On a network file system, the locks of another host may be invisible. A file of another boot of this host, or of
#: another host, is therefore removed only if it was not written to for so many seconds.
MIN_AGE_OF_OTHER_BOOTS = 86_400.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_cleaned: set[Path] = set()


@contextmanager
def locked_sibling(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """
    Create a temporary file beside its target, and remove it if the block does not rename it.

    The first one in a folder also removes what killed processes left there.

    :param target: Path of the file to be written.
    :return: Path of the temporary file, and the file, open for writing.
    """
    if target.parent not in _cleaned:
        _cleaned.add(target.parent)
        remove_orphans(target.parent)
    path, file = _create_locked(target)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def _create_locked(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = target.with_name(f".{target.name}.{_boot()}-{uuid4().hex[:12]}{SUFFIX}")
        file = open(path, "xb")  # noqa: SIM115 - the caller closes it
        with suppress(OSError):  # a file system without locks: no other process can take one either
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        file.close()  # removed by another process before it was locked


def remove_orphans(folder: Path) -> None:
    """
    Remove temporary files of dead processes from a folder.

    :param folder: The folder.
    """
    for path in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):  # locked by its owner, of another user, or removed meanwhile
            if _is_orphan(path):
                size = path.stat().st_size
                path.unlink()
                log.info("Removed the temporary file of a killed process: path=%s bytes=%s", path, size)


def _is_orphan(path: Path) -> bool:
    with open(path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        age = time.time() - os.fstat(file.fileno()).st_mtime
    return f".{_boot()}-" in path.name or age > MIN_AGE_OF_OTHER_BOOTS


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
