"""
Which run applies a plan: a plan is applied once, by one run, in one or several attempts.

The mark is in the folder of the plan. A second file, beside the folders, says which plan a run applies, so that a
further attempt continues it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar

from airflow.providers.common.compat.sdk import ObjectStoragePath
from pydantic import ConfigDict, TypeAdapter

from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import (
    StoragePath,
    list_folder,
    remove,
    remove_tree,
    storage_path,
    write_atomic,
    write_new,
)
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.schema import digest_of
from airflow_provider_360learning.rows.stored_state import StoredStateError, read_typed
from airflow_provider_360learning.sync.plan_files import PlanError, StoredPlan, is_plan_id

log = get_logger(__name__)

VERSION = 1
#: Name of the mark.
APPLIED = "applied.json"
#: Name of the folder of the results. If a plan begins once more, a number follows.
RESULTS = "results"
_RESULTS = re.compile(rf"{RESULTS}(-\d{{1,9}})?", re.ASCII)
_MARK_ADVICE = "It says whether the plan was applied: remove it if no run did, or make a new plan. Nothing was sent."
_NEW_PLAN = "Make a new plan. Nothing was sent."
_BEGUN_ADVICE = "Remove it to make a new plan. Nothing was sent."
#: Maximum number of characters of the reason why a task fails, in one line.
_MAX_PROBLEM = 5000


@dataclass(frozen=True, slots=True)
class Run:
    """
    The run that applies a plan.

    :param name: Its name, the same in all of its attempts.
    :param generation: What the attempts have in common that Airflow makes by itself; clearing the task starts another.
        Empty outside Airflow, where no attempt is known to repeat another.
    """

    name: str
    generation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """
    What is stored of the run that applies a plan.

    :param plan: Id of the plan.
    :param run: Name of the run.
    :param started_at: When it began.
    :param after: Id of the plan that was applied last before it.
    :param results: Name of the folder of its results.
    :param finished_at: When it was finished.
    :param generation: See :class:`Run`, of the attempt that finished it.
    :param outcomes: Number of changes by outcome.
    :param problem: Why the task fails, if it does.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    plan: str
    run: str
    started_at: str
    after: str | None = None
    results: str = RESULTS
    finished_at: str | None = None
    generation: str = ""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


_MARK = TypeAdapter(Mark)


def read_mark(plan: StoredPlan) -> Mark | None:
    """
    Return the mark of a plan, or ``None`` if no run has begun to apply it.

    :param plan: The plan.
    :raises StoredStateError: if it cannot be read.
    """
    path = plan.folder / APPLIED
    if (mark := read_typed(path, _MARK, VERSION, _MARK_ADVICE)) is None:
        return None
    try:
        times = [_time(each) for each in (mark.started_at, mark.finished_at) if each is not None]
    except ValueError:
        times = []
    if not times or not all(each.tzinfo for each in times) or not _RESULTS.fullmatch(mark.results):
        raise StoredStateError(path, "is damaged", _MARK_ADVICE)
    return replace(mark, problem=mark.problem and one_line(mark.problem, _MAX_PROBLEM))


def finished_by(plan: StoredPlan, run: Run) -> Mark | None:
    """
    Return the mark of a plan that an earlier attempt of a run has applied, before Airflow recorded its result.

    :param plan: The plan.
    :param run: The run. If the task was cleared since, it does not repeat the result.
    """
    mark = read_mark(plan)
    is_own = mark is not None and mark.finished_at and run.generation and (mark.run, mark.generation) == _pair(run)
    return mark if is_own else None


def is_superseded(mark: Mark, last_plan: str | None) -> bool:
    """
    Return whether another plan was applied since a run began to apply this one.

    :param mark: The mark of the plan.
    :param last_plan: Id of the plan that was applied last.
    """
    return last_plan not in (mark.after, mark.plan)


def begin_applying(
    plan: StoredPlan, run: Run, last_plan: str | None, now: datetime, *, file_mode: int = PRIVATE
) -> Mark:
    """
    Mark a plan as being applied, or return the mark of an earlier attempt of the same run.

    A plan that was made again since a run began to apply it, or has applied it, begins once more, for any run:
    360Learning and the state are what they were before. After a plan was applied, that is so only if the state was
    lost.

    :param plan: The plan.
    :param run: The run.
    :param last_plan: Id of the plan that was applied last.
    :param now: The time.
    :param file_mode: Permissions of the file.
    :raises PlanError: if it was applied, if another run has begun to apply it, or if another plan was applied since.
    """
    mark = Mark(plan=plan.plan_id, run=run.name, started_at=_text(now), after=last_plan)
    if (found := read_mark(plan)) is None:
        if write_new(plan.folder / APPLIED, _encode(mark), file_mode=file_mode):
            remove_results(plan.folder)  # no attempt has written them
            return mark
        found = read_mark(plan) or mark
    if plan.created_at > _time(found.finished_at or found.started_at):
        log.warning(
            "Plan %s was made again since run=%.200s began to apply it: it begins once more", found.plan, found.run
        )
        remove_results(plan.folder)
        mark = replace(mark, results=_next_results(found.results))
        write_atomic(plan.folder / APPLIED, _encode(mark), file_mode=file_mode)
        return mark
    if found.finished_at:
        raise PlanError(f"Plan {plan.plan_id} was applied at {_time(found.finished_at).isoformat()}. {_NEW_PLAN}")
    if found.run != run.name:
        raise PlanError(
            f"Another run began to apply plan {plan.plan_id}: {found.run!r:.300}. Retry that run, or make a new plan "
            "for what is left. This run sent nothing."
        )
    if is_superseded(found, last_plan):
        raise PlanError(f"Another plan was applied since this run began to apply plan {plan.plan_id}. {_NEW_PLAN}")
    return found


def finish_applying(
    plan: StoredPlan,
    mark: Mark,
    run: Run,
    now: datetime,
    *,
    outcomes: Mapping[str, int],
    problem: str | None,
    file_mode: int = PRIVATE,
) -> None:
    """
    Mark a plan as applied: it cannot be applied again.

    :param plan: The plan.
    :param mark: Its mark.
    :param run: The run.
    :param now: The time.
    :param outcomes: Number of changes by outcome.
    :param problem: Why the task fails, if it does.
    :param file_mode: Permissions of the file.
    """
    generation, finished_at = run.generation, _text(now)
    finished = replace(mark, finished_at=finished_at, generation=generation, outcomes=outcomes, problem=problem)
    write_atomic(plan.folder / APPLIED, _encode(finished), file_mode=file_mode)


def remove_results(plan_folder: ObjectStoragePath) -> None:
    """
    Remove the rows and results of the phases of a plan, which have values of people.

    :param plan_folder: The folder of the plan.
    """
    for path in list_folder(plan_folder):
        if _RESULTS.fullmatch(path.name):
            remove_tree(path)


# Which plan a run applies


@dataclass(frozen=True, slots=True)
class Begun:
    """
    The plan that a run has begun to apply.

    :param plan: Its id.
    :param redacted: Whether its files have no values to continue with.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    plan: str
    redacted: bool


_BEGUN = TypeAdapter(Begun)


def begun_plan(plan_path: StoragePath, run: Run) -> Begun | None:
    """
    Return the plan that an earlier attempt of a run has begun to apply.

    :param plan_path: Folder of the plans.
    :param run: The run.
    :raises StoredStateError: if it cannot be read.
    """
    path = _begun_path(plan_path, run)
    begun = read_typed(path, _BEGUN, VERSION, _BEGUN_ADVICE)
    if begun is not None and not is_plan_id(begun.plan):  # it names a folder, in which results may be removed
        raise StoredStateError(path, "is damaged", _BEGUN_ADVICE)
    return begun


def remember_begun(plan_path: StoragePath, run: Run, plan: StoredPlan, *, file_mode: int = PRIVATE) -> None:
    """
    Remember that a run applies a plan, so that a further attempt continues it, or removes the values that it left.

    :param plan_path: Folder of the plans.
    :param run: The run.
    :param plan: The plan.
    :param file_mode: Permissions of the file.
    """
    content = {"version": VERSION, "plan": plan.plan_id, "redacted": plan.redacted}
    write_atomic(_begun_path(plan_path, run), json.dumps(content).encode(), file_mode=file_mode)


def forget_begun(plan_path: StoragePath, run: Run) -> None:
    """
    Forget which plan a run applies.

    :param plan_path: Folder of the plans.
    :param run: The run.
    """
    remove(_begun_path(plan_path, run))


def _begun_path(plan_path: StoragePath, run: Run) -> ObjectStoragePath:
    return storage_path(plan_path) / f"run-{digest_of(run.name)[:16]}.json"


def _pair(run: Run) -> tuple[str, str]:
    return run.name, run.generation


def _next_results(name: str) -> str:
    """Return another name: Airflow may still have the checkpoints of the phases in the folder of this one."""
    return f"{RESULTS}-{int(name.partition('-')[2] or 1) + 1}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(now: datetime) -> str:
    return now.astimezone(UTC).isoformat()


def _encode(mark: Mark) -> bytes:
    return json.dumps({"version": VERSION, **asdict(mark)}, indent=2).encode() + b"\n"
