"""Any operation by its name in a task: results, files, secrets, and errors that fail it without retries."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, redact

from airflow_provider_360learning.exceptions import ServerError
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, SALES_GROUP_ID
from tests.api.support import Response, TinyServer, with_token
from tests.unlimited_sandbox import CONNECTION

ID = "5f0c7e0a1b2c3d4e5f607182"
SECRET = "whsec-planted"


def run(context=None, **arguments):
    task = Learning360Operator(task_id="one", **arguments)
    task.render_template_fields(context or {})
    return task.execute({})


@pytest.fixture
def use_v2(sandbox, monkeypatch):
    """Return a function that sets the connection to API v2, of the sandbox or another address."""

    def use(url=""):
        connection = sandbox.connection(api_version="v2")
        monkeypatch.setenv(CONNECTION, json.dumps({**connection, "host": url or connection["host"]}))

    return use


def test_calls_an_operation_with_rendered_parameters(sandbox, caplog):
    user = run({"mail": GRACE_MAIL}, operation="get{{ 'User' }}", path_params={"user": "{{ mail }}"})
    assert user["_id"] == GRACE_ID
    assert f"Called getUser user={GRACE_MAIL}: response received" in caplog.text
    run({"job": "Clerk"}, operation="updateUser", path_params={"user": GRACE_ID}, body={"job": "{{ job }}"})
    assert [each["body"] for each in sandbox.control.journal() if each["operation"] == "updateUser"] == [
        {"job": "Clerk"}
    ]


def test_the_body_may_be_json_text(sandbox):
    run({"body": {"job": "Chief"}}, operation="updateUser", path_params={"user": GRACE_ID}, body="{{ body | tojson }}")
    assert [each["body"] for each in sandbox.control.journal() if each["operation"] == "updateUser"] == [
        {"job": "Chief"}
    ]


def test_parameters_may_be_json_text(sandbox):
    parameters = {"user": GRACE_ID}
    user = run({"found": parameters}, operation="getUser", path_params="{{ found | tojson }}", query="")
    assert user["mail"] == GRACE_MAIL


def test_writes_a_list_to_a_file(use_v2, tmp_path, caplog):
    use_v2()
    path = tmp_path / "2026-10-01" / "groups.jsonl"
    result = run(
        {"day": "2026-10-01"},
        operation="getGroups",
        paginate="{{ True }}",
        output_path=f"{tmp_path}/{{{{ day }}}}/groups.jsonl",
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert result == {"output_path": str(path), "items": len(rows)}
    assert SALES_GROUP_ID in {row["_id"] for row in rows}
    assert f"Called getGroups: output_path={path} items={len(rows)}" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"operation": "addManager"}, "NotAvailableError: addManager is an operation of API v2"),
        ({"operation": "getUzer"}, "similar: 'getUser'"),
        ({"operation": "getUser"}, "path_params lacks 'user'"),
        ({"operation": "getUsers", "query": {"x": 1}}, "query has no 'x'"),
        ({"operation": "createGroup", "body": "{"}, "body is not JSON"),
        ({"operation": "getUsers", "query": "[1]"}, "query is of type list, expected an object"),
        ({"operation": "getUsers", "paginate": "perhaps"}, "paginate"),
        ({"operation": "getUsers", "output_path": "relative.jsonl"}, "not absolute"),
        ({"operation": "generateToken", "body": {}}, "contains a secret, which must not become an XCom"),
    ],
)
def test_invalid_arguments_fail_the_task_before_anything_is_sent(sandbox, arguments, problem):
    with pytest.raises(AirflowFailException, match=problem):
        run(**arguments)
    assert sandbox.control.journal() == []


def test_a_transient_error_reaches_the_retries_of_airflow(use_v2):
    with TinyServer(with_token(lambda request: Response(None, 503))) as server:
        use_v2(server.url)
        task = Learning360Operator(task_id="one", operation="getUser", path_params={"userId": ID})
        task.hook._max_attempts = 1
        with pytest.raises(ServerError):
            task.execute({})


def test_a_creation_with_unknown_outcome_fails_without_retries(use_v2):
    with TinyServer(with_token(lambda request: Response(None, 503))) as server:
        use_v2(server.url)
        with pytest.raises(AirflowFailException, match="not known whether addManager was applied"):
            run(operation="addManager", path_params={"userId": ID, "managerId": ID})
        assert sum("managers" in each.target for each in server.requests) == 1


@pytest.mark.parametrize("has_output_path", [False, True])
def test_refused_rows_of_a_bulk_job_fail_the_task_which_keeps_the_results(use_v2, tmp_path, caplog, has_output_path):
    use_v2()
    path, pushed = tmp_path / "results.jsonl", {}
    task = Learning360Operator(
        task_id="one",
        operation="deleteGroups",
        body={"input": [{"groupId": SALES_GROUP_ID}, {"groupId": ID}]},
        output_path=str(path) if has_output_path else None,
    )
    with pytest.raises(AirflowFailException, match=r"has refused 1 of 2 rows; the others are done: row 2: "):
        task.execute({"ti": SimpleNamespace(xcom_push=pushed.__setitem__)})
    results = (
        [json.loads(line) for line in path.read_text().splitlines()] if has_output_path else pushed["return_value"]
    )
    assert [(each["input"]["groupId"], each["status"]) for each in results] == [
        (SALES_GROUP_ID, "success"),
        (ID, "error"),
    ]
    assert "deleteGroups: 360Learning refuses row 2: " in caplog.text


@pytest.fixture
def secret_server(use_v2):
    with TinyServer(with_token(lambda request: Response({"secret": SECRET}))) as server:
        use_v2(server.url)
        yield server


READ_SECRET = {"operation": "getSigningSecret", "path_params": {"subscriptionId": ID}}


def test_a_secret_is_not_returned(secret_server):
    with pytest.raises(AirflowFailException, match="give output_path, or secret=True"):
        run(**READ_SECRET)
    assert secret_server.requests == []


def test_a_secret_can_be_dropped_or_written_to_a_private_file(secret_server, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    assert run(**READ_SECRET, secret=True) is None
    path = tmp_path / "secret.jsonl"
    assert run(**READ_SECRET, output_path=str(path)) == {"output_path": str(path), "items": 1}
    assert json.loads(path.read_text()) == {"secret": SECRET}
    assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in caplog.text + capfd.readouterr().out


@pytest.mark.parametrize("value", [{"password": "{{ word }}"}, '{"password": "{{ word }}"}'], ids=["object", "text"])
@pytest.mark.parametrize("argument", ["path_params", "query", "body", "files"])
def test_a_password_is_hidden_where_airflow_shows_rendered_arguments(argument, value):
    task = Learning360Operator(task_id="one", operation="replacePassword", **{argument: value})
    for _ in range(2):  # a resumed task is rendered again
        task.render_template_fields({"word": "correct-horse"})
        shown = {name: redact(getattr(task, name), name) for name in task.template_fields}
        assert "correct-horse" not in repr(shown)
        assert "correct-horse" in str(task._decoded(argument))


@pytest.mark.parametrize("argument", ["path_params", "query", "files"])
def test_the_error_of_an_argument_that_is_no_object_does_not_show_it(sandbox, argument):
    with pytest.raises(AirflowFailException, match=f"{argument} is of type list, expected an object") as caught:
        run(operation="getGroups", **{argument: '["correct-horse"]'})
    assert "correct-horse" not in str(caught.value)


def test_a_list_is_one_xcom():
    task = Learning360Operator(task_id="one", operation="getUsers")
    assert not task.multiple_outputs


def test_the_operation_is_required():
    with pytest.raises((AirflowException, TypeError), match="operation"):
        Learning360Operator(task_id="one")
