"""Code that pages of the documentation quote."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import task

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator


def create_users(results_path: str) -> None:
    create = Learning360BulkOperator(
        task_id="create_users",
        action="create_user",
        rows=[
            {"mail": "ana.roy@acme.test", "first_name": "Ana", "last_name": "Roy"},
            {"mail": "ben.cho@acme.test", "first_name": "Ben", "last_name": "Cho"},
        ],
        defaults={"mode": "create_active"},
        results_path=results_path,
    )
    summary = create.execute({})
    print(summary["outcomes"])  # {'created': 2}


@task
def users_who_never_logged_in(users: list[str]) -> list[str]:
    """Return the users who have an account and have never used it."""
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    api = Learning360Hook().api
    return [user for user in users if api.get_user(user=user)["last_login_at"] is None]


def test_the_script_of_the_bulk_page_creates_users(learning360_sandbox, tmp_path, capsys):
    create_users(str(tmp_path))
    assert "{'created': 2}" in capsys.readouterr().out
    users = {user["mail"] for user in learning360_sandbox.control.state()["users"]}
    assert {"ana.roy@acme.test", "ben.cho@acme.test"} <= users


def test_the_task_of_the_operators_page_finds_users_who_never_logged_in(learning360_sandbox):
    found = users_who_never_logged_in.function(["admin@acme.test", "grace.hopper@acme.test"])
    assert found == ["grace.hopper@acme.test"]
