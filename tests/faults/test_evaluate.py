"""The evaluation finds each violation and nothing else, given made-up journals, states and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.evaluate import Attempt, Outcome, evaluate
from tests.faults.plan import ROOT_GROUP_ID, SESSION_NAME, Plan, PlannedWrite, mark

MAIL = "w0000-a@faults.test"
GROUP = PlannedWrite(0, "createGroup", {"name": "group w0000", "parent_id": ROOT_GROUP_ID, "public": True})
REFUSED_GROUP = PlannedWrite(0, "createGroup", GROUP.arguments, refusal="NotFoundError")
UPDATE = PlannedWrite(0, "updateUser", {"user": MAIL, "job": "Admiral"})
INVITATION = PlannedWrite(
    0, "createOrInviteUser", {"mail": MAIL, "mode": "invite", "group_id": ROOT_GROUP_ID, "role": "editor"}
)

USER = PlannedWrite(0, "createUser", {**INVITATION.arguments, "mode": "create_active"})
SESSION = PlannedWrite(0, "createPathSession", {"name": "session w0000", "path_id": "p1", "group_id": ROOT_GROUP_ID})
IMPORT = PlannedWrite(
    0, "importExternalStatistics", {"external_platform": "provider", "rows": [{"external_id": mark(0), "mail": MAIL}]}
)
ENROLLMENT = PlannedWrite(0, "updateSessionAudience", {"users": [MAIL], "session_id": "s1"})
CATALOG = PlannedWrite(0, "addContentsToGroupsCatalog", {"group_id": "missing", "course_ids": []}, "RefusedError")

SUCCESS = {"end": "success", "result": {"group_id": "g1"}, "error": None}
UNKNOWN = {"end": "failed", "result": None, "error": "OutcomeUnknownError"}
UNAVAILABLE = {"end": "failed", "result": None, "error": "ServerError"}
REFUSED = {"end": "refused", "result": None, "error": "NotFoundError"}


@dataclass
class Evidence:
    """Evidence of one write. Each attempt and each request is one second after the previous one."""

    write: PlannedWrite
    version: str = "v1"
    attempts: list[Attempt] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: (
            {
                name: []
                for name in (
                    "users",
                    "invitations",
                    "groups",
                    "memberships",
                    "sessions",
                    "enrollments",
                    "external_attempts",
                )
            }
            | {"mails_sent": []}
        )
    )

    def attempt(self, report: dict[str, Any] | None) -> Evidence:
        """Add an attempt with its report; ``None`` for one that is killed."""
        number = len(self.attempts) + 1
        self.attempts.append(Attempt(0, number, started=self._now(), killed=report is None, report=report))
        return self

    def sent(self, *, done: bool = True, status: int | None = 200, fault: str | None = None, **other: Any) -> Evidence:
        """Add a request."""
        request = {"operation": self.write.operation, "method": "POST", "path": "/x", "body": f"name {mark(0)}"}
        entry = {"id": len(self.journal) + 1, "wall_time": self._now(), "done": done, "status": status, "fault": fault}
        self.journal.append(request | entry | other)
        return self

    def state_with(self, kind: str, *items: dict[str, Any]) -> Evidence:
        """Add objects to the state."""
        self.state[kind] += items
        return self

    def outcomes(self) -> list[Outcome]:
        plan = Plan(self.version, (self.write,), outages=(), token_ends={}, other_faults=())
        return [finding.outcome for finding in evaluate(plan, self.journal, self.state, self.attempts)]

    def _now(self) -> float:
        return float(len(self.attempts) + len(self.journal))


def group(id: str, **other: Any) -> dict[str, Any]:
    return {"id": id, "name": "group w0000", "parent": ROOT_GROUP_ID, "public": True, **other}


def evidence_of(write: PlannedWrite = GROUP, *groups: dict[str, Any]) -> Evidence:
    return Evidence(write).state_with("groups", *groups)


def created(write: PlannedWrite = GROUP) -> Evidence:
    return evidence_of(write, group("g1"))


def invited(mails: int = 1, roles: tuple[str, ...] = ("editor",)) -> Evidence:
    return (
        Evidence(INVITATION)
        .state_with("invitations", {"mail": MAIL})
        .state_with("memberships", {"mail": MAIL, "user": "u1", "group": ROOT_GROUP_ID, "roles": [*roles]})
        .state_with("mails_sent", *[{"to": MAIL, "kind": "invitation"}] * mails)
    )


def updated(job: str = "Admiral") -> Evidence:
    return Evidence(UPDATE).state_with("users", {"id": "u1", "mail": MAIL, "profile": {"job": job}})


def created_user() -> Evidence:
    return (
        Evidence(USER, "v2")
        .state_with("users", {"id": "a" * 24, "mail": MAIL})
        .state_with("memberships", {"mail": MAIL, "user": "a" * 24, "group": ROOT_GROUP_ID, "roles": ["editor"]})
    )


def created_session() -> Evidence:
    facts = {"path": "p1", "owner_group": ROOT_GROUP_ID}
    return Evidence(SESSION, "v2").state_with("sessions", {"id": "5" * 24, "name": "session w0000", **facts})


def imported(times: int = 1) -> Evidence:
    attempts = [{"external_id": mark(0), "mail": MAIL, "times_sent": times}] if times else []
    return Evidence(IMPORT, "v2").state_with("external_attempts", *attempts)


def enrolled(*mails: str) -> Evidence:
    session = {"id": "5" * 24, "name": SESSION_NAME}
    enrollments = [{"session": session["id"], "mail": mail} for mail in mails]
    return Evidence(ENROLLMENT, "v2").state_with("sessions", session).state_with("enrollments", *enrollments)


ROWS_UNKNOWN = {"end": "refused", "result": None, "error": "RowsNotDoneError", "message": "row 1: OutcomeUnknownError"}
OWNER_GROUP = {"operation": "modifyPathSession", "path": f"/paths/p1/sessions/{'5' * 24}"}
SESSION_SUCCESS = {"end": "success", "result": {"session_id": "5" * 24}, "error": None}
PASSWORD = {"operation": "replacePassword", "path": f"/users/{'a' * 24}/password", "body": None}
LOST_RESPONSE = {"status": None, "fault": "drop_after"}
LOST_REQUEST = {"status": None, "fault": "drop_before", "done": False}

VALID = {
    "done": (created().attempt(SUCCESS).sent(), Outcome.DONE),
    "refused with 429 first": (created().attempt(SUCCESS).sent(done=False, status=429).sent(), Outcome.DONE),
    "confirmed by a lookup": (created().attempt(SUCCESS).sent(**LOST_RESPONSE), Outcome.CONFIRMED),
    "killed, and found by the next attempt": (
        created().attempt(None).sent(fault="delay").attempt(SUCCESS),
        Outcome.CONFIRMED,
    ),
    "unknown, and created by the next attempt": (
        created().attempt(UNKNOWN).sent(**LOST_REQUEST).attempt(SUCCESS).sent(),
        Outcome.UNKNOWN,
    ),
    "unknown to the end": (created().attempt(UNKNOWN).sent(**LOST_RESPONSE), Outcome.UNKNOWN),
    "refused": (evidence_of(REFUSED_GROUP).attempt(REFUSED).sent(done=False, status=400), Outcome.REFUSED),
    "refused instead of garbage": (
        evidence_of(REFUSED_GROUP).attempt(REFUSED).sent(done=False, status=400, fault="garbage"),
        Outcome.REFUSED,
    ),
    "updated": (updated().attempt(SUCCESS).sent(), Outcome.DONE),
    "updated twice": (updated().attempt(SUCCESS).sent(**LOST_RESPONSE).sent(), Outcome.RESENT),
    "invited": (invited().attempt(SUCCESS).sent(), Outcome.DONE),
    "a user of API v2, completed by a further request": (
        created_user().attempt(UNAVAILABLE).sent(**LOST_RESPONSE).sent(**PASSWORD).attempt(SUCCESS),
        Outcome.DONE,
    ),
    "a session of API v2, completed by an attempt that has found it": (
        created_session().attempt(UNAVAILABLE).sent(**LOST_RESPONSE).sent(**OWNER_GROUP).attempt(SESSION_SUCCESS),
        Outcome.CONFIRMED,
    ),
    "enrolled by a request of another write": (enrolled(MAIL).attempt(SUCCESS), Outcome.DONE),
    "statistics imported": (imported().attempt(SUCCESS).sent(), Outcome.DONE),
    "statistics unknown to the end": (imported(0).attempt(ROWS_UNKNOWN).sent(**LOST_REQUEST), Outcome.UNKNOWN),
    "a job that refuses its rows": (
        Evidence(CATALOG, "v2").attempt({**REFUSED, "error": "RefusedError"}).sent(),
        Outcome.REFUSED,
    ),
}

VIOLATIONS = {
    "a group created by both attempts": (
        evidence_of(GROUP, group("g1"), group("g2")).attempt(UNKNOWN).sent(**LOST_RESPONSE).attempt(SUCCESS).sent(),
        Outcome.DUPLICATE,
    ),
    "a group that exists twice": (
        evidence_of(GROUP, group("g1"), group("g2")).attempt(SUCCESS).sent(),
        Outcome.DUPLICATE,
    ),
    "a second invitation": (invited(mails=2).attempt(SUCCESS).sent(), Outcome.DUPLICATE),
    "statistics submitted by both attempts": (
        imported().attempt(None).sent(**LOST_RESPONSE).attempt(SUCCESS).sent(),
        Outcome.DUPLICATE,
    ),
    "statistics imported twice": (imported(2).attempt(SUCCESS).sent(), Outcome.DUPLICATE),
    "statistics unknown without a reason": (imported(0).attempt(ROWS_UNKNOWN).sent(), Outcome.LOST),
    "an enrollment that was lost": (enrolled().attempt(SUCCESS), Outcome.FALSE_SUCCESS),
    "success, but not done": (evidence_of().attempt(SUCCESS).sent(done=False), Outcome.FALSE_SUCCESS),
    "success, but no group exists": (evidence_of().attempt(SUCCESS).sent(), Outcome.FALSE_SUCCESS),
    "success with the id of another group": (
        evidence_of(GROUP, group("g7")).attempt(SUCCESS).sent(),
        Outcome.FALSE_SUCCESS,
    ),
    "success without an id": (created().attempt({**SUCCESS, "result": None}).sent(), Outcome.FALSE_SUCCESS),
    "success, but in another group": (
        evidence_of(GROUP, group("g1", parent="other")).attempt(SUCCESS).sent(),
        Outcome.FALSE_SUCCESS,
    ),
    "success, but with another role": (invited(roles=("admin",)).attempt(SUCCESS).sent(), Outcome.FALSE_SUCCESS),
    "success, but with another job": (updated("Captain").attempt(SUCCESS).sent(), Outcome.FALSE_SUCCESS),
    "success, although refused": (
        evidence_of(REFUSED_GROUP).attempt(SUCCESS).sent(done=False, status=400),
        Outcome.FALSE_SUCCESS,
    ),
    "an unknown outcome that is not reported": (
        created().attempt(UNAVAILABLE).sent(**LOST_RESPONSE).attempt(SUCCESS),
        Outcome.UNREPORTED,
    ),
    "a second send without a lookup, without a duplicate": (
        created().attempt(SUCCESS).sent(**LOST_REQUEST).sent(),
        Outcome.BLIND_RETRY,
    ),
    "never attempted": (evidence_of(), Outcome.LOST),
    "failed to the end": (updated("Captain").attempt(UNAVAILABLE).sent(done=False, status=503), Outcome.LOST),
    "refused without a reason": (updated().attempt(REFUSED).sent(), Outcome.LOST),
    "refused for another reason": (
        evidence_of(REFUSED_GROUP).attempt({**REFUSED, "error": "AuthenticationError"}).sent(done=False, status=400),
        Outcome.LOST,
    ),
}


def cases(cases: dict[str, tuple[Evidence, Outcome]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("evidence", "outcome"), cases.values(), ids=list(cases))


@cases(VALID)
def test_accepts_valid_runs(evidence, outcome):
    assert evidence.outcomes() == [outcome]
    assert not outcome.is_violation


@cases(VIOLATIONS)
def test_finds_each_violation(evidence, outcome):
    assert evidence.outcomes() == [outcome]
    assert outcome.is_violation


@pytest.mark.parametrize("body", ["no mark", f"another operation on {mark(0)}"])
def test_finds_a_write_that_was_not_planned(body):
    evidence = created().attempt(SUCCESS).sent().sent(operation="deleteUser", body=body)
    assert evidence.outcomes() == [Outcome.DONE, Outcome.UNPLANNED]
