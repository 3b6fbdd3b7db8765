"""Courses of other platforms, the integrations that they come through, and the attempts that are reported on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget
from airflow_provider_360learning.sandbox.state.model import (
    Course,
    ExternalCourse,
    Integration,
    Person,
    ReportedAttempt,
)

#: Group, platform, and the platform's id of the course (assumption: in another group it is another course).
ExternalKey = tuple[str, str, str]


class ExternalContents:
    """
    All external courses and integrations.

    :param clock: dates changes.
    :param budget: bounds their memory.
    :param new_id: returns the next id of the company.
    :param add_course: creates a course of the company.
    """

    def __init__(
        self, clock: Clock, budget: MemoryBudget, new_id: Callable[[], str], add_course: Callable[..., Course]
    ) -> None:
        self.integrations: dict[str, Integration] = {}
        self.courses: dict[ExternalKey, ExternalCourse] = {}
        self._reported: dict[str, dict[str, list[ReportedAttempt]]] = {}
        self._clock = clock
        self._budget = budget
        self._new_id = new_id
        self._add_course = add_course

    @property
    def groups(self) -> set[str]:
        """Ids of the groups that are connected with another platform."""
        return {each.group for each in self.integrations.values()}

    def add_integration(self, platform: str, group: str, author: str, options: dict[str, object]) -> Integration:
        """Connect a group with another platform."""
        self._budget.take()
        integration = Integration(self._new_id(), platform, group, author, options)
        self.integrations[integration.id] = integration
        return integration

    def courses_of(self, integration: Integration) -> Iterator[ExternalCourse]:
        """Yield the courses that came through an integration."""
        for (group, platform, _), external in self.courses.items():
            if (group, platform) == (integration.group, integration.platform):
                yield external

    def move_integration(self, integration: Integration, platform: str, group: str) -> None:
        """Give an integration another platform or group. Its courses stay its own (assumption)."""
        for external in list(self.courses_of(integration)):
            del self.courses[integration.group, integration.platform, external.external_id]
            external.platform, external.course.group = platform, group
            self.courses[group, platform, external.external_id] = external
        integration.platform, integration.group = platform, group

    def delete_integration(self, integration: Integration) -> None:
        """Delete an integration and archive its courses."""
        for external in self.courses_of(integration):
            external.course.status = "archived"
            external.is_connected = False
        del self.integrations[integration.id]

    def put_course(
        self,
        key: ExternalKey,
        title: str,
        author: Person,
        details: dict[str, object],
        more: dict[str, object] | None = None,
    ) -> ExternalCourse:
        """Create an external course, or replace and publish the one with this key."""
        external = self.courses.get(key)
        if external is None:
            group, platform, external_id = key
            external = ExternalCourse(
                self._add_course(title, group=group, author=author.mail), platform, external_id, author.id
            )
            self.courses[key] = external
        external.author, external.details, external.more = author.id, details, more or {}
        external.course.name, external.course.author = title, author.mail
        external.course.status, external.course.modified_at = "published", self._clock.now()
        external.times_sent += 1
        external.is_connected = True
        return external

    def reported_attempts(self, course: str) -> Mapping[str, list[ReportedAttempt]]:
        """Return the attempts that were reported on a course, by id of the user."""
        return self._reported.get(course, {})

    def report_attempt(self, course: str, user: str, attempt: ReportedAttempt, *, update: bool) -> None:
        """
        Store a reported attempt.

        :param update: whether it replaces the attempt with the same first activity, if there is one.
        """
        attempts = self._reported.setdefault(course, {}).setdefault(user, [])
        for index, known in enumerate(attempts):
            if update and known.sent_first_activity == attempt.sent_first_activity:
                self.replace_reported_attempt(course, user, index, attempt)
                return
        self.add_reported_attempt(course, user, attempt)

    def add_reported_attempt(self, course: str, user: str, attempt: ReportedAttempt) -> None:
        """Store a reported attempt besides the others."""
        self._budget.take()
        self._reported.setdefault(course, {}).setdefault(user, []).append(attempt)

    def replace_reported_attempt(self, course: str, user: str, index: int, attempt: ReportedAttempt) -> None:
        """Replace a reported attempt, which keeps its id."""
        attempts = self._reported[course][user]
        known = attempts[index]
        attempts[index] = replace(attempt, id=known.id, times_sent=known.times_sent + 1)
