"""The fixture that docs/sandbox.md quotes, and the test of this page on both versions."""

import pytest


@pytest.fixture(params=["v1", "v2"])
def learning360_api_version(request):
    return request.param


def test_the_connection_is_one_through_each_version(learning360_sandbox, learning360_api_version):
    import json
    import os

    connection = json.loads(os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"])
    logins = {"v1": learning360_sandbox.company_id, "v2": learning360_sandbox.client_id}
    assert connection["login"] == logins[learning360_api_version]
    assert connection["extra"]["api_version"] == learning360_api_version


def test_ana_is_invited(learning360_sandbox):
    from airflow_provider_360learning.operators.users import Learning360CreateUserOperator

    Learning360CreateUserOperator(task_id="invite", mail="ana.roy@acme.test").execute({})
    invitations = learning360_sandbox.control.state()["invitations"]
    assert "ana.roy@acme.test" in [invitation["mail"] for invitation in invitations]
