"""What all sentences have in common: names, ids and numbers of objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import singledispatch
from typing import Any

from airflow_provider_360learning.api.classroom_results import ChangedWaitlist, RecordedAttendance, RegisteredUsers
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.courses import ChangeCatalog
from airflow_provider_360learning.api.models.libraries import ChangeLibrary
from airflow_provider_360learning.api.path_results import EnrolledUsers
from airflow_provider_360learning.api.text import counted, listed, one_line


@singledispatch
def outcome_sentence(arguments: ActionArguments, result: Any) -> str | None:
    """
    Return what an action did, ``None`` for actions that only read.

    :param arguments: Its arguments.
    :param result: Its result.
    """
    return None


def quoted(text: str) -> str:
    """Return a name, in quotes if it has several words."""
    name = one_line(text)
    return f'"{name}"' if " " in name else name


def label(name: str | None, id: str | None) -> str:
    """Return the name of an object, if it is known, and its id."""
    if name is None:
        return one_line(str(id))
    return quoted(name) if id is None else f"{quoted(name)} ({one_line(id)})"


def creation(kind: str, name: str, outcome: str) -> str:
    """Return what the creation of an object has done."""
    if outcome == "already_exists":
        return f"{capitalized(kind)} {name} already exists; unchanged"
    return f"{outcome.capitalize()} {kind} {name}"


def capitalized(kind: str) -> str:
    """Return the name of a kind as the beginning of a sentence: ``URL`` stays as it is."""
    return kind[:1].upper() + kind[1:]


def deletion(kind: str, name: str, existed: bool, more: str = "") -> str:
    """Return what the deletion of an object has done, and what was deleted with it."""
    if existed:
        return f"Deleted {kind} {name}{more}"
    return f"{capitalized(kind)} {name} does not exist; nothing to delete"


def changed(arguments: ActionArguments, subject: Collection[str]) -> str:
    """Return the names of the fields that were changed, never their values."""
    return listed([name for name in arguments.given() if name not in subject])


def all_groups(names: Iterable[str]) -> str:
    """Return the names of groups."""
    groups = [quoted(name) for name in names]
    return f"group {groups[0]}" if len(groups) == 1 else f"groups {listed(groups)}"


def first_or_number(users: Sequence[str], number: int) -> str:
    """Return the only one of some users, or their number."""
    return f"user {quoted(users[0])}" if number == 1 else counted(number, "user")


def left_out(result: EnrolledUsers | RecordedAttendance | RegisteredUsers | ChangedWaitlist) -> str:
    """Return how many people were left out, because they have not accepted their invitation."""
    pending = result.get("pending_invitations")
    return f"; {counted(pending, 'invitation')} not accepted yet" if pending else ""


def contents(arguments: ChangeCatalog | ChangeLibrary) -> str:
    """Return how many courses, and how many paths or sessions, a catalog or library gets or loses."""
    numbers = {"course": len(arguments.courses or arguments.course_ids)}
    if isinstance(arguments, ChangeLibrary):
        numbers["path"] = len(arguments.paths or arguments.path_ids)
    else:
        numbers["session"] = len(arguments.sessions or arguments.session_ids)
    return " and ".join(counted(number, noun) for noun, number in numbers.items() if number)
