"""Other users of the host: they cannot read files with personal data, nor redirect what is written or removed."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning import config
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.files import storage
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.files.local_paths import MAX_LINKS, locate
from airflow_provider_360learning.files.spool import MAX_IN_MEMORY, Spool
from airflow_provider_360learning.files.temporary import SUFFIX, remove_orphans
from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.rows.folders import FolderOwner
from airflow_provider_360learning.rows.stored_state import StoredStateError
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.rows.support import bulk, people, put_csv, results_in, writes
from tests.unlimited_sandbox import after_requests, sandbox, unlimited_server  # noqa: F401 - fixtures

#: Users of this host other than the one of the task and root: an attacker, and the owner of shared folders.
ATTACKER, OWNER = 64_001, 64_002
SECRET = "personal data"


def mode(path: str | os.PathLike[str]) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def modes_below(folder: Path) -> dict[str, int]:
    """Return the permissions of files and folders, by their paths."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        try:
            found[str(path.relative_to(folder))] = mode(path)
        except FileNotFoundError:  # a temporary file that was renamed meanwhile
            continue
    return found


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Access files as another user, without the rights of root."""
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def give(path: Path, user: int) -> Path:
    """Give a file, a folder or a link itself to a user."""
    os.lchown(path, user, user)
    return path


def plant(link: Path, target: Path, user: int = ATTACKER) -> Path:
    link.symlink_to(target)
    return give(link, user)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder like ``/tmp``: every user may create files, and none remove those of others."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return a file that the attacker wants to be overwritten, alone in its folder."""
    file = tmp_path / "home" / "victim"
    file.parent.mkdir()
    file.write_text(SECRET)
    return file


# Permissions


def test_all_files_of_a_run_belong_to_its_user_whatever_the_umask_is(sandbox, tmp_path):  # noqa: F811
    rows = [*people(3), {"mail": "invalid", "mode": "invite"}, *people(117, start=4)]
    file = put_csv(tmp_path / "in.csv", [{"mail": row["mail"], "mode": row["mode"]} for row in rows])
    out, meanwhile = tmp_path / "out", []
    look = lambda: meanwhile.append(modes_below(out))  # noqa: E731
    # After more than a hundred requests there is a part.
    with umask(0), after_requests(sandbox, 110, "/users", look, hold_others=True):
        bulk(
            "create_user",
            file,
            results_path=out / "results",
            state_path=out / "state",
            rejected_path=out / "rejected",
            on_invalid="skip",
        )
    (during,), after = meanwhile, modes_below(out)
    for found in (during, after):
        assert {name: oct(one) for name, one in found.items() if one not in (0o600, 0o700)} == {}
    assert {"results/owner.json", "results/progress.json"} < during.keys()
    assert any(name.startswith("results/parts/") for name in during)
    assert {"results/results.jsonl", "results/manifest.json", "rejected/rejected.csv", "rejected/errors.jsonl"} < set(
        after
    )
    assert any(name.startswith("state/") for name in after)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o277])
def test_file_and_new_folders_have_the_same_permissions_with_every_umask(tmp_path, mask):
    with umask(mask):
        storage.write_atomic(tmp_path / "a" / "b" / "private.txt", b"x")
        storage.write_atomic(tmp_path / "c" / "group.txt", b"x", file_mode=0o640)
    assert modes_below(tmp_path) | {".": 0} == {
        ".": 0,
        "a": 0o700,
        "a/b": 0o700,
        "a/b/private.txt": 0o600,
        "c": 0o750,
        "c/group.txt": 0o640,
    }


def test_file_is_private_before_it_is_complete(tmp_path):
    with umask(0), storage.atomic_writer(tmp_path / "a.txt") as file:
        file.write(b"x")
        (temporary,) = tmp_path.iterdir()
        assert mode(temporary) == 0o600


@pytest.mark.parametrize("existing", [0o600, 0o640, 0o644, 0o400])
def test_existing_file_and_folder_keep_their_permissions(tmp_path, existing):
    file = tmp_path / "folder" / "a.txt"
    file.parent.mkdir()
    file.parent.chmod(0o755)
    file.write_text("old")
    file.chmod(existing)
    storage.write_atomic(file, b"new")
    assert (file.read_text(), mode(file), mode(file.parent)) == ("new", existing, 0o755)


@pytest.mark.needs_root
def test_existing_file_keeps_its_group(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    file.chmod(0o640)
    os.chown(file, -1, OWNER)
    storage.write_atomic(file, b"new")
    assert (file.stat().st_gid, mode(file)) == (OWNER, 0o640)


@pytest.mark.needs_root
def test_permissions_of_a_group_are_not_given_to_another_one(tmp_path):
    """The user is no longer a member of the group of the file, so that the new file has another group."""
    tmp_path.parent.chmod(0o711)
    with other_place() as folder:
        file = give(folder, OWNER) / "a.txt"
        file.write_text("old")
        file.chmod(0o664)
        os.chown(file, OWNER, ATTACKER)
        with acting_as(OWNER):
            storage.write_atomic(file, b"new")
        assert (file.stat().st_uid, mode(file)) == (OWNER, 0o604)


@pytest.mark.needs_root
def test_existing_file_of_another_user_does_not_decide_who_may_read(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    file.chmod(0o666)
    give(file, ATTACKER)
    storage.write_atomic(file, b"new")
    assert (file.stat().st_uid, mode(file)) == (os.geteuid(), 0o600)


def test_setting_widens_the_permissions_of_a_run(sandbox, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AIRFLOW__LEARNING360__FILE_MODE", "0640")
    with umask(0o077):
        bulk("create_user", people(2), results_path=tmp_path / "out")
    found = modes_below(tmp_path / "out")
    assert set(found.values()) == {0o640, 0o750}, found


@pytest.mark.parametrize(("file_mode", "expected"), [(None, 0o600), ("0644", 0o644), (0o660, 0o660), ("0o640", 0o640)])
def test_export_has_permissions_of_its_own(sandbox, tmp_path, file_mode, expected):  # noqa: F811
    path = tmp_path / "out" / "users.csv"
    Learning360ExportUsersOperator(task_id="export", output_path=str(path), file_mode=file_mode).execute({})
    assert mode(path) == expected
    assert mode(path.parent) == expected | (expected & 0o444) >> 2


@pytest.mark.parametrize(
    "value", [640, 600, 644, 400, 416.0, "0666", "0602", "0777", "1640", "4600", "-rw-r-----", "416", True, "0400"]
)
def test_other_permissions_are_refused(sandbox, tmp_path, value):  # noqa: F811
    """Also those of which YAML and JSON make other numbers, and those with which all users may write."""
    with pytest.raises(ValueError, match=r'expected "0600", "0640", "0644", "0660" or "0664", as text'):
        config.parse_file_mode(value)
    operator = Learning360ExportUsersOperator(task_id="e", output_path=str(tmp_path / "users.csv"), file_mode=value)
    with pytest.raises(AirflowFailException, match=r"file_mode is .*expected \"0600\""):
        operator.execute({})
    assert list(tmp_path.iterdir()) == []


def test_setting_is_checked_before_anything_is_sent(sandbox, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AIRFLOW__LEARNING360__FILE_MODE", "0666")
    with pytest.raises(ValueError, match=r"\[learning360\] file_mode = '0666': expected"):
        bulk("create_user", people(1), results_path=tmp_path)
    assert writes(sandbox) == []


def test_file_system_that_refuses_permissions_is_a_warning(tmp_path, monkeypatch, caplog):
    """As a mounted network share does; no file system that does can be mounted here."""

    def refuse(descriptor: int, mode: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    for name in ("a.txt", "b.txt"):
        storage.write_atomic(tmp_path / name, b"x", file_mode=0o640)
    assert (tmp_path / "b.txt").read_bytes() == b"x"
    assert caplog.text.count("File system refuses permissions (Operation not permitted)") == 1
    assert f"path={tmp_path}/a.txt mode=0600 wanted=0640" in caplog.text


def test_temporary_files_without_a_name_are_private():
    before = open_files()
    with umask(0), Spool() as spool, KeyTable() as table:
        spool.append(b"x" * (MAX_IN_MEMORY + 1))
        for number in range(60_000):
            table.put(f"person{number}" * 20, "x" * 200)
        opened = open_files() - before
        assert len(opened) == 2
        assert {mode(path) for path in opened} == {0o600}


def test_temporary_file_of_an_upload_is_private(object_store):  # noqa: F811
    before = open_files()
    with umask(0), storage.atomic_writer("memory://bucket/a.csv") as file:
        file.write(b"x")
        assert {mode(path) for path in open_files() - before} == {0o600}


def open_files() -> set[str]:
    """Return the descriptors of regular files, as paths."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {path for path in paths if os.path.isfile(path)}


# Links

#: How a path below a shared folder can be redirected to the file ``victim`` in the folder ``home``: name of the link,
#: what it leads to from there, and the path that is used.
REDIRECTIONS = {
    "file": ("out.csv", "../home/victim", "out.csv"),
    "folder": ("out", "../home", "out/victim"),
    "missing file": ("out.csv", "../home/new", "out.csv"),
    "folder of the folder": ("x", "..", "x/home/victim"),
}


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", REDIRECTIONS)
@pytest.mark.parametrize("absolute", [True, False])
def test_planted_link_is_followed_by_nothing(shared, victim, kind, absolute):
    name, target, used = REDIRECTIONS[kind]
    plant(shared / name, Path(os.path.normpath(shared / target)) if absolute else Path(target))
    path = shared / used
    for act in (
        lambda: storage.write_atomic(path, b"attacked"),
        lambda: storage.write_new(path, b"attacked"),
        lambda: storage.write_atomic(path / "below.txt", b"attacked"),
        lambda: storage.read_bounded(path, 100),
        lambda: storage.size_of(path),
        lambda: storage.remove_files(path),
        lambda: storage.remove(path / "victim"),
    ):
        with pytest.raises(
            InvalidRequestError, match=f"leads through the symbolic link '{name}', which user {ATTACKER}"
        ):
            act()
    assert victim.read_text() == SECRET
    assert list(victim.parent.iterdir()) == [victim]


@pytest.mark.needs_root
def test_removing_a_planted_link_leaves_what_it_leads_to(shared, victim):
    storage.remove(plant(shared / "out.csv", victim))
    storage.remove_empty_folder(plant(shared / "out", victim.parent))
    assert victim.read_text() == SECRET


@pytest.mark.needs_root
def test_link_that_leads_to_a_planted_one_is_not_followed(tmp_path, shared, victim):
    plant(shared / "out.csv", victim)
    (tmp_path / "own.csv").symlink_to(shared / "out.csv")
    with pytest.raises(InvalidRequestError, match=r"symbolic link 'out\.csv'"):
        storage.write_atomic(tmp_path / "own.csv", b"attacked")
    assert victim.read_text() == SECRET


@pytest.mark.needs_root
@pytest.mark.parametrize("permissions", [0o755, 0o777, 0o1777])
@pytest.mark.parametrize("owner_of_link", [ATTACKER, 0])
def test_nothing_is_written_through_links_in_a_folder_that_another_user_has_put_there(
    shared, victim, permissions, owner_of_link
):
    """The attacker knows the path of the results, and is there first."""
    folder = shared / "results"
    folder.mkdir()
    folder.chmod(permissions)
    plant(give(folder, ATTACKER) / "manifest.json", victim, owner_of_link)
    for act in (storage.write_atomic, storage.write_new):
        with pytest.raises(InvalidRequestError, match=r"symbolic link 'manifest\.json'"):
            act(folder / "manifest.json", b"attacked")
    assert victim.read_text() == SECRET


@pytest.mark.needs_root
@pytest.mark.parametrize("name", ["owner.json", "parts", "rejected", "progress.json", "accepted.txt", "errors.jsonl"])
def test_run_in_a_shared_folder_sends_nothing_if_a_link_was_planted(sandbox, shared, victim, name):  # noqa: F811
    from airflow_provider_360learning.rows.changes import ACCEPTED

    link = {"accepted.txt": ACCEPTED}.get(name, name)
    target = victim.parent if name in ("parts", "rejected") else victim
    arguments: dict[str, Any] = {"results_path": shared, "rejected_path": shared, "state_path": shared}
    if name == "rejected":
        del arguments["rejected_path"]
    rows = [{"mail": "invalid"}] if name == "errors.jsonl" else people(2)
    plant(shared / link, target)
    if name == "errors.jsonl":  # the report of an earlier run is removed: the link, not its target
        with pytest.raises(AirflowFailException, match=r"1 of 1 rows? .* invalid"):
            bulk("create_user", rows, **arguments)
    else:
        with pytest.raises((AirflowFailException, Learning360Error), match=f"symbolic link '{link}'"):
            bulk("create_user", rows, **arguments)
    assert victim.read_text() == SECRET
    assert list(victim.parent.iterdir()) == [victim]


@pytest.mark.needs_root
@pytest.mark.parametrize("name", ["results.jsonl", "manifest.json"])
def test_run_whose_merged_file_was_redirected_is_completed_when_the_link_is_gone(sandbox, shared, victim, name):  # noqa: F811
    link = plant(shared / name, victim)
    with pytest.raises(AirflowFailException, match=f"symbolic link '{name}'"):
        bulk("create_user", people(3), results_path=shared)
    assert victim.read_text() == SECRET
    link.unlink()
    progress = shared / "progress.json"
    progress.write_text(json.dumps(json.loads(progress.read_text()) | {"lease_until": 0}))  # half a minute later
    bulk("create_user", people(3), results_path=shared)
    assert len(results_in(shared)) == 3
    assert len(writes(sandbox)) == 3


@pytest.mark.needs_root
def test_claim_of_a_folder_is_not_written_through_a_planted_link(shared, victim):
    plant(shared / "owner.json", victim.parent / "new")
    with pytest.raises(StoredStateError, match=r"symbolic link 'owner\.json'"):
        FolderOwner(storage.storage_path(shared), "the task").claim()
    assert list(victim.parent.iterdir()) == [victim]


def test_planted_hard_link_is_replaced_and_its_file_stays(shared, victim):
    victim.chmod(0o644)
    os.link(victim, shared / "out.csv")
    storage.write_atomic(shared / "out.csv", b"new")
    assert victim.read_text() == SECRET
    assert mode(shared / "out.csv") == 0o600
    assert (shared / "out.csv").read_bytes() == b"new"


def test_planted_temporary_files_are_neither_followed_nor_waited_for(shared, victim):
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    names = [f".out.csv.{boot}-{number:012}{SUFFIX}" for number in range(3)]
    (shared / names[0]).symlink_to(victim)
    os.mkfifo(shared / names[1])
    (shared / names[2]).mkdir()
    with locate(str(shared / "out.csv"), to_write=True) as location:
        remove_orphans(location)
    assert victim.read_text() == SECRET
    assert sorted(os.listdir(shared)) == names


#: System calls before which the attacker puts a link in the place of what was found: the event of Python that
#: announces the call, the name that it is for, and what is done.
EXCHANGES: dict[str, tuple[str, str, str, Callable[[Path], object]]] = {
    "enter": ("open", "out", "out", lambda out: storage.write_atomic(out / "victim", b"attacked")),
    "create": ("os.mkdir", "out", "out", lambda out: storage.write_atomic(out / "victim", b"attacked")),
    "rename": ("os.rename", "", "out/victim", lambda out: storage.write_atomic(out / "victim", b"ours")),
    "link": ("os.link", "", "out/victim", lambda out: storage.write_new(out / "victim", b"ours")),
    "read": ("open", "victim", "out/victim", lambda out: storage.read_bounded(out / "victim", 100)),
    "list": ("open", "out", "out", storage.remove_files),
    "remove": ("os.remove", "victim", "out", lambda out: storage.remove(out / "victim")),
}


@pytest.mark.needs_root
@pytest.mark.parametrize("call", EXCHANGES)
def test_what_is_exchanged_for_a_link_after_it_was_found_redirects_nothing(shared, victim, call):
    """Nothing can happen between a check and its use."""
    event, name, exchanged, act = EXCHANGES[call]
    (shared / "aside").mkdir()
    if call != "create":
        (shared / "out").mkdir()
    if call in ("read", "list", "remove"):
        (shared / "out" / "victim").write_text("ours")

    def exchange() -> None:
        with suppress(FileNotFoundError):
            os.rename(shared / exchanged, shared / "aside" / "it")
        plant(shared / exchanged, victim if exchanged == "out/victim" else victim.parent)

    found = None
    with before_call(event, name, exchange) as happened, suppress(InvalidRequestError, OSError):
        found = act(shared / "out")
    assert happened
    assert found in (None, False)
    assert victim.read_text() == SECRET
    assert list(victim.parent.iterdir()) == [victim]


#: Functions that hear of all events: nothing, and the current one. A hook of Python cannot be removed.
_before: list[Callable[[str, Any], None]] = []


@contextmanager
def before_call(event: str, name: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Act once before a system call, and return when that has happened."""
    happened: list[str] = []

    def check(found: str, arguments: Any) -> None:
        if found == event and not happened and (not name or arguments[0] == name):
            happened.append(found)
            act()

    if not _before:
        sys.addaudithook(lambda found, arguments: _before[-1](found, arguments) if len(_before) > 1 else None)
        _before.append(lambda found, arguments: None)
    _before.append(check)
    try:
        yield happened
    finally:
        _before.remove(check)


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        storage.write_atomic(tmp_path / "a" / "x.txt", b"x")
    before = tmp_path / "x.txt"
    before.write_bytes(b"x")
    for number in range(MAX_LINKS + 1):
        link = tmp_path / f"link{number}"
        link.symlink_to(before)
        before = link
    assert storage.read_bounded(tmp_path / f"link{MAX_LINKS - 1}", 100) == b"x"
    with pytest.raises(OSError, match="symbolic links"):
        storage.read_bounded(before, 100)


# What must work


@pytest.mark.needs_root
@pytest.mark.parametrize("permissions", [0o755, 0o777, 0o2775], ids=oct)
def test_worktree_of_git_sync_is_read(sandbox, tmp_path, permissions):  # noqa: F811
    """Links and targets belong to the user of git-sync, in a folder of root: an ``emptyDir`` has no sticky bit."""
    root = tmp_path / "git"
    tree = root / ".worktrees" / "0123456789abcdef"
    tree.mkdir(parents=True)
    put_csv(tree / "people.csv", [{"mail": "anna@acme.test", "mode": "invite"}])
    plant(root / "repo", Path(".worktrees") / tree.name, OWNER)
    for path in (root / ".worktrees", tree, tree / "people.csv"):
        give(path, OWNER)
    root.chmod(permissions)
    done = bulk("create_user", str(root / "repo" / "people.csv"), results_path=tmp_path / "r")
    assert done["outcomes"] == {"invited": 1}
    storage.write_atomic(root / "repo" / "out.csv", b"x")
    assert (tree / "out.csv").read_bytes() == b"x"


@pytest.mark.needs_root
@pytest.mark.parametrize("permissions", [0o777, 0o1777, 0o3777], ids=oct)
@pytest.mark.parametrize("owner", [0, OWNER])
def test_mounted_config_map_is_read(sandbox, tmp_path, permissions, owner):  # noqa: F811
    """A mounted secret has the sticky bit."""
    mount = tmp_path / "config"
    data = mount / "..2026_12_01_00_00_00.123456"
    data.mkdir(parents=True)
    put_csv(data / "people.csv", [{"mail": "anna@acme.test", "mode": "invite"}])
    plant(mount / "..data", Path(data.name), owner)
    plant(mount / "people.csv", Path("..data") / "people.csv", owner)
    for path in (mount, data, data / "people.csv"):
        give(path, owner)
    mount.chmod(permissions)
    done = bulk("create_user", str(mount / "people.csv"), results_path=tmp_path / "r")
    assert done["outcomes"] == {"invited": 1}


def test_own_links_are_followed_in_a_shared_folder(shared, victim):
    (shared / "out.csv").symlink_to(victim)
    (shared / "out").symlink_to(Path("..") / "home")
    storage.write_atomic(shared / "out.csv", b"file")
    assert victim.read_bytes() == b"file"
    storage.write_atomic(shared / "out" / "victim", b"folder")
    assert storage.read_bounded(shared / "out.csv", 100) == b"folder"
    assert (shared / "out.csv").is_symlink()


@pytest.mark.needs_root
def test_links_of_the_owner_of_a_shared_folder_are_followed(shared, victim):
    give(shared, OWNER)
    plant(shared / "out.csv", victim, OWNER)
    storage.write_atomic(shared / "out.csv", b"new")
    assert victim.read_bytes() == b"new"


@pytest.mark.needs_root
def test_results_are_written_through_the_link_of_an_administrator(sandbox, tmp_path):  # noqa: F811
    """``/data`` leads to a disk; no other user may create files beside it."""
    (tmp_path / "disk").mkdir()
    plant(tmp_path / "data", tmp_path / "disk", OWNER)
    bulk("create_user", people(2), results_path=tmp_path / "data" / "results")
    assert len(results_in(tmp_path / "disk" / "results")) == 2


@pytest.mark.needs_root
def test_user_without_rights_follows_own_links_only_and_enters_folders_that_cannot_be_listed():
    with other_place() as place:
        shared, closed = place / "shared", place / "closed"
        for folder, permissions in ((shared, 0o1777), (closed, 0o711)):
            folder.mkdir()
            folder.chmod(permissions)
        home = closed / "home"
        home.mkdir()
        give(home, OWNER)
        plant(shared / "planted", home)
        with acting_as(OWNER):
            storage.write_atomic(home / "new" / "a.txt", b"x")
            (shared / "own").symlink_to(home / "new")
            storage.write_atomic(shared / "own" / "b.txt", b"x")
            with pytest.raises(InvalidRequestError, match="symbolic link 'planted'"):
                storage.write_atomic(shared / "planted" / "c.txt", b"x")
            assert sorted(os.listdir(home)) == ["new"]
            assert sorted(os.listdir(home / "new")) == ["a.txt", "b.txt"]


@contextmanager
def other_place() -> Iterator[Path]:
    """Make a folder that other users can enter, unlike pytest's."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="learning360-tests-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
