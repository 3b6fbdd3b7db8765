"""
The folders of a run: they can be written to, and no other run writes to them at the same time.

Two runs that write to one folder would replace each other's files, so that each folder has one owner. The owner is a
file with a lease. On this host, it is created only if it does not exist. Object stores cannot do that, and neither is
an expired claim replaced in one step, so that two runs which claim such a folder in the same second both succeed: each
verifies its claim before it replaces a file, and the one whose claim was replaced ends.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import check_folder, remove, write_atomic, write_new
from airflow_provider_360learning.files.store_errors import naming
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.error_report import ERRORS
from airflow_provider_360learning.rows.stored_state import StoredStateError, read_object

#: Name of the file.
OWNER = "owner.json"
VERSION = 1
#: Duration of a claim in seconds.
CLAIM = 60.0
#: Seconds by which the clock of another host may be ahead: what lasts longer than a claim and this is not a claim.
_MAX_AHEAD = 3600.0
#: Seconds after which a claim is renewed.
RENEW_AFTER = 20.0
_ADVICE = "Remove it if no task is running on this folder."


class FolderInUseError(Learning360Error):
    """Another run writes to the folder; a later try can succeed."""

    transient = True


class FolderOwner:
    """
    The claim of one run to a folder.

    :param folder: The folder.
    :param owner: Name of the task that claims it. Another attempt of the same task may always claim it: which attempt
        may write is decided by the lease of the checkpoint.
    :param wall_clock: Returns seconds since 1970.
    :param file_mode: Permissions of the file.
    """

    def __init__(
        self,
        folder: ObjectStoragePath,
        owner: str,
        wall_clock: Callable[[], float] = time.time,
        *,
        file_mode: int = PRIVATE,
    ) -> None:
        self._folder = folder
        self._path = folder / OWNER
        self._owner = owner
        self._wall_clock = wall_clock
        self._file_mode = file_mode
        self._token = secrets.token_hex(8)
        self._renew_at = 0.0

    def claim(self) -> None:
        """
        Claim the folder.

        :raises FolderInUseError: if another run has claimed it; its name is in the message.
        """
        found = self._load()
        if found is None:
            if self._create():
                return
            found = self._load()
        now = self._wall_clock()
        if found and found["owner"] != self._owner and now < found["until"] <= now + CLAIM + _MAX_AHEAD:
            raise self._in_use(found["owner"])
        self._save()

    def renew(self, *, force: bool = False) -> None:
        """
        Renew the claim, if it is time.

        :param force: Verify the claim in any case: before a file is replaced.
        :raises FolderInUseError: if another run has claimed the folder.
        """
        if not force and self._wall_clock() < self._renew_at:
            return
        found = self._load()
        if found is None:  # another run may have had it in the meantime
            raise self._in_use("another run, or was")
        if found["token"] != self._token:
            raise self._in_use(found["owner"])
        self._save()

    def release(self) -> None:
        """Remove the claim, unless another run has it."""
        try:
            found = self._load()
        except StoredStateError:
            return
        if found and found["token"] == self._token:
            remove(self._path)

    def _load(self) -> dict[str, Any] | None:
        found = read_object(self._path, self._path, VERSION, _ADVICE)
        if found is None:
            return None
        if not isinstance(found.get("until"), int | float) or not all(
            isinstance(found.get(name), str) for name in ("owner", "token")
        ):
            raise StoredStateError(self._path, "is damaged", _ADVICE)
        return found

    def _create(self) -> bool:
        """Write the claim and return ``True``, unless another run has claimed the folder in the meantime."""
        return write_new(self._path, self._claim(), file_mode=self._file_mode)

    def _save(self) -> None:
        write_atomic(self._path, self._claim(), file_mode=self._file_mode)

    def _claim(self) -> bytes:
        now = self._wall_clock()
        self._renew_at = now + RENEW_AFTER
        return json.dumps(
            {"version": VERSION, "owner": self._owner, "token": self._token, "until": now + CLAIM}
        ).encode()

    def _in_use(self, owner: str) -> FolderInUseError:
        return FolderInUseError(
            f"{self._folder} is in use by {owner:.200}. Let that task end, or give each task a folder of its own "
            "(results_path, rejected_path, state_path)."
        )


class Claims:
    """
    The claims of one run to its folders.

    :param owners: One per folder.
    """

    def __init__(self, owners: Sequence[FolderOwner]) -> None:
        self._owners = owners

    def renew(self, *, force: bool = False) -> None:
        """
        Renew all claims, if it is time.

        :param force: Verify them in any case: before a file is replaced.
        :raises FolderInUseError: if another run has claimed a folder.
        """
        for owner in self._owners:
            owner.renew(force=force)


@contextmanager
def open_folders(config: RowsConfig, context: Mapping[str, Any], held: Sequence[FolderOwner] = ()) -> Iterator[Claims]:
    """
    Verify that the folders of a run can be written to, claim them, and remove the error report of an earlier run.

    A dry run claims nothing: it replaces the files of other dry runs only.

    :param config: The run.
    :param context: Airflow's context; empty outside a task.
    :param held: Claims that the caller has, which are renewed with the others.
    :raises StorageError: if a folder cannot be written to; its connection is named.
    :raises FolderInUseError: naming the run that has claimed one.
    """
    check_writable("results_path", config.results_folder, config.file_mode)
    check_writable("rejected_path", config.rejected_folder, config.file_mode)
    if config.state_path and not config.dry_run:
        check_writable("state_path", config.state_path, config.file_mode)
    name = owner_name(config, context)
    folders = () if config.dry_run else (config.results_path, config.rejected_path, config.state_folder)
    claimed = {str(each): each for each in folders}
    owners: list[FolderOwner] = []
    try:
        for folder in claimed.values():
            owner = FolderOwner(folder, name, file_mode=config.file_mode)
            owner.claim()
            owners.append(owner)
        remove(config.rejected_folder / ERRORS)
        yield Claims([*owners, *held])
    finally:
        for owner in owners:
            owner.release()


def check_writable(argument: str, folder: ObjectStoragePath, file_mode: int = PRIVATE) -> None:
    """
    Verify, before the first request, that the files of a folder can be written, read and removed.

    :param argument: Name of the argument that names the folder.
    :param folder: The folder.
    :param file_mode: Permissions of its files; it is created with the same.
    :raises StorageError: naming the folder and its connection.
    """
    with naming(argument, "Nothing was sent."):
        check_folder(folder, file_mode=file_mode)


def owner_name(config: RowsConfig, context: Mapping[str, Any]) -> str:
    """
    Return the name of the run, the same in all of its attempts.

    :param config: The run.
    :param context: Airflow's context; empty outside a task.
    """
    return task_name(context) or f"the run with results_path {config.results_path}"


def task_name(context: Mapping[str, Any]) -> str | None:
    """
    Return the name of a task in its run, the same in all of its attempts; ``None`` outside a task.

    :param context: Airflow's context.
    """
    task_instance = context.get("ti")
    if task_instance is None:
        return None
    name = f"task {task_instance.task_id} of DAG {task_instance.dag_id}, run {task_instance.run_id}"
    return name if task_instance.map_index < 0 else f"{name}, map index {task_instance.map_index}"
