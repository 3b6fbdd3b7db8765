"""An object store for tests: fsspec's memory, without append and rename, which real stores do not have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem


class StoreWithoutAppend(MemoryFileSystem):
    """
    Keeps objects in memory. Mode "ab" replaces an object, as it does with gcsfs.

    With `breaks`, uploads fail.
    """

    breaks = False

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if self.breaks and mode != "rb":
            raise ConnectionError("the upload broke")
        return super()._open(path, mode.replace("a", "w"), **options)

    def mv(self, *paths: str, **options: Any) -> None:
        raise NotImplementedError("object stores do not rename")


def connect_object_store(store: StoreWithoutAppend | None = None) -> StoreWithoutAppend:
    """Have `memory://` lead to a store."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    # Airflow moved `attach` between its versions, but always had it where its paths look stores up.
    attach = sys.modules[ObjectStoragePath.__module__].attach  # type: ignore[attr-defined]
    attach("memory").fs = store = store or StoreWithoutAppend(skip_instance_cache=True)
    return store


@pytest.fixture
def object_store() -> Iterator[StoreWithoutAppend]:
    """Return the store of `memory://`, which is empty."""
    store = connect_object_store()
    _empty(store)
    yield store
    _empty(store)


def _empty(store: StoreWithoutAppend) -> None:
    # fsspec has one memory for all stores of a process.
    store.store.clear()
    store.pseudo_dirs[:] = [""]
