"""Sensors for the sessions of paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.sensors.base import Learning360BaseSensor

if TYPE_CHECKING:
    from airflow_provider_360learning.completion.conditions import CompletionCondition


class Learning360PathSessionCompletionSensor(Learning360BaseSensor):
    """
    Wait until enough learners have completed a path session (``getUsersPathSessionStats``).

    Deleted users do not count, and an empty audience is never complete. Its XCom is ``{"enrolled", "done",
    "needed", "unsuccessful", "pending"}``, numbers but for ``pending``: at most 20 of those still waited for.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.paths.PathActions.list_path_session_stats` and
        https://360learning.readme.io/docs

    :param session_id: Id of the session.
    :param path_id: Id of the path. API v2 will require it.
    :param users: Mails and ids to wait for; by default everybody enrolled.
    :param required: ``all`` of them, ``any``, a number (1, 2, …) or a share (0.8, rounded up).
    :param status: ``completed`` (successful or not) or ``successful``.
    :param min_enrolled: Fewest enrolled users for everybody enrolled to be complete at all.
    :param if_not_enrolled: What a user of ``users`` means who is not enrolled: ``wait`` (the enrollment may be on
        its way), ``ignore`` (not waited for) or ``fail``.
    :param if_unsuccessful: What a final status of unsuccessful means where ``successful`` is waited for:
        ``wait`` (the learner may take it again) or ``fail`` (as soon as too few can still be successful).
    """

    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "session_id",
        "path_id",
        "users",
        "required",
        "status",
        "min_enrolled",
        "if_not_enrolled",
        "if_unsuccessful",
    )

    def __init__(
        self,
        *,
        session_id: str,
        path_id: str | None = None,
        users: Sequence[str] | None = None,
        required: str | int | float = "all",
        status: str = "completed",
        min_enrolled: int = 1,
        if_not_enrolled: str = "wait",
        if_unsuccessful: str = "wait",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.session_id = session_id
        self.path_id = path_id
        self.users = users
        self.required = required
        self.status = status
        self.min_enrolled = min_enrolled
        self.if_not_enrolled = if_not_enrolled
        self.if_unsuccessful = if_unsuccessful

    def question(self) -> CompletionCondition:
        """Return what is asked."""
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.fields import parse_users
        from airflow_provider_360learning.completion.conditions import PathSessionCompletion

        return PathSessionCompletion(
            session_id=self.session_id,
            path_id=self.path_id,
            users=None if self.users is None else parse_argument("users", parse_users, self.users),
            required=self.required,
            status=self.status,
            min_enrolled=self.min_enrolled,
            if_not_enrolled=self.if_not_enrolled,
            if_unsuccessful=self.if_unsuccessful,
        )
