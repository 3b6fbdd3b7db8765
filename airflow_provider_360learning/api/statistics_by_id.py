"""Statistics of a version whose rows name users by their ids only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_360learning.api.course_results import CourseCompletionRecord
from airflow_provider_360learning.api.types import ActionSteps


@dataclass(frozen=True, slots=True)
class DeletedUsers:
    """
    Which of several users are deleted.

    :param ids: Their ids in lower case.
    :param requests: Number of requests that finding them took.
    """

    ids: frozenset[str]
    requests: int


class StatisticsById(Protocol):
    """What a wait needs where statistics have no email addresses."""

    def ids_in_statistics(self, users: Collection[str]) -> ActionSteps[Mapping[str, str]]:
        """
        Return the ids by which statistics name users. A user who is deleted has one as well.

        :param users: Email addresses and ids.
        :return: Id by email address or id, as it was given, without users who do not exist.
        :raises RefusedError: naming the ids, if several users have an address.
        """
        ...

    def deleted_among(self, ids: Collection[str]) -> ActionSteps[DeletedUsers]:
        """
        Return which of several users are deleted.

        :param ids: Ids.
        """
        ...

    def course_completions(
        self,
        course_id: str,
        user_ids: Sequence[str],
        since: datetime | None,
        take: Callable[[CourseCompletionRecord], None],
    ) -> ActionSteps[None]:
        """
        Read the completed attempts of many users at a course, in few requests; perhaps also those of other users.

        :param course_id: Id of the course.
        :param user_ids: Ids of the users.
        :param since: Completions before this time are not needed.
        :param take: Called for each.
        :raises NotFoundError: if there are none because the course does not exist.
        """
        ...
