"""The fixture that docs/sandbox.md quotes."""

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
