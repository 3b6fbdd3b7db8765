"""The planned writes and their faults, which follow from a seed."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from airflow_provider_360learning.sandbox.demo_company import ONBOARDING_PATH_ID, ROOT_GROUP_ID, SALES_GROUP_ID

#: Placeholder for the id of the session of all enrollments, which is known when the sandbox runs.
SESSION = "the session of all enrollments"
SESSION_NAME = "All enrollments"
NO_SUCH_ID = "f" * 24

#: Minimum number of writes, which includes every kind of fault.
MIN_WRITES = 100

#: Seconds that the client waits for a response.
READ_TIMEOUT = 1.5
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
    """

    name: str
    share: float
    fault: Mapping[str, Any] | None
    kills: bool = False
    times: int = 1


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

#: The fault of the first writes: the lookup that would confirm their outcome fails as often as it is sent.
NO_LOOKUP = FaultKind("dropped after the work, and no lookup", 0, {"kind": "drop_after"})
_LOOKUP_FAILS = {**_DOWN, "after": 1, "count": 8}

#: Share of the writes with a fault that have a second, simple one.
SECOND_FAULT = 0.15
_SIMPLE = [kind for kind in KINDS if not kind.kills and kind.times == 1]

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

    :param writes: The writes, in the order of their start.
    :param outages: Numbers of the writes at which an outage starts.
    :param token_ends: Numbers of the writes at which all tokens end, and how: ``revoked`` or ``expired``.
    :param other_faults: Faults of lookups and token requests, for the sandbox.
    """

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
            for mail in _OPERATIONS[write.operation].users(write.number)
        ]

    @property
    def foreign_mails(self) -> list[str]:
        """Return the email addresses that belong to other companies."""
        refused = [write for write in self.writes if write.refusal and write.operation == "createOrInviteUser"]
        return [write.arguments["mail"] for write in refused]


@dataclass(frozen=True)
class _Operation:
    """
    The writes of one operation.

    :param share: Share of the plan.
    :param refusal: Class name of the error of refused writes.
    :param mails: Number of users that a write needs.
    :param lookup: Operation that shows whether a write was done, if it must not be sent again after an unknown outcome.
    """

    share: float
    refusal: str
    mails: int = 0
    lookup: str | None = None

    def users(self, number: int) -> list[str]:
        return [_mail(number, suffix) for suffix in "abc"[: self.mails]]


_OPERATIONS = {
    "createOrInviteUser": _Operation(0.25, "RefusedError"),
    "updateUser": _Operation(0.25, "NotFoundError", mails=1),
    "addUserToGroup": _Operation(0.15, "NotFoundError", mails=1),
    "addUsersToPathSession": _Operation(0.15, "NotFoundError", mails=3),
    "createGroup": _Operation(0.1, "NotFoundError", lookup="getGroups"),
    "createPathSession": _Operation(0.1, "NotFoundError", lookup="getPathSessions"),
}
OPERATIONS = tuple(_OPERATIONS)
LOOKUPS = {operation: work.lookup for operation, work in _OPERATIONS.items() if work.lookup}
SHARE_REFUSED = 0.03

_MARK = re.compile(r"\bw(\d{4})\b")


def write_of(entry: Mapping[str, Any]) -> int | None:
    """Return the number of the planned write that a request of the journal belongs to."""
    found = _MARK.search(f"{unquote(entry['path'])} {entry['body']}")
    return int(found[1]) if found else None


def mark(number: int) -> str:
    """Return the mark that the requests of a write contain."""
    return f"w{number:04}"


def make_plan(seed: int, count: int) -> Plan:
    """
    Return a plan, which is equal for equal arguments.

    :param seed: Any number.
    :param count: Number of writes.
    :raises ValueError: If the plan cannot have this number of writes.
    """
    if not MIN_WRITES <= count < 10_000:
        raise ValueError(f"a run has {MIN_WRITES} to 9999 writes, not {count}")
    dice = random.Random(seed)
    operations = _order(dice, count)
    faults: dict[int, tuple[FaultKind, ...]] = dict.fromkeys(range(len(LOOKUPS)), (NO_LOOKUP,))
    for not_repeatable in (False, True):
        numbers = [i for i, name in enumerate(operations) if (name in LOOKUPS) == not_repeatable and i not in faults]
        faults |= _assign_faults(dice, numbers, [kind for kind in KINDS if kind.times == 1 or not not_repeatable])
    refused = {i for name in OPERATIONS for i in _refused(dice, operations, name, faults)}
    return Plan(
        tuple(_piece(dice, i, name, i in refused, faults.get(i, ())) for i, name in enumerate(operations)),
        outages=tuple(dice.sample(range(count // 2), max(1, count // WRITES_PER_OUTAGE))),
        token_ends=dict(zip(range(20, count, WRITES_PER_TOKEN_END), itertools.cycle(("revoked", "expired")))),
        other_faults=tuple(_elsewhere(dice, operations)),
    )


def _order(dice: random.Random, count: int) -> list[str]:
    """
    Return the operations of all writes in order.

    The writes whose lookup fails are first. Other writes with a lookup follow much later, so that theirs does not fail.
    """
    operations = [name for name, work in _OPERATIONS.items() for _ in range(round(work.share * count))]
    first = list(LOOKUPS)
    for name in first:
        operations.remove(name)
    dice.shuffle(operations)
    start = [name for name in operations if name not in LOOKUPS][: count // 3]
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
    dice: random.Random, number: int, operation: str, refused: bool, faults: tuple[FaultKind, ...]
) -> PlannedWrite:
    return PlannedWrite(
        number,
        operation,
        _arguments(dice, number, operation, refused),
        refusal=_OPERATIONS[operation].refusal if refused else None,
        faults=tuple(kind for kind in faults if kind.fault),
        killed_after=dice.uniform(0, 0.3) if any(not kind.fault for kind in faults) else None,
    )


def _arguments(dice: random.Random, number: int, operation: str, refused: bool) -> Mapping[str, Any]:
    role = dice.choice(("learner", "coach", "editor", "admin"))
    users = _OPERATIONS[operation].users(number)
    match operation:
        case "createOrInviteUser":
            mode = dice.choice(("invite", "create_active"))
            return {"mail": _mail(number), "first_name": "Ana", "group_id": SALES_GROUP_ID, "role": role, "mode": mode}
        case "updateUser":
            return {"user": users[0], "job": f"job {dice.randrange(1000)}"}
        case "addUserToGroup":
            return {"user": users[0], "group_id": SALES_GROUP_ID, "role": role}
        case "addUsersToPathSession":
            return {"users": users[: dice.randint(1, len(users))], "session_id": SESSION}
        case "createGroup":
            parent = NO_SUCH_ID if refused else dice.choice((ROOT_GROUP_ID, SALES_GROUP_ID))
            return {"name": f"group {mark(number)}", "parent_id": parent, "public": dice.random() < 0.5}
        case _:
            return {
                "name": f"session {mark(number)}",
                "path_id": NO_SUCH_ID if refused else ONBOARDING_PATH_ID,
                "group_id": ROOT_GROUP_ID,
                "session_start": f"2040-01-{dice.randint(1, 28):02}T00:00:00Z",
            }


def _elsewhere(dice: random.Random, operations: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    expected = {"generateToken": len(operations)}
    expected |= {lookup: operations.count(operation) for operation, lookup in LOOKUPS.items()}
    for operation, count in expected.items():
        positions = sorted(dice.sample(range(count), max(2, round(SHARE_OTHER_FAULTS * count))))
        for i, after in enumerate(positions):
            yield {"operation": operation, "after": after, **OTHER_FAULTS[i % len(OTHER_FAULTS)]}
    for lookup in LOOKUPS.values():
        yield {"operation": lookup, **_LOOKUP_FAILS}


def _mail(number: int, suffix: str = "a") -> str:
    return f"{mark(number)}-{suffix}@faults.test"
