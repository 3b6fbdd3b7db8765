"""Pipes, sockets, devices and huge files in the place of row files and of stored state: errors, without waiting."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import closing

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.rows.changes import ACCEPTED, HEADER
from airflow_provider_360learning.rows.checkpoints import Checkpoint, FileCheckpointStore, OpenJob
from airflow_provider_360learning.rows.folders import FolderOwner
from airflow_provider_360learning.rows.job_files import JobFiles
from airflow_provider_360learning.rows.results import read_manifest, read_results
from airflow_provider_360learning.rows.stored_state import StoredStateError
from tests.attacks.rows import check
from tests.rows.support import bulk, outcomes_in, people, writes
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures

#: Bytes of a file that does not fit in memory; on disk it takes none.
HUGE = 10 << 30


@pytest.fixture(autouse=True)
def no_waiting():
    """Write to the pipes of a case that waits for a writer, so that it fails instead of hanging."""
    pipes = []
    ended = threading.Event()

    def watch():
        if not ended.wait(60):
            for pipe in pipes:
                os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield pipes
    was_in_time = watcher.is_alive()
    ended.set()
    watcher.join()
    assert was_in_time, "the case has waited for another process"


@pytest.fixture
def pipe(no_waiting):
    """Return a function that makes a named pipe, to which no process writes."""

    def pipe(path):
        os.mkfifo(path)
        no_waiting.append(path)
        return path

    return pipe


@pytest.fixture
def bound():
    """Return a function that makes a socket."""
    listener = socket.socket(socket.AF_UNIX)

    def bind(path):
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket is short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)

    with closing(listener):
        yield bind


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["named pipe", "socket", "directory", "device", "file of the kernel"])
def test_a_row_file_that_is_no_regular_file_is_refused(tmp_path, pipe, bound, suffix, kind):
    path = tmp_path / f"in.{suffix}"
    make = {
        "named pipe": pipe,
        "socket": bound,
        "directory": os.mkdir,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "file of the kernel": lambda path: path.symlink_to("/proc/self/environ"),
    }
    make[kind](path)
    with pytest.raises(InvalidRequestError, match=rf"is a {kind}, not a regular file: .* to a file and use that one"):
        check(str(path))


def test_a_task_with_a_pipe_as_its_row_file_fails_before_a_request(sandbox, tmp_path, pipe):  # noqa: F811 - the fixture
    with pytest.raises(AirflowFailException, match="is a named pipe"):
        bulk("create_user", str(pipe(tmp_path / "in.csv")), results_path=tmp_path / "results")
    assert writes(sandbox) == []


def huge(path):
    """Make a file that does not fit in memory."""
    with path.open("wb") as file:
        file.truncate(HUGE)
    return path


READERS = {
    "owner.json": lambda folder: FolderOwner(storage_path(folder), "me").claim(),
    "manifest.json": lambda folder: read_manifest(storage_path(folder)),
    "progress.json": lambda folder: FileCheckpointStore(storage_path(folder / "progress.json")).load(),
    "results.jsonl": lambda folder: list(read_results(storage_path(folder / "results.jsonl"), "Restore it.")),
    "job-000001.jsonl": lambda folder: JobFiles(storage_path(folder)).read(OpenJob(first=1, last=2, since=0)),
}


def numerous(path):
    """Make a file of 15 MB that is valid JSON, and would take 370 MB once decoded."""
    path.write_text('{"version":1,"row":1,"inputs":[%s{}],"result":null}\n' % ("[]," * 5_000_000))


def long(path):
    """Make a file of valid rows, of which the job has two."""
    rest = ',"inputs":[{}],"result":null}\n'
    path.write_text("".join(f'{{"row":{number}{rest}' for number in range(1, 500_000)))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("plant", ["pipe", "huge", "numerous", "long"])
def test_stored_state_that_does_not_fit_in_memory_is_an_error_that_names_it(tmp_path, pipe, name, plant):
    {"pipe": pipe, "huge": huge, "numerous": numerous, "long": long}[plant](tmp_path / name)
    with pytest.raises((StoredStateError, InvalidRequestError), match=name):
        READERS[name](tmp_path)


@pytest.mark.parametrize("name", ["accepted.txt", "owner.json", "names.json"])
@pytest.mark.parametrize("plant", ["pipe", "huge"])
def test_a_task_with_planted_state_fails_before_a_request(sandbox, tmp_path, pipe, name, plant):  # noqa: F811
    {"pipe": pipe, "huge": huge}[plant](tmp_path / name)
    if name == "names.json":  # is read if an attempt is resumed
        manifest = {"version": 1, "run": "r", "input": "i", "results_path": "", "rejected_path": None}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    rows = people(1, group="Sales")
    with pytest.raises(Exception, match=name):
        bulk("create_user", rows, results_path=tmp_path, retry_failed_only=name == "names.json")
    assert writes(sandbox) == []


def test_a_long_line_of_remembered_state_is_an_error(sandbox, tmp_path):  # noqa: F811 - the fixture
    with (tmp_path / ACCEPTED).open("wb") as file:
        file.write(f"{HEADER}\n".encode())
        file.truncate(HUGE)
    with pytest.raises(AirflowFailException, match=f"{ACCEPTED} is damaged after 0 entries"):
        bulk("create_user", people(1), results_path=tmp_path)


@pytest.mark.parametrize("until", [10**400, 1e18, float("inf"), float("nan"), -1])
def test_a_claim_without_end_claims_nothing(tmp_path, until):
    claim = {"version": 1, "owner": "x", "token": "y", "until": until}
    (tmp_path / "owner.json").write_text(json.dumps(claim))
    READERS["owner.json"](tmp_path)
    assert json.loads((tmp_path / "owner.json").read_text())["owner"] == "me"


@pytest.mark.parametrize("since", [1e15, 10**400, -1])
def test_a_job_of_an_absurd_time_is_an_error(tmp_path, since):
    with pytest.raises(StoredStateError, match="since"):
        OpenJob.parse({"first": 1, "last": 2, "since": since, "job_id": ""}, tmp_path)


@pytest.mark.parametrize("value", [10**400, -1, True, "1", 1e300])
def test_an_absurd_number_in_a_checkpoint_is_an_error_that_names_it(tmp_path, value):
    names = ("done_up_to", "sent_up_to", "parts", "remembered_up_to", "lease_until", "sequence")
    state = {"version": 1, "run": "r", "input": "i", "finished": False, "generation": "", "writer": ""}
    path = tmp_path / "progress.json"
    path.write_text(json.dumps({**state, **dict.fromkeys(names, 0), "parts": value}))
    stored = FileCheckpointStore(storage_path(path)).load()
    with pytest.raises(StoredStateError, match="parts is"):
        Checkpoint.parse(stored, path)


def test_a_link_to_a_regular_file_is_read(sandbox, tmp_path):  # noqa: F811 - the fixture
    (tmp_path / "rows.csv").write_text("mail\nb@c.test\n")
    (tmp_path / "in.csv").symlink_to(tmp_path / "rows.csv")
    bulk("create_user", str(tmp_path / "in.csv"), results_path=tmp_path / "results")
    assert outcomes_in(tmp_path / "results") == ["invited"]
