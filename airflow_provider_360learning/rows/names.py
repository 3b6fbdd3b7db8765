"""Names in rows: resolved before the first row is sent, and the same in all attempts of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any, TypeVar, get_args

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import ActionArguments, Kind
from airflow_provider_360learning.api.named_objects import NewGroup
from airflow_provider_360learning.api.names import KnownName, Names, Resolution
from airflow_provider_360learning.files.storage import write_atomic
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.ordered_executor import OrderedExecutor
from airflow_provider_360learning.rows.checkpoints import LAST_WAIT, Checkpoint, Checkpoints
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.results import read_manifest
from airflow_provider_360learning.rows.stored_state import StoredStateError, read_object
from airflow_provider_360learning.supervision import ignore_sigterm

log = get_logger(__name__)

M = TypeVar("M", bound=ActionArguments)

#: File with the ids of the names of a run, beside its results.
FILE = "names.json"
#: Maximum number of groups that a dry run logs.
MAX_LOGGED = 20
#: Version of the file.
VERSION = 1
#: Maximum number of bytes of the file: some hundred thousand names.
MAX_BYTES = 64 << 20
_ADVICE = "Restore the file, or remove it: then the names are looked up again. Nothing was sent."


class RowNames:
    """
    Resolves the names in rows, with at most one listing per kind of object.

    What a run does may change the names by which its rows are given: a group is renamed or deleted. The ids are
    therefore stored before the first row is sent, and the next attempt of the run uses them.

    :param config: The run.
    :param api: The actions.
    :param checkpoints: The checkpoint of the run, and the lease.
    """

    def __init__(self, config: RowsConfig, api: LearningApi, checkpoints: Checkpoints) -> None:
        self._config = config
        self._api = api
        self._checkpoints = checkpoints
        self._names = Names(api)
        self._file = config.results_folder / FILE
        self._is_loaded = False

    def resolve(self, arguments: ActionArguments) -> Resolution:
        """
        Find the names in the arguments of a row, and change nothing.

        :param arguments: Valid arguments.
        :raises StoredStateError: if the names of an earlier attempt cannot be read.
        """
        self._load_once()
        return self._api.client.run(self._names.resolve(arguments))

    def resolved(self, arguments: M) -> M:
        """
        Return arguments that all rows share, with ids in place of names.

        :param arguments: Valid arguments.
        :raises InvalidRequestError: naming every name that does not stand for exactly one object.
        """
        self._load_once()
        return self._api.client.run(self._names.resolved(arguments))

    def prepare(
        self, checkpoint: Checkpoint, new_groups: Collection[NewGroup], renew_claims: Callable[[], None]
    ) -> Checkpoint:
        """
        Create missing groups and store the ids of all names, before the first row is sent; a dry run only logs them.

        :param checkpoint: The checkpoint of this attempt, which holds the lease.
        :param new_groups: The groups to create; one that exists by now is not created again.
        :param renew_claims: Renews the claims to the folders.
        :return: The last checkpoint.
        """
        if self._config.dry_run:
            if new_groups:
                shown = ", ".join(repr(group.name) for group in islice(new_groups, MAX_LOGGED))
                log.info("groups=%s would be created: %s", len(new_groups), shown)
            return checkpoint
        executor: OrderedExecutor[NewGroup, None] = OrderedExecutor(self._create, capacity=lambda: 1)
        with executor:
            try:
                for group in new_groups:
                    executor.submit(group)
                    checkpoint = self._renew_until_idle(executor, checkpoint, renew_claims)
                if self._names.known:
                    self._save(checkpoint.run)
            except BaseException:
                with ignore_sigterm():
                    self._checkpoints.stop()
                    for _ in executor.drain(LAST_WAIT):
                        pass
                    self._checkpoints.release(checkpoint, is_quiet=executor.is_quiet)
                raise
        return checkpoint

    def _create(self, group: NewGroup) -> None:
        self._api.client.run(self._names.create(group))

    def _renew_until_idle(
        self, executor: OrderedExecutor[NewGroup, None], checkpoint: Checkpoint, renew_claims: Callable[[], None]
    ) -> Checkpoint:
        """Renew the claims and the lease until a group is created: its request may take longer than a lease."""
        while not executor.is_idle:
            renew_claims()
            if self._checkpoints.is_due:
                checkpoint = self._checkpoints.renew(checkpoint)
            for task in executor.collect(timeout=0.5):
                if task.error is not None:
                    raise task.error
        return checkpoint

    def _load_once(self) -> None:
        """Use the ids that an earlier attempt has stored, if this one continues its run."""
        if self._is_loaded:
            return
        self._is_loaded = True
        run = self._earlier_run()
        if run is None:
            return
        stored = read_object(self._file, self._file, VERSION, _ADVICE, max_bytes=MAX_BYTES)
        # Without the file, there were no names, or it ended before the first row.
        if stored is not None and stored.get("run") == run:
            self._names.restore(self._parse(stored))

    def _earlier_run(self) -> str | None:
        """Return the id of the run that this attempt continues, or whose rows it sends again."""
        if self._config.dry_run:
            return None
        if self._config.retry_failed_only and (manifest := read_manifest(self._config.results_path)):
            return str(manifest.get("run"))
        found = None if self._config.ignore_checkpoint else self._checkpoints.peek()
        return found.run if found else None

    def _parse(self, stored: Mapping[str, Any]) -> dict[KnownName, str]:
        kinds = get_args(Kind)
        known: dict[KnownName, str] = {}
        entries = stored.get("names")
        for entry in entries if isinstance(entries, list) else [None]:
            if not isinstance(entry, dict) or entry.keys() != {"kind", "name", "scope", "id"}:
                raise StoredStateError(self._file, "is damaged: it lacks names", _ADVICE)
            kind, text, scope, id = entry["kind"], entry["name"], entry["scope"], entry["id"]
            if kind not in kinds or not all(isinstance(one, str) for one in (text, scope or "", id)):
                raise StoredStateError(self._file, f"is damaged: {entry!r:.200} is not a name", _ADVICE)
            known[KnownName(kind, text, scope)] = id
        return known

    def _save(self, run: str) -> None:
        entries = [
            {"kind": name.kind, "name": name.text, "scope": name.scope, "id": id}
            for name, id in self._names.known.items()
        ]
        contents = json.dumps({"version": VERSION, "run": run, "names": entries}, indent=1)
        write_atomic(self._file, contents.encode(), file_mode=self._config.file_mode)
        log.info("names=%s stored in %s", len(entries), self._file)
