"""An API key that is rotated in the middle of a run: no row fails, and no user is created twice."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import UnreadableConnectionError
from tests.rows.support import bulk, outcomes_in, people
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, rotate_key

ROWS = people(500)
CHANGED = "The API key of the connection has changed; continuing with the new one"
every_method = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


@pytest.fixture
def store(sandbox, monkeypatch):
    """Return a function that stores a connection with the newest key."""
    return lambda auth: monkeypatch.setenv(CONNECTION, sandbox.connection_json(auth=auth, limits=UNLIMITED))


@contextmanager
def rotated_in_the_middle(sandbox, store):
    """Rotate the key after a quarter of the rows; ``store`` is called before the old key is revoked."""
    with after_requests(sandbox, len(ROWS) // 4, "/users", lambda: rotate_key(sandbox, store), hold_others=True):
        yield


def creations(sandbox):
    return [entry for entry in sandbox.control.journal() if entry["operation"] == "createOrInviteUser"]


def assert_each_user_was_created_once(sandbox):
    assert Counter(entry["user"] for entry in creations(sandbox) if entry["done"]) == {row["mail"]: 1 for row in ROWS}
    assert 401 in {entry["status"] for entry in creations(sandbox)}, "rotated too late"


@pytest.mark.slow
@every_method
def test_continues_with_the_new_key(sandbox, store, tmp_path, caplog, auth):
    caplog.set_level(logging.INFO)
    store(auth)
    with rotated_in_the_middle(sandbox, lambda: store(auth)):
        summary = bulk("create_user", ROWS, results_path=tmp_path)
    assert summary["outcomes"] == {"created": len(ROWS)}
    assert outcomes_in(tmp_path) == ["created"] * len(ROWS)
    assert_each_user_was_created_once(sandbox)
    assert caplog.messages.count(CHANGED) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        pytest.param("oauth2", UnreadableConnectionError, id="the connection cannot be read"),
        pytest.param("api_key_header", AirflowFailException, id="the connection has the old key"),
    ],
)
def test_no_row_fails_without_a_new_key(sandbox, store, tmp_path, monkeypatch, caplog, auth, problem):
    """The attempt ends; a retry resumes after a transient problem, and a cleared task after a permanent one."""

    def fail_to_store():
        if problem is UnreadableConnectionError:
            monkeypatch.delenv(CONNECTION)

    store(auth)
    with rotated_in_the_middle(sandbox, fail_to_store), pytest.raises(problem):
        bulk("create_user", ROWS, results_path=tmp_path)
    assert sum("still has the same ones" in line for line in caplog.messages) == (problem is AirflowFailException)
    store(auth)
    assert set(bulk("create_user", ROWS, results_path=tmp_path)["outcomes"]) <= {"created", "already_exists"}
    assert_each_user_was_created_once(sandbox)
