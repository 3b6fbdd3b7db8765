"""Make a plan: read the source, 360Learning and the state, compare them, evaluate the guards, write the folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.files.storage import StoragePath, storage_path
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.sources import Source
from airflow_provider_360learning.sync.details import read_details
from airflow_provider_360learning.sync.duration import expected_seconds
from airflow_provider_360learning.sync.guards import verdicts
from airflow_provider_360learning.sync.listing import read_platform
from airflow_provider_360learning.sync.marks import (
    Run,
    begun_plan,
    finished_by,
    is_superseded,
    read_mark,
    remove_results,
)
from airflow_provider_360learning.sync.new_state import with_all_changes
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import read_people
from airflow_provider_360learning.sync.plan_files import PlanError, StoredPlan, load_plan, write_plan
from airflow_provider_360learning.sync.planner import compare, users_to_read
from airflow_provider_360learning.sync.state import SyncState, ensure_readable, load_state

log = get_logger(__name__)

#: Which users are read one by one: those whose values in the source have changed, or all.
Verify = Literal["changed", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Where plans and the state are.

    :param plan_path: Folder of the plans.
    :param state_path: Folder of the state.
    :param file_mode: Permissions of the files.
    """

    plan_path: StoragePath
    state_path: StoragePath
    file_mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """
    How a plan is made, beside what decides its content.

    :param verify: Which users are read one by one.
    :param valid_for: How long the plan can be applied.
    :param redact: Whether its files leave values out.
    :param timezone: The time zone of dates of the source.
    :param interval: The data interval of the run; a second plan of it does not count as a further run.
    """

    verify: Verify
    valid_for: timedelta
    redact: bool
    timezone: tzinfo
    interval: str


def company_of(api: LearningApi) -> str:
    """Return what identifies the company and the version of the API, as plans have it."""
    return f"{api.client.company} {api.client.spec.name}"


def identity_of(company: str, options: SyncOptions) -> str:
    """
    Return what identifies a sync: the state of another one must not be used.

    :param company: The company, see :func:`company_of`.
    :param options: What the sync is to do.
    """
    return " ".join(filter(None, (company, options.key, options.external_platform, options.key_namespace)))


def read_state(api: LearningApi, options: SyncOptions, place: Place) -> SyncState:
    """
    Return what a sync remembers.

    :param api: The API.
    :param options: What the sync is to do.
    :param place: Where it is.
    """
    return load_state(place.state_path, identity_of(company_of(api), options))


def make_plan(
    api: LearningApi, source: Source, options: SyncOptions, place: Place, settings: PlanSettings, now: datetime
) -> StoredPlan:
    """
    Make a plan and write its folder. Nothing is changed in 360Learning.

    :param api: The API.
    :param source: The people.
    :param options: What the sync is to do.
    :param place: Where plans and the state are.
    :param settings: How the plan is made.
    :param now: The time of the plan.
    :raises InvalidRequestError: if the source is empty or invalid as a whole, or the state would become too large.
    """
    people = read_people(source, options, timezone=settings.timezone)
    state = read_state(api, options, place)
    has_custom_fields = any(person.custom_fields for person in people.people)
    platform = read_platform(api, options, state, now, custom_fields=has_custom_fields)
    wanted = None if settings.verify == "full" else users_to_read(people, platform, state, options, now)
    if wanted != frozenset():
        platform = read_details(api, platform, wanted)
    is_new_interval = all(plan.interval != settings.interval for plan in state.plans)
    changes = compare(people, platform, state, options, now, is_new_interval=is_new_interval)
    grown = with_all_changes(state, platform.accounts, changes, options, now)
    ensure_readable(grown, identity_of(company_of(api), options))
    complete = replace(changes, errors=(*people.errors, *changes.errors))
    plan = write_plan(
        place.plan_path,
        changes,
        verdicts(changes, people=people, state=state, guards=options.guards, now=now),
        people=people,
        platform=platform,
        state=state,
        options=options,
        seconds=expected_seconds(complete, options, api),
        now=now,
        valid_for=settings.valid_for,
        interval=settings.interval,
        redact=settings.redact,
        file_mode=place.file_mode,
    )
    log_plan(plan)
    return plan


def plan_to_continue(place: Place, run: Run, interval: str, now: datetime) -> StoredPlan | None:
    """
    Return the plan that an earlier attempt of a run has begun to apply, unless a new one is better.

    :param place: Where plans and the state are.
    :param run: The run.
    :param interval: The data interval of the run.
    :param now: The time.
    """
    if (begun := begun_plan(place.plan_path, run)) is None:
        return None
    if begun.redacted:
        remove_results(storage_path(place.plan_path) / begun.plan)
        return None
    try:
        plan = load_plan(place.plan_path, begun.plan, interval)
    except PlanError as error:
        log.warning("Making a new plan, because that of an earlier attempt cannot be continued: %s", error)
        return None
    mark = read_mark(plan)
    if mark is not None and mark.finished_at:
        return plan if finished_by(plan, run) else None
    state = load_state(place.state_path, identity_of(plan.company, plan.options))
    if now > plan.valid_until:
        reason = f"it was valid until {plan.valid_until.isoformat()}"
    elif mark is not None and is_superseded(mark, state.last_plan):
        reason = "another plan was applied since"
    else:
        return plan
    log.warning("Making a new plan, because plan %s of an earlier attempt is not continued: %s", plan.plan_id, reason)
    return None


def log_plan(plan: StoredPlan) -> None:
    """
    Log what a plan contains, and what each guard has decided.

    :param plan: The plan.
    """
    counts = " ".join(f"{name}={count}" for name, count in plan.counts.items()) or "changes=0"
    log.info("Plan %s: rows=%s managed=%s %s", plan.plan_id, plan.rows, plan.changes.managed, counts)
    for verdict in plan.verdicts:
        log.log(logging.INFO if verdict.passed else logging.ERROR, "Plan %s: %s", plan.plan_id, verdict)
    log.info("Plan %s: path=%s valid_until=%s", plan.plan_id, plan.folder, plan.valid_until.isoformat())
