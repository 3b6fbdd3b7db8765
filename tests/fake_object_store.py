"""
An object store that several processes share, at paths like ``fakestore://bucket/key``, kept in a folder.

As in real object stores, there is no append, no rename and no folder, and an object appears when its upload ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar

from fsspec import AbstractFileSystem, register_implementation

PROTOCOL = "fakestore"


class FakeObjectStore(AbstractFileSystem):
    """Keeps each object in a file."""

    protocol = PROTOCOL
    #: Folder of the files. An attribute of the class, because paths create instances of their own.
    folder: ClassVar[Path]
    #: Size that it states of each object, in the place of the right one.
    stated_size: ClassVar[int | None] = None

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Return name and size of an object."""
        size = self._file(path).stat().st_size
        return {"name": path, "size": size if self.stated_size is None else self.stated_size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Return the objects in a folder, and the folders, or raise FileNotFoundError."""
        names = [each.name for each in (self.folder / self._strip_protocol(path)).iterdir()]
        paths = [f"{path}/{name.removesuffix('.object')}" for name in names if not name.startswith(".upload-")]
        return [{"name": each} for each in paths] if detail else paths

    def rm_file(self, path: str) -> None:
        """Remove an object."""
        self._file(path).unlink()

    def mv(self, *paths: str, **options: Any) -> None:
        """Refuse to rename."""
        raise NotImplementedError("objects cannot be renamed")

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            return self._file(path).open("rb")
        if mode == "wb":
            return _Upload(self._file(path))
        raise NotImplementedError(f"objects cannot be opened with mode {mode!r}")

    def _file(self, path: str) -> Path:
        # The suffix keeps an object apart from a folder of the same name.
        return self.folder / f"{self._strip_protocol(path)}.object"


class _Upload:
    """Becomes the object when it is closed, in one step; nothing of it is in memory."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        # __exit__ closes it.
        self._temporary = NamedTemporaryFile(dir=file.parent, prefix=".upload-", delete=False)  # noqa: SIM115
        self.write = self._temporary.write

    def __enter__(self) -> _Upload:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._temporary.close()
        if kind is None:
            os.replace(self._temporary.name, self._file)
        else:
            os.unlink(self._temporary.name)


def register_fake_object_store(folder: str) -> None:
    """
    Resolve ``fakestore://`` to a folder in this process.

    :param folder: The folder.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    FakeObjectStore.folder = Path(folder)
    # Both universal-pathlib and Airflow look file systems up, each in a registry of its own.
    register_implementation(PROTOCOL, FakeObjectStore, clobber=True)
    # `attach` moved between Airflow versions, but the module of ObjectStoragePath always has it.
    attach = sys.modules[ObjectStoragePath.__module__].attach  # type: ignore[attr-defined]
    attach(PROTOCOL, fs=FakeObjectStore())
