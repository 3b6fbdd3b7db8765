"""The base of operators that take a list of users, or the users of bulk tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.actions import BoundAction


class Learning360UserListOperator(Learning360BaseOperator):
    """
    Apply an action to a list of users, or to the users of bulk tasks.

    With ``users_from``, the users are read from the results of the tasks, whatever their number, and sent in batches.
    The result then has the key ``pending_invitations``. If there is no user yet, the task is skipped.

    .. seealso:: docs/bulk.md

    :param users_from: Result of a bulk task, or a list of results, instead of ``users``: the users whose rows were
        done, e.g. ``users_from=accounts.output``. People who have not accepted their invitation are left out and
        counted; the next run includes the people who have accepted.
    :param include_invited: Whether to include them.
    """

    #: Maximum number of users of a batch. One that is refused is sent again in halves, to find the user.
    batch_size: ClassVar[int] = 500
    users: Any
    users_from: Any
    include_invited: bool

    def _check_users(self) -> None:
        """
        Refuse users that are given in both ways, or in neither.

        :raises AirflowException: if so.
        """
        # The output of a task that was skipped is None when this task runs.
        self._has_users_from = self.users_from is not None
        if (self.users is not None) == self._has_users_from:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either users or users_from")

    def _run(self, action: BoundAction[..., Any]) -> object:
        if not self._has_users_from:
            return super()._run(action)
        from airflow_provider_360learning.rows.user_batches import UserBatches
        from airflow_provider_360learning.rows.users import read_users

        with read_users(self.users_from, self.include_invited) as users:
            if not users:
                raise AirflowSkipException(users.reason_for_none())
            # Validated, and names looked up, once for all batches.
            given = action.arguments({**self._arguments_of_action(), "users": next(users.batches(1))})
            valid = self.hook.api.client.run(self.hook.api.names.resolved(given))
            batches = UserBatches(
                lambda batch: action.run(valid.model_copy(update={"users": tuple(batch)})),
                users,
                size=self.batch_size,
            )
            result = {**batches.send_all(), "users": len(users), "pending_invitations": users.pending_invitations}
        self._log_outcome(given, result)
        return result

    def _arguments_of_action(self) -> dict[str, object]:
        arguments = super()._arguments_of_action()
        return {name: value for name, value in arguments.items() if name not in ("users_from", "include_invited")}
