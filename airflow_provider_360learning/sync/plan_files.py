"""
The folder of a plan: it can be read, verified and applied once.

``plan.json`` has only what the input determines, and the hash of its bytes is the id of the plan. It contains the
digests of the other files, so that an edited plan does not fit its id any more. What differs between two equal plans is
in ``meta.json``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, get_origin, get_type_hints

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import (
    StoragePath,
    atomic_writer,
    read_bounded,
    read_lines,
    storage_path,
    write_atomic,
)
from airflow_provider_360learning.rows.stored_state import StoredStateError, read_object
from airflow_provider_360learning.sync.canonical import digest_of, digest_of_platform, digest_of_state, encode
from airflow_provider_360learning.sync.duration import address_changes, invitations
from airflow_provider_360learning.sync.guards import Verdict
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import Changes
from airflow_provider_360learning.sync.plan_lines import (
    agreed_lines,
    change_lines,
    finding_lines,
    read_changes,
    without_values,
)
from airflow_provider_360learning.sync.platform import Platform
from airflow_provider_360learning.sync.state import SyncState
from airflow_provider_360learning.sync.summary import counts_of, summary_of

VERSION = 1
PLAN, META, CHANGES, FINDINGS, AGREED, SUMMARY = (
    "plan.json",
    "meta.json",
    "changes.jsonl",
    "findings.jsonl",
    "agreed.jsonl",
    "summary.md",
)
#: The files of lines, and what writes them.
_LINES: Mapping[str, Callable[[Changes], Iterable[bytes]]] = {
    CHANGES: change_lines,
    FINDINGS: finding_lines,
    AGREED: agreed_lines,
}
#: Characters of the hash of a plan that are its id.
ID_LENGTH = 32
#: Maximum number of bytes of a plan without its changes, of a file of lines, and of a line: more is not one of ours.
MAX_PLAN, MAX_LINES, MAX_LINE = 16 << 20, 1 << 30, 4 << 20
#: Maximum number of other runs that made the same plan of which is known until when it is valid for them.
_MAX_MADE = 100

_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}", re.ASCII)
_PLAN_AGAIN = "Make a new plan. Nothing was sent."


class PlanError(Learning360Error):
    """A stored plan cannot be applied; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """
    A plan in its folder.

    :param plan_id: Its id: a hash of the bytes of ``plan.json``.
    :param folder: Its folder.
    :param company: Identifies the company and the version of the API.
    :param options: What the sync is to do, without the guards.
    :param changes: The changes.
    :param verdicts: What the guards have decided.
    :param counts: Number of changes by action, of conflicts, of invalid rows, and of what is reported by finding.
    :param rows: Number of rows of the source.
    :param invitations: How many invitations 360Learning will email.
    :param seconds: How long applying takes at the rate limit.
    :param created_at: When the plan was made.
    :param valid_until: Until when it can be applied.
    :param interval: The data interval of the run that made it; empty if it is not known.
    :param redacted: Whether the values are left out in the files, so that it cannot be applied from them.
    """

    plan_id: str
    folder: ObjectStoragePath
    company: str
    options: SyncOptions
    changes: Changes
    verdicts: tuple[Verdict, ...]
    counts: Mapping[str, int]
    rows: int
    invitations: int
    seconds: int
    created_at: datetime
    valid_until: datetime
    interval: str = ""
    redacted: bool = False


def write_plan(
    plan_path: StoragePath,
    changes: Changes,
    verdicts: Sequence[Verdict],
    *,
    people: People,
    platform: Platform,
    state: SyncState,
    options: SyncOptions,
    seconds: int,
    now: datetime,
    valid_for: timedelta,
    interval: str = "",
    redact: bool = False,
    file_mode: int = PRIVATE,
) -> StoredPlan:
    """
    Write the folder of a plan, ``<plan_path>/<id>/``. The same arguments but the times give the same bytes and id.

    If several runs make the same plan, it is valid for each of them as long as that run has made it, and its values
    stay as long as it is valid for one that needs them.

    :param plan_path: Folder of the plans.
    :param changes: The changes.
    :param verdicts: What the guards have decided.
    :param people: The people of the source.
    :param platform: What 360Learning has.
    :param state: What earlier runs have applied.
    :param options: What the sync is to do.
    :param seconds: How long applying takes at the rate limit.
    :param now: When the plan was made.
    :param valid_for: How long it can be applied.
    :param interval: The data interval of the run.
    :param redact: Leave values out of the files: such a plan can be read, but not be applied from them.
    :param file_mode: Permissions of the files.
    """
    changes = replace(changes, errors=(*people.errors, *changes.errors))
    content = _content_of(changes, verdicts, people, platform, state, options, seconds)
    summary = summary_of(
        changes,
        verdicts,
        company=platform.company,
        rows=people.rows,
        invitations=content["invitations"],
        address_changes=content["address_changes"],
        seconds=seconds,
    ).encode("utf-8", "replace")
    digests = {name: digest_of(lines(changes)) for name, lines in _LINES.items()}
    content["files"] = {**digests, SUMMARY: digest_of([summary])}
    data = encode(content, indent=2) + b"\n"
    folder = storage_path(plan_path) / _id_of(data)
    made = {"interval": interval, "created_at": now, "valid_until": now + valid_for, "redacted": redact}
    meta = _meta_of(folder, made, now)
    written = without_values(changes) if meta["redacted"] else changes
    for name, lines in _LINES.items():
        with atomic_writer(folder / name, file_mode=file_mode) as file:
            file.writelines(lines(written))
    write_atomic(folder / SUMMARY, summary, file_mode=file_mode)
    write_atomic(folder / META, encode(meta, indent=2) + b"\n", file_mode=file_mode)
    write_atomic(folder / PLAN, data, file_mode=file_mode)  # the last: what has it is complete
    return _plan_of(folder, json.loads(data), json.loads(encode(made)), changes)


def is_plan_id(text: str) -> bool:
    """Return whether a text can be the id of a plan; such a text is the name of a folder, and no path."""
    return _ID.fullmatch(text) is not None


def load_plan(plan_path: StoragePath, plan_id: str, interval: str = "") -> StoredPlan:
    """
    Return a stored plan whose bytes fit its id.

    :param plan_path: Folder of the plans.
    :param plan_id: Id of the plan.
    :param interval: The data interval of the run that applies it. If no run of this interval has made the plan, it is
        as valid as the last one that did has made it.
    :raises PlanError: if it does not exist, was changed after it was written, or was written with ``redact``.
    """
    if not is_plan_id(plan_id):
        raise PlanError(f"{plan_id!r:.100} is not the id of a plan, which has {ID_LENGTH} hexadecimal digits.")
    folder = storage_path(plan_path) / plan_id
    try:
        data = read_bounded(folder / PLAN, MAX_PLAN)
        if _id_of(data) != plan_id:
            raise _changed(folder / PLAN)
        meta = read_object(folder / META, folder / META, VERSION, _PLAN_AGAIN)
        if meta is None:
            raise FileNotFoundError(META)
        if meta["redacted"]:
            raise PlanError(
                f"Plan {plan_id} was written with redact=True, which leaves out the values, so that it cannot be "
                "applied later. Use mode='plan_and_apply', or plan without redact. Nothing was sent."
            )
        own = [made for made in meta["made"] if made["interval"] == interval]
        return _read(folder, json.loads(data), {**(own or meta["made"])[-1], "redacted": False})
    except FileNotFoundError:
        raise PlanError(f"Plan {plan_id} is not complete, or does not exist, in {plan_path}. {_PLAN_AGAIN}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _changed(folder) from None


def check_applicable(plan: StoredPlan, *, company: str, now: datetime) -> None:
    """
    Refuse a plan that must not be applied.

    :param plan: The plan.
    :param company: Identifies the company and the version of the API of the connection.
    :param now: The time.
    :raises PlanError: if it has expired, or belongs to another company or version of the API.
    """
    if plan.company != company:
        raise PlanError(
            f"Plan {plan.plan_id} is for {plan.company}, but the connection is one of {company}: apply it with the "
            "connection with which it was made. Nothing was sent."
        )
    if now > plan.valid_until:
        raise PlanError(f"Plan {plan.plan_id} was valid until {plan.valid_until.isoformat()}. {_PLAN_AGAIN}")


# Any: objects to be encoded, and decoded ones.
def _content_of(
    changes: Changes,
    verdicts: Sequence[Verdict],
    people: People,
    platform: Platform,
    state: SyncState,
    options: SyncOptions,
    seconds: int,
) -> dict[str, Any]:
    """Return what ``plan.json`` has, but the digests of the other files."""
    return {
        "version": VERSION,
        "company": platform.company,
        "options": _stored_options(options),
        "source": {"digest": people.digest, "rows": people.rows, "people": len(people.people)},
        "target": digest_of_platform(platform),
        "state": digest_of_state(state),
        "managed": changes.managed,
        "counts": counts_of(changes),
        "guards": list(verdicts),
        "invitations": invitations(changes, options),
        "address_changes": address_changes(changes),
        "seconds": seconds,
    }


def _meta_of(folder: ObjectStoragePath, made: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return what ``meta.json`` has after a run has made a plan."""
    others = _made_by_others(folder, made["interval"])[-_MAX_MADE:]
    # Another run may have made the same plan with its values, and not applied it yet.
    needs_values = any(now <= datetime.fromisoformat(each["valid_until"]) and not each["redacted"] for each in others)
    redacted = made["redacted"] and not needs_values
    return {"version": VERSION, "plan": folder.name, "redacted": redacted, "made": [*others, made]}


def _made_by_others(folder: ObjectStoragePath, interval: str) -> list[dict[str, Any]]:
    """Return when runs of other intervals have made a plan; nothing if that cannot be read."""
    try:
        meta = read_object(folder / META, folder / META, VERSION, _PLAN_AGAIN) or {"made": []}
        made = [each for each in meta["made"] if each["interval"] != interval]
        return [each for each in made if datetime.fromisoformat(each["valid_until"]).tzinfo and "redacted" in each]
    except (StoredStateError, ValueError, LookupError, TypeError):
        return []


def _id_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:ID_LENGTH]


def _read(folder: ObjectStoragePath, content: dict[str, Any], made: dict[str, Any]) -> StoredPlan:
    """Return a plan whose other files have the digests that it contains."""
    digests = content["files"]
    if digest_of([read_bounded(folder / SUMMARY, MAX_PLAN)]) != digests[SUMMARY]:
        raise _changed(folder / SUMMARY)
    lines, findings, agreed = (_VerifiedLines(folder / name, digests[name]) for name in _LINES)
    return _plan_of(folder, content, made, read_changes(lines, findings, agreed, content["managed"]))


class _VerifiedLines:
    """
    The lines of a file; the last is followed by an error if the file does not have the expected digest.

    :param path: The file.
    :param digest: The digest.
    """

    def __init__(self, path: ObjectStoragePath, digest: str) -> None:
        self._path = path
        self._digest = digest

    def __iter__(self) -> Iterator[bytes]:
        for _ in self._lines():  # verified before anything is parsed, which would take memory, and again while it is
            pass
        yield from self._lines()

    def _lines(self) -> Iterator[bytes]:
        whole = hashlib.sha256()
        for line in read_lines(self._path, MAX_LINES, MAX_LINE):
            whole.update(line)
            yield line
        if whole.hexdigest() != self._digest:
            raise _changed(self._path)


def _plan_of(folder: ObjectStoragePath, content: dict[str, Any], made: dict[str, Any], changes: Changes) -> StoredPlan:
    return StoredPlan(
        plan_id=folder.name,
        folder=folder,
        company=content["company"],
        options=_options_of(content["options"]),
        changes=changes,
        verdicts=tuple(Verdict(**each) for each in content["guards"]),
        counts=content["counts"],
        rows=content["source"]["rows"],
        invitations=content["invitations"],
        seconds=content["seconds"],
        created_at=datetime.fromisoformat(made["created_at"]),
        valid_until=datetime.fromisoformat(made["valid_until"]),
        interval=made["interval"],
        redacted=made["redacted"],
    )


def _stored_options(options: SyncOptions) -> dict[str, object]:
    """Return what decides how a plan is applied; the guards are in their verdicts."""
    return {each.name: getattr(options, each.name) for each in fields(options) if each.name != "guards"}


def _options_of(stored: dict[str, Any]) -> SyncOptions:
    types = get_type_hints(SyncOptions)
    return SyncOptions(**{name: _typed(types[name], value) for name, value in stored.items()})


# Any: an argument of the options.
def _typed(expected: object, value: object) -> Any:
    if isinstance(value, list):
        return frozenset(value) if get_origin(expected) is frozenset else tuple(value)
    return value


def _changed(path: ObjectStoragePath) -> PlanError:
    return PlanError(f"{path} was changed after the plan was made, or is damaged. {_PLAN_AGAIN}")
