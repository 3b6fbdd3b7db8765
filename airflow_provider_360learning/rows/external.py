"""Rows of other platforms: their courses, and what learners did there, twenty a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.external import MOST_STATISTICS, external_course, external_statistic
from airflow_provider_360learning.api.values import check_id, check_text
from airflow_provider_360learning.files.tables import KeyTable

from .checks import Columns
from .work import Together

#: Courses in one request. How many v1 takes is not known; what it takes of statistics is surely not too much.
COURSES_A_REQUEST = MOST_STATISTICS


def statistics_work(
    api: ApiV1, group_id: str, external_platform: str, *, check_mails: bool, resend_in_doubt: bool
) -> Together:
    """
    Import what learners did; see :class:`~...operators.statistics.Learning360ImportStatisticsOperator`.

    :param api: The actions.
    :param group_id: Group in whose library the courses are.
    :param external_platform: Name of the provider.
    :param check_mails: Whether mails that nobody has are found before anything is sent.
    :param resend_in_doubt: Whether what may have been taken is sent again.
    :raises InvalidRequestError: if an argument is wrong.
    """
    check_id("group_id", group_id)
    check_text("external_platform", external_platform)
    action = api.import_external_course_stats
    return Together(
        "import_statistics",
        f"{group_id} {external_platform}",
        _columns(action, external_statistic, KnownMails(api) if check_mails else None),
        _write_of(action),
        lambda statistics: action(group_id, external_platform, statistics),
        outcome="imported",
        rows_a_request=MOST_STATISTICS,
        of_all_rows={"group_not_found"},
        resend_in_doubt=resend_in_doubt,
    )


def courses_work(api: ApiV1, group_id: str, external_platform: str, author_id: str) -> Together:
    """
    Create or update courses; see :class:`~...operators.external.Learning360ImportExternalCoursesOperator`.

    :param api: The actions.
    :param group_id: Group whose library receives them.
    :param external_platform: Name of the provider.
    :param author_id: Id of an author or admin of the group.
    :raises InvalidRequestError: if an argument is wrong.
    """
    check_id("group_id", group_id)
    check_id("author_id", author_id)
    check_text("external_platform", external_platform)
    action = api.import_external_courses
    return Together(
        "import_external_courses",
        f"{group_id} {external_platform}",
        _columns(action, external_course),
        _write_of(action),
        lambda courses: action(group_id, external_platform, author_id, courses),
        outcome="imported",
        rows_a_request=COURSES_A_REQUEST,
        of_all_rows={"group_not_found", "user_not_found", "authorId"},  # no row names a user: it is the author
        resend_in_doubt=True,  # known by the provider's id, a course sent twice is the same course
    )


class KnownMails:
    """
    Tells mails that nobody has, by one listing of all users.

    :param api: The actions.
    """

    def __init__(self, api: ApiV1) -> None:
        self._api = api
        self._mails: KeyTable | None = None

    def __call__(self, arguments: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Say what is wrong with the mail of a row, if anything is."""
        if self._mails is None:
            self._mails = self._api.read_users(_mails_of)
        mail = str(arguments["mail"])
        if self._mails.get(mail.casefold()) is None:
            yield "mail", f"mail is {mail!r}, which nobody in 360Learning has (who was invited must accept first)"


def _mails_of(users: Iterable[Mapping[str, Any]]) -> KeyTable:
    mails = KeyTable()
    for user in users:
        mails.put(str(user["mail"]).casefold(), "")
    return mails


def _columns(action: BoundAction[..., Any], takes: Any, also: KnownMails | None = None) -> Columns:
    more = {"also": also} if also else {}
    return Columns(action.steps.__name__, takes, _write_of(action), {}, **more)


def _write_of(action: BoundAction[..., Any]) -> Any:
    return action.write
