"""The judge names what went wrong, and nothing else: journals, states and reports made up for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.judge import CompletionStatus, Try, judge
from tests.faults.plan import ROOT_GROUP_ID, Piece, Plan, mark

MAIL = "w0000-a@faults.test"
GROUP = Piece(0, "createGroup", {"name": "group w0000", "parent_id": ROOT_GROUP_ID, "public": True})
NO_GROUP = Piece(0, "createGroup", GROUP.arguments, refusal="NotFoundError")
UPDATE = Piece(0, "updateUser", {"user": MAIL, "job": "Admiral"})
INVITATION = Piece(
    0, "createOrInviteUser", {"mail": MAIL, "mode": "invite", "group_id": ROOT_GROUP_ID, "role": "editor"}
)

GREEN = {"end": "success", "result": {"group_id": "g1"}, "error": None}
UNKNOWN = {"end": "failed", "result": None, "error": "OutcomeUnknownError"}
DOWN = {"end": "failed", "result": None, "error": "ServerError"}
REFUSED = {"end": "refused", "result": None, "error": "NotFoundError"}


@dataclass
class Story:
    """What is said to have happened with one piece of work; each try and each request is a second after the last."""

    piece: Piece
    tries: list[Try] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: (
            {name: [] for name in ("users", "invitations", "groups", "memberships", "sessions", "enrollments")}
            | {"mails_sent": []}
        )
    )

    def tried(self, report: dict[str, Any] | None) -> Story:
        """A try begins; ``None`` for one that is killed."""
        number = len(self.tries) + 1
        self.tries.append(Try(0, number, began=self._now(), killed=report is None, report=report))
        return self

    def sent(self, *, done: bool = True, status: int | None = 200, fault: str | None = None, **other: Any) -> Story:
        """A request arrives."""
        told = {"operation": self.piece.operation, "method": "POST", "path": "/x", "body": f"name {mark(0)}"}
        entry = {"id": len(self.journal) + 1, "wall_time": self._now(), "done": done, "status": status, "fault": fault}
        self.journal.append(told | entry | other)
        return self

    def holding(self, kind: str, *items: dict[str, Any]) -> Story:
        """The state has these."""
        self.state[kind] += items
        return self

    def verdicts(self) -> list[CompletionStatus]:
        plan = Plan((self.piece,), outages=(), token_ends={}, elsewhere=())
        return [finding.verdict for finding in judge(plan, self.journal, self.state, self.tries)]

    def _now(self) -> float:
        return float(len(self.tries) + len(self.journal))


def group(id: str, **other: Any) -> dict[str, Any]:
    return {"id": id, "name": "group w0000", "parent": ROOT_GROUP_ID, "public": True, **other}


def story(piece: Piece = GROUP, *groups: dict[str, Any]) -> Story:
    return Story(piece).holding("groups", *groups)


def made(piece: Piece = GROUP) -> Story:
    return story(piece, group("g1"))


def invited(mails: int = 1, roles: tuple[str, ...] = ("editor",)) -> Story:
    return (
        Story(INVITATION)
        .holding("invitations", {"mail": MAIL})
        .holding("memberships", {"mail": MAIL, "user": "u1", "group": ROOT_GROUP_ID, "roles": [*roles]})
        .holding("mails_sent", *[{"to": MAIL, "kind": "invitation"}] * mails)
    )


def updated(job: str = "Admiral") -> Story:
    return Story(UPDATE).holding("users", {"id": "u1", "mail": MAIL, "profile": {"job": job}})


LOST_ANSWER = {"status": None, "fault": "drop_after"}
LOST_REQUEST = {"status": None, "fault": "drop_before", "done": False}

FINE = {
    "done": (made().tried(GREEN).sent(), CompletionStatus.DONE),
    "refused with 429 first": (made().tried(GREEN).sent(done=False, status=429).sent(), CompletionStatus.DONE),
    "settled by a look-up": (made().tried(GREEN).sent(**LOST_ANSWER), CompletionStatus.SETTLED),
    "killed, and found by the next try": (
        made().tried(None).sent(fault="delay").tried(GREEN),
        CompletionStatus.SETTLED,
    ),
    "unknown, and made by the next try": (
        made().tried(UNKNOWN).sent(**LOST_REQUEST).tried(GREEN).sent(),
        CompletionStatus.UNKNOWN,
    ),
    "unknown to the end": (made().tried(UNKNOWN).sent(**LOST_ANSWER), CompletionStatus.UNKNOWN),
    "refused": (story(NO_GROUP).tried(REFUSED).sent(done=False, status=400), CompletionStatus.REFUSED),
    "refused instead of garbage": (
        story(NO_GROUP).tried(REFUSED).sent(done=False, status=400, fault="garbage"),
        CompletionStatus.REFUSED,
    ),
    "updated": (updated().tried(GREEN).sent(), CompletionStatus.DONE),
    "updated twice": (updated().tried(GREEN).sent(**LOST_ANSWER).sent(), CompletionStatus.AGAIN),
    "invited": (invited().tried(GREEN).sent(), CompletionStatus.DONE),
}

WRONG = {
    "a group made by both tries": (
        story(GROUP, group("g1"), group("g2")).tried(UNKNOWN).sent(**LOST_ANSWER).tried(GREEN).sent(),
        CompletionStatus.TWICE,
    ),
    "a group that is there twice": (story(GROUP, group("g1"), group("g2")).tried(GREEN).sent(), CompletionStatus.TWICE),
    "a second invitation": (invited(mails=2).tried(GREEN).sent(), CompletionStatus.TWICE),
    "green, and nothing was done": (story().tried(GREEN).sent(done=False), CompletionStatus.FALSELY_GREEN),
    "green, and nothing is there": (story().tried(GREEN).sent(), CompletionStatus.FALSELY_GREEN),
    "green, and another group is told": (story(GROUP, group("g7")).tried(GREEN).sent(), CompletionStatus.FALSELY_GREEN),
    "green, and no group is told": (made().tried({**GREEN, "result": None}).sent(), CompletionStatus.FALSELY_GREEN),
    "green, and elsewhere": (
        story(GROUP, group("g1", parent="other")).tried(GREEN).sent(),
        CompletionStatus.FALSELY_GREEN,
    ),
    "green, and another role": (invited(roles=("admin",)).tried(GREEN).sent(), CompletionStatus.FALSELY_GREEN),
    "green, and another job": (updated("Captain").tried(GREEN).sent(), CompletionStatus.FALSELY_GREEN),
    "green, although refused": (
        story(NO_GROUP).tried(GREEN).sent(done=False, status=400),
        CompletionStatus.FALSELY_GREEN,
    ),
    "an unknown outcome that nobody hears of": (
        made().tried(DOWN).sent(**LOST_ANSWER).tried(GREEN),
        CompletionStatus.HIDDEN,
    ),
    "a second send without a look, by luck without harm": (
        made().tried(GREEN).sent(**LOST_REQUEST).sent(),
        CompletionStatus.BLIND,
    ),
    "never tried": (story(), CompletionStatus.LOST),
    "given up": (updated("Captain").tried(DOWN).sent(done=False, status=503), CompletionStatus.LOST),
    "refused without a reason": (updated().tried(REFUSED).sent(), CompletionStatus.LOST),
    "refused for another reason": (
        story(NO_GROUP).tried({**REFUSED, "error": "AuthenticationError"}).sent(done=False, status=400),
        CompletionStatus.LOST,
    ),
}


def named(cases: dict[str, tuple[Story, CompletionStatus]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("told", "verdict"), cases.values(), ids=list(cases))


@named(FINE)
def test_what_is_fine_is_called_so(told, verdict):
    assert told.verdicts() == [verdict]
    assert not verdict.wrong


@named(WRONG)
def test_what_is_wrong_is_called_so(told, verdict):
    assert told.verdicts() == [verdict]
    assert verdict.wrong


@pytest.mark.parametrize("body", ["nobody's", f"another operation on {mark(0)}"])
def test_a_write_that_nobody_asked_for_is_noticed(body):
    told = made().tried(GREEN).sent().sent(operation="deleteUser", body=body)
    assert told.verdicts() == [CompletionStatus.DONE, CompletionStatus.UNASKED]
