"""
Paths on this host, resolved step by step below open folders, so that no other user can redirect them meanwhile.

Symbolic links are followed as Linux does with ``fs.protected_symlinks``, whether or not the host has it: in a folder
where every user may create files and none may remove those of others (``/tmp``), a link must belong to this user or to
the owner of the folder. When a file is written or removed, no link is followed below a folder that another user has
created in such a place: its owner could have put them there for us.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.permissions import set_mode

# O_PATH needs no permission to list the folder; only Linux has it.
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Maximum number of symbolic links in one path, as on Linux.
MAX_LINKS = 40
_SHARED = stat.S_ISVTX | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Location:
    """
    A name in an open folder, which need not exist.

    :param folder: Descriptor of the folder.
    :param name: The name, which is not followed if it is a link.
    :param path: The path that led here, for messages.
    """

    folder: int
    name: str
    path: str

    def status(self) -> os.stat_result | None:
        """Return what has the name; ``None`` if nothing has it."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, flags: int, mode: int = 0) -> int:
        """
        Return a descriptor of the file.

        :param flags: As of :func:`os.open`; a link is never followed.
        :param mode: Permissions of a new file.
        """
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.folder)

    def remove(self) -> None:
        """Remove the file or the link, if it exists."""
        with suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)

    @contextmanager
    def open_folder(self) -> Iterator[int]:
        """Open the folder of this name for listing."""
        descriptor = self.open(_LIST)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def sibling(self, name: str) -> Location:
        """
        Return another name in the same folder.

        :param name: The name.
        """
        return Location(self.folder, name, os.path.join(os.path.dirname(self.path), name))


@contextmanager
def locate(
    path: str, *, to_write: bool = False, folder_mode: int | None = None, follow: bool = True
) -> Iterator[Location]:
    """
    Open the folder of a file.

    :param path: Path of the file.
    :param to_write: Whether something is going to be written or removed.
    :param folder_mode: Permissions of missing folders, which are created; by default, they are an error.
    :param follow: Whether to follow a link at the end of the path.
    :return: The file, in the folder where it really is.
    :raises InvalidRequestError: at a link that must not be followed.
    """
    walk = _Walk(path, to_write, folder_mode)
    try:
        name = walk.run(follow)
        yield Location(walk.folder, name, path)
    except OSError as error:
        if isinstance(error.filename, str) and "/" not in error.filename:
            error.filename = path  # instead of a name in one of its folders
        raise
    finally:
        os.close(walk.folder)


class _Walk:
    """Goes down a path, one open folder after the other."""

    def __init__(self, path: str, to_write: bool, folder_mode: int | None) -> None:
        self._path = path
        self._to_write = to_write
        self._folder_mode = folder_mode
        self._links = 0
        self._follows_no_link = False
        self.folder = os.open("/", _ENTER)
        self._status = os.fstat(self.folder)

    def run(self, follow: bool) -> str:
        """Go to the folder of the file, and return the name of the file there."""
        is_absolute = self._path.startswith("/")
        names = _reversed_names(self._path if is_absolute else os.path.abspath(self._path))
        while names:
            name = names.pop()
            is_last = not names
            target = self._target_of(name) if follow or not is_last else None
            if target is not None:
                names += _reversed_names(target)
                if target.startswith("/"):
                    self._enter("/")
            elif is_last:
                return name
            else:
                self._enter_or_create(name)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path)

    def _target_of(self, name: str) -> str | None:
        """Return where a link leads that may be followed; ``None`` for anything but a link."""
        try:
            link = os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISLNK(link.st_mode):
            return None
        # It cannot be exchanged for another one now: where that could be, the links of all users are followed, or none.
        if self._follows_no_link or (_is_shared(self._status) and not self._is_trusted(link)):
            raise InvalidRequestError(
                f"{self._path} leads through the symbolic link {name!r}, which user {link.st_uid} may have put there "
                "to redirect it. Remove the link, or use a folder that other users cannot write to."
            )
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        return os.readlink(name, dir_fd=self.folder)

    def _is_trusted(self, entry: os.stat_result) -> bool:
        return entry.st_uid in (os.geteuid(), self._status.st_uid)

    def _enter_or_create(self, name: str) -> None:
        try:
            self._enter(name)
        except FileNotFoundError:
            if self._folder_mode is None:
                raise
            self._create(name, self._folder_mode)
            self._enter(name)

    def _enter(self, name: str) -> None:
        folder = os.open(name, _ENTER, dir_fd=self.folder)
        os.close(self.folder)
        parent, self.folder, self._status = self._status, folder, os.fstat(folder)
        if self._to_write and _is_shared(parent) and self._status.st_uid not in (0, os.geteuid(), parent.st_uid):
            self._follows_no_link = True

    def _create(self, name: str, mode: int) -> None:
        with suppress(FileExistsError):  # created by another process meanwhile
            os.mkdir(name, mode, dir_fd=self.folder)
            with Location(self.folder, name, self._path).open_folder() as descriptor:
                set_mode(descriptor, mode, self._path)


def _reversed_names(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _is_shared(folder: os.stat_result) -> bool:
    """Return whether every user may create files in a folder, and none may remove those of others."""
    return folder.st_mode & _SHARED == _SHARED
