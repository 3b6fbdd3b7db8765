"""What a sync remembers between runs, in its state_path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.permissions import PRIVATE
from airflow_provider_360learning.files.storage import StoragePath, atomic_writer, read_bounded, storage_path
from airflow_provider_360learning.rows.stored_state import (
    StoredStateError,
    check_version,
    decode,
    number_of_values,
    typed,
)
from airflow_provider_360learning.sync.names import label

#: File of the state.
FILE = "sync_state.json"

#: Version of its format.
_VERSION = 1
#: Maximum numbers of people, and of bytes and values of all of them.
_MAX_PEOPLE, _MAX_BYTES, _MAX_VALUES = 200_000, 96 << 20, 4_000_000
#: Maximum number of bytes of one person, one plan, one account.
_MAX_PART = 1 << 20
T = TypeVar("T")

#: People may leave in any year up to the last one, and every time must have an equivalent in UTC.
_Time = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC))]
_Days = Annotated[int, Field(ge=0, le=100_000)]
_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
_STRICT = ConfigDict(extra="forbid")
_ADVICE = (
    "Restore it, or remove it: then the sync does not know which invitations are pending, which users of API v1 have "
    "left, and since when people are missing. Nothing was sent."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """
    What is remembered of one person.

    :param user_id: Id of the user, if known.
    :param mail: The address that was applied last.
    :param applied: The values that were applied last, by field; custom fields as ``custom_fields.<id>``, the id of the
        manager as ``manager``, and the date of deactivation, in ISO 8601, as ``deactivates_at``.
    :param invited_at: When an invitation was sent that was not seen accepted.
    :param invited_for: Days until that invitation expires; ``None`` if it does not.
    :param awaits_key: Whether a sync has created the account, or sent the invitation, and the account was not seen with
        its key yet.
    :param missing_since: When the person was first missing, in an applied run.
    :param missing_runs: Number of applied runs in a row, one per data interval, in which the person was missing.
    :param left_at: When the person left, or will leave: when a sync deleted the account, or lets it be deactivated.
    :param reported_at: Since when applied runs have only reported the person as a leaver of the source.
    :param created: Whether a sync has created or invited the user.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    user_id: str | None = None
    mail: str | None = None
    applied: Mapping[str, str | None] = field(default_factory=dict)
    invited_at: _Time | None = None
    invited_for: _Days | None = None
    awaits_key: bool = False
    missing_since: _Time | None = None
    missing_runs: _Count = 0
    left_at: _Time | None = None
    reported_at: _Time | None = None
    created: bool = False

    def invitation_has_expired(self, now: datetime) -> bool:
        """
        Return whether the invitation is not pending any more.

        Within which time 360Learning cancels it is not known: that it does so within a day is an assumption.

        :param now: The time.
        """
        if self.invited_at is None or self.invited_for is None:
            return False
        return now - self.invited_at >= timedelta(days=self.invited_for + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPlan:
    """
    A plan that was applied.

    :param plan_id: Its id.
    :param applied_at: When.
    :param rows: Number of rows of its source.
    :param interval: The data interval of the run that applied it; empty if it is not known.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    plan_id: str
    applied_at: _Time
    rows: _Count
    interval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """
    An account of a deleted user that a creation has restored, and that is not that of the person who was created.

    :param user_id: Its id, if known.
    :param status: ``deleted`` once it is deleted again, else ``active``, or ``pending`` for an invitation that no
        request can delete.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    user_id: str | None = None
    status: Literal["active", "pending", "deleted"] = "active"


@dataclass(frozen=True, slots=True)
class SyncState:
    """
    What a sync remembers.

    :param people: By key.
    :param plans: Applied plans, in the order of their application.
    :param restored: By address.
    """

    people: Mapping[str, Remembered] = field(default_factory=dict)
    plans: tuple[AppliedPlan, ...] = ()
    restored: Mapping[str, Restored] = field(default_factory=dict)

    @property
    def last_plan(self) -> str | None:
        """Id of the plan that was applied last."""
        return self.plans[-1].plan_id if self.plans else None


_NAMES = {"version", "identity", "people", "plans", "restored"}
_PERSON, _PLAN, _RESTORED = TypeAdapter(Remembered), TypeAdapter(AppliedPlan), TypeAdapter(Restored)


def load_state(folder: StoragePath, identity: str) -> SyncState:
    """
    Return what a sync remembers; nothing before its first run.

    :param folder: The ``state_path`` of the sync.
    :param identity: Company, version and kind of keys, as text: the state of another sync must not be used.
    :raises StoredStateError: if it cannot be used.
    """
    path = storage_path(folder) / FILE
    try:
        data = read_bounded(path, _MAX_BYTES)
    except FileNotFoundError:
        return SyncState()
    except InvalidRequestError as error:  # anything but a regular file of this size
        raise StoredStateError(path, f"cannot be read: {error}", _ADVICE) from None
    found, state = _parsed(path, data)
    if found != identity:
        raise StoredStateError(
            path,
            f"belongs to another sync, {found!r:.300}, not to {identity!r}",
            "Give each sync a state_path of its own, and a new one after a change of its key or namespace. Nothing was "
            "sent.",
        )
    return state


def save_state(folder: StoragePath, state: SyncState, identity: str, *, file_mode: int = PRIVATE) -> None:
    """
    Write what a sync remembers: whole or not at all, and the same state as the same bytes.

    :param folder: The ``state_path`` of the sync.
    :param state: The state.
    :param identity: See :func:`load_state`.
    :param file_mode: Permissions of the file.
    """
    with atomic_writer(storage_path(folder) / FILE, file_mode=file_mode) as file:
        file.writelines(_parts(state, identity))


def ensure_readable(
    state: SyncState,
    identity: str,
    *,
    max_people: int = _MAX_PEOPLE,
    max_bytes: int = _MAX_BYTES,
    max_values: int = _MAX_VALUES,
    max_part: int = _MAX_PART,
) -> None:
    """
    Refuse a state that could be written, but that the next run would not read.

    :param state: The state that a plan leads to.
    :param identity: See :func:`load_state`.
    :param max_people: Maximum number of people.
    :param max_bytes: Maximum number of bytes of all of them.
    :param max_values: Maximum number of their values.
    :param max_part: Maximum number of bytes of one person.
    :raises InvalidRequestError: if it is too large.
    """
    size = values = 0
    for part in _parts(state, identity):
        size += len(part)
        values += number_of_values(part)
    if len(state.people) > max_people or size > max_bytes or values > max_values:
        raise InvalidRequestError(
            f"After this plan, the state of the sync would have {len(state.people):,} people, {size:,} bytes and "
            f"{values:,} values, but the next run can read at most {max_people:,} people, {max_bytes:,} bytes and "
            f"{max_values:,} values. Sync the people in several parts, each with a source, a state_path and a "
            "key_namespace of its own, or leave out columns. Nothing was sent."
        )
    for key, one in state.people.items():
        if (length := len(_json(_given(one)))) > max_part:
            raise InvalidRequestError(
                f"After this plan, the state of the sync would have {length:,} bytes for "
                f"{label(key, user_id=one.user_id)}, but the next run can read at most {max_part:,}: shorten the "
                "values of this person in the source. Nothing was sent."
            )


def _parts(state: SyncState, identity: str) -> Iterator[bytes]:
    """Yield the content of the file, not all people in memory at once: each is a line."""
    yield f'{{"identity":{_json(identity)},"people":{{'.encode()
    for number, (key, one) in enumerate(sorted(state.people.items())):
        yield f"{',' if number else ''}\n{_json(key)}:{_json(_given(one))}".encode()
    plans = [_given(plan) for plan in state.plans]
    restored = {mail: _given(one) for mail, one in state.restored.items()}
    yield f'\n}},"plans":{_json(plans)},"restored":{_json(restored)},"version":{_VERSION}}}\n'.encode()


def _parsed(path: StoragePath, data: bytes) -> tuple[str, SyncState]:
    """Return whose state it is, and the state."""
    try:
        content = decode(data, _MAX_VALUES)
    except ValueError:
        raise StoredStateError(path, "is damaged: it is not valid JSON" if data else "is empty", _ADVICE) from None
    check_version(content, path, _VERSION, _ADVICE)
    identity, people, plans, restored = (content.get(name) for name in ("identity", "people", "plans", "restored"))
    if not isinstance(identity, str) or not isinstance(plans, list) or content.keys() - _NAMES:
        raise StoredStateError(path, f"is damaged: it must have {', '.join(sorted(_NAMES))}", _ADVICE)
    # One by one: what describes the errors takes many times the memory of invalid values.
    numbered = {str(number): plan for number, plan in enumerate(plans)}
    return identity, SyncState(
        _typed("people", people, _PERSON, path),
        tuple(_typed("plans", numbered, _PLAN, path).values()),
        _typed("restored", restored or {}, _RESTORED, path),
    )


def _typed(name: str, values: Any, adapter: TypeAdapter[T], path: StoragePath) -> dict[str, T]:
    if not isinstance(values, dict) or len(values) > _MAX_PEOPLE:
        raise StoredStateError(path, f"is damaged: {name} is not an object with at most {_MAX_PEOPLE:,} names", _ADVICE)
    return {
        key: typed(one, adapter, path, _ADVICE, name=f"{name}.{key}", max_bytes=_MAX_PART)
        for key, one in values.items()
    }


def _given(value: Remembered | AppliedPlan | Restored) -> dict[str, object]:
    """Return the fields of an object that are not empty."""
    given = {one.name: getattr(value, one.name) for one in fields(value)}
    required = isinstance(value, AppliedPlan)
    return {name: _plain(each) for name, each in given.items() if each or required}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
