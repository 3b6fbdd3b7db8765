"""The planned writes and their faults, which follow from a seed."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

#: Placeholder for the id of the session of all enrollments, which is known when the sandbox runs.
SESSION = "the session of all enrollments"
SESSION_NAME = "All enrollments"
#: Placeholder for the id of the group of one write, before its mark, and the name of that group.
CATALOG = "catalog"
#: Placeholder for the folder of the results of one write, before its mark.
RESULTS = "results"
#: Platform of the external courses, each of which has the mark of a write as its id.
PLATFORM = "provider"
_DAY = "2026-11-02T00:00:00Z"
NO_SUCH_ID = "f" * 24

#: Minimum number of writes by API version, which includes every kind of fault.
MIN_WRITES = {"v1": 100, "v2": 80}

#: Number of writes from which on processes that hold a lock are killed as well.
MIN_WRITES_OF_KILLED_LOCKS = 300

#: Seconds that the client waits for a response.
READ_TIMEOUT = 1.5
#: Seconds for a request and its response. The lock of a killed process ends after 1.5 times both.
TOTAL_TIMEOUT = 20
#: Seconds that a slow response takes: longer than the client waits.
SLOW = READ_TIMEOUT + 0.3
#: Seconds that a request is held while its process is killed: shorter, so that the kill ends it.
HELD = READ_TIMEOUT - 0.3
#: Seconds between attempts. By then, held and slow requests of the last attempt are done, which no lookup could show
#: earlier.
RETRY_DELAY = SLOW + 0.5

#: Number of writes after which all tokens end.
WRITES_PER_TOKEN_END = 70
#: Number of consecutive requests, of any process, that an outage answers with 503.
REQUESTS_OF_AN_OUTAGE = 20
WRITES_PER_OUTAGE = 300


@dataclass(frozen=True)
class FaultKind:
    """
    A kind of fault.

    :param name: Name in the summary.
    :param share: Share of the writes that have it.
    :param fault: Fault for the sandbox; ``None`` for none.
    :param kills: Whether the process that sent the request is killed; without a fault, a while after its start.
    :param times: Number of consecutive requests; more than one only for operations that may be sent again.
    :param actions: The actions that have it; by default all.
    """

    name: str
    share: float
    fault: Mapping[str, Any] | None
    kills: bool = False
    times: int = 1
    actions: tuple[str, ...] = ()


_DOWN = {"kind": "status", "status": 503}

KINDS = (
    FaultKind("503 before the work", 0.025, _DOWN),
    FaultKind("503 after the work", 0.025, {**_DOWN, "when": "after"}),
    FaultKind("503 four times", 0.005, _DOWN, times=4),  # the number of times that a call is sent
    FaultKind("dropped before the work", 0.02, {"kind": "drop_before"}),
    FaultKind("dropped after the work", 0.02, {"kind": "drop_after"}),
    FaultKind("429", 0.005, {"kind": "rate_limited"}),
    FaultKind("429 with Retry-After", 0.005, {"kind": "rate_limited", "retry_after": 1}),
    FaultKind("garbage", 0.01, {"kind": "garbage"}),
    FaultKind("a web page", 0.005, {"kind": "invalid_content"}),
    FaultKind("slow before the work", 0.005, {"kind": "delay", "seconds": SLOW}),
    FaultKind("slow after the work", 0.005, {"kind": "delay", "seconds": SLOW, "when": "after"}),
    FaultKind("killed before the work", 0.01, {"kind": "delay", "seconds": HELD}, kills=True),
    FaultKind("killed after the work", 0.01, {"kind": "delay", "seconds": HELD, "when": "after"}, kills=True),
    FaultKind("killed at any time", 0.01, None, kills=True),
)

_JOBS_LIMIT = {"error": {"code": "bulkOperationsConcurrencyLimitReached", "message": "Three jobs are running."}}
_JOB_ACTIONS = ("add_to_catalog", "import_statistics")
#: Kinds of faults that API v2 has besides.
JOB_KINDS = (
    FaultKind(
        "429 of bulk jobs",
        0.2,
        {"kind": "status", "status": 429, "body": _JOBS_LIMIT, "headers": {"Retry-After": "1"}},
        actions=_JOB_ACTIONS,
    ),
    FaultKind("bulk jobs switched off", 0.1, {"kind": "bulk_disabled"}, actions=_JOB_ACTIONS),
)

#: The fault of the first writes: the lookup that would confirm their outcome fails as often as it is sent.
NO_LOOKUP = FaultKind("dropped after the work, and no lookup", 0, {"kind": "drop_after"})
_LOOKUP_FAILS = {**_DOWN, "after": 1, "count": 8}

#: Share of the writes with a fault that have a second, simple one.
SECOND_FAULT = 0.15
_SIMPLE = [kind for kind in KINDS if not kind.kills and kind.times == 1]

#: Requests of API v2 that follow a write and complete it, or show what became of it; they have faults as well.
FOLLOW_UPS = {
    "createUser": "activateUser",
    "createPathSession": "modifyPathSession",
    "addContentsToGroupsCatalog": "getBulkOperation",
}

#: Share of lookups and token requests with a fault, and these faults in turn.
SHARE_OTHER_FAULTS = 0.05
OTHER_FAULTS: tuple[Mapping[str, Any], ...] = (
    _DOWN,
    {"kind": "drop_before"},
    {"kind": "garbage"},
    {"kind": "delay", "seconds": SLOW},
    {"kind": "invalid_content"},
)


@dataclass(frozen=True)
class PlannedWrite:
    """
    One operator with its arguments, and the faults of its requests.

    :param number: Position in the plan. Its requests contain it, see :func:`write_of`.
    :param operation: The operation.
    :param arguments: Arguments of the operator.
    :param refusal: Class name of the error that it must be refused with, if any.
    :param faults: Faults of its requests, in order.
    :param killed_after: Seconds after which its first attempt is killed, if it is.
    """

    number: int
    operation: str
    arguments: Mapping[str, Any]
    refusal: str | None = None
    faults: tuple[FaultKind, ...] = ()
    killed_after: float | None = None


@dataclass(frozen=True)
class Plan:
    """
    The writes and faults of a run.

    :param version: API version.
    :param writes: The writes, in the order of their start.
    :param outages: Numbers of the writes at which an outage starts.
    :param token_ends: Numbers of the writes at which all tokens end, and how: ``revoked`` or ``expired``.
    :param other_faults: Faults of lookups and token requests, for the sandbox.
    """

    version: str
    writes: tuple[PlannedWrite, ...]
    outages: tuple[int, ...]
    token_ends: Mapping[int, str]
    other_faults: tuple[Mapping[str, Any], ...]

    @property
    def fingerprint(self) -> str:
        """Return a digest, which is equal for equal plans."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def users(self) -> list[str]:
        """Return the email addresses of users that must exist before the run."""
        return [
            mail
            for write in self.writes
            if not write.refusal
            for mail in OPERATIONS[self.version][write.operation].users(write.number)
        ]

    @property
    def foreign_mails(self) -> list[str]:
        """Return the email addresses that belong to other companies."""
        refused = [write for write in self.writes if write.refusal and write.operation == "createOrInviteUser"]
        return [write.arguments["mail"] for write in refused]

    def numbers_of(self, action: str) -> list[int]:
        """Return the numbers of the writes of an action that are not refused."""
        table = OPERATIONS[self.version]
        return [write.number for write in self.writes if table[write.operation].action == action and not write.refusal]


@dataclass(frozen=True)
class Operation:
    """
    The writes of one operation.

    :param action: The action.
    :param share: Share of the plan.
    :param refusal: Class name of the error of refused writes.
    :param mails: Number of users that a write needs.
    :param lookup: Operation that shows whether a write was done, if it must not be sent again after an unknown outcome.
    :param shared: Whether one request is about several writes, so that none of them can be killed because of it.
    """

    action: str
    share: float
    refusal: str
    mails: int = 0
    lookup: str | None = None
    shared: bool = False

    def users(self, number: int) -> list[str]:
        """Return the email addresses of the users that a write needs."""
        return [_mail(number, suffix) for suffix in "abc"[: self.mails]]


#: The operations of a plan, by API version and name.
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "v1": {
        "createOrInviteUser": Operation("create_user", 0.25, "RefusedError"),
        "updateUser": Operation("update_user", 0.25, "NotFoundError", mails=1),
        "addUserToGroup": Operation("add_user_to_group", 0.15, "NotFoundError", mails=1),
        "addUsersToPathSession": Operation("enroll_users", 0.15, "NotFoundError", mails=3),
        "createGroup": Operation("create_group", 0.1, "NotFoundError", lookup="getGroups"),
        "createPathSession": Operation("create_path_session", 0.1, "NotFoundError", lookup="getPathSessions"),
    },
    "v2": {
        "createUser": Operation("create_user", 0.2, "NotFoundError", lookup="getUsers"),
        "updateUser": Operation("update_user", 0.15, "NotFoundError", mails=1),
        "addUserRoleToGroup": Operation("add_user_to_group", 0.15, "NotFoundError", mails=1),
        "updateSessionAudience": Operation("enroll_users", 0.15, "NotFoundError", mails=3, shared=True),
        "addContentsToGroupsCatalog": Operation("add_to_catalog", 0.1, "RefusedError"),
        "importExternalStatistics": Operation(
            "import_statistics", 0.1, "NotFoundError", mails=3, lookup="getBulkOperations"
        ),
        "createGroup": Operation("create_group", 0.08, "NotFoundError", lookup="getGroups"),
        "createPathSession": Operation("create_path_session", 0.07, "NotFoundError", lookup="getAllPathSessions"),
    },
}
SHARE_REFUSED = 0.03

_MARK = re.compile(r"\bw(\d{4})\b")


_ID = re.compile(r"\b[0-9a-f]{24}\b")


def write_of(entry: Mapping[str, Any], objects: Mapping[str, int] = MappingProxyType({})) -> int | None:
    """
    Return the number of the planned write that a request of the journal belongs to, if it belongs to one alone.

    :param entry: The request.
    :param objects: The writes by ids of their objects, see :func:`objects_of`.
    """
    text = f"{unquote(entry['path'])} {entry['body']}"
    if found := _MARK.search(text):
        return int(found[1])
    ids = _ID.findall(text)
    numbers = {objects[id] for id in ids if id in objects} | {number for id in ids if (number := _number_of(id))}
    return numbers.pop() if len(numbers) == 1 else None


def missing_id(number: int) -> str:
    """Return an id that no object has, and that only the requests of one write contain."""
    return f"{NO_SUCH_ID[:20]}{number:04}"


def _number_of(id: str) -> int | None:
    return int(id[20:]) if id.startswith(NO_SUCH_ID[:20]) and id[20:].isdigit() else None


def objects_of(state: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, int]:
    """
    Return the numbers of writes by the ids of the objects with their mark, which requests of API v2 contain instead.

    :param state: The sandbox's state.
    """
    named = [(item["id"], item["mail"]) for kind in ("users", "invitations") for item in state[kind]]
    named += [(item["id"], item["name"]) for kind in ("groups", "sessions") for item in state[kind]]
    return {id: int(found[1]) for id, name in named if (found := _MARK.search(name))}


def mark(number: int) -> str:
    """Return the mark that the requests of a write contain."""
    return f"w{number:04}"


def lookups(version: str) -> dict[str, str]:
    """Return the lookups of the operations of a version that have one."""
    return {name: operation.lookup for name, operation in OPERATIONS[version].items() if operation.lookup}


def make_plan(seed: int, count: int, version: str = "v1") -> Plan:
    """
    Return a plan, which is equal for equal arguments.

    :param seed: Any number.
    :param count: Number of writes.
    :param version: API version.
    :raises ValueError: If the plan cannot have this number of writes.
    """
    if not MIN_WRITES[version] <= count < 10_000:
        raise ValueError(f"a run has {MIN_WRITES[version]} to 9999 writes, not {count}")
    dice, table = random.Random(seed), OPERATIONS[version]
    operations = _order(dice, count, version)
    looked_up = lookups(version)
    faults: dict[int, tuple[FaultKind, ...]] = dict.fromkeys(range(len(looked_up)), (NO_LOOKUP,))
    for kind in JOB_KINDS if version == "v2" else ():
        numbers = [i for i, name in enumerate(operations) if table[name].action in kind.actions and i not in faults]
        chosen = dice.sample(numbers, max(1, round(kind.share * len(numbers))))
        faults |= dict.fromkeys(chosen, (kind,))
    groups = (
        lambda name: name not in looked_up and not table[name].shared,
        lambda name: name in looked_up,
        lambda name: table[name].shared,
    )
    for index, belongs in enumerate(groups):
        numbers = [i for i, name in enumerate(operations) if belongs(name) and i not in faults]
        kinds = [kind for kind in KINDS if kind.times == 1 or index == 0]
        if index == 2:
            # The place of a killed process is taken by others only after a while, too long for a short run.
            kinds = [kind for kind in kinds if not (kind.kills and (kind.fault or count < MIN_WRITES_OF_KILLED_LOCKS))]
            kinds = kinds[: len(numbers) - 2]  # two are refused or without a fault
        faults |= _assign_faults(dice, numbers, kinds) if numbers else {}
    refused = {i for name in table for i in _refused(dice, operations, name, faults)}
    return Plan(
        version,
        tuple(_piece(dice, version, i, name, i in refused, faults.get(i, ())) for i, name in enumerate(operations)),
        outages=tuple(dice.sample(range(count // 2), max(1, count // WRITES_PER_OUTAGE))),
        token_ends=dict(zip(range(20, count, WRITES_PER_TOKEN_END), itertools.cycle(("revoked", "expired")))),
        other_faults=tuple(_elsewhere(dice, operations, version)),
    )


def _order(dice: random.Random, count: int, version: str) -> list[str]:
    """
    Return the operations of all writes in order.

    The writes whose lookup fails are first. Other writes with a lookup follow much later, so that theirs does not fail.
    """
    operations = [name for name, work in OPERATIONS[version].items() for _ in range(round(work.share * count))]
    first = list(lookups(version))
    for name in first:
        operations.remove(name)
    dice.shuffle(operations)
    start = [name for name in operations if name not in first][: count // 3]
    for name in start:
        operations.remove(name)
    return [*first, *start, *operations]


def _assign_faults(
    dice: random.Random, numbers: Sequence[int], kinds: Sequence[FaultKind]
) -> Iterator[tuple[int, tuple[FaultKind, ...]]]:
    """Assign each kind of fault to its share of the writes, and to at least one."""
    deck = [kind for kind in kinds for _ in range(max(1, round(kind.share * len(numbers))))]
    for number, kind in zip(dice.sample(numbers, len(deck)), deck, strict=True):
        second = [dice.choice(_SIMPLE)] if dice.random() < SECOND_FAULT else []
        yield number, (*[kind] * kind.times, *second)


def _refused(
    dice: random.Random, operations: Sequence[str], name: str, faults: Mapping[int, Sequence[FaultKind]]
) -> list[int]:
    """Choose the writes that are refused: none that is killed, because the kill may come after the refusal."""
    numbers = [i for i, operation in enumerate(operations) if operation == name]
    free = [i for i in numbers if not any(kind.kills or kind is NO_LOOKUP for kind in faults.get(i, ()))]
    return dice.sample(free, max(1, round(SHARE_REFUSED * len(numbers))))


def _piece(
    dice: random.Random, version: str, number: int, operation: str, refused: bool, faults: tuple[FaultKind, ...]
) -> PlannedWrite:
    work = OPERATIONS[version][operation]
    return PlannedWrite(
        number,
        operation,
        _arguments(dice, number, version, work, refused),
        refusal=work.refusal if refused else None,
        faults=tuple(kind for kind in faults if kind.fault),
        killed_after=dice.uniform(0, 0.3) if any(not kind.fault for kind in faults) else None,
    )


def _arguments(dice: random.Random, number: int, version: str, work: Operation, refused: bool) -> Mapping[str, Any]:
    role = dice.choice(("learner", "coach", "editor", "admin"))
    users = work.users(number)
    match work.action:
        case "create_user":
            mode = dice.choice(("invite", "create_active"))
            group_id = NO_SUCH_ID if refused and version == "v2" else SALES_GROUP_ID
            return {"mail": _mail(number), "first_name": "Ana", "group_id": group_id, "role": role, "mode": mode}
        case "update_user":
            return {"user": users[0], "job": f"job {mark(number)}"}
        case "add_user_to_group":
            return {"user": users[0], "group_id": SALES_GROUP_ID, "role": role}
        case "enroll_users":
            return {"users": users[: dice.randint(1, len(users))], "session_id": SESSION}
        case "add_to_catalog":
            group_id = missing_id(number) if refused else f"{CATALOG} {mark(number)}"
            return {"group_id": group_id, "course_ids": [WELCOME_COURSE_ID, SECURITY_COURSE_ID]}
        case "import_statistics":
            facts = {"progress": 100, "time_spent_seconds": 60, "first_activity": _DAY, "last_activity": _DAY}
            return {
                "group_id": missing_id(number) if refused else ROOT_GROUP_ID,
                "external_platform": PLATFORM,
                "rows": [{"external_id": mark(number), "mail": mail, **facts} for mail in users],
                "results_path": f"{RESULTS} {mark(number)}",
            }
        case "create_group":
            parent = NO_SUCH_ID if refused else dice.choice((ROOT_GROUP_ID, SALES_GROUP_ID))
            return {"name": f"group {mark(number)}", "parent_id": parent, "public": dice.random() < 0.5}
        case _:
            return {
                "name": f"session {mark(number)}",
                "path_id": NO_SUCH_ID if refused else ONBOARDING_PATH_ID,
                "group_id": ROOT_GROUP_ID,
                "session_start": f"2040-01-{dice.randint(1, 28):02}T00:00:00Z",
            }


def _elsewhere(dice: random.Random, operations: Sequence[str], version: str) -> Iterator[Mapping[str, Any]]:
    expected = {"generateToken": len(operations)}
    expected |= {lookup: operations.count(operation) for operation, lookup in lookups(version).items()}
    expected |= {
        follow_up: operations.count(operation)
        for operation, follow_up in FOLLOW_UPS.items()
        if operation in OPERATIONS[version] and version == "v2"
    }
    for operation, count in expected.items():
        positions = sorted(dice.sample(range(count), max(2, round(SHARE_OTHER_FAULTS * count))))
        for i, after in enumerate(positions):
            yield {"operation": operation, "after": after, **OTHER_FAULTS[i % len(OTHER_FAULTS)]}
    for lookup in lookups(version).values():
        yield {"operation": lookup, **_LOOKUP_FAILS}


def _mail(number: int, suffix: str = "a") -> str:
    return f"{mark(number)}-{suffix}@faults.test"
