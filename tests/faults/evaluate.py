"""
Evaluate each write of a run, given the sandbox's journal and state, the plan, and the reports of the attempts.

This module shares no code with the client. It has its own statement of what may be sent twice and which responses are
usable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from tests.faults.plan import OPERATIONS, SESSION_NAME, Plan, PlannedWrite, objects_of, write_of

Entry = Mapping[str, Any]
State = Mapping[str, Sequence[Mapping[str, Any]]]

#: Operations that must not be sent again after an unknown outcome.
NOT_REPEATABLE = frozenset({"createGroup", "createPathSession"})
#: Requests of API v2 that complete a write. One of them shows that the attempt knows the outcome of the write.
COMPLETED_BY = {
    "createUser": frozenset({"replacePassword", "activateUser", "addUserRoleToGroup"}),
    "createPathSession": frozenset({"modifyPathSession"}),
}
#: Operations that submit a bulk job.
JOBS = frozenset({"addContentsToGroupsCatalog", "importExternalStatistics"})
#: Those of them that may change more when they are submitted again, and are not, whatever the attempt.
SUBMITTED_ONCE = frozenset({"importExternalStatistics"})
#: Operations of which one request is about several writes: the state alone shows what was done.
SHARED = frozenset({"updateSessionAudience"})
#: Statuses of requests that the sandbox refused before it processed them.
_NOT_PROCESSED = frozenset({401, 429})
#: Faults that replace a valid response by an unusable one.
_UNUSABLE_RESPONSES = frozenset({"garbage", "invalid_content"})


class Outcome(StrEnum):
    """Outcome of a planned write, or of a request that belongs to none. Violations are in upper case."""

    DONE = "done"
    RESENT = "sent again, which is safe"
    CONFIRMED = "unknown, confirmed by a lookup"
    UNKNOWN = "unknown, and reported as such"
    REFUSED = "refused, and reported as such"
    LOST = "LOST"
    DUPLICATE = "DONE TWICE"
    FALSE_SUCCESS = "SUCCESS BUT NOT DONE"
    BLIND_RETRY = "SENT AGAIN WITHOUT A LOOKUP"
    UNREPORTED = "UNKNOWN BUT NOT REPORTED"
    UNPLANNED = "DONE BUT NOT PLANNED"

    @property
    def is_violation(self) -> bool:
        """Return whether the outcome violates a guarantee."""
        return self.isupper()


@dataclass
class Attempt:
    """
    One attempt of a planned write, as observed from outside its process.

    :param write: Number of the write.
    :param number: Number of the attempt, from 1.
    :param started: Time in seconds since the epoch.
    :param killed: Whether its process was killed.
    :param report: Last line of its process: ``end`` (``success``, ``refused`` or ``failed``), ``result``, ``error``
        (name of its class) and ``message``.
    """

    write: int
    number: int
    started: float
    killed: bool = False
    report: Mapping[str, Any] | None = None

    @property
    def end(self) -> str:
        """Return how it ended: as its report says, or ``killed``."""
        return str(self.report["end"]) if self.report else "killed"

    @property
    def error(self) -> str | None:
        """Return the class name of its error."""
        return self.report["error"] if self.report else None


@dataclass(frozen=True)
class Finding:
    """
    An outcome and its evidence.

    :param outcome: The outcome.
    :param write: The planned write, if it is about one.
    :param attempts: Attempts of the write.
    :param entries: Requests of the write in the journal.
    """

    outcome: Outcome
    write: PlannedWrite | None = None
    attempts: Sequence[Attempt] = field(default=(), repr=False)
    entries: Sequence[Entry] = field(default=(), repr=False)


def evaluate(plan: Plan, journal: Sequence[Entry], state: State, attempts: Sequence[Attempt]) -> list[Finding]:
    """
    Return one finding per planned write, and one per request that changed something without a plan.

    :param plan: The plan.
    :param journal: All entries, after the last request ended.
    :param state: The state at the end.
    :param attempts: All attempts.
    """
    requests: defaultdict[int | None, list[Entry]] = defaultdict(list)
    objects = objects_of(state) if plan.version == "v2" else {}
    for entry in journal:
        if entry["method"] not in ("GET", "HEAD"):
            requests[write_of(entry, objects)].append(entry)
    attempts_of: defaultdict[int, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        attempts_of[attempt.write].append(attempt)
    findings = [
        _Case(plan.version, write, requests[write.number], state, attempts_of[write.number]).finding()
        for write in plan.writes
    ]
    return [*findings, *_unplanned(plan, requests)]


def _unplanned(plan: Plan, requests: Mapping[int | None, Sequence[Entry]]) -> Iterator[Finding]:
    planned: dict[int | None, str] = {write.number: write.operation for write in plan.writes}
    for number, entries in requests.items():
        operation = planned.get(number, "")
        allowed = {"generateToken", operation, *COMPLETED_BY.get(operation, ()), *(SHARED if number is None else ())}
        for entry in entries:
            if entry["done"] and entry["operation"] not in allowed:
                yield Finding(Outcome.UNPLANNED, entries=[entry])


@dataclass(frozen=True)
class _Case:
    """A planned write with all evidence."""

    version: str
    write: PlannedWrite
    requests: Sequence[Entry]
    state: State
    attempts: Sequence[Attempt]

    def finding(self) -> Finding:
        """Return the outcome with its evidence."""
        return Finding(self._outcome(), self.write, self.attempts, self.requests)

    def _outcome(self) -> Outcome:
        if self._is_duplicate():
            return Outcome.DUPLICATE
        if self.write.operation in NOT_REPEATABLE and any(map(self._retried_blindly, self.attempts)):
            return Outcome.BLIND_RETRY
        if self.write.operation in NOT_REPEATABLE and any(map(self._hid_unknown_outcome, self.attempts)):
            return Outcome.UNREPORTED
        last = self.attempts[-1] if self.attempts else None
        if last is None or last.end != "success":
            return self._outcome_of_failure(last)
        return self._outcome_of_success() if self._is_correct(last) else Outcome.FALSE_SUCCESS

    def _outcome_of_failure(self, last: Attempt | None) -> Outcome:
        # A job can be done and refuse all of its rows.
        is_done = self._found if self.write.operation in JOBS else self._done
        if last and last.end == "refused" and last.error == self.write.refusal and not is_done:
            return Outcome.REFUSED
        if last and self.write.operation in NOT_REPEATABLE and last.error == "OutcomeUnknownError":
            return Outcome.UNKNOWN
        if last and _reports_unknown_rows(last) and any(map(_is_unknown, self._sent)):
            return Outcome.UNKNOWN
        return Outcome.LOST

    def _outcome_of_success(self) -> Outcome:
        if any(attempt.error == "OutcomeUnknownError" for attempt in self.attempts):
            return Outcome.UNKNOWN
        if _unknown_rows(self.attempts[-1]):
            return Outcome.UNKNOWN
        if self.write.operation in NOT_REPEATABLE and any(map(_is_unknown, self._sent)):
            return Outcome.CONFIRMED
        return Outcome.RESENT if len(self._sent) > 1 else Outcome.DONE

    @cached_property
    def _sent(self) -> list[Entry]:
        """Return the requests that the sandbox processed, in order."""
        return [
            entry
            for entry in self.requests
            if entry["operation"] == self.write.operation and entry["status"] not in _NOT_PROCESSED
        ]

    @cached_property
    def _done(self) -> list[Entry]:
        return [entry for entry in self._sent if entry["done"]]

    @cached_property
    def _found(self) -> list[str]:
        """Return the ids of all objects in the state that match the arguments."""
        action = OPERATIONS[self.version][self.write.operation].action
        return list(_FIND[action](self.state, self.write.arguments))

    def _is_duplicate(self) -> bool:
        if self.write.operation in NOT_REPEATABLE:
            return max(len(self._done), len(self._found)) > 1
        if self.write.operation in SUBMITTED_ONCE and len(self._done) > 1:
            return True
        if any(attempt["times_sent"] > 1 for attempt in self._statistics):
            return True
        mails = [mail for mail in self.state["mails_sent"] if mail["to"] == self.write.arguments.get("mail")]
        return len(mails) > 1

    @cached_property
    def _statistics(self) -> list[Mapping[str, Any]]:
        """Return the attempts at the external course of the write, if it has one."""
        rows = self.write.arguments.get("rows", ())
        courses = {row["external_id"] for row in rows}
        return [attempt for attempt in self.state.get("external_attempts", ()) if attempt["external_id"] in courses]

    def _is_correct(self, last: Attempt) -> bool:
        """Return whether a success is true: the write was done, its object exists, and the result has its id."""
        result = (last.report or {})["result"] or {}
        key = _ID_KEYS.get(self.write.operation)
        if _unknown_rows(last):
            return True
        is_done = self.write.operation in SHARED or bool(self._done)
        return is_done and bool(self._found) and (key is None or result.get(key) in self._found)

    def _sent_by(self, attempt: Attempt) -> list[Entry]:
        return [entry for entry in self._during(attempt) if entry in self._sent]

    def _during(self, attempt: Attempt) -> list[Entry]:
        later = [other.started for other in self.attempts if other.number > attempt.number]
        until = min(later, default=float("inf"))
        return [entry for entry in self.requests if attempt.started <= entry["wall_time"] < until]

    def _retried_blindly(self, attempt: Attempt) -> bool:
        return any(map(_is_unknown, self._sent_by(attempt)[:-1]))

    def _hid_unknown_outcome(self, attempt: Attempt) -> bool:
        """
        Return whether an attempt had an unknown outcome and reported another error.

        A success is not such a case, because its id can only come from a lookup (a wrong id is another outcome).
        Neither is an attempt that was killed.
        """
        if attempt.end in ("success", "killed") or attempt.error == "OutcomeUnknownError":
            return False
        completing = COMPLETED_BY.get(self.write.operation, frozenset())
        known_since = max(
            (entry["wall_time"] for entry in self._during(attempt) if entry["operation"] in completing), default=0.0
        )
        return any(_is_unknown(entry) and entry["wall_time"] > known_since for entry in self._sent_by(attempt))


def _unknown_rows(attempt: Attempt) -> int:
    """Return the number of rows that an attempt has reported as unknown."""
    result = (attempt.report or {}).get("result") or {}
    return int(result.get("outcomes", {}).get("unknown", 0))


def _reports_unknown_rows(attempt: Attempt) -> bool:
    """Return whether an attempt failed because of rows whose outcome is unknown."""
    message = str((attempt.report or {}).get("message"))
    return attempt.error == "RowsNotDoneError" and "OutcomeUnknownError" in message


def _is_unknown(entry: Entry) -> bool:
    """Return whether the client could not learn the outcome of a request from the response."""
    if entry["status"] is None or entry["status"] >= 500 or entry["fault"] == "delay":
        return True
    return entry["done"] and entry["fault"] in _UNUSABLE_RESPONSES


# Objects of the state that match the arguments of a write

#: Key of the id in the operator's result.
_ID_KEYS = {"createGroup": "group_id", "createPathSession": "session_id"}


def _users(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    is_invitation = arguments["mode"] == "invite"
    mails = [mail["kind"] for mail in state["mails_sent"] if mail["to"] == arguments["mail"]]
    for user in state["invitations" if is_invitation else "users"]:
        if user["mail"] == arguments["mail"] and mails == ["invitation"] * is_invitation:
            yield from _memberships(state, {**arguments, "user": arguments["mail"]})


def _updated_users(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    for user in state["users"]:
        if user["mail"] == arguments["user"] and user["profile"].get("job") == arguments["job"]:
            yield user["id"]


def _memberships(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    wanted = (arguments["user"], arguments["group_id"], [arguments["role"]])
    for member in state["memberships"]:
        if (member["mail"], member["group"], member["roles"]) == wanted:
            yield member["user"]


def _enrollments(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    (session,) = [session["id"] for session in state["sessions"] if session["name"] == SESSION_NAME]
    enrolled = {enrollment["mail"] for enrollment in state["enrollments"] if enrollment["session"] == session}
    if enrolled.issuperset(arguments["users"]):
        yield session


def _groups(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    wanted = (arguments["name"], arguments["parent_id"], arguments["public"])
    for group in state["groups"]:
        if (group["name"], group["parent"], group["public"]) == wanted:
            yield group["id"]


def _sessions(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    wanted = (arguments["name"], arguments["path_id"], arguments["group_id"])
    for session in state["sessions"]:
        if (session["name"], session["path"], session["owner_group"]) == wanted:
            yield session["id"]


def _catalogs(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    for group in state["groups"]:
        if group["name"] == arguments["group_id"] and set(group["courses"]) >= set(arguments["course_ids"]):
            yield group["id"]


def _statistics(state: State, arguments: Mapping[str, Any]) -> Iterator[str]:
    wanted = {(row["external_id"], row["mail"]) for row in arguments["rows"]}
    if wanted == {(attempt["external_id"], attempt["mail"]) for attempt in state["external_attempts"]} & wanted:
        yield arguments["external_platform"]


_FIND = {
    "import_statistics": _statistics,
    "create_user": _users,
    "update_user": _updated_users,
    "add_user_to_group": _memberships,
    "enroll_users": _enrollments,
    "add_to_catalog": _catalogs,
    "create_group": _groups,
    "create_path_session": _sessions,
}
