"""A run survives its attempts: what is done is not sent again, and unconfirmed rows are settled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import RateLimitedError, StorageUnavailableError
from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.rows.checkpoints import LeaseLostError
from airflow_provider_360learning.rows.sender import OutageError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import Response, TinyServer
from tests.conftest import BIN
from tests.rows.support import (
    ROOT,
    bulk,
    files_in,
    mails,
    outcomes_in,
    people,
    put_csv,
    results_in,
    writes,
)
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, operations

REJECTED_KEY = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}


@contextmanager
def ended_early(sandbox, operation, **how):
    """
    Expect that an attempt ends in the middle, since one request is answered 401.

    Requests of one attempt arrive in any order: ``mentions`` names the row that ends it. One after the first hundred is
    sent after a checkpoint, so that a part exists.
    """
    sandbox.control.add_fault(operation, **REJECTED_KEY, **how)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        yield


def state_of(folder):
    return json.loads((storage_path(folder) / "progress.json").read_text())


def change_state(folder, **changes):
    write_atomic(storage_path(folder) / "progress.json", json.dumps(state_of(folder) | changes).encode())


def expire_lease(folder):
    """Let the lease of an attempt that was killed expire."""
    if "progress.json" in files_in(folder):
        change_state(folder, lease_until=state_of(folder)["lease_until"] - 60)


def leave_unconfirmed(sandbox, action, rows, folder, operation, **arguments):
    """Leave the state of an attempt that ended right after its first checkpoint: all of its rows are unconfirmed."""
    with ended_early(sandbox, operation, count=len(rows)):
        bulk(action, rows, results_path=folder, **arguments)
    assert (state_of(folder)["done_up_to"], state_of(folder)["parts"]) == (0, 0)
    assert state_of(folder)["sent_up_to"] >= len(rows)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()


def join_senders():
    """Wait for the threads of an attempt that has ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("learning360-sender"):
            thread.join(20)


def sent_mails(sandbox):
    return [entry["user"] for entry in writes(sandbox)]


# Resuming


@pytest.mark.slow
def test_resumes_after_the_last_checkpoint(sandbox, results):
    rows = people(180)
    with ended_early(sandbox, "createOrInviteUser", mentions=rows[120]["mail"]):
        bulk("create_user", rows, results_path=results)
    state = state_of(results)
    assert 0 < state["done_up_to"] < 140
    assert state["done_up_to"] <= state["sent_up_to"] <= state["done_up_to"] + 100 + 40
    assert state["lease_until"] == 0
    first = set(sent_mails(sandbox))
    sandbox.control.clear_journal()
    bulk("create_user", rows, results_path=results)
    again = sent_mails(sandbox)
    assert not {row["mail"] for row in rows[: state["done_up_to"]]} & set(again), (
        "nothing is sent for rows with a result"
    )
    assert len(again) == 180 - state["done_up_to"]
    assert len(first & set(again)) <= state["sent_up_to"] - state["done_up_to"], "only unconfirmed rows"
    assert [result["row"] for result in results_in(results)] == list(range(1, 181))
    assert sum(mail.startswith("person") for mail in mails(sandbox)) == 180
    assert set(files_in(results)) == {"results.jsonl", "manifest.json"}


def test_counts_a_part_that_was_written_after_the_last_checkpoint(sandbox, results):
    rows = people(150)
    with ended_early(sandbox, "createOrInviteUser", mentions=rows[120]["mail"]):
        bulk("create_user", rows, results_path=results)
    state = state_of(results)
    *earlier, last = (content.count(b"\n") for name, content in sorted(files_in(results).items()) if "parts/" in name)
    assert (state["parts"], state["done_up_to"]) == (len(earlier) + 1, sum(earlier) + last)
    change_state(results, parts=len(earlier), done_up_to=sum(earlier))
    sandbox.control.clear_journal()
    done = bulk("create_user", rows, results_path=results, defaults={})
    assert len(writes(sandbox)) == 150 - state["done_up_to"]
    assert sum(done["outcomes"].values()) == 150
    assert [result["row"] for result in results_in(results)] == list(range(1, 151))


def test_detects_rows_without_a_result_in_the_parts(sandbox, tmp_path):
    """A part was truncated: no merged file may look complete."""
    rows = people(150)
    with ended_early(sandbox, "createOrInviteUser", mentions=rows[120]["mail"]):
        bulk("create_user", rows, results_path=tmp_path)
    part = max((tmp_path / "parts").glob("*/*.jsonl"))
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:-2]))
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=rf"{part.name} is damaged: .* have \d+ rows, not \d+"):
        bulk("create_user", rows, results_path=tmp_path)
    assert operations(sandbox) == []
    assert not (tmp_path / "results.jsonl").exists()
    assert not (tmp_path / "manifest.json").exists()


def test_the_checkpoint_has_a_constant_size(sandbox, tmp_path):
    with ended_early(sandbox, "createOrInviteUser", mentions="person151@"):
        bulk("create_user", people(200), results_path=tmp_path)
    assert (tmp_path / "progress.json").stat().st_size < 400


def test_merges_counts_and_rejected_rows_of_all_attempts(sandbox, tmp_path):
    elsewhere = [f"zoe{number}@elsewhere.test" for number in range(3)]
    sandbox.control.settings(mails_of_other_companies=elsewhere)
    rows = people(150)
    for number, mail in enumerate(elsewhere):
        rows[10 + 60 * number]["mail"] = mail
    rows[50]["mail"] = "absent"
    arguments = {"results_path": tmp_path, "on_invalid": "skip", "defaults": {"if_exists": "fail"}, "max_failures": 3}
    with ended_early(sandbox, "createOrInviteUser", mentions=rows[100]["mail"]):
        bulk("create_user", rows, **arguments)
    done = bulk("create_user", rows, **arguments)
    assert done["outcomes"] == dict(Counter(outcomes_in(tmp_path))) == {"created": 146, "invalid": 1, "refused": 3}
    back = files_in(tmp_path)["rejected/rejected.jsonl"].decode().splitlines()
    assert [json.loads(line)["mail"] for line in back] == [elsewhere[0], "absent", *elsewhere[1:]]


def test_clearing_a_finished_run_starts_over(sandbox, results):
    for _ in range(2):
        sandbox.control.clear_journal()
        bulk("create_user", people(3), results_path=results)
        assert len(writes(sandbox)) == 3
    assert outcomes_in(results) == ["already_exists"] * 3


def test_clearing_a_failed_run_that_finished_starts_over(sandbox, tmp_path):
    for _ in range(2):
        with pytest.raises(AirflowFailException, match="1 of 1 row is refused"):
            bulk("delete_user", [{"user": "x@acme.test"}], results_path=tmp_path, defaults={"if_missing": "fail"})
    assert len(writes(sandbox)) == 2


# Unconfirmed rows


def test_confirms_users_that_an_earlier_attempt_may_have_created(sandbox, tmp_path):
    rows = people(4)
    arguments = {"defaults": {"if_exists": "fail"}}
    leave_unconfirmed(sandbox, "create_user", rows, tmp_path, "createOrInviteUser", **arguments)
    for row in rows[:2]:  # which the attempt had created
        Learning360Hook().api.create_user(**row)
    bulk("create_user", rows, results_path=tmp_path, **arguments)
    assert outcomes_in(tmp_path) == ["created"] * 4
    shown = [result["message"] for result in results_in(tmp_path)]
    assert shown == ["done by an earlier attempt of this run"] * 2 + [None] * 2


def test_refuses_an_existing_user_in_a_row_that_was_not_sent_before(sandbox, tmp_path):
    rows = [*people(1), {"mail": GRACE_MAIL, "mode": "create_active"}]
    bulk("create_user", rows, results_path=tmp_path, defaults={"if_exists": "fail"}, max_failures=1)
    assert [(result["outcome"], result["error_code"]) for result in results_in(tmp_path)] == [
        ("created", None),
        ("refused", "user_already_exists"),
    ]


@pytest.mark.slow
def test_rows_after_sent_up_to_are_not_unconfirmed(sandbox, tmp_path):
    rows = [*people(150), {"mail": GRACE_MAIL, "mode": "create_active"}]
    arguments = {"defaults": {"if_exists": "fail"}, "max_failures": 1}
    with ended_early(sandbox, "createOrInviteUser"):
        bulk("create_user", rows, results_path=tmp_path, **arguments)
    assert state_of(tmp_path)["sent_up_to"] < 151
    bulk("create_user", rows, results_path=tmp_path, **arguments)
    assert outcomes_in(tmp_path) == ["created"] * 150 + ["refused"]


def test_looks_up_groups_that_an_earlier_attempt_may_have_created(sandbox, tmp_path):
    rows = [{"name": f"Lab {number}"} for number in range(4)]
    leave_unconfirmed(sandbox, "create_group", rows, tmp_path, "createGroup", defaults={"if_exists": "fail"})
    Learning360Hook().api.create_group(name="Lab 1")
    bulk("create_group", rows, results_path=tmp_path, defaults={"if_exists": "fail"})
    assert outcomes_in(tmp_path) == ["created"] * 4
    names = Counter(group["name"] for group in sandbox.control.state()["groups"])
    assert {names[f"Lab {number}"] for number in range(4)} == {1}


def test_confirms_users_that_an_earlier_attempt_may_have_deleted(sandbox, tmp_path):
    bulk("create_user", people(3), results_path=f"{tmp_path}/created")
    rows = [{"user": row["mail"]} for row in people(3)]
    leave_unconfirmed(sandbox, "delete_user", rows, tmp_path, "deleteUser", defaults={"if_missing": "fail"})
    Learning360Hook().api.delete_user(user=rows[0]["user"])
    bulk("delete_user", rows, results_path=tmp_path, defaults={"if_missing": "fail"})
    assert outcomes_in(tmp_path) == ["deleted"] * 3


def test_sends_an_unconfirmed_update_again(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "job": "Admiral"}]
    leave_unconfirmed(sandbox, "update_user", rows, tmp_path, "updateUser")
    bulk("update_user", rows, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["updated"]


# The input


def test_refuses_a_changed_input_and_resumes_with_the_earlier_one(sandbox, tmp_path):
    folder, rows = tmp_path / "results", people(3)
    with ended_early(sandbox, "createOrInviteUser", count=3):
        bulk("create_user", put_csv(tmp_path / "in.csv", rows), results_path=folder)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()
    for changed, how in (
        (people(4), {}),
        (people(2), {}),
        (rows[::-1], {}),
        (rows, {"defaults": {"role": "coach"}}),
        (rows, {"column_mapping": {"mode": None}}),
    ):
        with pytest.raises(
            AirflowFailException, match=r"in\.csv .*has changed since an earlier attempt, which had done 0 "
        ):
            bulk("create_user", put_csv(tmp_path / "in.csv", changed), results_path=folder, **how)
    assert operations(sandbox) == []
    renamed = [{"E-Mail": row["mail"], "mode": row["mode"]} for row in rows]
    done = bulk(
        "create_user", put_csv(tmp_path / "in.csv", renamed), results_path=folder, column_mapping={"E-Mail": "mail"}
    )
    assert done["outcomes"] == {"created": 3}, "the requests are the same"


def test_does_not_resume_for_another_company_or_action(sandbox, tmp_path, monkeypatch):
    with ended_early(sandbox, "deleteUser"):
        bulk("delete_user", [{"user": GRACE_MAIL}], results_path=tmp_path)
    with pytest.raises(AirflowFailException, match="has changed since an earlier attempt"):
        bulk("update_user", [{"user": GRACE_MAIL}], results_path=tmp_path, defaults={"job": "x"})
    with Sandbox(settings={"limits_enabled": False}) as other:
        monkeypatch.setenv(CONNECTION, other.connection_json(auth="api_key_header", limits=UNLIMITED))
        with pytest.raises(AirflowFailException, match="has changed since an earlier attempt"):
            bulk("delete_user", [{"user": GRACE_MAIL}], results_path=tmp_path)
        assert writes(other) == []


def test_ignore_checkpoint_starts_over_and_removes_the_parts(sandbox, tmp_path):
    with ended_early(sandbox, "createOrInviteUser", mentions="person121@"):
        bulk("create_user", people(150), results_path=tmp_path)
    assert any("parts/" in name for name in files_in(tmp_path))
    sandbox.control.clear_journal()
    bulk("create_user", people(3, start=1001), results_path=tmp_path, ignore_checkpoint=True)
    assert outcomes_in(tmp_path) == ["created"] * 3
    assert len(writes(sandbox)) == 3
    assert set(files_in(tmp_path)) == {"results.jsonl", "manifest.json"}, "its parts are removed, too"


class ChangingRows(Sequence):
    """A list with other rows each time it is read."""

    def __init__(self, *readings):
        self._readings = list(readings)
        self._now = []

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise NotImplementedError

    def __iter__(self):
        self._now = self._readings.pop(0) if self._readings else self._now
        return iter(self._now)


@pytest.mark.parametrize(
    ("second", "shown"),
    [
        ([*people(2), {"mail": "other@acme.test"}], "changed while it was read, between row 1 and 3"),
        (people(4), "changed while it was read"),
        ([], "is shorter than it was"),
        (people(2), "changed while it was read"),
    ],
)
def test_sends_no_rows_that_changed_after_the_check(sandbox, tmp_path, second, shown):
    with pytest.raises(AirflowFailException, match=shown):
        bulk("create_user", ChangingRows(people(3), second), results_path=tmp_path)
    assert writes(sandbox) == []


@pytest.mark.slow
def test_sends_no_file_that_changed_after_the_check(sandbox, tmp_path):
    file = put_csv(tmp_path / "in.csv", [{"user": GRACE_MAIL, "job": "Admiral"}])
    sandbox.control.add_fault("getUsers", kind="delay", seconds=3)
    with (
        pytest.raises(AirflowFailException, match="changed while it was read"),
        after_requests(sandbox, 1, "/users", lambda: put_csv(file, [{"user": GRACE_MAIL, "job": "Captain"}])),
    ):
        bulk("update_user", file, results_path=tmp_path / "results")
    assert writes(sandbox) == []


# Retrying failed rows


def test_retry_failed_only_sends_retryable_rows_only(sandbox, results):
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, mentions="person2@")
    sandbox.control.settings(mails_of_other_companies=["person3@acme.test"])
    rows = [*people(4), {"mail": "absent"}]
    arguments = {"results_path": results, "on_invalid": "skip"}
    with pytest.raises(AirflowFailException, match="2 of 5 rows are refused"):
        bulk("create_user", rows, **arguments, impatient=True)
    first = results_in(results)
    assert [result["outcome"] for result in first] == ["created", "failed", "refused", "created", "invalid"]
    sandbox.control.clear_journal()
    done = bulk("create_user", rows, **arguments, retry_failed_only=True, max_failures=1)
    assert sent_mails(sandbox) == ["person2@acme.test"]
    assert done["outcomes"] == {"created": 3, "invalid": 1, "refused": 1}
    second = results_in(results)
    assert second[1]["outcome"] == "created"
    assert [one for one in second if one["row"] != 2] == [one for one in first if one["row"] != 2], "results that stay"
    back = files_in(results)["rejected/rejected.jsonl"].decode().splitlines()
    assert [json.loads(line)["mail"] for line in back] == ["person3@acme.test", "absent"]


def test_retry_failed_only_resumes(sandbox, tmp_path):
    rows = people(4)
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, count=4)
    with pytest.raises(AirflowFailException, match="4 of 4"):
        bulk("create_user", rows, results_path=tmp_path, defaults={"if_exists": "fail"}, impatient=True)
    again = {"results_path": tmp_path, "retry_failed_only": True, "defaults": {"if_exists": "fail"}}
    with ended_early(sandbox, "createOrInviteUser", count=2):
        bulk("create_user", rows, **again)
    sandbox.control.clear_faults()
    assert bulk("create_user", rows, **again)["outcomes"] == {"created": 4}


def test_retry_failed_only_confirms_rows_that_were_done(sandbox, tmp_path):
    arguments = {"results_path": tmp_path, "defaults": {"if_exists": "fail"}}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, when="after")
    with pytest.raises(AirflowFailException, match="1 of 1 row is refused"):
        bulk("create_user", people(1), **arguments, impatient=True)
    assert outcomes_in(tmp_path) == ["failed"]
    assert bulk("create_user", people(1), **arguments, retry_failed_only=True)["outcomes"] == {"created": 1}


def test_retry_failed_only_needs_the_results_of_the_same_rows(sandbox, results):
    shown = r"retry_failed_only=True .* has no results of these rows\. Nothing was sent"
    with pytest.raises(AirflowFailException, match=shown):
        bulk("create_user", people(2), results_path=results, retry_failed_only=True)
    bulk("create_user", people(2), results_path=results)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=shown):
        bulk("create_user", people(3), results_path=results, retry_failed_only=True)
    assert bulk("create_user", people(2), results_path=results, retry_failed_only=True)["outcomes"] == {"created": 2}
    assert operations(sandbox) == []


# Outages


def test_an_outage_ends_the_attempt_and_the_next_one_sends_the_same_rows(sandbox, tmp_path):
    """Rows must not be recorded as failed one by one while 360Learning is down."""
    arguments = {"results_path": tmp_path, "defaults": {"if_exists": "fail"}}
    bulk("create_user", people(20), **arguments)
    sandbox.control.clear_journal()
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, count=200)
    with pytest.raises(OutageError, match=r"\d consecutive requests failed; the last one: 360Learning failed"):
        bulk("create_user", people(60, start=21), **arguments, impatient=True)
    assert 5 <= len(writes(sandbox)) < 60
    assert state_of(tmp_path)["lease_until"] == 0
    sandbox.control.clear_faults()
    assert bulk("create_user", people(60, start=21), **arguments)["outcomes"] == {"created": 60}


def test_rows_that_fail_as_an_outage_ends_the_attempt_are_sent_by_the_next_one(tmp_path, monkeypatch):
    is_down = True

    def respond(request):
        if is_down and b"person1%40" in request.body:
            time.sleep(0.5)
        return Response({"error": "down"}, 503) if is_down else Response({"status": "user_created", "_id": "a" * 24})

    with TinyServer(respond) as server:
        connection = {"conn_type": "learning360", "host": server.url, "login": "b" * 24, "password": "key"}
        extra = {"auth": "api_key_header", "limits": UNLIMITED}
        monkeypatch.setenv(CONNECTION, json.dumps(connection | {"extra": extra}))
        with pytest.raises(OutageError):
            bulk("create_user", people(8), results_path=tmp_path, impatient=True)
        is_down = False
        assert bulk("create_user", people(8), results_path=tmp_path)["outcomes"] == {"created": 8}


def test_a_few_failures_do_not_end_the_attempt(sandbox, tmp_path):
    for number in (5, 25, 26, 27, 60):
        sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, mentions=f"person{number}@")
    done = bulk("create_user", people(80), results_path=tmp_path, impatient=True, max_failures=5)
    assert done["outcomes"] == {"created": 75, "failed": 5}
    assert [one["row"] for one in results_in(tmp_path) if one["retryable"]] == [5, 25, 26, 27, 60]


@pytest.mark.slow
def test_an_exhausted_rate_limit_ends_the_attempt_and_the_next_one_resumes(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT", "0.2")
    with Sandbox(settings={"limits_enabled": False}) as other:  # whose limits no other test feels
        monkeypatch.setenv(CONNECTION, other.connection_json(auth="api_key_header", limits=UNLIMITED))
        other.control.add_fault("createOrInviteUser", kind="rate_limited", retry_after=1, after=10)
        with pytest.raises(RateLimitedError):
            bulk("create_user", people(20), results_path=tmp_path)
        monkeypatch.delenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT")
        bulk("create_user", people(20), results_path=tmp_path)
    assert set(outcomes_in(tmp_path)) <= {"created", "already_exists"}
    assert len(outcomes_in(tmp_path)) == 20


def test_a_task_that_is_interrupted_writes_what_is_certain(sandbox, tmp_path):
    """The first checkpoint covers a hundred rows, so that there are results after more requests than that."""

    class Interrupted(BaseException):
        pass

    def end(*_):
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, end)
    try:
        interrupt = lambda: os.kill(os.getpid(), signal.SIGUSR1)  # noqa: E731
        with pytest.raises(Interrupted), after_requests(sandbox, 150, "/users", interrupt, hold_others=True):
            bulk("create_user", people(600), results_path=tmp_path)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert state_of(tmp_path)["lease_until"] == 0
    assert state_of(tmp_path)["done_up_to"] > 0
    sent = len(writes(sandbox))
    join_senders()
    assert len(writes(sandbox)) == sent, "nothing more is sent"


# One writer


@pytest.mark.slow
def test_an_attempt_that_lost_its_lease_stops_and_leaves_the_checkpoint_unchanged(sandbox, tmp_path):
    seen = []

    def take_over():
        for _ in range(10):  # like an attempt that starts, it verifies that its checkpoint was not replaced
            change_state(tmp_path, writer="another attempt", lease_until=time.time() + 30)
            time.sleep(0.1)
            if state_of(tmp_path)["writer"] == "another attempt":
                break
        seen.append(state_of(tmp_path))

    with (
        pytest.raises(LeaseLostError, match="this one ends"),
        after_requests(sandbox, 120, "/users", take_over, hold_others=True),
    ):
        bulk("create_user", people(500), results_path=tmp_path)
    join_senders()
    assert 120 <= len(writes(sandbox)) <= 120 + 100, "its last checkpoint covers no further rows"
    assert state_of(tmp_path) == seen[0]


@pytest.mark.slow
def test_an_attempt_that_cannot_make_a_checkpoint_stops(sandbox, object_store):
    def break_it():
        object_store.breaks = True

    with (
        pytest.raises(StorageUnavailableError, match="the upload broke"),
        after_requests(sandbox, 60, "/users", break_it, hold_others=True),
    ):
        bulk("create_user", people(250), results_path="memory://bucket/results")
    sent = len(writes(sandbox))
    assert sent < 250
    join_senders()
    assert len(writes(sandbox)) == sent
    object_store.breaks = False
    expire_lease("memory://bucket/results")
    bulk("create_user", people(250), results_path="memory://bucket/results")
    assert [result["row"] for result in results_in("memory://bucket/results")] == list(range(1, 251))
    assert sum(mail.startswith("person") for mail in mails(sandbox)) == 250


@pytest.mark.slow
def test_resumes_after_an_attempt_that_was_killed(sandbox, tmp_path):
    """No user is created twice, and nothing is sent for rows with a result."""
    rows = people(200)
    order = {"action": "create_user", "rows": rows, "results_path": str(tmp_path), "defaults": {"if_exists": "fail"}}
    process = subprocess.Popen(
        [BIN / "python", "-m", "tests.rows.attempt", json.dumps(order)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process, after_requests(sandbox, 80, "/users", process.kill, hold_others=True):
        assert process.wait(180) == -signal.SIGKILL
    done = sum(len(part.read_text().splitlines()) for part in (tmp_path / "parts").glob("*/*.jsonl"))
    assert done >= state_of(tmp_path)["done_up_to"], "the last part may not be in the checkpoint yet"
    expire_lease(tmp_path)
    sandbox.control.clear_journal()
    bulk(**order)
    sent = sent_mails(sandbox)
    assert not {row["mail"] for row in rows[:done]} & set(sent)
    assert len(sent) == 200 - done
    assert outcomes_in(tmp_path) == ["created"] * 200
    assert [result["row"] for result in results_in(tmp_path)] == list(range(1, 201))
    assert sum(mail.startswith("person") for mail in mails(sandbox)) == 200
    assert set(files_in(tmp_path)) == {"results.jsonl", "manifest.json"}
