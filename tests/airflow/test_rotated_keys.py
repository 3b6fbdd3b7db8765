"""The API key is rotated three times in a running Airflow: nothing fails, and nothing is done twice."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.airflow.conftest import execute_sql
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, make_session, rotate_key

pytestmark = pytest.mark.slow

TASKS = {"bulk", "export", "wait_deferred", "wait_rescheduled"}
#: Slow enough that a rotation in the middle is possible.
LIMITS = {**UNLIMITED, "createOrInviteUser": 100}
POLL = "getUsersPathSessionStats"
CHANGED = "The API key of the connection has changed; continuing with the new one"


@pytest.fixture
def company(platform):
    """Return the company with a session that has a learner, and generated attempts."""
    platform.control.reset()
    platform.control.settings(
        limits_enabled=False,
        learner_seconds=3600,
        token_life=36_000,  # the clock is advanced, and tokens must not expire then
        delay_after_ms=100,
        generated_attempts=2000,
        course_stats_cap=60,
    )
    yield platform
    platform.control.reset()


@pytest.fixture
def store(stack, company):
    """Store the connection in Airflow's database; return a function that stores the newest key."""
    columns = "conn_id, conn_type, host, login, password, extra, is_encrypted, is_extra_encrypted"
    fields = company.connection(limits=LIMITS)
    values = ("rotated", *(fields[name] for name in ("conn_type", "host", "login", "password")))
    texts = ", ".join(f"'{value}'" for value in (*values, json.dumps(fields["extra"])))
    execute_sql(stack.env, f"INSERT INTO connection ({columns}) VALUES ({texts}, 0, 0)")
    yield lambda: execute_sql(
        stack.env, f"UPDATE connection SET password = '{company.api_key}' WHERE conn_id = 'rotated'"
    )
    execute_sql(stack.env, "DELETE FROM connection WHERE conn_id = 'rotated'")


class Rotations:
    """
    Rotates the key in the middle of the rows, of the export, and of the waits; then the learner completes.

    :param company: The company.
    :param store: Stores the newest key in the connection.
    """

    def __init__(self, company, store):
        self.keys = [company.api_key]
        self._company, self._store = company, store
        #: Operations, and the number of their requests after which the key is rotated.
        self._due = {"createOrInviteUser": 250, "getCoursesStats": 10, POLL: 10}
        self._is_over = False

    def __call__(self):
        journal = self._company.control.journal()
        sent = Counter(entry["operation"] for entry in journal)
        for operation in [name for name, count in self._due.items() if sent[name] >= count]:
            del self._due[operation]
            rotate_key(self._company, self._store)
            self.keys.append(self._company.api_key)
        # Only the deferred wait keeps a key: each poke reads the connection.
        if (
            not self._due
            and not self._is_over
            and any(entry["status"] == 401 for entry in journal if entry["operation"] == POLL)
        ):
            self._company.control.advance(3600)
            self._is_over = True


def test_no_task_fails_and_nothing_is_done_twice(stack, company, store, tmp_path, monkeypatch):
    monkeypatch.setenv(CONNECTION, company.connection_json(limits=UNLIMITED))
    session_id = make_session(company, GRACE_MAIL)
    run_id = stack.trigger("rotated_keys", {"session_id": session_id, "folder": str(tmp_path)})

    def tasks():
        return {task["task_id"]: task for task in stack.task_instances("rotated_keys", run_id)}

    rotations = Rotations(company, store)
    state = stack.wait("rotated_keys", run_id, timeout=300, on_poll=rotations)
    assert state == "success", stack.logs("rotated_keys", run_id)[-5000:]
    assert len(rotations.keys) == 4
    assert {name: task["state"] for name, task in tasks().items()} == dict.fromkeys(TASKS, "success")
    assert tasks()["bulk"]["try_number"] == tasks()["export"]["try_number"] == 1

    journal = company.control.journal()
    created = Counter(
        entry["user"] for entry in journal if entry["operation"] == "createOrInviteUser" and entry["done"]
    )
    assert created == {f"person{number}@acme.test": 1 for number in range(500)}
    assert stack.xcom("rotated_keys", run_id, "bulk")["outcomes"] == {"created": 500}
    exported = [row["attempt_id"] for _, _, row, _ in read(str(tmp_path / "attempts.jsonl"))]
    assert len(exported) == len(set(exported)) == 2000

    rejected = {entry["operation"] for entry in journal if entry["status"] == 401}
    assert rejected >= {"createOrInviteUser", "getCoursesStats", POLL}, "rotated too late"
    for task_id in ("bulk", "export", "wait_deferred"):
        log = stack.logs("rotated_keys", run_id, task_id)
        assert CHANGED in log
        assert [key for key in rotations.keys if key in log] == []
