"""
Who may read and write the files and folders that this package creates: by default, only their user.

Permissions are set on the open file, whatever the umask is, and never wider than they are to be in the end.
"""

from __future__ import annotations

import os
import stat

from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Permissions of files without a setting.
PRIVATE = 0o600
_EVERYONE = 0o777

#: Devices of file systems that refused permissions, of which the log has a warning.
_warned: set[int] = set()


def folder_mode(file_mode: int) -> int:
    """
    Return the permissions of a folder whose files have these: who may read may also enter.

    :param file_mode: Permissions of the files.
    """
    return file_mode | (file_mode & 0o444) >> 2


def set_mode(descriptor: int, mode: int, path: str) -> None:
    """
    Set the permissions of an open file or folder; a file system that refuses them is a warning.

    :param descriptor: The file.
    :param mode: Its permissions for user, group and others.
    :param path: Its path, for the warning.
    """
    status = os.fstat(descriptor)
    if status.st_mode & _EVERYONE == mode:
        return
    reason = "it ignores them"
    try:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~_EVERYONE | mode)  # a folder keeps its setgid bit
    except OSError as error:
        reason = str(error.strerror)
    status = os.fstat(descriptor)
    if status.st_mode & _EVERYONE != mode and status.st_dev not in _warned:
        _warned.add(status.st_dev)
        log.warning(
            "File system refuses permissions (%s): path=%s mode=%04o wanted=%04o. Other users may read personal data "
            "there; restrict its mount",
            reason,
            path,
            status.st_mode & _EVERYONE,
            mode,
        )


def set_mode_like(descriptor: int, existing: os.stat_result | None, file_mode: int, path: str) -> None:
    """
    Set the permissions of a new file: those of the file that it replaces, or the default ones.

    A file of another user does not count, nor one with other names: either may have been put there to be readable.

    :param descriptor: The new file.
    :param existing: What has its name, if anything.
    :param file_mode: Permissions by default.
    :param path: Its path, for a warning.
    """
    mode = file_mode
    if existing is not None and _is_own(existing):
        mode = existing.st_mode & _EVERYONE
        if not _has_group(descriptor, existing.st_gid):
            mode &= ~0o070  # they were those of another group
    set_mode(descriptor, mode, path)


def _is_own(existing: os.stat_result) -> bool:
    return stat.S_ISREG(existing.st_mode) and existing.st_uid == os.geteuid() and existing.st_nlink == 1


def _has_group(descriptor: int, group: int) -> bool:
    if os.fstat(descriptor).st_gid != group:
        try:
            os.fchown(descriptor, -1, group)
        except OSError:  # the user is not a member
            return False
    return True
