"""What a comparison finds beside changes, and who is left out of the plan because of it."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_360learning.sync.names import described
from airflow_provider_360learning.sync.people import Person
from airflow_provider_360learning.sync.plan import Conflict, Finding, Report


class Findings:
    """Conflicts, row errors and reports. No text contains an email address."""

    def __init__(self) -> None:
        self._conflicts: dict[tuple[tuple[str, ...], str], Conflict] = {}
        self._errors: dict[tuple[int, str], None] = {}
        self._reports: dict[Report, None] = {}
        #: Keys of people for whom no change is planned.
        self.left_out: set[str] = set()

    def conflict(self, keys: Iterable[str], reason: str, rows: Iterable[int] = ()) -> None:
        """Add a conflict, which leaves its people out."""
        people = tuple(sorted(set(keys)))
        self._conflicts.setdefault((people, reason), Conflict(people, reason, tuple(sorted(set(rows)))))
        self.left_out.update(people)

    def error(self, person: Person, text: str, *, leaves_out: bool = True) -> None:
        """
        Add an error of the rows of a person.

        :param person: The person.
        :param text: What is invalid, and what to do.
        :param leaves_out: Whether the person is left out; otherwise only what the error is about.
        """
        for row in person.rows or (0,):
            self._errors[row, described(person.key, text)] = None
        if leaves_out:
            self.left_out.add(person.key)

    def report(self, finding: Finding, key: str, text: str) -> None:
        """Add a report."""
        self._reports[Report(finding, key, text)] = None

    def leave_out(self, finding: Finding, key: str, text: str) -> None:
        """Add a report about a person who is left out."""
        self.report(finding, key, text)
        self.left_out.add(key)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts, in the order of their keys."""
        return tuple(sorted(self._conflicts.values(), key=lambda one: (one.keys, one.reason)))

    @property
    def errors(self) -> tuple[tuple[int, str], ...]:
        """The row errors, in the order of the rows."""
        return tuple(sorted(self._errors))

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports, by kind and key."""
        return tuple(sorted(self._reports, key=lambda one: (one.finding, one.key, one.text)))
