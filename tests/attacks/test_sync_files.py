"""Files of a sync that a neighbor has planted: plans, marks, rows and state."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.operators.sync import _run_of
from airflow_provider_360learning.sync.marks import _begun_path
from tests.sync.attempt import context
from tests.sync.conftest import syncs  # noqa: F401 - a fixture
from tests.sync.sync_runs import row
from tests.versions.conftest import api, make_api, sent  # noqa: F401 - fixtures

#: Bytes of a file that is too large for memory; it takes none on the disk.
HUGE = 10 << 30
PEOPLE = [row("ana"), row("bo")]
#: Files that applying a plan reads, and files that only a further attempt reads.
FILES = ("plan.json", "meta.json", "changes.jsonl", "findings.jsonl", "agreed.jsonl", "summary.md", "applied.json")
FILES_OF_AN_ATTEMPT = ("begun.json", "06-create.jsonl")
REJECTED_KEY = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}, "count": 20}


@pytest.fixture
def version():
    """Return the version of the API: the files of both are the same."""
    return "v1"


def huge(path):
    with path.open("wb") as file:
        file.truncate(HUGE)


def deep(path):
    path.write_bytes(b"[" * 100_000)


PLANTED = {
    **{"pipe": os.mkfifo, "folder": Path.mkdir, "device": lambda path: path.symlink_to("/dev/zero")},
    **{"huge": huge, "deep": deep},
}


def put(path, make):
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


def apply(syncs, planned):  # noqa: F811 - the fixture
    return syncs.run(mode="apply", plan_id=planned["plan_id"])


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_file_of_a_plan_is_refused(syncs, sent, tmp_path, kind):  # noqa: F811 - the fixtures
    planned = syncs.plan(PEOPLE)
    folder = Path(planned["path"])
    shutil.copytree(folder, tmp_path / "as made")
    for name in FILES:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "as made", folder)
        put(folder / name, PLANTED[kind])
        with pytest.raises(AirflowFailException) as refused:
            apply(syncs, planned)
        assert planned["plan_id"] in str(refused.value)
    assert sent("createOrInviteUser") == []


@pytest.fixture
def begun(syncs, sandbox):  # noqa: F811 - the fixture
    """Return the folder of the results of an attempt whose requests were all refused."""
    sandbox.control.add_fault("createOrInviteUser", **REJECTED_KEY)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        syncs.apply(PEOPLE)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()
    [folder] = syncs.folder.glob("plans/*/results")
    return folder


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_file_of_an_attempt_is_refused(syncs, sent, tmp_path, begun, kind):  # noqa: F811 - the fixtures
    shutil.copytree(begun, tmp_path / "as begun")
    for name in FILES_OF_AN_ATTEMPT:
        shutil.rmtree(begun)
        shutil.copytree(tmp_path / "as begun", begun)
        put(begun / name, PLANTED[kind])
        with pytest.raises(AirflowFailException, match=name):
            syncs.apply(PEOPLE)
    assert sent("createOrInviteUser") == []


EVIL = {"mail": "evil@attacker.test"}


@pytest.mark.parametrize(
    "changed",
    [EVIL, {"change": 1}, {"user": "evil"}],
    ids=str,
)
def test_rows_that_do_something_else_than_the_plan_are_refused(syncs, sent, begun, changed):  # noqa: F811 - fixtures
    rows = begun / "06-create.jsonl"
    first, second = map(json.loads, rows.read_text().splitlines())
    rows.write_text("\n".join(map(json.dumps, [first | changed, second])))
    with pytest.raises(AirflowFailException, match=rf"{rows.name} was changed"):
        syncs.apply(PEOPLE)
    assert sent("createOrInviteUser") == []


def test_a_row_that_was_repeated_is_refused(syncs, sent, begun):  # noqa: F811 - the fixtures
    rows = begun / "06-create.jsonl"
    rows.write_text(rows.read_text() + rows.read_text().splitlines()[0])
    with pytest.raises(AirflowFailException, match="was changed"):
        syncs.apply(PEOPLE)
    assert sent("createOrInviteUser") == []


def test_what_was_planted_before_the_first_attempt_is_removed(syncs, api, tmp_path):  # noqa: F811 - the fixtures
    planned = syncs.plan(PEOPLE)
    folder, precious = Path(planned["path"]), tmp_path / "victim" / "precious"
    put(folder / "results" / "06-create.jsonl", lambda path: path.write_text(json.dumps({"change": 0, **EVIL})))
    findings = {"version": 1, "stale": {"1": "planted"}, "whose": {}}
    put(folder / "results" / "begun.json", lambda path: path.write_text(json.dumps(findings)))
    put(precious, lambda path: path.write_text("x"))
    (folder / "results" / "06-create").symlink_to(precious.parent)
    (folder / "results-2").symlink_to(precious.parent)
    assert apply(syncs, planned)["outcomes"] == {"created": 2}
    assert {user["mail"] for user in api.list_users()} >= {one["mail"] for one in PEOPLE}
    assert precious.read_text() == "x"
    assert not (folder / "results-2").is_symlink()


def test_a_file_of_a_plan_is_verified_before_it_is_parsed(syncs):  # noqa: F811 - the fixture
    """Its lines are valid, and too many for memory."""
    planned = syncs.plan(PEOPLE)
    changes = Path(planned["path"], "changes.jsonl")
    changes.write_bytes(changes.read_bytes() * 150_000)
    with pytest.raises(AirflowFailException, match=r"changes\.jsonl was changed"):
        apply(syncs, planned)


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_state_is_refused(syncs, sent, tmp_path, kind):  # noqa: F811 - the fixtures
    put(tmp_path / "state" / "sync_state.json", PLANTED[kind])
    with pytest.raises(AirflowFailException, match=r"sync_state\.json"):
        syncs.apply(PEOPLE)
    assert sent("createOrInviteUser") == []


def test_state_with_more_objects_than_people_is_refused_before_it_is_parsed(syncs, tmp_path):  # noqa: F811
    """A tenth of the maximum of bytes took more than 4 GB."""
    put(
        tmp_path / "state" / "sync_state.json",
        lambda path: path.write_bytes(b'{"version":1,"x":[' + b"[]," * 2_000_000),
    )
    with pytest.raises(AirflowFailException, match="is damaged"):
        syncs.plan(PEOPLE)


@pytest.mark.parametrize("plan_id", ["../../etc", "/etc/passwd", ".", "", "a" * 10_000_000, "0" * 31 + "\n", "٣" * 32])
def test_an_id_of_a_plan_leads_nowhere_else(syncs, plan_id):  # noqa: F811 - the fixture
    with pytest.raises(AirflowFailException) as refused:
        syncs.run(mode="apply", plan_id=plan_id)
    assert len(str(refused.value)) < 1000
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_all_files_of_a_sync_belong_to_its_user_whatever_the_umask_is(syncs, tmp_path):  # noqa: F811 - the fixture
    umask = os.umask(0)
    try:
        syncs.apply(PEOPLE)
    finally:
        os.umask(umask)
    modes = {path.is_dir(): set() for path in tmp_path.rglob("*")}
    for path in tmp_path.rglob("*"):
        modes[path.is_dir()].add(stat.S_IMODE(path.stat().st_mode))
    assert modes == {True: {0o700}, False: {0o600}}


@pytest.mark.needs_root
def test_planted_links_are_followed_by_nothing(syncs, tmp_path):  # noqa: F811 - the fixture
    """They are those of another user, in a folder that all users may write to."""
    victim, plans = tmp_path / "victim", tmp_path / "plans"
    planned = syncs.plan(PEOPLE)
    shutil.rmtree(plans)
    victim.mkdir()
    (victim / "precious").write_text("x")
    plans.mkdir()
    os.chown(plans, 64_001, 64_001)
    plans.chmod(0o1777)
    (plans / planned["plan_id"]).symlink_to(victim)
    os.chown(plans / planned["plan_id"], 64_003, 64_003, follow_symlinks=False)
    with pytest.raises(AirflowFailException):
        syncs.apply(PEOPLE)
    assert [path.name for path in victim.iterdir()] == ["precious"]


# Contents


@pytest.fixture
def run():
    """Return the context of a run, the same in all of its attempts, and the path of the file about it."""
    in_context = context()
    return in_context, lambda plans: Path(str(_begun_path(plans, _run_of(in_context))))


BEGUN = {
    **{"path": {"plan": "../victim"}, "list": {"plan": ["x"]}, "empty": {"plan": ""}, "long": {"plan": "x" * 900_000}},
    **{"text": {"plan": "0" * 32, "redacted": "false"}, "more": {"plan": "0" * 32, "other": 1}},
}


@pytest.mark.parametrize("kind", [*PLANTED, *BEGUN])
def test_a_planted_file_of_a_run_removes_nothing_elsewhere(syncs, sent, tmp_path, run, kind):  # noqa: F811 - fixtures
    """It names the folder of a plan, from which values are removed."""
    in_context, path_in = run
    precious = tmp_path / "victim" / "results" / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("x")
    (tmp_path / "plans").mkdir()

    def write(path):
        path.write_text(json.dumps({"version": 1, "redacted": True, **BEGUN[kind]}))

    put(path_in(tmp_path / "plans"), PLANTED.get(kind, write))
    with pytest.raises(AirflowFailException, match=r"run-\w+\.json .*[Rr]emove it to make a new plan"):
        syncs.run(PEOPLE, in_context, mode="plan_and_apply")
    assert precious.exists()
    assert sent("createOrInviteUser") == []


def interrupted(syncs, in_context):  # noqa: F811 - the fixture
    """Return the folder of a plan whose last attempt ended before it was marked as applied, and a retry of its run."""
    result = syncs.run(PEOPLE, in_context, mode="plan_and_apply")
    folder = Path(result["path"])
    change_json(folder / "applied.json", finished_at=None)
    return folder, lambda: syncs.run(PEOPLE, in_context, mode="plan_and_apply")


def change_json(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


MARKS = [
    *({"outcomes": ["x"]}, {"outcomes": {"created": "x"}}, {"outcomes": {"created": float("nan")}}, {"problem": 5}),
    *({"run": ["x"]}, {"plan": 5}, {"after": {}}, {"generation": []}, {"started_at": 5}, {"finished_at": False}),
    *({"started_at": "99999-01-01"}, {"started_at": "2026-12-01"}, {"results": "../../victim"}, {"other": 1}),
]
CONTENTS = {
    "results/06-create.jsonl": [
        *('{"change":99}', '{"change":-1}', '{"change":"x"}', '{"change":[]}', '{"change":0.5}', '{"change":NaN}'),
        *('{"change":true}', '{"change":%s}' % ("9" * 4000), '{"change":%s}' % ("9" * 5000), "[1]", "1", "{}", "\xff"),
        *('{"change":0}\n{"change":0}\n{"change":0}', '{"change":0}', '{"change":0,"a":"b"}\n' * 60_000),
    ],
    "results/begun.json": [
        *('{"stale":{"99":"x"},"whose":{}}', '{"stale":{"-1":"x"},"whose":{}}', '{"stale":{"0":[]},"whose":{}}'),
        *('{"stale":{},"whose":{"0":"x"}}', '{"stale":{},"whose":{"0":[]}}', '{"stale":[],"whose":{}}', "{}"),
        *('{"stale":{"\u0660":"x"},"whose":{}}', '{"stale":{"%s":"x"},"whose":{}}' % ("9" * 5000)),
        '{"x":[%s0]}' % ("[]," * 400_000),
    ],
}


def test_contents_of_a_planted_file_of_a_plan_are_verified(syncs, sent):  # noqa: F811 - the fixtures
    folder, retry = interrupted(syncs, context())
    number = len(sent("createOrInviteUser"))
    for name, contents in CONTENTS.items():
        original = (folder / name).read_bytes()
        for content in contents:
            text = content.replace("{", '{"version":1,', 1) if name.endswith("begun.json") else content
            (folder / name).write_text(text, encoding="latin-1" if "\xff" in text else "utf-8")
            with pytest.raises(AirflowFailException, match=f"{re.escape(name)} .*Make a new plan"):
                retry()
        (folder / name).write_bytes(original)
    mark = (folder / "applied.json").read_bytes()
    for values in MARKS:
        change_json(folder / "applied.json", **values)
        with pytest.raises(AirflowFailException, match=r"applied\.json is damaged|not valid JSON"):
            retry()
        (folder / "applied.json").write_bytes(mark)
    retry()
    assert len(sent("createOrInviteUser")) == number


def test_texts_of_a_planted_file_of_a_plan_are_one_line_each(syncs, caplog):  # noqa: F811 - the fixture
    in_context = context()
    folder, retry = interrupted(syncs, in_context)
    hostile = "x\n\x1b[31m" * 1000
    begun = {"version": 1, "stale": {"0": hostile}, "whose": {}}
    shutil.rmtree(folder / "results")  # no row was begun, so that a change may be stale
    (folder / "results").mkdir()
    (folder / "results" / "begun.json").write_text(json.dumps(begun))
    retry()
    assert all(message.isprintable() and len(message) < 1000 for message in caplog.messages)
    change_json(folder / "applied.json", problem=hostile)
    with pytest.raises(AirflowFailException) as failed:
        retry()
    assert str(failed.value).isprintable()
