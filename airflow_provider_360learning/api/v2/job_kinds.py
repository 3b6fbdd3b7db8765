"""The kinds of bulk jobs of API v2: which rows they can do, and what they send for a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_360learning.api.bulk_jobs import JobKind, JobTarget
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.courses import AddToCatalog, ChangeCatalog, RemoveFromCatalog
from airflow_provider_360learning.api.models.external import ExternalCourse, ExternalStatistic
from airflow_provider_360learning.api.models.groups import AddUserToGroup, DeleteGroup, RemoveUserFromGroup
from airflow_provider_360learning.api.models.libraries import AddToLibrary, ChangeLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.models.users import (
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
)
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.timestamps import write_timestamp
from airflow_provider_360learning.api.types import JsonObject
from airflow_provider_360learning.api.v2.roles import role_in_body
from airflow_provider_360learning.exceptions import NotAvailableError

#: Maximum numbers of inputs (documented).
MAX_GROUP_ROWS, MAX_DELETED_GROUPS, MAX_COURSES, MAX_STATISTICS = 20_000, 2_000, 10_000, 10_000
MAX_ARCHIVED_COURSES, MAX_SUBSCRIPTIONS = 1_000, 20_000

#: Actions whose jobs take the id of a user.
MEMBERSHIPS = frozenset({"add_user_to_group", "remove_user_from_group"})
#: Actions whose jobs take the email address of a user.
SUBSCRIPTIONS = frozenset({"subscribe_to_email_notifications", "unsubscribe_from_email_notifications"})

_LANGUAGES = """
    bg cs da de el en es fi fr hr ht_HT hu id it ja kar_MM ko lt mh_MH nl nl_BE no pl pt ro ru rw_RW sk sl so_SO sv
    sw_KE th ti_ET tr uk zh am_ET bn bs ca cy en_CA en_GB es_AR es_MX et fr_CA gu he_IL hy kk km lo lv mi mn_MN mr ms
    my_MM nn_NO or pa pt_BR pt_MZ rn_BI si ta te tl_PH ur uz yo_NG zh_tw hi sr ar vi zh_HANT
"""
_CONTENT_TYPES = """
    article assessment audiobook book certificate channel course curriculum interactive journey labs linkedContent mooc
    podcast program roleplay specialization topvoice video
"""
#: Language codes and content types of external courses (documented).
LANGUAGES, CONTENT_TYPES = frozenset(_LANGUAGES.split()), _CONTENT_TYPES.split()
#: Minutes of an external course (documented).
MAX_DURATION = 100_000


def check_course(course: ExternalCourse) -> None:
    """
    Refuse what API v2 does not accept in an external course: a malformed input might refuse the whole job.

    :param course: A course.
    :raises NotAvailableError: naming the argument.
    """
    for name, value in (
        ("language", course.language),
        *(("alternative_languages", each) for each in course.alternative_languages),
    ):
        if value not in LANGUAGES:
            raise NotAvailableError(
                f"{name} has {value!r:.200}, which is not a language code of external courses in API v2, such as en, "
                "pt_BR or zh_tw",
                argument=name,
            )
    if course.content_type is not None and course.content_type not in CONTENT_TYPES:
        raise NotAvailableError(
            f"content_type is {course.content_type!r:.200}, but in API v2 must be one of {', '.join(CONTENT_TYPES)}",
            argument="content_type",
        )
    if course.duration_minutes is not None and course.duration_minutes > MAX_DURATION:
        raise NotAvailableError(
            f"duration_minutes is {course.duration_minutes:g}, but in API v2 at most {MAX_DURATION}",
            argument="duration_minutes",
        )


def check_statistic(statistic: ExternalStatistic) -> None:
    """
    Refuse a completion that API v2 cannot express: it takes the last activity of a progress of 100 for it.

    :param statistic: A statistic.
    :raises NotAvailableError: naming the argument.
    """
    if statistic.completed_at not in (None, statistic.last_activity):
        raise NotAvailableError(
            f"completed_at is {write_timestamp(statistic.completed_at)}, but in API v2 must be equal to last_activity "
            f"({write_timestamp(statistic.last_activity)}), which is the completion of a progress of 100",
            argument="completed_at",
        )


def inputs_of(kind: JobKind, row: ActionArguments, target: JobTarget, users: Mapping[str, str]) -> list[JsonObject]:
    """
    Return what a job is sent for a row.

    :param kind: Kind of the job.
    :param row: A row that the kind accepts.
    :param target: What it is done to.
    :param users: Ids of users, or their email addresses for subscriptions, by what the rows name them with.
    """
    return _INPUTS[kind.action](row, target, users)


def catalog_inputs(row: ChangeCatalog) -> list[JsonObject]:
    """
    Return what a job is sent for the contents of a catalog.

    :param row: Courses and path sessions of one group.
    """
    return _contents(row.group_id, {"course": row.course_ids, "path-session": row.session_ids})


def library_inputs(row: ChangeLibrary) -> list[JsonObject]:
    """
    Return what a job is sent for the contents of a library.

    :param row: Courses and paths of one group.
    """
    return _contents(row.group_id, {"course": row.course_ids, "path": row.path_ids})


def _contents(group_id: str, ids: Mapping[str, Sequence[str]]) -> list[JsonObject]:
    # Lower case, as responses have ids: results are matched by their inputs.
    return [
        {"groupId": group_id.lower(), "contentType": type_, "contentId": id.lower()}
        for type_, some in ids.items()
        for id in some
    ]


def archiving_input(external_id: str) -> JsonObject:
    """
    Return what a job is sent for a course to be archived.

    :param external_id: The provider's id of the course.
    """
    return {"externalId": external_id}


def subscription_input(mail: str, *, on: bool) -> JsonObject:
    """
    Return what a job is sent for the notification emails to a user.

    :param mail: Email address of the user.
    :param on: Whether they are sent from now on.
    """
    return {"mail": mail, "type": "activation" if on else "deactivation"}


def _membership(row: AddUserToGroup | RemoveUserFromGroup, target: JobTarget, ids: Mapping[str, str]) -> JsonObject:
    return {"userId": ids[row.user].lower(), "groupId": row.group_id.lower(), "role": role_in_body(str(row.role))}


def course_input(course: ExternalCourse, author_id: str | None) -> JsonObject:
    """
    Return what a job is sent for a course.

    :param course: A course.
    :param author_id: Id of its author; ``None`` for that of the integration.
    """
    # subjects and sources are required; subjects have no argument.
    duration = course.duration_minutes
    return without_nones(
        {
            "externalId": course.external_id,
            "name": course.title,
            "defaultLang": course.language,
            "launchUrl": course.launch_url,
            "mobileLaunchUrl": course.mobile_launch_url,
            "imageUrl": course.thumbnail_url,
            "description": course.description,
            "subjects": [],
            "sources": [{"name": name} for name in course.authors],
            "translations": [{"lang": lang, "translatedFields": {}} for lang in course.alternative_languages] or None,
            "duration": None if duration is None else max(1, round(duration)),
            "difficultyLevel": course.difficulty_level,
            "contentType": course.content_type,
            "authorId": author_id,
        }
    )


def statistic_input(statistic: ExternalStatistic) -> JsonObject:
    """
    Return what a job is sent for a statistic.

    :param statistic: A statistic.
    """
    return without_nones(
        {
            "courseIdentifier": {"type": "externalId", "value": statistic.external_id},
            "userIdentifier": {"type": "mail", "value": statistic.mail},
            "progress": statistic.progress,
            "score": statistic.score,
            "result": statistic.result,
            "timeSpent": max(1, round(statistic.time_spent_seconds * 1000)),
            "firstActivityAt": write_timestamp(statistic.first_activity),
            "lastActivityAt": write_timestamp(statistic.last_activity),
        }
    )


# Any: each action has the rows of its own model.
_INPUTS: Mapping[str, Callable[[Any, JobTarget, Mapping[str, str]], list[JsonObject]]] = {
    "add_user_to_group": lambda row, target, ids: [_membership(row, target, ids)],
    "remove_user_from_group": lambda row, target, ids: [_membership(row, target, ids)],
    "delete_group": lambda row, target, ids: [{"groupId": row.group_id.lower()}],
    "add_to_catalog": lambda row, target, ids: catalog_inputs(row),
    "remove_from_catalog": lambda row, target, ids: catalog_inputs(row),
    "add_to_library": lambda row, target, ids: library_inputs(row),
    "remove_from_library": lambda row, target, ids: library_inputs(row),
    "import_external_courses": lambda row, target, ids: [course_input(row, target.author_id)],
    "import_external_course_stats": lambda row, target, ids: [statistic_input(row)],
    "subscribe_to_email_notifications": lambda row, target, mails: [subscription_input(mails[row.user], on=True)],
    "unsubscribe_from_email_notifications": lambda row, target, mails: [subscription_input(mails[row.user], on=False)],
}


def _removes_one_role(row: Any) -> bool:
    """Return whether a row removes one role in one group: others are read and removed one by one."""
    return row.role is not None and not row.from_private_subgroups


def _catalog_fits_in_a_job(row: ChangeCatalog) -> bool:
    return len(row.course_ids) + len(row.session_ids) <= MAX_GROUP_ROWS


def _library_fits_in_a_job(row: ChangeLibrary) -> bool:
    return len(row.course_ids) + len(row.path_ids) <= MAX_GROUP_ROWS


_CONTENT = ("groupId", "contentType", "contentId")

ADD_MEMBERSHIPS = JobKind(
    action="add_user_to_group",
    row_model=AddUserToGroup,
    operation="addUsersToGroups",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=True,
    may_resend=True,
    outcome="added",
    key=("userId", "groupId", "role"),
)
REMOVE_MEMBERSHIPS = JobKind(
    action="remove_user_from_group",
    row_model=RemoveUserFromGroup,
    operation="removeUsersFromGroups",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=True,
    may_resend=True,
    outcome="removed",
    key=("userId", "groupId", "role"),
    accepts=_removes_one_role,
)
DELETE_GROUPS = JobKind(
    action="delete_group",
    row_model=DeleteGroup,
    operation="deleteGroups",
    max_rows=MAX_DELETED_GROUPS,
    has_single_requests=True,
    may_resend=True,
    outcome="deleted",
    key=("groupId",),
)
ADD_TO_CATALOG = JobKind(
    action="add_to_catalog",
    row_model=AddToCatalog,
    operation="addContentsToGroupsCatalog",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=False,
    may_resend=True,
    outcome="added",
    key=_CONTENT,
    accepts=_catalog_fits_in_a_job,
)
REMOVE_FROM_CATALOG = JobKind(
    action="remove_from_catalog",
    row_model=RemoveFromCatalog,
    operation="removeContentsFromGroupsCatalog",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=False,
    may_resend=True,
    outcome="removed",
    key=_CONTENT,
    accepts=_catalog_fits_in_a_job,
)
ADD_TO_LIBRARY = JobKind(
    action="add_to_library",
    row_model=AddToLibrary,
    operation="addContentsToGroupsLibrary",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=False,
    may_resend=True,
    outcome="added",
    key=_CONTENT,
    accepts=_library_fits_in_a_job,
)
REMOVE_FROM_LIBRARY = JobKind(
    action="remove_from_library",
    row_model=RemoveFromLibrary,
    operation="removeContentsFromGroupsLibrary",
    max_rows=MAX_GROUP_ROWS,
    has_single_requests=False,
    may_resend=True,
    outcome="removed",
    key=_CONTENT,
    accepts=_library_fits_in_a_job,
)
IMPORT_COURSES = JobKind(
    action="import_external_courses",
    row_model=ExternalCourse,
    operation="importExternalCourses",
    max_rows=MAX_COURSES,
    has_single_requests=False,
    may_resend=True,
    outcome="imported",
    key=("externalId",),
    check=check_course,
)
#: An earlier statistic of the same attempt is updated, but a completed attempt is not, and what a statistic without an
#: attempt to update does is not documented.
IMPORT_STATISTICS = JobKind(
    action="import_external_course_stats",
    row_model=ExternalStatistic,
    operation="importExternalStatistics",
    max_rows=MAX_STATISTICS,
    has_single_requests=False,
    may_resend=False,
    outcome="imported",
    key=("courseIdentifier", "userIdentifier", "firstActivityAt", "lastActivityAt"),
    check=check_statistic,
)
SUBSCRIBE = JobKind(
    action="subscribe_to_email_notifications",
    row_model=SubscribeToEmailNotifications,
    operation="createSubscriptionEvents",
    max_rows=MAX_SUBSCRIPTIONS,
    has_single_requests=False,
    may_resend=True,
    outcome="subscribed",
    key=("mail", "type"),
)
UNSUBSCRIBE = JobKind(
    action="unsubscribe_from_email_notifications",
    row_model=UnsubscribeFromEmailNotifications,
    operation="createSubscriptionEvents",
    max_rows=MAX_SUBSCRIPTIONS,
    has_single_requests=False,
    may_resend=True,
    outcome="unsubscribed",
    key=("mail", "type"),
)
#: The job behind ``archive_external_courses``, which is not an action of rows.
ARCHIVE_COURSES = JobKind(
    action="archive_external_courses",
    row_model=ActionArguments,
    operation="archiveExternalCourses",
    max_rows=MAX_ARCHIVED_COURSES,
    has_single_requests=False,
    may_resend=True,
    outcome="archived",
    key=("externalId",),
)

#: The kinds of jobs by the action whose rows they do.
KINDS: Mapping[str, JobKind] = {
    kind.action: kind
    for kind in (
        ADD_MEMBERSHIPS,
        REMOVE_MEMBERSHIPS,
        DELETE_GROUPS,
        ADD_TO_CATALOG,
        REMOVE_FROM_CATALOG,
        ADD_TO_LIBRARY,
        REMOVE_FROM_LIBRARY,
        IMPORT_COURSES,
        IMPORT_STATISTICS,
        SUBSCRIBE,
        UNSUBSCRIBE,
    )
}
