"""Operators and sensors in DAG runs of the installed Airflow (``dag.test()``, which also runs triggers)."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise
from threading import Timer
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk.exceptions import AirflowTaskTerminated
except ImportError:  # Airflow 2
    from airflow.exceptions import AirflowTaskTerminated
    from airflow.models.dagbag import DagBag

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.api.support import when_a_call_waits
from tests.newest_execution_api import serve_newest_version_only
from tests.rows.support import put_results
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests

pytestmark = pytest.mark.slow

KEEPS_STATE_BETWEEN_POKES = tuple(map(int, importlib.metadata.version("apache-airflow").split(".")[:2])) >= (3, 3)

HEADER = """
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.groups import Learning360CreateGroupOperator, Learning360DeleteGroupOperator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360UpdateUserOperator
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

defaults = {"retry_delay": timedelta(0)}
with DAG(DAG_ID, schedule=None, start_date=datetime(2026, 1, 1), default_args=defaults) as dag:
"""


class Finished(NamedTuple):
    """A finished DAG run: its tasks by id (and map index, if any), and their results."""

    tasks: dict[str, dict[str, Any]]
    results: dict[str, Any]

    def state_and_tries(self, task_id: str) -> tuple[str, int]:
        return self.tasks[task_id]["state"], self.tasks[task_id]["try_number"]


Run = Callable[[str, str], Finished]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox without limits, where learners complete their path at once."""
    settings = {"limits_enabled": False, "learner_seconds": 0.001}
    with Sandbox(settings=settings) as server, pytest.MonkeyPatch.context() as environment:
        connection = server.connection_json(limits=UNLIMITED)
        environment.setenv(CONNECTION, connection)
        environment.setenv("AIRFLOW_CONN_WRONG_KEY", connection.replace(server.api_key, "wrong"))
        yield server


@pytest.fixture(scope="module")
def run(airflow_home, airflow_db) -> Run:
    """Return a function that runs a DAG, given its id and the body of its ``with`` block."""
    database = AirflowStack(airflow_home, airflow_home / "dags", components=[])
    serve_newest_version_only()

    def run(dag_id: str, body: str) -> Finished:
        file = airflow_home / "dags" / f"{dag_id}.py"
        file.write_text(HEADER.replace("DAG_ID", repr(dag_id)) + textwrap.indent(textwrap.dedent(body), "    "))
        try:
            bag = DagBag(str(file))
            assert bag.import_errors == {}
            run_id = bag.dags[dag_id].test().run_id
        finally:
            file.unlink()
        finished = Finished({}, {})
        for one in database.task_instances(dag_id, run_id):
            index = one["map_index"]
            name = one["task_id"] if index < 0 else f"{one['task_id']} {index}"
            finished.tasks[name] = one
            finished.results[name] = database.xcom(dag_id, run_id, one["task_id"], index)
        return finished

    return run


# Operators


def test_templates_are_rendered_and_sent(sandbox, run):
    ended = run(
        "templates",
        """
        group = Learning360CreateGroupOperator(task_id="group", name="{{ dag.dag_id }} {{ 6 * 7 }}", public=True)
        Learning360CreateUserOperator(
            task_id="user",
            learning360_conn_id="{{ 'learning360' }}_default",
            mail="ana@{{ ti.xcom_pull('group')['outcome'] }}.test",
            group_id="{{ ti.xcom_pull('group')['group_id'] }}",
            other_group_ids=["{{ params.sales }}"],
            custom=group.output["name"],
            mode="create_active",
            params={"sales": "SALES"},
        )
        """.replace("SALES", SALES_GROUP_ID),
    )
    assert {name: task["state"] for name, task in ended.tasks.items()} == {"group": "success", "user": "success"}
    assert ended.results["user"]["mail"] == "ana@created.test"
    sent = {entry["operation"]: entry["body"] for entry in sandbox.control.journal()}
    assert sent["createGroup"] == {"name": "templates 42", "public": "true"}
    assert sent["createOrInviteUser"]["mail"] == "ana@created.test"
    assert sent["createOrInviteUser"]["groups"] == [ended.results["group"]["group_id"], SALES_GROUP_ID]
    assert sent["createOrInviteUser"]["custom"] == "templates 42"


def test_operators_are_mapped_over_the_result_of_a_task(sandbox, run):
    ended = run(
        "mapped",
        """
        @task
        def people():
            return [{"mail": "eve@acme.test", "first_name": "Eve"}, {"mail": "kim@acme.test", "first_name": "Kim"}]

        Learning360CreateUserOperator.partial(task_id="user", mode="create_active").expand_kwargs(people())
        """,
    )
    assert [ended.tasks[f"user {index}"]["pool"] for index in (0, 1)] == ["learning360"] * 2
    assert [ended.results[f"user {index}"]["mail"] for index in (0, 1)] == ["eve@acme.test", "kim@acme.test"]
    assert [ended.results[f"user {index}"]["outcome"] for index in (0, 1)] == ["created"] * 2


def names_of(ended: Finished, task_id: str) -> list[Any]:
    return [one["rendered_map_index"] for one in ended.tasks.values() if one["task_id"] == task_id]


def test_mapped_tasks_have_readable_names(sandbox, run):
    ended = run(
        "names",
        """
        from airflow.providers.common.compat.sdk import task_group

        @task
        def people():
            return [{"mail": "amy@acme.test", "first_name": "Amy"}, {"mail": "bob@acme.test", "first_name": "Bob"}]

        @task_group
        def person(user):
            Learning360UpdateUserOperator(task_id="job", user=user, job="Clerk")

        Learning360CreateUserOperator.partial(task_id="user", mode="create_active").expand_kwargs(people())
        Learning360CreateGroupOperator.partial(task_id="group").expand(name=["Engineering", "{{ 6 * 7 }}", "x" * 255])
        Learning360CreateGroupOperator.partial(task_id="same", name="Same").expand(public=[True, False])
        Learning360CreateGroupOperator.partial(task_id="mine", map_index_template="{{ task.name | upper }}").expand(
            name=["One"]
        )
        Learning360UpdateUserOperator.partial(task_id="failed", job="Clerk").expand(user=["nobody@acme.test"])
        person.expand(user=["GRACE"])
        """.replace("GRACE", GRACE_MAIL),
    )
    assert ended.tasks["failed 0"]["state"] == "failed"
    assert names_of(ended, "user") == ["amy@acme.test", "bob@acme.test"]
    assert names_of(ended, "group") == ["Engineering", "42", "x" * 249 + "…"]
    assert names_of(ended, "same") == ["Same 0", "Same 1"]
    assert names_of(ended, "mine") == ["ONE"]
    assert names_of(ended, "failed") == ["nobody@acme.test"]
    assert names_of(ended, "person.job") == [GRACE_MAIL]
    assert names_of(ended, "people") == [None]


def test_a_name_that_looks_like_a_number_stays_a_name_in_a_dag_with_native_templates(sandbox, run):
    ended = run(
        "native_names",
        """
        dag.render_template_as_native_obj = True
        Learning360CreateGroupOperator.partial(task_id="group").expand(name=["2026", "{{ 2 }}027"])
        """,
    )
    assert [ended.tasks[f"group {index}"]["state"] for index in (0, 1)] == ["success"] * 2
    assert names_of(ended, "group") == ["2026", "2027"]


def test_results_are_used_per_key(sandbox, run):
    """The output of a mapped operator is a list, and so is that of one of its keys."""
    ended = run(
        "per_key",
        """
        plain = Learning360CreateGroupOperator(task_id="plain", name="Plain")
        mapped = Learning360CreateGroupOperator.partial(task_id="mapped").expand(name=["One", "Two"])

        @task
        def collect(name, names, groups):
            return {"name": name, "names": list(names), "results": [group["name"] for group in groups]}

        collect(plain.output["name"], mapped.output["name"], mapped.output)
        Learning360DeleteGroupOperator.partial(task_id="deleted").expand_kwargs(
            mapped.output.map(lambda group: {"group_id": group["group_id"]})
        )
        """,
    )
    assert ended.results["collect"] == {"name": "Plain", "names": ["One", "Two"], "results": ["One", "Two"]}
    assert [ended.results[f"deleted {index}"]["outcome"] for index in (0, 1)] == ["deleted"] * 2


def test_the_result_of_a_bulk_task_is_the_input_of_the_next(sandbox, run, tmp_path):
    """Of a plain and of a mapped one, and of both in a list; invited people are left out."""
    session = Learning360Hook().api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="users_from", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    # The failures make the first two sensors wait in a trigger.
    for polls_before in (0, 1):
        sandbox.control.add_fault(
            POKE, kind="status", status=503, path_contains=session["session_id"], after=polls_before
        )
    many = put_results(
        tmp_path / "many",
        [("ana@users-from.test", "created"), *((f"{n}@users-from.test", "created") for n in range(1000))],
    )
    ended = run(
        "users_from",
        """
        from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
        from airflow_provider_360learning.operators.paths import Learning360EnrollUsersOperator

        def people(*names):
            return [{"mail": f"{name}@users-from.test", "mode": "create_active"} for name in names]

        invited = [{"mail": "di@users-from.test"}]
        session = {"session_id": "SESSION"}
        accounts = Learning360BulkOperator(
            task_id="accounts", action="create_user", rows=people("ana", "bo") + invited, results_path="FOLDER/accounts"
        )
        mapped = Learning360BulkOperator.partial(
            task_id="mapped", action="create_user", results_path="FOLDER/mapped"
        ).expand(rows=[people("cy"), people("ed", "fay")])
        pending = Learning360BulkOperator(
            task_id="pending", action="create_user", rows=invited, results_path="FOLDER/pending"
        )
        everyone = [accounts.output, mapped.output]
        Learning360BulkOperator(
            task_id="members",
            action="add_user_to_group",
            users_from=mapped.output,
            defaults={"group_id": "SALES"},
            results_path="FOLDER/members",
        )
        enrolled = Learning360EnrollUsersOperator(task_id="enroll", users_from=everyone, **session)
        waited = {"poke_interval": 0.1, "timeout": 600, **session}
        completed = [
            Learning360PathSessionCompletionSensor(task_id="deferred", users_from=everyone, deferrable=True, **waited),
            Learning360PathSessionCompletionSensor(
                task_id="by_path", users_from=MANY, required=1, deferrable=True, **waited
            ),
            Learning360PathSessionCompletionSensor(task_id="rendered", deferrable=False, **waited,
                users_from="{{ ti.xcom_pull('accounts') | tojson }}"),
        ]
        enrolled >> completed[0] >> completed[1] >> completed[2]
        accounts >> pending
        Learning360EnrollUsersOperator(task_id="nobody", users_from=pending.output, **session)
        Learning360EnrollUsersOperator(task_id="wrong", users_from=enrolled.output, retries=2, **session)
        """.replace("SESSION", session["session_id"])
        .replace("FOLDER", str(tmp_path))
        .replace("SALES", SALES_GROUP_ID)
        .replace("MANY", repr(many)),
    )
    states = {name: task["state"] for name, task in ended.tasks.items()}
    assert (states.pop("nobody"), states.pop("wrong")) == ("skipped", "failed")
    assert set(states.values()) == {"success"}
    assert ended.tasks["wrong"]["try_number"] == 1
    assert "users-from.test" not in json.dumps([ended.results["accounts"], ended.results["mapped 0"]])
    assert ended.results["members"]["outcomes"] == {"added": 3}
    assert (ended.results["enroll"]["users"], ended.results["enroll"]["pending_invitations"]) == (5, 1)
    assert (ended.results["deferred"]["done"], ended.results["deferred"]["pending_invitations"]) == (5, 1)
    polls = [entry for entry in sandbox.control.journal() if entry["operation"] == POKE]
    assert [poll["status"] for poll in polls if session["session_id"] in poll["path"]] == [503, 200, 503, 200, 200]
    assert (ended.results["by_path"]["done"], ended.results["by_path"]["enrolled"]) == (1, 1)
    assert ended.results["rendered"]["done"] == 2


def test_airflow_retries_transient_errors_only(sandbox, run):
    sandbox.control.add_fault("createGroup", kind="drop_before")
    ended = run(
        "retries",
        """
        Learning360CreateGroupOperator(task_id="unknown_outcome", name="Retried", retries=2)
        Learning360CreateUserOperator(task_id="wrong_argument", mail="ana", retries=2)
        Learning360UpdateUserOperator(task_id="missing", user="nobody@acme.test", job="Clerk", retries=2)
        Learning360UpdateUserOperator(
            task_id="wrong_key", learning360_conn_id="wrong_key", user="x@acme.test", job="Clerk", retries=2
        )
        Learning360DeleteGroupOperator(task_id="refused", group_id="ROOT", retries=2)
        """.replace("ROOT", ROOT_GROUP_ID),
    )
    assert ended.state_and_tries("unknown_outcome") == ("success", 2)
    assert [group["name"] for group in sandbox.control.state()["groups"]].count("Retried") == 1
    for name in ("wrong_argument", "missing", "wrong_key", "refused"):
        assert ended.state_and_tries(name) == ("failed", 1), name


@pytest.mark.airflow(">=3.3", reason="retry policies came with 3.3")
def test_the_retry_policy_waits_for_the_delay_of_the_error(sandbox, run, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT", "1")
    # Two seconds are more than that, so that the task fails, and is retried when the limit has capacity.
    sandbox.control.add_fault("deleteGroup", kind="rate_limited", retry_after=2)
    sandbox.control.clear_journal()
    ended = run(
        "policy",
        """
        from airflow_provider_360learning.retry_policy import Learning360RetryPolicy

        an_hour_later = {"retries": 2, "retry_delay": timedelta(hours=1), "retry_policy": Learning360RetryPolicy()}
        Learning360DeleteGroupOperator(task_id="limited", group_id="SALES", default_args=an_hour_later)

        @task(**an_hour_later)
        def missing():
            Learning360Hook().api.get_user(user="nobody@acme.test")

        missing()
        """.replace("SALES", SALES_GROUP_ID),
    )
    assert ended.state_and_tries("limited") == ("success", 2)
    assert ended.state_and_tries("missing") == ("failed", 1)
    first, second = (entry["arrived_at"] for entry in sandbox.control.journal() if entry["operation"] == "deleteGroup")
    assert 2 <= second - first < 120, "not an hour"


@pytest.mark.parametrize("ended_by", ["timeout", "kill"])
def test_a_task_that_ends_while_it_waits_releases_its_reservation(run, monkeypatch, capfd, ended_by):
    waited = []

    def end():
        waited.append(True)
        if ended_by == "timeout":
            signal.setitimer(signal.ITIMER_REAL, 0.1)  # that of execution_timeout
        else:
            Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with Sandbox() as limited:
        monkeypatch.setenv("AIRFLOW_CONN_LIMITED", limited.connection_json(auth="api_key_header"))
        limiter = Learning360Hook("limited").api.client.rate_limiter
        taken = [limiter.reserve(API_V1.endpoints["deleteGroup"], 600).time for _ in range(240)]
        # On Airflow 2, `dag.test()` ends with the task.
        with when_a_call_waits(end), suppress(AirflowTaskTimeout, AirflowTaskTerminated):
            run(
                f"ended_by_{ended_by}",
                f"""
                Learning360DeleteGroupOperator(
                    task_id="ended",
                    group_id="{SALES_GROUP_ID}",
                    learning360_conn_id="limited",
                    execution_timeout={"timedelta(seconds=60)" if ended_by == "timeout" else None},
                )
                """,
            )
        after = limiter.reserve(API_V1.endpoints["deleteGroup"], 600).time
        assert limited.control.journal() == []
    assert waited == [True]
    assert ("AirflowTaskTimeout" in capfd.readouterr().out) is (ended_by == "timeout")
    assert after - taken[-1] == pytest.approx(1.05, abs=0.1)


def test_a_run_in_one_process_has_no_supervisor(run):
    """Its parent is the shell, whose end means nothing."""
    ended = run(
        "unsupervised",
        """
        @task
        def is_it():
            from airflow.providers.common.compat.sdk import get_current_context
            from airflow_provider_360learning.supervision import is_supervised

            return is_supervised(get_current_context()["ti"])

        is_it()
        """,
    )
    assert ended.results["is_it"] is False


# Sensors: each mode in each scenario, in one DAG run

POKE = "getUsersPathSessionStats"
INTERVAL = 0.1
MODES = {
    "deferred": "deferrable=True, ",
    "reschedule": "deferrable=False, ",
    "poke": "deferrable=False, mode='poke', ",
}
#: Arguments of the sensor, faults of its pokes, and whether its learner is enrolled.
SCENARIOS: dict[str, tuple[str, list[dict[str, Any]], bool]] = {
    "in_time": ("timeout=600, ", [], False),
    "five_failures": ("", [{"kind": "status", "status": 503, "count": 5}], True),
    "seven_failures": ("", [{"kind": "status", "status": 503, "count": 7}], True),
    "asked_to_slow_down": (
        "",
        [
            {"kind": "rate_limited", "retry_after": 1},
            {"kind": "status", "status": 503, "headers": {"Retry-After": "0"}},
            {"kind": "drop_before"},
        ],
        True,
    ),
    "unknown_session": ("", [{"kind": "status", "status": 404, "body": {"error": "session_not_found"}}], True),
    "wrong_key": ("learning360_conn_id='wrong_key', ", [], True),
    "too_late": ("timeout=2, ", [], False),
    "too_late_softly": ("timeout=1, soft_fail=True, ", [], False),
}


class Waits(NamedTuple):
    """The finished run, and the pokes of each sensor in order."""

    run: Finished
    pokes: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def waits(sandbox, run) -> Waits:
    api = Learning360Hook().api
    sessions, body = {}, ""
    for scenario, (arguments, faults, is_enrolled) in SCENARIOS.items():
        for mode, how in MODES.items():
            name = f"{scenario}_{mode}"
            sessions[name] = api.create_path_session(
                path_id=ONBOARDING_PATH_ID, name=name, session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
            )["session_id"]
            if is_enrolled:
                api.enroll_users(session_id=sessions[name], users=[GRACE_MAIL])
            for fault in faults:
                sandbox.control.add_fault(POKE, path_contains=sessions[name], **fault)
            body += (
                f"Learning360PathSessionCompletionSensor(task_id={name!r}, session_id={sessions[name]!r}, "
                f"{arguments}{how}poke_interval={INTERVAL}, retries=1)\n"
            )
    with ExitStack() as watching:
        for mode in MODES:
            late = sessions[f"in_time_{mode}"]
            enroll = partial(api.enroll_users, session_id=late, users=[GRACE_MAIL])
            watching.enter_context(after_requests(sandbox, 2, f"{late}/stats", enroll))
        ended = run("waits", body)
    journal = [entry for entry in sandbox.control.journal() if entry["operation"] == POKE]
    pokes = {name: [entry for entry in journal if session in entry["path"]] for name, session in sessions.items()}
    return Waits(ended, pokes)


@pytest.fixture(params=MODES)
def mode(request) -> str:
    return str(request.param)


def test_a_sensor_waits_until_its_learners_are_done(waits, mode):
    assert waits.run.state_and_tries(f"in_time_{mode}") == ("success", 1)
    assert len(waits.pokes[f"in_time_{mode}"]) >= 3
    result = waits.run.results[f"in_time_{mode}"]
    assert result == {"enrolled": 1, "done": 1, "needed": 1, "unsuccessful": 0, "pending": []}


def test_sensors_wait_through_api_v2(sandbox, run, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_V2", sandbox.connection_json(api_version="v2"))
    api = Learning360Hook().api
    body, late = "", {}
    for mode, how in MODES.items():
        late[mode] = api.create_path_session(
            path_id=ONBOARDING_PATH_ID, name=f"v2_{mode}", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )["session_id"]
        common = f"{how}poke_interval={INTERVAL}, timeout=600, learning360_conn_id='v2'"
        body += (
            f"path = Learning360PathSessionCompletionSensor(task_id='path_{mode}', session_id={late[mode]!r}, "
            f"users=[{GRACE_MAIL!r}], {common})\n"
            f"path >> Learning360CourseCompletionSensor(task_id='course_{mode}', course_id={WELCOME_COURSE_ID!r}, "
            f"user={GRACE_MAIL!r}, {common})\n"
        )
    with ExitStack() as watching:
        for session_id in late.values():
            enroll = partial(api.enroll_users, session_id=session_id, users=[GRACE_MAIL])
            watching.enter_context(after_requests(sandbox, 2, f"{session_id}/user-stats", enroll))
        ended = run("waits_v2", body)
    for mode in MODES:
        assert ended.state_and_tries(f"path_{mode}") == ("success", 1)
        assert ended.results[f"path_{mode}"]["done"] == 1
        assert ended.state_and_tries(f"course_{mode}") == ("success", 1)
        assert ended.results[f"course_{mode}"]["progress"] == 100


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_sensors_wait_for_a_user_in_every_mode(sandbox, run, monkeypatch, version):
    monkeypatch.setenv("AIRFLOW_CONN_EVENTS", sandbox.connection_json(api_version=version))
    api = Learning360Hook().api
    group_id = api.create_group(name=f"Members {version}")["group_id"]
    body, acts = "from airflow_provider_360learning.sensors import groups, users\n", {}
    for mode, how in MODES.items():
        mail = f"{mode}.{version}@acme.test"
        user = api.create_user(mail=mail, mode="invite")["user_id"]
        common = f"{how}poke_interval={INTERVAL}, timeout=600, learning360_conn_id='events'"
        body += (
            f"active = users.Learning360UserActiveSensor(task_id='active_{mode}', users=[{user!r}], {common})\n"
            f"active >> groups.Learning360GroupMembershipSensor(task_id='member_{mode}', "
            f"group_id={group_id!r}, user={user!r}, {common})\n"
        )
        join = partial(api.add_user_to_group, group_id=group_id, user=mail, role="learner")
        acts[user] = partial(sandbox.control.accept_invitation, mail), join
    with ExitStack() as watching:
        for user, (accept, join) in acts.items():
            watching.enter_context(after_requests(sandbox, 2, user, accept, join))
        ended = run(f"events_{version}", body)
    for mode in MODES:
        assert ended.state_and_tries(f"active_{mode}") == ("success", 1)
        assert ended.results[f"active_{mode}"]["done"] == 1
        assert ended.state_and_tries(f"member_{mode}") == ("success", 1)
        assert ended.results[f"member_{mode}"]["roles"] == ["learner"]


def test_five_failures_in_a_row_are_tolerated(waits, mode):
    assert waits.run.state_and_tries(f"five_failures_{mode}") == ("success", 1)
    assert len(waits.pokes[f"five_failures_{mode}"]) == 6


def test_the_sixth_failure_in_a_row_fails_the_attempt_and_the_next_one_counts_from_zero(waits, mode):
    tries = 1 if mode == "reschedule" and not KEEPS_STATE_BETWEEN_POKES else 2
    assert waits.run.state_and_tries(f"seven_failures_{mode}") == ("success", tries)
    assert len(waits.pokes[f"seven_failures_{mode}"]) == 8


def test_no_poke_is_earlier_than_the_interval(waits, mode):
    assert waits.run.state_and_tries(f"asked_to_slow_down_{mode}") == ("success", 1)
    assert [entry["status"] for entry in waits.pokes[f"asked_to_slow_down_{mode}"]] == [429, 503, None, 200]
    for scenario in ("asked_to_slow_down", "five_failures", "in_time"):
        arrivals = [entry["arrived_at"] for entry in waits.pokes[f"{scenario}_{mode}"]]
        assert min(later - earlier for earlier, later in pairwise(arrivals)) >= INTERVAL, scenario


def test_a_permanent_error_fails_the_task_without_retries(waits, mode):
    assert waits.run.state_and_tries(f"unknown_session_{mode}") == ("failed", 1)
    assert len(waits.pokes[f"unknown_session_{mode}"]) == 1
    assert waits.run.state_and_tries(f"wrong_key_{mode}") == ("failed", 1)
    assert waits.pokes[f"wrong_key_{mode}"] == []


def test_the_timeout_fails_the_task_without_retries_or_skips_it(waits, mode):
    assert waits.run.state_and_tries(f"too_late_{mode}") == ("failed", 1)
    assert waits.run.state_and_tries(f"too_late_softly_{mode}") == ("skipped", 1)
    assert 1 <= len(waits.pokes[f"too_late_{mode}"]) <= 1 + 2.5 / INTERVAL


@pytest.mark.airflow(">=3.3", reason="before 3.3, nothing can be stored between the pokes of a rescheduled sensor")
def test_a_rescheduled_sensor_logs_its_progress_only_when_it_changes(sandbox, run, caplog):
    api = Learning360Hook().api
    session_id = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="progress", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )["session_id"]
    enroll = partial(api.enroll_users, session_id=session_id, users=[GRACE_MAIL])
    with after_requests(sandbox, 3, f"{session_id}/stats", enroll):
        run(
            "progress",
            f"""
            Learning360PathSessionCompletionSensor(
                task_id="wait", session_id="{session_id}", deferrable=False, poke_interval=0.1, timeout=600
            )
            """,
        )
    log = caplog.text
    assert log.count("0 of 0 completed (at least 1 must be enrolled)") == 1
    assert log.count("1 of 1 completed") == 1
