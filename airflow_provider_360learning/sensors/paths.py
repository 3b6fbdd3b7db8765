"""Sensors for path sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.sensors.base import NOT_GIVEN, Learning360BaseSensor


class Learning360PathSessionCompletionSensor(Learning360BaseSensor):
    """
    Wait until enough learners have completed a path session (``getUsersPathSessionStats``).

    Deleted users do not count, and a session without users is never complete. The result has the keys ``enrolled``
    (number of learners that count), ``done`` (number of those who have completed the session), ``needed`` (number of
    those who must have), ``unsuccessful`` (number of those who can no longer succeed, with ``if_unsuccessful="fail"``)
    and ``pending`` (up to 20 users who are not done); and with ``users_from`` ``pending_invitations`` (number of people
    who were left out because they have not accepted their invitation).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.list_path_session_stats` and
        docs/sensors.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param users: Email addresses and ids to wait for; by default all enrolled users.
    :param required: ``all`` of them, ``any``, a number (1, 2, …) or a share (0.8, rounded up).
    :param status: ``completed`` (successful or not) or ``successful``.
    :param min_enrolled: Minimum number of enrolled users, if ``users`` is not given.
    :param if_not_enrolled: What to do about users of ``users`` who are not enrolled: ``wait`` (the enrollment may
        follow), ``ignore`` or ``fail``.
    :param if_unsuccessful: What to do about a final status of unsuccessful with ``status="successful"``: ``wait`` (the
        learner may retake the path) or ``fail`` (as soon as too few can still succeed).
    :param users_from: Result of a bulk task, or a list of results, instead of ``users``: the users whose rows were
        done, e.g. ``users_from=accounts.output``. People who have not accepted their invitation are left out and
        counted; the next run includes the people who have accepted. If there is no user, the task is skipped.
    :param include_invited: Whether to include them.
    """

    subject = "path_session"
    actions = (
        "list_path_session_stats",
        "statistics_by_id.ids_in_statistics",
        "statistics_by_id.deleted_among",
    )
    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id", "users")
    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "session_id",
        "session",
        "path_id",
        "path",
        "users",
        "required",
        "status",
        "min_enrolled",
        "if_not_enrolled",
        "if_unsuccessful",
        "users_from",
        "include_invited",
    )

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        users: Sequence[str] | str | None = None,
        required: str | int | float = "all",
        status: str = "completed",
        min_enrolled: int | str = 1,
        if_not_enrolled: str = "wait",
        if_unsuccessful: str = "wait",
        users_from: Any = NOT_GIVEN,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_required_pairs(locals())
        if users is not None and users_from is not NOT_GIVEN:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either users or users_from")
        self.session_id = session_id
        self.session = session
        self.path_id = path_id
        self.path = path
        self.users = users
        self.required = required
        self.status = status
        self.min_enrolled = min_enrolled
        self.if_not_enrolled = if_not_enrolled
        self.if_unsuccessful = if_unsuccessful
        self._take_users_from(users_from, include_invited)


class Learning360PathSessionStatusSensor(Learning360BaseSensor):
    """
    Wait until enough learners of a path session have a status (``getPathSessionStats``).

    Each poll is one small response, however many learners the session has. A session without learners is never
    complete. The result has the keys ``enrolled`` (number of learners), ``done`` (number of learners who have one of
    the statuses), ``needed`` (number of learners who must have one) and ``statuses`` (number of learners by status).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.get_path_session_statuses` and
        docs/sensors.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param statuses: The statuses that count: ``awaitingCorrection``, ``late``, ``notYetStarted``, ``onTime``,
        ``sessionNotOpened``, ``successful``, ``toRetake`` and ``unsuccessful``.
    :param required: ``all`` learners, ``any``, a number (1, 2, …) or a share (0.8, rounded up).
    :param min_enrolled: Minimum number of learners.
    """

    subject = "path_session_statuses"
    actions = ("get_path_session_statuses",)
    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id")
    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "session_id",
        "session",
        "path_id",
        "path",
        "statuses",
        "required",
        "min_enrolled",
    )

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        statuses: Sequence[str] | str = ("successful",),
        required: str | int | float = "all",
        min_enrolled: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_required_pairs(locals())
        self.session_id = session_id
        self.session = session
        self.path_id = path_id
        self.path = path
        self.statuses = statuses
        self.required = required
        self.min_enrolled = min_enrolled
