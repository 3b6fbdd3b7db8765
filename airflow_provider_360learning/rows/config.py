"""What a run does, with which rows, and where its files are: one frozen value, made by the operator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import StoragePath, storage_path
from airflow_provider_360learning.rows.sources import Source

#: Maximum number of attempts of one request: a minute of failures is short in a run of hours.
MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class ApplyAction:
    """
    Apply an action to each row.

    :param action: Name of the action.
    :param defaults: Arguments for rows that do not have them.
    :param creation: Arguments of :class:`~.groups.GroupCreation`, if missing groups are created.
    """

    action: str
    defaults: Mapping[str, Any]
    creation: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ImportStatistics:
    """
    Import statistics of learners in courses of an external provider.

    :param group_id: Id of the group whose library has the courses.
    :param group: Its name instead of ``group_id``.
    :param external_platform: Name of the provider.
    :param integration_id: Id of the integration of the group with the provider, where the API has one.
    :param verify_users_exist: Whether to report unknown email addresses before anything is sent.
    """

    group_id: str | None
    group: str | None
    external_platform: str
    integration_id: str | None
    verify_users_exist: bool


@dataclass(frozen=True, slots=True)
class ImportCourses:
    """
    Create or update courses of an external provider.

    :param group_id: Id of the group whose library receives the courses.
    :param group: Its name instead of ``group_id``.
    :param external_platform: Name of the provider.
    :param integration_id: Id of the integration of the group with the provider, where the API has one.
    :param author_id: Id of an author or admin of the group.
    """

    group_id: str | None
    group: str | None
    external_platform: str
    integration_id: str | None
    author_id: str


Job: TypeAlias = ApplyAction | ImportStatistics | ImportCourses


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """
    Times of the lease of an attempt, in seconds.

    :param duration: How long a checkpoint grants the lease.
    :param renew_after: When the lease is renewed, with or without progress.
    :param clock_difference: Maximum difference of the clocks of two workers.
    :param settle: How long an attempt waits to verify that no other took the lease at the same time.
    """

    duration: float = 30.0
    renew_after: float = 10.0
    clock_difference: float = 5.0
    settle: float = 1.0


@dataclass(frozen=True, slots=True)
class JobTimes:
    """
    Times of bulk jobs, in seconds.

    :param defer_after: How long a job may run before the wait for it is deferred, with ``deferrable``.
    :param give_up_after: How long a job may run before its rows count as unknown.
    :param pauses_before_looking: Pauses before each look for a job whose submission got no response.
    """

    defer_after: float = 60.0
    give_up_after: float = 24 * 3600.0
    pauses_before_looking: tuple[float, ...] = (0.0, 5.0, 15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsConfig:
    """
    Everything that decides what a run does.

    :param job: What is done with the rows.
    :param source: The rows.
    :param column_mapping: Columns of the source to those of the action.
    :param learning360_conn_id: The connection to 360Learning.
    :param pool_slots: Pool slots of the task, which are its share of the rate limits where no state is shared.
    :param run_as_user: The operating system user of the task.
    :param results_path: Folder of the results.
    :param rejected_path: Folder of the rejected rows.
    :param state_path: Folder of the remembered state, if one was given.
    :param on_invalid: Whether an invalid row fails the task before anything is sent, or is skipped.
    :param allow_empty: Whether a source without rows is accepted.
    :param skip_unchanged: Whether rows that would change nothing are not sent; ``None``: for updates only.
    :param max_failures: Maximum number of rows that are refused, failed or unknown; by default 0.
    :param max_failure_ratio: Maximum share of these, from 0 to 1.
    :param max_invalid: Maximum number of invalid rows that are skipped; by default all but one may be.
    :param max_invalid_ratio: Maximum share of these, from 0 to 1.
    :param retry_failed_only: Whether only the rows of the last run that can be retried are sent.
    :param ignore_checkpoint: Whether an unfinished earlier attempt is ignored.
    :param resend_unconfirmed: Whether rows with an unknown outcome are sent again.
    :param dry_run: Whether nothing is sent.
    :param escape_formulas: Whether rejected rows in CSV hold no formula for a spreadsheet.
    :param file_mode: Permissions of the files, and of the folders that are created.
    :param max_attempts: Maximum number of attempts of one request.
    :param lease: Times of the lease.
    :param deferrable: Whether long waits for bulk jobs are deferred.
    :param jobs: Times of bulk jobs.
    :param is_part: Whether the run is a part of a task that reports it itself: rejected rows do not fail it.
    :param stop_after_failures: Number of rejected rows after which an attempt stops; by default it does not.
    """

    job: Job
    source: Source
    column_mapping: Mapping[str, str | None]
    learning360_conn_id: str
    pool_slots: int
    run_as_user: str | None
    results_path: ObjectStoragePath
    rejected_path: ObjectStoragePath
    state_path: ObjectStoragePath | None
    on_invalid: str
    allow_empty: bool
    skip_unchanged: bool | None
    max_failures: int | None
    max_failure_ratio: float | None
    max_invalid: int | None
    max_invalid_ratio: float | None
    retry_failed_only: bool
    ignore_checkpoint: bool
    resend_unconfirmed: bool
    dry_run: bool
    escape_formulas: bool = True
    file_mode: int = PRIVATE
    max_attempts: int = MAX_ATTEMPTS
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    deferrable: bool = False
    jobs: JobTimes = field(default_factory=JobTimes)
    is_part: bool = False
    stop_after_failures: int | None = None

    def __post_init__(self) -> None:
        limits = (self.max_invalid, self.max_invalid_ratio)
        if self.on_invalid == "fail" and limits != (None, None):
            raise InvalidRequestError(
                "max_invalid and max_invalid_ratio limit the invalid rows that on_invalid='skip' skips, but on_invalid "
                "is 'fail': then one invalid row fails the task before anything is sent. Set on_invalid='skip', or "
                "leave the limits out.",
                argument="max_invalid",
            )

    @property
    def results_folder(self) -> ObjectStoragePath:
        """Folder that this run writes its results to."""
        return self.results_path / "dry_run" if self.dry_run else self.results_path

    @property
    def rejected_folder(self) -> ObjectStoragePath:
        """Folder that this run writes its rejected rows to."""
        return self.rejected_path / "dry_run" if self.dry_run else self.rejected_path

    @property
    def state_folder(self) -> ObjectStoragePath:
        """Folder of the remembered state."""
        return self.state_path or self.results_path

    def allowed_failures(self, rows: int) -> int:
        """
        Return how many rows may be refused, failed or unknown.

        :param rows: Number of rows.
        """
        return _smallest(self.max_failures, self.max_failure_ratio, rows, default=0)

    def allowed_invalid(self, rows: int) -> int:
        """
        Return how many rows may be invalid.

        :param rows: Number of rows.
        """
        return _smallest(self.max_invalid, self.max_invalid_ratio, rows, default=rows)


def _smallest(number: int | None, ratio: float | None, rows: int, *, default: int) -> int:
    limits = [] if number is None else [number]
    if ratio is not None:
        limits.append(math.floor(round(ratio * rows, 9)))  # 0.29 * 100 is 28.999999999999996
    return min(limits, default=default)


def folder(path: StoragePath, map_index: int) -> ObjectStoragePath:
    """
    Return a folder; mapped tasks have a subfolder each, since they would replace each other's files.

    :param path: The folder that the operator was given.
    :param map_index: Index of a mapped task, otherwise -1.
    """
    return storage_path(path) if map_index < 0 else storage_path(path) / str(map_index)
