"""Files of a sync that a neighbor has planted: plans, marks, rows and state."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.sync.conftest import syncs  # noqa: F401 - a fixture
from tests.sync.sync_runs import row
from tests.versions.conftest import api, make_api, sent  # noqa: F401 - fixtures

#: Bytes of a file that is too large for memory; it takes none on the disk.
HUGE = 10 << 30
PEOPLE = [row("ana"), row("bo")]
#: Files that applying a plan reads.
FILES = (
    *("plan.json", "meta.json", "changes.jsonl", "findings.jsonl", "agreed.jsonl", "summary.md", "applied.json"),
    *("results/begun.json", "results/06-create.jsonl"),
)


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


@pytest.mark.parametrize("plan_id", ["../../etc", "/etc/passwd", ".", "", "a" * 10_000_000, "0" * 31 + "\n", "٣" * 32])
def test_an_id_of_a_plan_leads_nowhere_else(syncs, plan_id):  # noqa: F811 - the fixture
    with pytest.raises(AirflowFailException) as refused:
        syncs.run(mode="apply", plan_id=plan_id)
    assert len(str(refused.value)) < 1000
    assert str(refused.value).isprintable()


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


def test_planted_links_are_followed_by_nothing(syncs, tmp_path):  # noqa: F811 - the fixture
    """They are those of another user, in a folder that all users may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
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
