"""Other users of the host and the folder of the rate limiter: what they planted, and what Airflow's users share."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import SharedLimit, StoreUnavailableError

#: Users other than root: that of Airflow, that of a task with ``run_as_user``, and an attacker; a group of the former.
AIRFLOW, TASK, ATTACKER, GROUP = 64_001, 64_002, 64_003, 64_010
ONE = [SharedLimit("one", 1, 60.0)]


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that all users may enter, unlike pytest's own, and only root may write to."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def public(place: Path) -> Path:
    """Return a folder like ``/tmp``."""
    return make(place / "tmp", 0, 0o1777)


def make(folder: Path, user: int, mode: int, group: int = 0) -> Path:
    folder.mkdir()
    os.chown(folder, user, group)
    folder.chmod(mode)
    return folder


def reserve_as(user: int, folder: Path, groups: tuple[int, ...] = (), umask: int = 0o022) -> str:
    """Reserve in a process of another user, and return the minutes to wait, or the problem."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException), os.fdopen(writer, "w") as result:
            os.umask(umask)
            os.setgroups(groups)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            try:
                result.write(f"{host_store(str(folder)).reserve(ONE, max_wait=600).wait / 60:.0f}")
            except StoreUnavailableError as error:
                result.write(str(error))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        text = result.read()
    os.waitpid(child, 0)
    return text


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


# What must work


@pytest.mark.needs_root
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_is_created_for_one_user_whatever_the_umask_is(place, umask):
    home = make(place / "home", AIRFLOW, 0o755)
    assert reserve_as(AIRFLOW, home / "a" / "b", umask=umask) == "0"
    assert modes(home) == modes(home / "a") == {0o700}
    assert modes(home / "a" / "b") == {0o600}


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", [0o770, 0o2770, 0o3770, 0o2775])
def test_users_share_a_folder_through_its_group(place, mode):
    """A task with ``run_as_user``; the limit is one request per minute, which they have together."""
    folder = make(place / "shared", AIRFLOW, mode, GROUP)
    assert reserve_as(AIRFLOW, folder, (GROUP,)) == "0"
    assert modes(folder) == {0o660}
    assert reserve_as(TASK, folder, (GROUP,)) == "1"
    assert reserve_as(AIRFLOW, folder, (GROUP,)) == "2"
    assert reserve_as(ATTACKER, folder) not in ("0", "3")


@pytest.mark.needs_root
def test_the_folder_may_be_reached_through_links_of_the_administrator(place):
    data = make(place / "data", AIRFLOW, 0o700)
    (place / "relative").symlink_to("data")
    (place / "absolute").symlink_to(place / "relative")
    assert reserve_as(AIRFLOW, place / "absolute") == "0"
    assert reserve_as(AIRFLOW, place / "absolute" / ".." / "data") == "1"
    assert modes(data) == {0o600}


@pytest.mark.needs_root
@pytest.mark.parametrize("owner", [0, AIRFLOW])
def test_a_link_in_a_public_folder_may_belong_to_its_owner_or_to_us(place, public, owner):
    make(place / "data", AIRFLOW, 0o700)
    (public / "state").symlink_to(place / "data")
    os.lchown(public / "state", owner, owner)
    assert reserve_as(AIRFLOW, public / "state") == "0"


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", [0o1777, 0o777])
def test_our_own_folder_in_a_public_one_works(place, mode):
    """A volume of Kubernetes has the mode 0777."""
    volume = make(place / "volume", 0, mode)
    assert reserve_as(AIRFLOW, volume / "state") == "0"
    assert reserve_as(AIRFLOW, volume / "state") == "1"


# What is refused


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_folder_that_every_user_may_write_to_is_refused(place, mode):
    folder = make(place / "open", AIRFLOW, mode)
    assert "every user may write to it" in reserve_as(AIRFLOW, folder)
    assert not list(folder.iterdir())


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", [0o700, 0o770, 0o755])
def test_a_folder_that_another_user_planted_is_refused(public, mode):
    make(public / "state", ATTACKER, mode, GROUP)
    assert f"belongs to user {ATTACKER}" in reserve_as(AIRFLOW, public / "state", (GROUP,))
    assert f"belongs to user {ATTACKER}" in reserve_as(AIRFLOW, public / "state" / "below", (GROUP,))


@pytest.mark.needs_root
@pytest.mark.parametrize("way", ["state", "state/below", "via/state"])
def test_a_link_that_another_user_planted_is_refused(place, public, way):
    victim = make(place / "victim", AIRFLOW, 0o700)
    (public / "state").symlink_to(victim)
    os.lchown(public / "state", ATTACKER, ATTACKER)
    (public / "via").symlink_to(public)
    assert f"belongs to user {ATTACKER}" in reserve_as(AIRFLOW, public / way)
    assert not list(victim.iterdir())


@pytest.mark.needs_root
@pytest.mark.parametrize("suffix", ["", "-journal"])
@pytest.mark.parametrize("kind", ["link", "hard link", "FIFO", "folder"])
def test_anything_but_a_file_of_its_own_is_refused(place, kind, suffix):
    folder, victim = make(place / "state", AIRFLOW, 0o700), place / "victim"
    assert reserve_as(AIRFLOW, folder) == "0"
    (file,) = folder.glob(f"*.sqlite3{suffix}")
    file.unlink()
    victim.write_text("")
    victim.chmod(0o666)
    if kind == "link":
        file.symlink_to(victim)
    elif kind == "hard link":
        file.hardlink_to(victim)
    elif kind == "FIFO":
        os.mkfifo(file)
    else:
        file.mkdir()
    assert "is not a regular file with one name" in reserve_as(AIRFLOW, folder)
    assert victim.read_text() == ""


@pytest.mark.needs_root
def test_a_loop_of_links_is_refused(place):
    (place / "a").symlink_to(place / "b")
    (place / "b").symlink_to(place / "a")
    assert "symbolic links" in reserve_as(AIRFLOW, place / "a")


@pytest.mark.needs_root
def test_a_file_that_others_could_lock_is_closed_to_them(place):
    """A shared lock needs only the right to read; files of earlier processes may have it."""
    folder = make(place / "state", AIRFLOW, 0o755)
    assert reserve_as(AIRFLOW, folder) == "0"
    for file in folder.iterdir():
        file.chmod(0o644)
    assert reserve_as(AIRFLOW, folder) == "1"
    assert modes(folder) == {0o600}
    (file,) = folder.glob("*.sqlite3")
    file.chmod(0o644)
    os.chown(file, TASK, TASK)
    assert "every user may open it; its owner must restrict it" in reserve_as(AIRFLOW, folder)


def test_the_names_of_files_stay_those_of_sqlite(tmp_path):
    """The journal is created before SQLite does, which would take the user's own group."""
    host_store(str(tmp_path)).reserve(ONE, max_wait=0)
    names = {file.name.partition(".")[2] for file in tmp_path.iterdir()}
    assert names == {"sqlite3", "sqlite3-journal"}
    (file,) = tmp_path.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM reservations").fetchone() == (1,)
