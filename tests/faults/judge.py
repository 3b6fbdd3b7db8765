"""What came of each piece of work, from the sandbox's journal and state, the plan, and what the tries reported.

It shares no code with the client: what may be sent twice, and what an answer tells, it says itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from .plan import SESSION_NAME, Piece, Plan, piece_of

Entry = Mapping[str, Any]
State = Mapping[str, Sequence[Mapping[str, Any]]]

#: What nobody may send again who does not know what came of it.
ONCE_ONLY = frozenset({"createGroup", "createPathSession"})
#: Refused before anything else was looked at.
_NOT_TAKEN = frozenset({401, 429})
#: Faults that put something that nobody can use in the place of a good answer.
_NO_USABLE_ANSWER = frozenset({"garbage", "wrong_content"})


class CompletionStatus(StrEnum):
    """What came of a piece of work, or of a request that belongs to none."""

    DONE = "done"
    AGAIN = "sent again, without harm"
    SETTLED = "unknown, settled by a look-up"
    UNKNOWN = "unknown, and reported so"
    REFUSED = "refused, and reported so"
    LOST = "LOST"
    TWICE = "DONE TWICE"
    FALSELY_GREEN = "GREEN BUT NOT DONE"
    BLIND = "SENT AGAIN WITHOUT A LOOK"
    HIDDEN = "UNKNOWN AND NEVER REPORTED"
    UNASKED = "DONE BUT NOT ASKED FOR"

    @property
    def wrong(self) -> bool:
        """Whether nothing of the kind may happen."""
        return self.isupper()


@dataclass
class Try:
    """One try of a piece of work, as it is known outside of its process.

    :param piece: Number of the piece.
    :param number: 1 for the first.
    :param began: Seconds since the epoch.
    :param killed: Whether its process was killed.
    :param report: What its process wrote at its end: ``end`` (``success``, ``refused`` for good, or ``failed``),
        ``result``, ``error`` (name of its class) and ``message``.
    """

    piece: int
    number: int
    began: float
    killed: bool = False
    report: Mapping[str, Any] | None = None

    @property
    def end(self) -> str:
        """How it ended; a process that is killed says nothing."""
        return str(self.report["end"]) if self.report else "killed"

    @property
    def error(self) -> str | None:
        """Name of the error that it ended with."""
        return self.report["error"] if self.report else None


@dataclass(frozen=True)
class Finding:
    """A verdict, and what shows it.

    :param verdict: The verdict.
    :param piece: The piece of work, if it is about one.
    :param tries: Its tries.
    :param entries: Its writes in the journal.
    """

    verdict: CompletionStatus
    piece: Piece | None = None
    tries: Sequence[Try] = field(default=(), repr=False)
    entries: Sequence[Entry] = field(default=(), repr=False)


def judge(plan: Plan, journal: Sequence[Entry], state: State, tries: Sequence[Try]) -> list[Finding]:
    """Judge a run: one finding for each piece of work, and one for each request that did what nobody asked for.

    :param plan: What was to be done.
    :param journal: All entries, when nothing is under way any more.
    :param state: The state at the end.
    :param tries: All tries.
    """
    writes: defaultdict[int | None, list[Entry]] = defaultdict(list)
    for entry in journal:
        if entry["method"] not in ("GET", "HEAD"):
            writes[piece_of(entry)].append(entry)
    tries_of: defaultdict[int, list[Try]] = defaultdict(list)
    for one in tries:
        tries_of[one.piece].append(one)
    findings = [_Case(piece, writes[piece.number], state, tries_of[piece.number]).finding() for piece in plan.pieces]
    return [*findings, *_not_asked_for(plan, writes)]


def _not_asked_for(plan: Plan, writes: Mapping[int | None, Sequence[Entry]]) -> Iterator[Finding]:
    asked: dict[int | None, str] = {piece.number: piece.operation for piece in plan.pieces}
    for number, entries in writes.items():
        for entry in entries:
            if entry["done"] and entry["operation"] not in ("generateToken", asked.get(number)):
                yield Finding(CompletionStatus.UNASKED, entries=[entry])


@dataclass(frozen=True)
class _Case:
    """One piece of work and all that is known of it."""

    piece: Piece
    writes: Sequence[Entry]
    state: State
    tries: Sequence[Try]

    def finding(self) -> Finding:
        """Reach a verdict."""
        return Finding(self._verdict(), self.piece, self.tries, self.writes)

    def _verdict(self) -> CompletionStatus:
        if self._done_twice():
            return CompletionStatus.TWICE
        if self.piece.operation in ONCE_ONLY and any(map(self._sent_blindly, self.tries)):
            return CompletionStatus.BLIND
        if self.piece.operation in ONCE_ONLY and any(map(self._kept_unknown, self.tries)):
            return CompletionStatus.HIDDEN
        last = self.tries[-1] if self.tries else None
        if last is None or last.end != "success":
            return self._verdict_on_red(last)
        return self._verdict_on_green() if self._is_right(last) else CompletionStatus.FALSELY_GREEN

    def _verdict_on_red(self, last: Try | None) -> CompletionStatus:
        if last and last.end == "refused" and last.error == self.piece.refusal and not self._done:
            return CompletionStatus.REFUSED
        if last and self.piece.operation in ONCE_ONLY and last.error == "OutcomeUnknownError":
            return CompletionStatus.UNKNOWN
        return CompletionStatus.LOST

    def _verdict_on_green(self) -> CompletionStatus:
        if any(one.error == "OutcomeUnknownError" for one in self.tries):
            return CompletionStatus.UNKNOWN
        if self.piece.operation in ONCE_ONLY and any(map(_is_unknown, self._sends)):
            return CompletionStatus.SETTLED
        return CompletionStatus.AGAIN if len(self._sends) > 1 else CompletionStatus.DONE

    @cached_property
    def _sends(self) -> list[Entry]:
        """The writes that the platform took in, in order."""
        return [
            entry
            for entry in self.writes
            if entry["operation"] == self.piece.operation and entry["status"] not in _NOT_TAKEN
        ]

    @cached_property
    def _done(self) -> list[Entry]:
        return [entry for entry in self._sends if entry["done"]]

    @cached_property
    def _found(self) -> list[str]:
        """Ids of what the state holds as it was asked for, one for each time."""
        return list(_FOUND_BY[self.piece.operation](self.state, self.piece.arguments))

    def _done_twice(self) -> bool:
        if self.piece.operation in ONCE_ONLY:
            return max(len(self._done), len(self._found)) > 1
        mails = [mail for mail in self.state["mails_sent"] if mail["to"] == self.piece.arguments.get("mail")]
        return len(mails) > 1

    def _is_right(self, last: Try) -> bool:
        """Tell whether what a green try says is true: it was done, is there, and has the id that is told."""
        told = (last.report or {})["result"] or {}
        key = _ID_KEYS.get(self.piece.operation)
        return bool(self._done) and bool(self._found) and (key is None or told.get(key) in self._found)

    def _sends_of(self, one: Try) -> list[Entry]:
        later = [other.began for other in self.tries if other.number > one.number]
        until = min(later, default=float("inf"))
        return [entry for entry in self._sends if one.began <= entry["wall_time"] < until]

    def _sent_blindly(self, one: Try) -> bool:
        return any(map(_is_unknown, self._sends_of(one)[:-1]))

    def _kept_unknown(self, one: Try) -> bool:
        """Tell whether a try met an unknown outcome and said something else.

        Green with the right id is no such case (and another id is found elsewhere): it can only come from a
        look-up. Nor is one that was killed.
        """
        if one.end in ("success", "killed") or one.error == "OutcomeUnknownError":
            return False
        return any(map(_is_unknown, self._sends_of(one)))


def _is_unknown(entry: Entry) -> bool:
    """Tell whether the client could not know from the answer what came of a request."""
    if entry["status"] is None or entry["status"] >= 500 or entry["fault"] == "delay":
        return True
    return entry["done"] and entry["fault"] in _NO_USABLE_ANSWER


# What was asked for, as the state shows it.


#: StoragePath a result tells the id of what was made.
_ID_KEYS = {"createGroup": "group_id", "createPathSession": "session_id"}


def _users(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    invites = asked["mode"] == "invite"
    mails = [mail["kind"] for mail in state["mails_sent"] if mail["to"] == asked["mail"]]
    for person in state["invitations" if invites else "users"]:
        if person["mail"] == asked["mail"] and mails == ["invitation"] * invites:
            yield from _memberships(state, {**asked, "user": asked["mail"]})


def _updated_users(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    for person in state["users"]:
        if person["mail"] == asked["user"] and person["profile"].get("job") == asked["job"]:
            yield person["id"]


def _memberships(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    wanted = (asked["user"], asked["group_id"], [asked["role"]])
    for member in state["memberships"]:
        if (member["mail"], member["group"], member["roles"]) == wanted:
            yield member["user"]


def _enrollments(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    (session,) = [session["id"] for session in state["sessions"] if session["name"] == SESSION_NAME]
    enrolled = {one["mail"] for one in state["enrollments"] if one["session"] == session}
    if enrolled.issuperset(asked["users"]):
        yield session


def _groups(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    wanted = (asked["name"], asked["parent_id"], asked["public"])
    for group in state["groups"]:
        if (group["name"], group["parent"], group["public"]) == wanted:
            yield group["id"]


def _sessions(state: State, asked: Mapping[str, Any]) -> Iterator[str]:
    wanted = (asked["name"], asked["path_id"], asked["group_id"])
    for session in state["sessions"]:
        if (session["name"], session["path"], session["owner_group"]) == wanted:
            yield session["id"]


_FOUND_BY = {
    "createOrInviteUser": _users,
    "updateUser": _updated_users,
    "addUserToGroup": _memberships,
    "addUsersToPathSession": _enrollments,
    "createGroup": _groups,
    "createPathSession": _sessions,
}
