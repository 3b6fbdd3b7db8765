"""
A store of objects that several processes share: paths like ``fake_object_store://bucket/key``, kept in a folder.

As in real stores there is no append and no rename, there are no folders, and an object appears when its upload ends.
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar

from fsspec import AbstractFileSystem, register_implementation

PROTOCOL = "fake_object_store"


class Shelf(AbstractFileSystem):
    """Keeps each object in a file of its own."""

    protocol = PROTOCOL
    #: StoragePath; of the class, since paths make instances of their own.
    folder: ClassVar[Path]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Describe an object."""
        return {"name": path, "size": self._file(path).stat().st_size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Refuse to list: nobody should need it."""
        raise NotImplementedError(f"{path} is no folder")

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
        raise NotImplementedError(f"objects cannot be open_binary to {mode!r}")

    def _file(self, path: str) -> Path:
        # Under a name that no folder has.
        return self.folder / f"{self._strip_protocol(path)}.object"


class _Upload(BytesIO):
    """What was written becomes the object when it is closed, all at once."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        if not self.closed:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._file.parent, prefix=".upload-", delete=False) as temporary:
                temporary.write(self.getbuffer())
            os.replace(temporary.name, self._file)
        super().close()


def set_up_shelf(folder: str) -> None:
    """
    Let ``fake_object_store://`` lead to a folder, in this process.

    :param folder: The folder.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    Shelf.folder = Path(folder)
    # StoragePath universal-pathlib looks file systems up, and where Airflow does.
    register_implementation(PROTOCOL, Shelf, clobber=True)
    # Airflow moved `attach` between its versions, but always had it where its paths use it.
    attach = sys.modules[ObjectStoragePath.__module__].attach  # type: ignore[attr-defined]
    attach(PROTOCOL, fs=Shelf())
