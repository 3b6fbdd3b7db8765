"""
Apply a plan: list 360Learning once more, leave out what is stale, and run the phases in order.

Each phase is a bulk run, whose rows are written before its first request: a later attempt sends the same ones, and the
run resumes at its checkpoint. Which changes are stale, and whose accounts creations have led to, is stored too, because
the phases change what it was found by.

While a run applies a plan, it has a claim to the folder of the state, so that no other run applies one over the same
state. Every attempt verifies it before it sends or saves something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath
from pydantic import TypeAdapter

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.exceptions import RefusedError
from airflow_provider_360learning.files.storage import atomic_writer, list_folder, size_of, storage_path, write_atomic
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.config import ApplyAction, RowsConfig
from airflow_provider_360learning.rows.folders import FolderOwner, check_writable
from airflow_provider_360learning.rows.recorder import TooManyFailuresError
from airflow_provider_360learning.rows.results import Result, read_last_results, read_manifest, read_written_results
from airflow_provider_360learning.rows.run import run
from airflow_provider_360learning.rows.sources import make_source
from airflow_provider_360learning.rows.stored_state import StoredStateError, read_typed
from airflow_provider_360learning.sync.begun_rows import ADVICE, begun_rows, read_rows, write_rows
from airflow_provider_360learning.sync.creations import Whose, is_user
from airflow_provider_360learning.sync.details import read_details
from airflow_provider_360learning.sync.guards import limit_of
from airflow_provider_360learning.sync.listing import read_platform
from airflow_provider_360learning.sync.marks import (
    Run,
    begin_applying,
    finish_applying,
    finished_by,
    forget_begun,
    remember_begun,
    remove_results,
)
from airflow_provider_360learning.sync.names import label
from airflow_provider_360learning.sync.new_state import keys_of, with_accounts, with_changes, with_creations, with_plan
from airflow_provider_360learning.sync.options import Limit
from airflow_provider_360learning.sync.outcomes import STALE, Outcomes
from airflow_provider_360learning.sync.phases import Phase, Phases
from airflow_provider_360learning.sync.plan import Change
from airflow_provider_360learning.sync.plan_files import CHANGES, MAX_LINES, StoredPlan, check_applicable
from airflow_provider_360learning.sync.planning import Place, company_of, identity_of, read_state
from airflow_provider_360learning.sync.stale import StaleCheck, users_to_read
from airflow_provider_360learning.sync.state import SyncState, save_state

log = get_logger(__name__)

VERSION = 1
#: Which changes are stale, and whose accounts creations have led to, in the folder of the results.
BEGUN = "begun.json"
#: The outcome of each change.
OUTCOMES = "outcomes.jsonl"
#: Maximum number of bytes of it, for each change of the plan, and besides: decoded, JSON may take thirty times as much.
_MAX_BEGUN_PER_CHANGE, _MAX_BEGUN = 500, 1 << 20
#: Actions that change what the others of them rely on.
_OF_MANAGERS = frozenset({"add_manager", "remove_manager"})
#: Maximum number of bytes of the rows of a phase, for each byte of the changes, and besides.
_MAX_ROWS_PER_BYTE, _MAX_ROWS = 16, 1 << 20
#: Maximum number of characters of a reason why a change is stale.
_MAX_REASON = 300


class ChangesNotDoneError(RefusedError):
    """Changes were refused, failed, or have an unknown outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """
    How a plan is applied.

    :param conn_id: The connection to 360Learning.
    :param pool_slots: Pool slots of the task.
    :param run_as_user: The operating system user of the task.
    :param run: The run.
    :param stop_after_failures: After how many failures applying stops.
    """

    conn_id: str
    pool_slots: int
    run_as_user: str | None
    run: Run
    stop_after_failures: Limit


@dataclass(frozen=True, slots=True)
class Applied:
    """
    What became of a plan.

    :param outcomes: Number of changes by outcome.
    :param problem: Why the task fails, if it does.
    """

    outcomes: Mapping[str, int]
    problem: str | None


def apply_plan(
    api: LearningApi,
    plan: StoredPlan,
    place: Place,
    settings: RunSettings,
    claim: FolderOwner,
    context: MutableMapping[str, Any],
    now: datetime,
) -> Applied:
    """
    Apply a plan, or continue an earlier attempt of the same run.

    :param api: The API.
    :param plan: The plan, which the guards or a person have accepted.
    :param place: Where plans and the state are.
    :param settings: How it is applied.
    :param claim: The claim of the run to the folder of the state, which is not claimed yet.
    :param context: Airflow's context; empty outside a task.
    :param now: The time.
    :return: What became of it; the caller decides about failures.
    :raises PlanError: if it must not be applied: nothing was sent.
    :raises FolderInUseError: if another run applies a plan over the same state.
    :raises TooManyFailuresError: if applying has stopped at too many failures.
    """
    if (done := finished_by(plan, settings.run)) is not None:
        log.info("An earlier attempt has applied plan %s; nothing is sent. Clear the task to start over.", done.plan)
        return Applied(done.outcomes, done.problem)
    check_applicable(plan, company=company_of(api), now=now)
    check_writable("state_path", storage_path(place.state_path), place.file_mode)
    claim.claim()
    try:
        return _Application(api, plan, place, settings, claim, context).apply(now)
    finally:
        claim.release()


class _Application:
    """
    One attempt to apply a plan.

    The parameters are those of :func:`apply_plan`.
    """

    def __init__(
        self,
        api: LearningApi,
        plan: StoredPlan,
        place: Place,
        settings: RunSettings,
        claim: FolderOwner,
        context: MutableMapping[str, Any],
    ) -> None:
        self._api = api
        self._plan = plan
        self._place = place
        self._settings = settings
        self._claim = claim
        self._context = context
        self._outcomes = Outcomes(plan.changes.changes)
        self._limit = limit_of(settings.stop_after_failures, len(plan.changes.changes))
        #: Failures of phases that an earlier attempt has ended do not stop this one.
        self._failures = 0
        self._phases = Phases(api, plan.options, self._outcomes)
        #: Why changes are stale, by number.
        self._stale: dict[int, str] = {}
        #: Why no more is sent, but what undoes the restoration of an account.
        self._stopped: TooManyFailuresError | None = None
        #: Whether that was in the middle of a phase.
        self._is_cut = False

    def apply(self, now: datetime) -> Applied:
        """Apply the plan."""
        plan, run = self._plan, self._settings.run
        self._state = read_state(self._api, plan.options, self._place)
        mark = begin_applying(plan, run, self._state.last_plan, now, file_mode=self._place.file_mode)
        remember_begun(self._place.plan_path, run, plan, file_mode=self._place.file_mode)
        self._folder = plan.folder / mark.results
        try:
            self._leave_out_stale(now)
            self._apply_phases(now)
            self._save(with_plan(self._state, plan, now, plan.interval))
        finally:
            if plan.redacted:
                remove_results(plan.folder)
        applied = Applied(self._outcomes.counts(), _problem_of(plan, self._outcomes))
        finish_applying(
            plan,
            mark,
            run,
            datetime.now(UTC),
            outcomes=applied.outcomes,
            problem=applied.problem,
            file_mode=self._place.file_mode,
        )
        if plan.redacted or not run.generation:  # otherwise a retry returns the same
            forget_begun(self._place.plan_path, run)
        return applied

    def _save(self, state: SyncState) -> None:
        if state == self._state:  # most phases have no rows
            return
        self._claim.renew(force=True)
        identity = identity_of(self._plan.company, self._plan.options)
        save_state(self._place.state_path, state, identity, file_mode=self._place.file_mode)
        self._state = state

    # What has changed since the plan was made

    def _leave_out_stale(self, now: datetime) -> None:
        """
        Leave out the changes that are stale, and save what 360Learning has.

        An attempt that continues compares what no earlier one has begun to change.
        """
        stale, self._phases.whose = _read_findings(self._folder / BEGUN, len(self._outcomes.changes))
        self._stale = stale
        changes, begun = self._outcomes.changes, self._begun_actions()
        unsent = {number: each for number, each in enumerate(changes) if each.action not in begun}
        platform = read_platform(self._api, self._plan.options, self._state, now)
        if ids := users_to_read(list(unsent.values())):
            platform = read_details(self._api, platform, ids)
        check = StaleCheck(platform, changes)
        for number, change in unsent.items():
            if number not in stale and (problem := check.problem(change)):
                stale[number] = problem
        keys = keys_of(self._plan.changes, self._plan.options)
        self._save(with_accounts(self._state, platform.accounts, self._plan.options, keys))
        self._remember_findings()
        self._report_stale()

    def _begun_actions(self) -> frozenset[str]:
        """Return the actions of phases that an earlier attempt has begun."""
        changes = self._outcomes.changes
        paths = list_folder(self._folder)
        maximum = self._max_rows_size
        rows = (row for path in paths if path.suffix == ".jsonl" for row in read_rows(path, len(changes), maximum))
        begun = frozenset(changes[number].action for number, _ in rows)
        return begun | _OF_MANAGERS if begun & _OF_MANAGERS else begun

    def _remember_findings(self) -> None:
        content = {"version": VERSION, "stale": self._stale, "whose": self._phases.whose}
        write_atomic(self._folder / BEGUN, json.dumps(content).encode(), file_mode=self._place.file_mode)

    @property
    def _max_rows_size(self) -> int:
        """Maximum number of bytes of the rows of a phase, which are not much longer than the changes."""
        if self._plan.redacted:
            return MAX_LINES
        return min(MAX_LINES, _MAX_ROWS + _MAX_ROWS_PER_BYTE * (size_of(self._plan.folder / CHANGES) or 0))

    def _report_stale(self) -> None:
        for number, reason in self._stale.items():
            self._outcomes.leave_out(number, STALE, reason)
            change = self._outcomes.changes[number]
            name = label(change.key, rows=change.rows, user_id=change.user_id)
            log.warning("Change is stale and not sent: action=%s key=%s reason=%s", change.action, name, reason)

    # Phases

    def _apply_phases(self, now: datetime) -> None:
        try:
            for phase in self._phases:
                if self._stopped is not None and not phase.is_undo:
                    raise self._stopped
                if self._is_cut:
                    phase = phase.after_cut(len(self._outcomes.results))
                self._save_creations(phase)
                try:
                    self._do(phase)
                finally:  # the platform has what a phase did before it broke off
                    self._save(with_changes(self._state, self._outcomes, self._plan.options, now))
        finally:
            self._write_outcomes()

    def _save_creations(self, phase: Phase) -> None:
        """Save who is about to be created: an account gets its key later."""
        if self._plan.options.key == "mail":
            return
        created = [self._outcomes.changes[number] for number, _ in phase.rows]
        created = [change for change in created if change.action == "create"]
        # An invitation that is not a user yet may belong to another person.
        self._save(with_creations(self._state, [one for one in created if self._is_user(one)]))

    def _is_user(self, change: Change) -> bool:
        return is_user(change, self._plan.options, self._api.user_facts)

    def _do(self, phase: Phase) -> None:
        """Do a phase, unless an earlier attempt has done it, and take in its results."""
        rows, folder = self._folder / f"{phase.name}.jsonl", self._folder / phase.name
        is_resumed = size_of(rows) is not None
        is_new = read_manifest(folder) is None
        if is_resumed:
            begun = replace(phase, rows=begun_rows(rows, phase, self._outcomes, self._max_rows_size))
            if begun.is_late and is_new:
                self._do(phase.again(self._take_in_so_far(begun, folder)))
                return
            phase = begun
        elif phase.rows:
            write_rows(rows, phase, self._place.file_mode)
        if not phase.rows:
            return
        if is_new and not self._send(phase, rows, folder, is_resumed=is_resumed):
            return
        self._take_in(phase, read_last_results(folder), is_resumed=is_resumed)
        if is_new:
            self._failures += sum(not self._outcomes.results[number][-1].is_done for number, _ in phase.rows)
        if self._failures > self._limit:
            self._stopped = self._too_many_failures(phase, folder)

    def _send(self, phase: Phase, rows: ObjectStoragePath, folder: ObjectStoragePath, *, is_resumed: bool) -> bool:
        """Send the rows of a phase, and return whether it has come to its end."""
        log.info("Phase %s: action=%s rows=%s", phase.name, phase.action, len(phase.rows))
        try:
            summary = run(self._config(phase, rows, folder), self._context, [self._claim])
        except TooManyFailuresError as error:
            self._take_in_broken_off(phase, folder, is_resumed=is_resumed)
            self._stopped, self._is_cut = error, True
            return False
        except BaseException:
            self._take_in_broken_off(phase, folder, is_resumed=is_resumed)
            raise
        counts = " ".join(f"{name}={count}" for name, count in summary["outcomes"].items())
        log.info("Phase %s: %s", phase.name, counts)
        return True

    def _too_many_failures(self, phase: Phase, folder: ObjectStoragePath) -> TooManyFailuresError:
        return TooManyFailuresError(
            f"{self._failures:,} changes were refused, failed or unknown, and applying stops after {self._limit:,} "
            f"(stop_after_failures). The results are in {folder}; the phases after {phase.name} were not sent. "
            "Retry the task to continue, or make a new plan."
        )

    def _take_in(self, phase: Phase, results: Iterable[Result], *, is_resumed: bool) -> None:
        found = list(results)
        if len(found) != len(phase.rows):
            raise StoredStateError(self._folder / f"{phase.name}.jsonl", "does not fit the results", ADVICE)
        for (number, _), result in zip(phase.rows, found, strict=True):
            self._outcomes.results.setdefault(number, []).append(result)
        self._phases.take_in(phase, is_resumed=is_resumed)
        if phase.action == "create_user":
            self._remember_findings()

    def _take_in_so_far(self, phase: Phase, folder: ObjectStoragePath, *, is_resumed: bool = True) -> frozenset[int]:
        """Take in what a phase has done without coming to its end, and return the numbers of these changes."""
        results = list(read_written_results(folder))
        phase = replace(phase, rows=phase.rows[: len(results)])
        self._take_in(phase, results, is_resumed=is_resumed)
        return frozenset(number for number, _ in phase.rows)

    def _take_in_broken_off(self, phase: Phase, folder: ObjectStoragePath, *, is_resumed: bool) -> None:
        """Take in what a phase did before it broke off; the error that ended it is the one to raise."""
        before = {number: list(results) for number, results in self._outcomes.results.items()}
        try:
            self._take_in_so_far(phase, folder, is_resumed=is_resumed)
        except Exception as error:
            self._outcomes.results = before  # a retry takes them in
            log.warning("The results of phase %s could not be taken in (%s)", phase.name, type(error).__name__)

    def _config(self, phase: Phase, rows: ObjectStoragePath, folder: ObjectStoragePath) -> RowsConfig:
        mapping: dict[str, str | None] = {"change": None}
        return RowsConfig(
            job=ApplyAction(phase.action, phase.defaults),
            source=make_source(rows, column_mapping=mapping),
            column_mapping=mapping,
            learning360_conn_id=self._settings.conn_id,
            pool_slots=self._settings.pool_slots,
            run_as_user=self._settings.run_as_user,
            results_path=folder,
            rejected_path=folder,
            state_path=None,
            on_invalid="skip",
            allow_empty=False,
            skip_unchanged=False,
            max_failures=None,
            max_failure_ratio=None,
            max_invalid=None,
            max_invalid_ratio=None,
            retry_failed_only=False,
            ignore_checkpoint=False,
            resend_unconfirmed=False,
            dry_run=False,
            file_mode=self._place.file_mode,
            is_part=True,
            stop_after_failures=None if phase.is_undo else max(self._limit - self._failures, 0),
        )

    def _write_outcomes(self) -> None:
        with atomic_writer(self._plan.folder / OUTCOMES, file_mode=self._place.file_mode) as file:
            for number, change in enumerate(self._outcomes.changes):
                outcome, message = self._outcomes.outcome(number)
                line = {
                    "action": change.action,
                    "key": None if self._plan.redacted else change.key,
                    "rows": change.rows,
                    "outcome": outcome,
                    "message": None if self._plan.redacted else message,
                }
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _problem_of(plan: StoredPlan, outcomes: Outcomes) -> str | None:
    """Return why the task fails: changes were sent and not made."""
    if not (failures := outcomes.failures):
        return None
    change = outcomes.changes[failures[0]]
    outcome, _ = outcomes.outcome(failures[0])
    name = label(change.key, rows=change.rows, user_id=change.user_id)
    return (
        f"{len(failures):,} of {len(outcomes.changes):,} changes were not made, the first: {change.action} of {name} "
        f"({outcome}). All are in {plan.folder / OUTCOMES}. The next plan has them again."
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """Why changes are stale, and whose accounts creations have led to, by number."""

    stale: dict[str, str]
    whose: dict[str, Whose]


_FINDINGS = TypeAdapter(_Findings)


def _read_findings(path: ObjectStoragePath, changes: int) -> tuple[dict[int, str], dict[int, Whose]]:
    """
    Return why changes are stale, and whose accounts creations have led to, as far as earlier attempts know it.

    :param path: The file.
    :param changes: Number of changes of the plan.
    """
    maximum = _MAX_BEGUN + _MAX_BEGUN_PER_CHANGE * changes
    if (findings := read_typed(path, _FINDINGS, VERSION, ADVICE, max_bytes=maximum)) is None:
        return {}, {}
    numbers = {str(number): number for number in range(changes)}
    if not numbers.keys() >= findings.stale.keys() | findings.whose.keys():
        raise StoredStateError(path, "is damaged", ADVICE)
    stale = {numbers[each]: one_line(reason, _MAX_REASON) for each, reason in findings.stale.items()}
    return stale, {numbers[each]: whose for each, whose in findings.whose.items()}
