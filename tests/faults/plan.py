"""What is to be written, and what goes wrong with it: all of it follows from a seed."""

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

#: Stands for the id of the session that everybody is enrolled in: it is known when the sandbox runs.
SESSION = "the session of all enrollments"
SESSION_NAME = "Everybody"
NO_SUCH_ID = "f" * 24

#: The fewest writes that have room for every kind of trouble.
FEWEST_WRITES = 100

#: Seconds that the client waits for an answer.
READ_TIMEOUT = 1.5
#: Seconds that a slow answer takes: longer than the client waits.
SLOW = READ_TIMEOUT + 0.3
#: Seconds that a request is held for its process to be killed: shorter, so that it is the kill that ends it.
HELD = READ_TIMEOUT - 0.3
#: Seconds after which a failed try is made again. What the last try asked for is done by then, also where it is
#: held or slow: nobody could see before that it will be.
RETRY_DELAY = SLOW + 0.5

#: All tokens end each time that so many pieces of work were sent_up_to.
WRITES_PER_TOKEN_END = 70
#: An outage: so many requests in a row, whoever sends them, meet a 503.
REQUESTS_OF_AN_OUTAGE = 20
WRITES_PER_OUTAGE = 300


@dataclass(frozen=True)
class Kind:
    """A kind of trouble.

    :param name: What the summary calls it.
    :param share: How many of the writes meet it.
    :param fault: What the sandbox is asked to do to a request; ``None`` for nothing.
    :param kills: Whether the process that sent the request is killed then; without a fault, a while after it began.
    :param times: How many requests in a row meet it; more than one only where they may be sent again.
    """

    name: str
    share: float
    fault: Mapping[str, Any] | None
    kills: bool = False
    times: int = 1


_DOWN = {"kind": "status", "status": 503}

KINDS = (
    Kind("503 before the work", 0.025, _DOWN),
    Kind("503 after the work", 0.025, {**_DOWN, "when": "after"}),
    Kind("503 four times", 0.005, _DOWN, times=4),  # as often as a call is sent
    Kind("dropped before the work", 0.02, {"kind": "drop_before"}),
    Kind("dropped after the work", 0.02, {"kind": "drop_after"}),
    Kind("429", 0.005, {"kind": "rate_limited"}),
    Kind("429 with Retry-After", 0.005, {"kind": "rate_limited", "retry_after": 1}),
    Kind("garbage", 0.01, {"kind": "garbage"}),
    Kind("a web page", 0.005, {"kind": "wrong_content"}),
    Kind("slow before the work", 0.005, {"kind": "delay", "seconds": SLOW}),
    Kind("slow after the work", 0.005, {"kind": "delay", "seconds": SLOW, "when": "after"}),
    Kind("killed before the work", 0.01, {"kind": "delay", "seconds": HELD}, kills=True),
    Kind("killed after the work", 0.01, {"kind": "delay", "seconds": HELD, "when": "after"}, kills=True),
    Kind("killed at any moment", 0.01, None, kills=True),
)

#: What the first pieces meet: the look-up that would confirm_by_lookup what came of it fails as often as it is sent.
NO_LOOK_UP = Kind("dropped after the work, and no look-up", 0, {"kind": "drop_after"})
_LOOK_UP_FAILS = {**_DOWN, "after": 1, "count": 8}

#: How many of the pieces in trouble meet a second, simple one.
SECOND_TROUBLE = 0.15
_SIMPLE = [kind for kind in KINDS if not kind.kills and kind.times == 1]

#: What look-ups and token requests meet, in turn: how many of them, and what.
SHARE_ELSEWHERE = 0.05
ELSEWHERE: tuple[Mapping[str, Any], ...] = (
    _DOWN,
    {"kind": "drop_before"},
    {"kind": "garbage"},
    {"kind": "delay", "seconds": SLOW},
    {"kind": "wrong_content"},
)


@dataclass(frozen=True)
class Piece:
    """A piece of work: one operator with its arguments, and what its requests meet.

    :param number: Its place in the plan. Its requests carry it, see :func:`piece_of`.
    :param operation: The write that it is about.
    :param arguments: Of the operator.
    :param refusal: Name of the error that it must be refused with, if it must be.
    :param troubles: What its requests meet, one after the other.
    :param killed_after: Seconds after which its first try is killed, if it is.
    """

    number: int
    operation: str
    arguments: Mapping[str, Any]
    refusal: str | None = None
    troubles: tuple[Kind, ...] = ()
    killed_after: float | None = None


@dataclass(frozen=True)
class Plan:
    """All that a run does.

    :param pieces: In the order in which they are handed out.
    :param outages: Numbers of the pieces at which an outage begins.
    :param token_ends: Numbers of the pieces at which all tokens end, and how: ``revoked`` or ``expired``.
    :param elsewhere: Faults of look-ups and token requests, for the sandbox.
    """

    pieces: tuple[Piece, ...]
    outages: tuple[int, ...]
    token_ends: Mapping[int, str]
    elsewhere: tuple[Mapping[str, Any], ...]

    @property
    def fingerprint(self) -> str:
        """The same for the same plan."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def people(self) -> list[str]:
        """Mails of those who must exist beforehand."""
        return [
            mail for piece in self.pieces if not piece.refusal for mail in _WORK[piece.operation].people(piece.number)
        ]

    @property
    def taken_mails(self) -> list[str]:
        """Mails that belong to other companies."""
        refused = [piece for piece in self.pieces if piece.refusal and piece.operation == "createOrInviteUser"]
        return [piece.arguments["mail"] for piece in refused]


@dataclass(frozen=True)
class _Work:
    """What there is to do of one operation.

    :param share: How much of the plan.
    :param refusal: Name of the error that the refused pieces of it end with.
    :param mails: How many people a piece needs.
    :param look_up: What shows whether it was done, where it may not be sent again when its outcome is unknown.
    """

    share: float
    refusal: str
    mails: int = 0
    look_up: str | None = None

    def people(self, number: int) -> list[str]:
        return [_mail(number, suffix) for suffix in "abc"[: self.mails]]


_WORK = {
    "createOrInviteUser": _Work(0.25, "RefusedError"),
    "updateUser": _Work(0.25, "NotFoundError", mails=1),
    "addUserToGroup": _Work(0.15, "NotFoundError", mails=1),
    "addUsersToPathSession": _Work(0.15, "NotFoundError", mails=3),
    "createGroup": _Work(0.1, "NotFoundError", look_up="getGroups"),
    "createPathSession": _Work(0.1, "NotFoundError", look_up="getPathSessions"),
}
OPERATIONS = tuple(_WORK)
LOOK_UPS = {operation: work.look_up for operation, work in _WORK.items() if work.look_up}
SHARE_REFUSED = 0.03

_MARK = re.compile(r"\bw(\d{4})\b")


def piece_of(entry: Mapping[str, Any]) -> int | None:
    """Tell the number of the piece of work that a request of the journal is about."""
    found = _MARK.search(f"{unquote(entry['path'])} {entry['body']}")
    return int(found[1]) if found else None


def mark(number: int) -> str:
    """Return what the requests of a piece of work are known by."""
    return f"w{number:04}"


def make_plan(seed: int, writes: int) -> Plan:
    """Make a plan; the same one for the same seed.

    :param seed: Any number.
    :param writes: How many pieces of work.
    """
    if not FEWEST_WRITES <= writes < 10_000:
        raise ValueError(f"a run has {FEWEST_WRITES} to 9999 writes, not {writes}")
    dice = random.Random(seed)
    operations = _order(dice, writes)
    troubles: dict[int, tuple[Kind, ...]] = dict.fromkeys(range(len(LOOK_UPS)), (NO_LOOK_UP,))
    for once_only in (False, True):
        numbers = [i for i, name in enumerate(operations) if (name in LOOK_UPS) == once_only and i not in troubles]
        troubles |= _deal_troubles(dice, numbers, [kind for kind in KINDS if kind.times == 1 or not once_only])
    refused = {i for name in OPERATIONS for i in _refused(dice, operations, name, troubles)}
    return Plan(
        tuple(_piece(dice, i, name, i in refused, troubles.get(i, ())) for i, name in enumerate(operations)),
        outages=tuple(dice.sample(range(writes // 2), max(1, writes // WRITES_PER_OUTAGE))),
        token_ends=dict(zip(range(20, writes, WRITES_PER_TOKEN_END), itertools.cycle(("revoked", "expired")))),
        elsewhere=tuple(_elsewhere(dice, operations)),
    )


def _order(dice: random.Random, writes: int) -> list[str]:
    """Put the operations in an order.

    The first pieces are those whose look-up shall fail; others that look up only come a good while later, so that
    it does not fail for them.
    """
    operations = [name for name, work in _WORK.items() for _ in range(round(work.share * writes))]
    first = list(LOOK_UPS)
    for name in first:
        operations.remove(name)
    dice.shuffle(operations)
    begin = [name for name in operations if name not in LOOK_UPS][: writes // 3]
    for name in begin:
        operations.remove(name)
    return [*first, *begin, *operations]


def _deal_troubles(
    dice: random.Random, numbers: Sequence[int], kinds: Sequence[Kind]
) -> Iterator[tuple[int, tuple[Kind, ...]]]:
    """Give every kind its share of some pieces, and at least one of them."""
    deck = [kind for kind in kinds for _ in range(max(1, round(kind.share * len(numbers))))]
    for number, kind in zip(dice.sample(numbers, len(deck)), deck, strict=True):
        second = [dice.choice(_SIMPLE)] if dice.random() < SECOND_TROUBLE else []
        yield number, (*[kind] * kind.times, *second)


def _refused(
    dice: random.Random, operations: Sequence[str], name: str, troubles: Mapping[int, Sequence[Kind]]
) -> list[int]:
    """Choose what is refused; not where a process shall be killed, which could come too late to be told from it."""
    numbers = [i for i, operation in enumerate(operations) if operation == name]
    free = [i for i in numbers if not any(kind.kills or kind is NO_LOOK_UP for kind in troubles.get(i, ()))]
    return dice.sample(free, max(1, round(SHARE_REFUSED * len(numbers))))


def _piece(dice: random.Random, number: int, operation: str, refused: bool, troubles: tuple[Kind, ...]) -> Piece:
    return Piece(
        number,
        operation,
        _arguments(dice, number, operation, refused),
        refusal=_WORK[operation].refusal if refused else None,
        troubles=tuple(kind for kind in troubles if kind.fault),
        killed_after=dice.uniform(0, 0.3) if any(not kind.fault for kind in troubles) else None,
    )


def _arguments(dice: random.Random, number: int, operation: str, refused: bool) -> Mapping[str, Any]:
    role = dice.choice(("learner", "coach", "editor", "admin"))
    people = _WORK[operation].people(number)
    match operation:
        case "createOrInviteUser":
            mode = dice.choice(("invite", "create_active"))
            return {"mail": _mail(number), "first_name": "Ana", "group_id": SALES_GROUP_ID, "role": role, "mode": mode}
        case "updateUser":
            return {"user": people[0], "job": f"job {dice.randrange(1000)}"}
        case "addUserToGroup":
            return {"user": people[0], "group_id": SALES_GROUP_ID, "role": role}
        case "addUsersToPathSession":
            return {"users": people[: dice.randint(1, len(people))], "session_id": SESSION}
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
    expected |= {look_up: operations.count(operation) for operation, look_up in LOOK_UPS.items()}
    for asked, count in expected.items():
        moments = sorted(dice.sample(range(count), max(2, round(SHARE_ELSEWHERE * count))))
        for i, after in enumerate(moments):
            yield {"operation": asked, "after": after, **ELSEWHERE[i % len(ELSEWHERE)]}
    for look_up in LOOK_UPS.values():
        yield {"operation": look_up, **_LOOK_UP_FAILS}


def _mail(number: int, suffix: str = "a") -> str:
    return f"{mark(number)}-{suffix}@faults.test"
