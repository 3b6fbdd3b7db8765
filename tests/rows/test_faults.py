"""Damaged state, folders that cannot be written to, and two runs at once: found before anything is sent."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import InvalidRequestError, StorageUnavailableError
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.rows.batches import Batch
from airflow_provider_360learning.rows.checkpoints import Checkpoint, Checkpoints, FileCheckpointStore
from airflow_provider_360learning.rows.folders import (
    CLAIM,
    RENEW_AFTER,
    Claims,
    FolderInUseError,
    FolderOwner,
    check_writable,
)
from airflow_provider_360learning.rows.recorder import Recorder
from airflow_provider_360learning.rows.results import RESULTS, Result, ResultStore, UnaccountedRowError
from airflow_provider_360learning.rows.run_metrics import RunMetrics
from airflow_provider_360learning.rows.schema import CheckedRow
from airflow_provider_360learning.rows.sender import Latency, Sender
from airflow_provider_360learning.rows.sources import Row, make_source
from airflow_provider_360learning.rows.stored_state import StoredStateError
from airflow_provider_360learning.rows.summary import merge_results
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.api.support import Response, TinyServer
from tests.rows.support import bulk, bulk_failing, files_in, outcomes_in, people, results_in, writes
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, operations

REJECTED_KEY = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}


@pytest.fixture
def unfinished(sandbox, tmp_path):
    """End an attempt in the middle of a run, and return the folder and the rows."""
    rows = people(120)
    # Of a late row: requests arrive in any order, and nothing after the first row that is not done is written.
    sandbox.control.add_fault("createOrInviteUser", **REJECTED_KEY, mentions=rows[99]["mail"])
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("create_user", rows, results_path=tmp_path)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()
    return tmp_path, rows


# Counts


class SlowWriter:
    """Applies a batch when the test says so."""

    name, target, append_only, operation = "create_user", "", False, "createOrInviteUser"
    rows_per_request, rows_ahead = 1, 10

    def __init__(self, apply):
        self.send = self.recover = apply


class Batches:
    """Batches of one row each."""

    def __init__(self, count):
        self._count = count

    def read(self, checkpoint):
        for number in range(1, self._count + 1):
            batch = Batch()
            batch.add(CheckedRow(Row(number, None, {}, {"row": number}), key=str(number), subject=str(number)), None)
            yield batch


class RenewsAlways(Checkpoints):
    """A lease that is always due, so that parts are written at any time."""

    is_due = True


class Silent:
    """Logs nothing."""

    def count(self, results):
        list(results)

    def report(self, in_memory):
        pass


def test_counts_what_was_written_whenever_a_checkpoint_is_made(tmp_path):
    """A batch may end after results were collected and before they are written."""

    def apply(rows):
        time.sleep(0.001 * (rows[0].row.number % 3))
        return [Result(row.row.number, row.key, "refused" if row.row.number % 5 == 0 else "created") for row in rows]

    folder = storage_path(tmp_path)
    for attempt in range(5):
        results = ResultStore(folder, folder / "rejected", str(attempt), make_source([{}]), [])
        checkpoints = RenewsAlways(FileCheckpointStore(folder / f"{attempt}.json"))
        checkpoint = checkpoints.start(Checkpoint(run=str(attempt), input=""))
        recorder = Recorder(checkpoint, results, None, checkpoints, Claims([]), Silent(), RunMetrics("", "v1", ""))
        Sender(Batches(40), SlowWriter(apply), recorder, pace=1000, latency=Latency()).send()
        last = recorder.checkpoint
        assert results.tally(last.parts, 40).outcomes == Counter(created=32, refused=8)


def test_the_verdict_is_that_of_the_written_results(sandbox, tmp_path):
    sandbox.control.settings(mails_of_other_companies=["person60@acme.test"])
    with pytest.raises(AirflowFailException, match="1 of 60 rows is refused"):
        bulk("create_user", people(60), results_path=tmp_path)
    assert Counter(outcomes_in(tmp_path)) == Counter(created=59, refused=1)


# Damaged state


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"version": 99}'])
def test_a_damaged_checkpoint_fails_the_task_before_anything_is_sent(sandbox, unfinished, damage):
    folder, rows = unfinished
    (folder / "progress.json").write_text(damage)
    with pytest.raises(
        AirflowFailException, match=r"StoredStateError: The checkpoint .*progress\.json .*ignore_checkpoint"
    ):
        bulk("create_user", rows, results_path=folder)
    assert operations(sandbox) == []
    bulk("create_user", rows, results_path=folder, ignore_checkpoint=True)
    assert len(outcomes_in(folder)) == 120


def cut(part):
    part.write_bytes(part.read_bytes()[:-20])


def drop_a_line(part):
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:-1]))


def repeat_a_line(part):
    lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join([*lines, lines[-1]]))


def replace_by_other_json(part):
    part.write_text(json.dumps({"row": 1}) + "\n")


def cut_final_newline(part):
    part.write_bytes(part.read_bytes().removesuffix(b"\n"))


def nest_deeply(part):
    part.write_text("[" * 100_000 + "\n")


def set_list_as_outcome(part):
    part.write_text(part.read_text().replace('"created"', '["created"]', 1))


def reverse_lines(part):
    part.write_text("".join(reversed(part.read_text().splitlines(keepends=True))))


DAMAGES = [cut, cut_final_newline, drop_a_line, repeat_a_line, replace_by_other_json, nest_deeply, os.remove]


@pytest.mark.parametrize("damage", [*DAMAGES, set_list_as_outcome])
def test_a_damaged_part_is_named_before_anything_is_sent(sandbox, unfinished, damage):
    folder, rows = unfinished
    part = sorted((folder / "parts").glob("*/*.jsonl"))[0]
    damage(part)
    # The row that a part lost at its end is missing at the start of the next one, if there is a next one.
    with pytest.raises(AirflowFailException, match=rf"StoredStateError: .*{part}"):
        bulk("create_user", rows, results_path=folder)
    assert operations(sandbox) == []


@pytest.fixture
def store(tmp_path):
    folder = storage_path(tmp_path)
    return ResultStore(folder, folder / "rejected", "run", make_source([{}]), [])


def one_row(outcome, number=1):
    row = CheckedRow(Row(number, None, {}, {"mail": "x"}), key="x", subject="x")
    return [(row, Result(number, "x", outcome))]


def test_a_row_that_was_done_is_not_among_the_rejected_rows_of_a_killed_attempt(store):
    store.write_part(1, one_row("failed"))  # the attempt is killed before its results are written
    store.write_part(1, one_row("created"))
    assert store.merge(1, {})[1] is None


def test_a_lost_part_of_the_rejected_rows_is_found(store, tmp_path):
    store.write_part(1, one_row("failed"))
    (tmp_path / "rejected" / "parts" / "run" / "000001.jsonl").unlink()
    with pytest.raises(StoredStateError, match=r"rejected/parts/run/000001\.jsonl is missing"):
        store.tally(1, 1)


def test_a_part_that_lost_its_end_is_named_with_the_next_one(store, tmp_path):
    store.write_part(1, one_row("created") + one_row("created", 2))
    store.write_part(2, one_row("created", 3))
    drop_a_line(first := tmp_path / "parts" / "run" / "000001.jsonl")
    with pytest.raises(StoredStateError, match=rf"000002\.jsonl has row 3 .*, with which {first} may"):
        store.tally(2, 3)


def test_a_part_whose_rows_are_in_another_order_is_named(store, tmp_path):
    store.write_part(1, one_row("created") + one_row("created", 2))
    reverse_lines(part := tmp_path / "parts" / "run" / "000001.jsonl")
    with pytest.raises(StoredStateError, match=f"{part} has row 2 in the place of row 1"):
        store.tally(1, 2)


def test_does_not_report_that_nothing_was_sent_if_a_part_is_lost_later(store, tmp_path):
    checkpoint = Checkpoint(run="run", input="", parts=1, done_up_to=1)
    store.write_part(1, one_row("created"))
    (tmp_path / "parts" / "run" / "000001.jsonl").unlink()
    with pytest.raises(UnaccountedRowError) as raised:
        merge_results(store, checkpoint, 1, action="create_user", manifest={})
    assert "000001.jsonl is missing: it was lost" in str(raised.value)
    assert "Nothing was sent" not in str(raised.value)


@pytest.mark.parametrize("damage", ["", "x", '{"version": 2}', "[]"])
def test_a_damaged_manifest_is_named_where_it_is_needed(sandbox, tmp_path, damage):
    bulk("create_user", people(2), results_path=tmp_path)
    (tmp_path / "manifest.json").write_text(damage)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=r"manifest\.json"):
        bulk("create_user", people(2), results_path=tmp_path, retry_failed_only=True)
    assert operations(sandbox) == []


@pytest.mark.parametrize("damage", [cut, cut_final_newline, drop_a_line, os.remove, reverse_lines])
def test_damaged_results_of_the_last_run_are_found_before_anything_is_sent(sandbox, tmp_path, damage):
    bulk("create_user", people(3), results_path=tmp_path)
    damage(tmp_path / RESULTS)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=r"results\.jsonl|has 2 of 3 rows"):
        bulk("create_user", people(3), results_path=tmp_path, retry_failed_only=True)
    assert operations(sandbox) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: "", "begins with ''"),
        (lambda text: text.replace("learning360-accepted 1", "learning360-accepted 2"), "begins with"),
        (lambda text: text[: len(text) // 2], "is damaged after"),
        (lambda text: text.replace("end 5\n", ""), "is damaged after 5 entries"),
        (lambda text: text.replace("end 5", "end 6"), "is damaged after 5 entries"),
        (lambda text: text + "more\n", "is damaged after 5 entries"),
    ],
)
def test_a_damaged_remembered_state_is_named_before_anything_is_sent(sandbox, tmp_path, damage, problem):
    rows = [{"user": GRACE_MAIL, "job": "Admiral"}, {"user": "admin@acme.test", "job": "Boss"}]
    bulk("update_user", rows, results_path=tmp_path)
    file = tmp_path / "accepted.txt"
    file.write_text(damage(file.read_text()))
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=rf"StoredStateError: {file} {problem}"):
        bulk("update_user", rows, results_path=tmp_path)
    assert operations(sandbox) == []


# Folders


@pytest.mark.parametrize("argument", ["results_path", "rejected_path", "state_path"])
def test_a_folder_that_cannot_be_written_to_is_named_before_the_first_request(sandbox, tmp_path, argument):
    (tmp_path / "file").write_text("not a folder")
    arguments = {"results_path": tmp_path / "results", argument: tmp_path / "file" / "folder"}
    with pytest.raises(
        AirflowFailException, match=rf"{argument} .*/file/folder \(no connection\) cannot be written to"
    ):
        bulk("update_user", [{"user": GRACE_MAIL, "job": "x"}], **arguments)
    assert operations(sandbox) == []


def test_an_object_store_that_cannot_be_written_to_is_found_before_the_first_request(sandbox, object_store):
    object_store.breaks = True
    with pytest.raises(StorageUnavailableError, match=r"results_path .* cannot be written to: ConnectionError"):
        bulk("create_user", people(1), results_path="memory://bucket/results")
    assert operations(sandbox) == []


def test_a_folder_that_cannot_be_written_to_is_one_readable_error():
    with pytest.raises(InvalidRequestError) as raised:
        check_writable("results_path", storage_path("abfs://bucket/results"))
    assert ".." not in str(raised.value)
    assert str(raised.value).endswith(" Nothing was sent.")


def test_the_probe_leaves_nothing_behind(sandbox, results):
    bulk("create_user", people(1), results_path=results)
    assert set(files_in(results)) == {"results.jsonl", "manifest.json"}


def test_removes_the_error_report_of_an_earlier_run(sandbox, tmp_path):
    with pytest.raises(AirflowFailException, match="are invalid"):
        bulk("create_user", [{"mail": "ana"}], results_path=tmp_path)
    report = tmp_path / "rejected" / "errors.jsonl"
    assert report.exists()
    with pytest.raises(AirflowFailException, match="has no rows"):
        bulk("create_user", [], results_path=tmp_path)
    assert not report.exists()


@pytest.fixture
def connect_to_waiting_server(monkeypatch):
    """
    Return a function that makes the connection lead to a server, which waits before it responds to a write.

    The function returns two events: a write has arrived, and the server may respond.
    """
    arrived, released = threading.Event(), threading.Event()

    def respond(request):
        if request.method == "GET":
            return Response([{"_id": "a" * 24, "mail": GRACE_MAIL}])
        arrived.set()
        assert released.wait(60)
        return Response({"status": "user_created", "_id": "a" * 24})

    def connect():
        connection = {"conn_type": "learning360", "host": server.url, "login": "b" * 24, "password": "key"}
        extra = {"auth": "api_key_header", "limits": UNLIMITED}
        monkeypatch.setenv(CONNECTION, json.dumps(connection | {"extra": extra}))
        return arrived, released

    with TinyServer(respond) as server:
        yield connect


def task(**identity):
    who = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "max_tries": 0, "raw": False}
    return {"ti": SimpleNamespace(**who | identity, xcom_push=lambda **_: None)}


@pytest.mark.airflow(">=3", reason="Airflow 2 executes operators in the main thread only")
def test_a_second_run_on_a_folder_fails_with_the_name_of_the_first(sandbox, connect_to_waiting_server, tmp_path):
    arrived, released = connect_to_waiting_server()
    arguments = {"rows": [{"user": GRACE_MAIL, "job": "Admiral"}], "state_path": str(tmp_path / "state")}

    def first():
        bulk("update_user", **arguments, results_path=tmp_path / "first", context=task(task_id="monday"))

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(first)
        assert arrived.wait(60)
        with pytest.raises(FolderInUseError, match=r"state is in use by task monday of DAG d, run r"):
            bulk("update_user", **arguments, results_path=tmp_path / "second", context=task(task_id="tuesday"))
        released.set()
        running.result()
    bulk("update_user", **arguments, results_path=tmp_path / "second", context=task(task_id="tuesday"))
    assert outcomes_in(tmp_path / "second") == ["unchanged"], "what the first run has recorded is there"


@pytest.mark.parametrize("argument", ["rejected_path", "state_path"])
def test_two_tasks_do_not_share_a_folder(sandbox, tmp_path, argument):
    shared = storage_path(tmp_path / "shared")
    other = FolderOwner(shared, "the other task")
    other.claim()
    arguments = {"results_path": tmp_path / "results", argument: str(tmp_path / "shared")}
    with pytest.raises(FolderInUseError, match="shared is in use by the other task"):
        bulk("create_user", people(1), **arguments)
    assert operations(sandbox) == []
    other.release()
    bulk("create_user", people(1), **arguments)


def test_a_run_whose_folder_was_claimed_replaces_no_results(sandbox, connect_to_waiting_server, tmp_path):
    """Two runs may claim a folder in an object store at the same time; the second one's claim replaces the first."""
    bulk("create_user", people(2), results_path=tmp_path)
    before = (tmp_path / RESULTS).read_bytes()
    arrived, released = connect_to_waiting_server()

    def replace_claim():
        assert arrived.wait(60)
        (tmp_path / "owner.json").unlink()
        FolderOwner(storage_path(tmp_path), "the other task").claim()
        released.set()

    with ThreadPoolExecutor(1) as thread:
        replaced = thread.submit(replace_claim)
        with pytest.raises(FolderInUseError, match="in use by the other task"):
            bulk("create_user", people(1, start=9), results_path=tmp_path)
        replaced.result()
    assert (tmp_path / RESULTS).read_bytes() == before


def test_of_several_tasks_that_claim_a_folder_at_the_same_time_one_does(tmp_path):
    for attempt in range(10):
        folder, claimed = storage_path(tmp_path / str(attempt)), []
        barrier = threading.Barrier(6)

        def claim(name, folder=folder, claimed=claimed, barrier=barrier):
            owner = FolderOwner(folder, name)
            barrier.wait()
            with suppress(FolderInUseError):
                owner.claim()
                claimed.append(name)

        threads = [threading.Thread(target=claim, args=(str(number),)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == 1
        assert [path.name for path in folder.iterdir()] == ["owner.json"]


def test_mapped_tasks_with_one_state_path_do_not_fail_each_other(sandbox, tmp_path):
    other = FolderOwner(storage_path(tmp_path / "state" / "0"), "map index 0")
    other.claim()
    bulk("create_user", people(1), results_path=tmp_path, state_path=tmp_path / "state", context=task(map_index=1))
    assert "1/accepted.txt" in files_in(tmp_path / "state")


def test_mapped_tasks_have_a_subfolder_each(sandbox, tmp_path):
    for index in range(2):
        done = bulk("create_user", people(1, start=index), results_path=tmp_path, context=task(map_index=index))
        assert done["results_path"] == f"{tmp_path}/{index}/results.jsonl"
    assert [results_in(tmp_path / str(index))[0]["key"] for index in range(2)] == [
        "person0@acme.test",
        "person1@acme.test",
    ]


@pytest.fixture
def clock():
    return SimpleNamespace(now=1_800_000_000.0)


@pytest.fixture
def owner(results, clock):
    def owner(name):
        return FolderOwner(storage_path(results), name, wall_clock=lambda: clock.now)

    return owner


def test_a_claim_expires_and_is_renewed(owner, clock):
    first, second = owner("first"), owner("second")
    first.claim()
    clock.now += RENEW_AFTER + 1
    first.renew()
    clock.now += CLAIM - 1
    with pytest.raises(FolderInUseError, match="in use by first"):
        second.claim()
    clock.now += 2
    second.claim()
    with pytest.raises(FolderInUseError, match="in use by second"):
        first.renew(force=True)
    first.release()
    with pytest.raises(FolderInUseError, match="in use by second"):
        owner("third").claim()
    second.release()
    owner("third").claim()


def test_another_attempt_of_the_same_task_claims_the_folder_at_once(owner):
    owner("task").claim()
    owner("task").claim()


# What undoes what


def test_what_another_action_has_undone_is_sent_again(sandbox, tmp_path):
    """A person who was created and deleted is created again."""
    state = {"state_path": tmp_path / "state", "skip_unchanged": True}
    for number, (action, outcome) in enumerate(
        [("create", "created"), ("create", "unchanged"), ("delete", "deleted"), ("create", "restored")]
    ):
        rows = people(1) if action == "create" else [{"user": "person1@acme.test"}]
        bulk(f"{action}_user", rows, results_path=tmp_path / str(number), **state)
        assert outcomes_in(tmp_path / str(number)) == [outcome]


def test_what_a_task_without_skip_unchanged_has_undone_is_sent_again(sandbox, tmp_path):
    state = {"state_path": tmp_path / "state"}
    bulk("create_user", people(1), results_path=tmp_path / "1", **state, skip_unchanged=True)
    bulk("delete_user", [{"user": "person1@acme.test"}], results_path=tmp_path / "2", **state)
    bulk("create_user", people(1), results_path=tmp_path / "3", **state, skip_unchanged=True)
    assert outcomes_in(tmp_path / "3") == ["restored"]


def membership(sandbox, tmp_path, number, action, **state):
    row = {"user": "person1@acme.test", "group_id": "64b1f0c2a9d3e40012ab0002"}
    bulk(action, [row], results_path=tmp_path / str(number), skip_unchanged=True, **state)
    return outcomes_in(tmp_path / str(number))


def test_a_membership_that_was_removed_is_added_again(sandbox, tmp_path):
    state = {"state_path": tmp_path / "state"}
    bulk("create_user", people(1), results_path=tmp_path / "people")
    add, remove = "add_user_to_group", "remove_user_from_group"
    actions = [add, add, remove, remove, add, add, remove]
    outcomes = [membership(sandbox, tmp_path, number, action, **state) for number, action in enumerate(actions)]
    assert [outcome for (outcome,) in outcomes] == [
        "added",
        "unchanged",
        "removed",
        "unchanged",
        "added",
        "unchanged",
        "removed",
    ]


def test_several_roles_in_one_group_are_sent_once(sandbox, tmp_path):
    bulk("create_user", people(1), results_path=tmp_path / "people")
    group = {"user": "person1@acme.test", "group_id": "64b1f0c2a9d3e40012ab0002"}
    rows = [{**group, "role": role} for role in ("learner", "coach")]
    for outcome in ("added", "unchanged", "unchanged"):
        bulk("add_user_to_group", rows, results_path=tmp_path / "roles", skip_unchanged=True)
        assert outcomes_in(tmp_path / "roles") == [outcome] * 2


def test_memberships_of_a_person_who_was_created_again_are_added_again(sandbox, tmp_path):
    state = {"state_path": tmp_path / "state"}
    bulk("create_user", people(1), results_path=tmp_path / "a", **state, skip_unchanged=True)
    assert membership(sandbox, tmp_path, 1, "add_user_to_group", **state) == ["added"]
    assert membership(sandbox, tmp_path, 2, "add_user_to_group", **state) == ["unchanged"]
    bulk("delete_user", [{"user": "person1@acme.test"}], results_path=tmp_path / "b", **state)
    bulk("create_user", people(1), results_path=tmp_path / "c", **state, skip_unchanged=True)
    assert membership(sandbox, tmp_path, 3, "add_user_to_group", **state) == ["added"]


def test_an_action_that_may_have_been_done_invalidates_what_was_accepted(sandbox, tmp_path):
    state = {"state_path": tmp_path / "state"}
    bulk("create_user", people(1), results_path=tmp_path / "1", **state, skip_unchanged=True)
    sandbox.control.add_fault("deleteUser", kind="status", status=503, when="after")
    arguments = {"results_path": tmp_path / "2", "impatient": True}
    bulk_failing("delete_user", [{"user": "person1@acme.test"}], **arguments, **state)
    assert outcomes_in(tmp_path / "2") == ["failed"]
    bulk("create_user", people(1), results_path=tmp_path / "3", **state, skip_unchanged=True)
    assert outcomes_in(tmp_path / "3") == ["restored"]
    assert len(writes(sandbox)) == 3
