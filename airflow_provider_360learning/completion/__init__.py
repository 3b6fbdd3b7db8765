"""When a wait is over: conditions and their status, polled by sensors and triggers."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.completion.bulk_job import BulkJobCompletion
from airflow_provider_360learning.completion.condition import CompletionCondition
from airflow_provider_360learning.completion.course import CourseCompletion, CourseCompletionOfUsers
from airflow_provider_360learning.completion.course_publication import CoursePublication
from airflow_provider_360learning.completion.group_membership import GroupMembership
from airflow_provider_360learning.completion.path_session import PathSessionCompletion
from airflow_provider_360learning.completion.path_session_statuses import PathSessionStatusCondition
from airflow_provider_360learning.completion.slot_attendance import SlotAttendance
from airflow_provider_360learning.completion.user_activation import UserActivation

#: The conditions by subject.
CONDITIONS: Mapping[str, type[CompletionCondition]] = {
    condition.subject: condition
    for condition in (
        BulkJobCompletion,
        CourseCompletion,
        CourseCompletionOfUsers,
        CoursePublication,
        GroupMembership,
        PathSessionCompletion,
        PathSessionStatusCondition,
        SlotAttendance,
        UserActivation,
    )
}


def make_condition(subject: str, arguments: Mapping[str, object]) -> CompletionCondition:
    """
    Return a condition with valid arguments.

    :param subject: Subject of the condition.
    :param arguments: Its arguments by name.
    :raises InvalidRequestError: naming every invalid argument.
    """
    return CONDITIONS[subject].of(arguments)
