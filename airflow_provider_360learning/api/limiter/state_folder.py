"""
The folder of the file that all processes of a host share: other users must not be able to plant, read or replace it.

The folder belongs to one user, or is shared through its group, whose members trust each other. Everything on the way to
it is checked as well, by the rule of Linux's ``fs.protected_symlinks``: in a folder that every user may write to
(``/tmp``), only links and folders of this user, of root and of the owner of that folder are followed.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from airflow_provider_360learning.api.limiter.store import StoreUnavailableError

#: Maximum number of symbolic links on the way, as on Linux.
MAX_LINKS = 40


def prepare_file(folder: Path, name: str, *, must_be_private: bool) -> Path:
    """
    Return the path of a file without links, and create what is missing.

    :param folder: Its folder.
    :param name: Its name.
    :param must_be_private: Whether the folder may not be shared through its group.
    :raises StoreUnavailableError: if another user could have planted the file or anything on the way to it.
    """
    try:
        path, status = _resolve(folder)
        _check_folder(folder, status, must_be_private)
        file_mode = 0o660 if status.st_mode & stat.S_IWGRP else 0o600
        for file in (path / name, path / f"{name}-journal"):
            _create(file, file_mode, status.st_gid)
            _check_file(file, file_mode)
    except OSError as error:
        raise StoreUnavailableError(f"{error.filename or folder}: {error.strerror}") from error
    return path / name


def _resolve(folder: Path) -> tuple[Path, os.stat_result]:
    """Return the path of a folder without links, and its status; create missing folders, for this user only."""
    names, links = _reversed_names(folder.absolute()), 0
    path, status = Path("/"), os.lstat("/")
    while names:
        name = names.pop()
        entry = path.parent if name == ".." else path / name
        try:
            found = os.lstat(entry)
        except FileNotFoundError:
            with suppress(FileExistsError):  # created by another process meanwhile
                os.mkdir(entry, 0o700)
            found = os.lstat(entry)
        if name != "..":
            _check_entry(entry, found, status)
        if not stat.S_ISLNK(found.st_mode):
            path, status = entry, found
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
        target = Path(os.readlink(entry))
        names += _reversed_names(target)
        if target.is_absolute():
            path, status = Path("/"), os.lstat("/")
    return path, status


def _reversed_names(path: Path) -> list[str]:
    return [name for name in reversed(path.parts) if name != "/"]


def _check_entry(entry: Path, found: os.stat_result, folder: os.stat_result) -> None:
    if folder.st_mode & stat.S_IWOTH and found.st_uid not in (0, os.geteuid(), folder.st_uid):
        raise StoreUnavailableError(
            f"{entry}: belongs to user {found.st_uid}, who may have put it there for others, because every user may "
            f"write to {entry.parent}. Use a folder that other users cannot write to"
        )


def _check_folder(folder: Path, status: os.stat_result, must_be_private: bool) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    is_private = status.st_uid == os.geteuid() and not status.st_mode & 0o077 and not folder.is_symlink()
    if must_be_private and not is_private:
        raise StoreUnavailableError(f"{folder}: is not a private folder of this user")
    if status.st_mode & stat.S_IWOTH:
        raise StoreUnavailableError(
            f"{folder}: every user may write to it (mode {stat.S_IMODE(status.st_mode):04o}). Use a folder of Airflow's"
            " user (chmod 0700), or one that Airflow's users share through a group (chmod 2770)"
        )


def _create(file: Path, mode: int, group: int) -> None:
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        with suppress(PermissionError):  # a file system without groups or permissions
            if mode & stat.S_IWGRP:
                os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _check_file(file: Path, mode: int) -> None:
    """Refuse what is not a file of its own, or whose lock every user could hold; our own is closed to others."""
    status = os.lstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise StoreUnavailableError(f"{file}: is not a regular file with one name; remove it")
    if not status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return
    if status.st_uid != os.geteuid():
        raise StoreUnavailableError(f"{file}: every user may open it; its owner must restrict it (chmod {mode:04o})")
    os.chmod(file, mode)
