"""Rows of other platforms: their courses, and what learners did there, twenty a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import ActionArguments, parse_argument
from airflow_provider_360learning.api.models.external import ExternalCourse, ExternalStatistic
from airflow_provider_360learning.api.models.fields import parse_id, parse_text
from airflow_provider_360learning.api.v1.external import MAX_STATISTICS
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.rows.schema import RowCheck, RowSchema, ignore_case, no_further_checks
from airflow_provider_360learning.rows.writers import BatchedWriter, write_of

#: Courses in one request. How many v1 takes is not known; what it takes of statistics is surely not too much.
COURSES_A_REQUEST = MAX_STATISTICS


def statistics_work(
    api: LearningApi, group_id: str, external_platform: str, *, verify_users_exist: bool, resend_unconfirmed: bool
) -> BatchedWriter:
    """
    Import what learners did; see :class:`~...operators.imports.Learning360ImportStatisticsOperator`.

    :param api: The actions.
    :param group_id: Group in whose library the courses are.
    :param external_platform: Name of the provider.
    :param verify_users_exist: Whether mails that nobody has are found before anything is sent.
    :param resend_unconfirmed: Whether what may have been taken is sent again.
    :raises InvalidRequestError: if an argument is wrong.
    """
    action = api.import_external_course_stats
    return _together(
        "import_statistics",
        (group_id, external_platform),
        action,
        ExternalStatistic,
        lambda statistics: action(group_id=group_id, external_platform=external_platform, statistics=statistics),
        also=KnownMails(api) if verify_users_exist else no_further_checks,
        rows_per_request=MAX_STATISTICS,
        of_all_rows={"group_not_found"},
        resend_unconfirmed=resend_unconfirmed,
    )


def courses_work(api: LearningApi, group_id: str, external_platform: str, author_id: str) -> BatchedWriter:
    """
    Create or update courses; see :class:`~...operators.imports.Learning360ImportExternalCoursesOperator`.

    :param api: The actions.
    :param group_id: Group whose library receives them.
    :param external_platform: Name of the provider.
    :param author_id: Id of an author or admin of the group.
    :raises InvalidRequestError: if an argument is wrong.
    """
    parse_argument("author_id", parse_id, author_id)
    action = api.import_external_courses
    return _together(
        "import_external_courses",
        (group_id, external_platform),
        action,
        ExternalCourse,
        lambda courses: action(
            group_id=group_id, external_platform=external_platform, author_id=author_id, courses=courses
        ),
        rows_per_request=COURSES_A_REQUEST,
        of_all_rows={"group_not_found", "user_not_found", "authorId"},  # no row names a user: it is the author
        resend_unconfirmed=True,  # known by the provider's id, a course sent twice is the same course
    )


class KnownMails:
    """
    Tells mails that nobody has, by one listing of all users.

    :param api: The actions.
    """

    def __init__(self, api: LearningApi) -> None:
        self._api = api
        self._mails: KeyTable | None = None

    def __call__(self, arguments: ExternalStatistic) -> Iterable[tuple[str, str]]:
        """Say what is wrong with the mail of a row, if anything is."""
        if self._mails is None:
            self._mails = self._api.read_users(_mails_of)
        mail = arguments.mail
        if self._mails.get(ignore_case(mail)) is None:
            yield "mail", f"mail is {mail!r}, which nobody in 360Learning has (who was invited must accept first)"


def _mails_of(users: Iterable[Mapping[str, Any]]) -> KeyTable:
    mails = KeyTable()
    for user in users:
        mails.put(ignore_case(str(user["mail"])), "")
    return mails


def _together(
    name: str,
    target: tuple[str, str],
    action: BoundAction[..., Any],
    model: type[ActionArguments],
    send: Callable[[list[Any]], Sequence[str | None]],
    *,
    also: RowCheck = no_further_checks,
    **more: Any,
) -> BatchedWriter:
    # Invalid ones are reported before anything is sent.
    parse_argument("group_id", parse_id, target[0])
    parse_argument("external_platform", parse_text, target[1])
    write = write_of(action)
    columns = RowSchema(action.name, model, write, {}, also=also)
    return BatchedWriter(name, " ".join(target), columns, write, send, outcome="imported", **more)
