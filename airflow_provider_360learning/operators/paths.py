"""Operators for the sessions of paths and who is enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360CreatePathSessionOperator(Learning360BaseOperator):
    """
    Make sure of a session of a path (``createPathSession``), known by its path, name and owner group.

    Returns ``{"session_id", "path_id", "name", "outcome"}``, ``outcome`` being ``created`` or ``already_exists``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.paths.PathActions.create_path_session` and
        https://360learning.readme.io/docs

    :param path_id: Id of the path.
    :param name: Name of the session.
    :param session_start: When it starts, with a time zone.
    :param group_id: Owner group.
    :param session_end: When it ends, with a time zone.
    :param instructors: Mails, the main instructor first; by default the platform's owner. API v2 will require one.
    :param additional_information: Seen only in exports and through the API.
    :param registration_validation: Who validates registrations. API v2 will require it; v1 takes ``disabled``.
    :param if_exists: ``skip`` takes a session that exists as it is, dates included; ``fail`` fails the task (also
        when it is retried after its process died).
    """

    action = "create_path_session"

    def __init__(
        self,
        *,
        path_id: str,
        name: str,
        session_start: datetime | str,
        group_id: str,
        session_end: datetime | str | None = None,
        instructors: Sequence[str] = (),
        additional_information: str | None = None,
        registration_validation: str = "disabled",
        if_exists: str = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360EnrollUsersOperator(Learning360BaseOperator):
    """
    Enroll users in a path session (``addUsersToPathSession``); those enrolled already stay so.

    Returns ``{"session_id", "outcome": "enrolled", "users"}``. What v1 answers about single users is not
    documented: a success says that 360Learning took the list.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.paths.PathActions.enroll_users` and
        https://360learning.readme.io/docs

    :param session_id: Id of the session.
    :param users: Mails and ids.
    :param path_id: Id of the path. API v2 will require it.
    """

    action = "enroll_users"

    def __init__(self, *, session_id: str, users: Sequence[str], path_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360EnrollGroupsOperator(Learning360BaseOperator):
    """
    Enroll groups in a path session (``addGroupsToPathSession``).

    Returns ``{"session_id", "outcome": "enrolled", "groups"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.paths.PathActions.enroll_groups` and
        https://360learning.readme.io/docs

    :param session_id: Id of the session.
    :param group_ids: Ids of groups.
    :param path_id: Id of the path. API v2 will require it.
    """

    action = "enroll_groups"

    def __init__(self, *, session_id: str, group_ids: Sequence[str], path_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UnenrollUsersOperator(Learning360BaseOperator):
    """
    Take users out of a path session (``removeUsersFromPathSession``, an operation known from public code only).

    Returns ``{"session_id", "outcome": "unenrolled", "users"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.paths.PathActions.unenroll_users` and
        https://360learning.readme.io/docs

    :param session_id: Id of the session.
    :param users: Mails and ids.
    :param path_id: Id of the path. API v2 will require it.
    """

    action = "unenroll_users"

    def __init__(self, *, session_id: str, users: Sequence[str], path_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
