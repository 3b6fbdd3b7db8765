"""What a sync remembers: stored whole, as the same bytes, and refused if it cannot be used."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_360learning.rows.stored_state import StoredStateError
from airflow_provider_360learning.sync.state import FILE, AppliedPlan, Remembered, SyncState, load_state, save_state

IDENTITY = "https://acme.test 64b1 v2 custom hr:"
NOW = datetime(2026, 12, 1, 3, 4, 5, 678901, tzinfo=UTC)
MAIL = "una@acme.test"
STATE = SyncState(
    {
        "4711": Remembered(
            user_id="64b1f0c2a9d3e40012ac0002",
            mail=MAIL,
            applied={"job": "Ingénieure\u2028", "phone": None, "custom_fields.64b1f0c2a9d3e40012ab1111": "Lyon"},
            invited_at=NOW,
            missing_since=NOW,
            missing_runs=3,
            left_at=NOW,
        ),
        '"quoted\\\n': Remembered(),
    },
    (
        AppliedPlan(plan_id="b", applied_at=NOW, rows=0),
        AppliedPlan(plan_id="a", applied_at=NOW, rows=40),
    ),
)


@pytest.fixture
def file(tmp_path):
    """Save the state and return its file."""
    save_state(tmp_path, STATE, IDENTITY)
    return tmp_path / FILE


def test_returns_what_was_saved(tmp_path, file):
    assert load_state(tmp_path, IDENTITY) == STATE


@pytest.mark.parametrize("year", [1971, 4712, 8888, 9998])
def test_a_person_who_leaves_in_a_distant_year_is_remembered(tmp_path, year):
    state = SyncState({"1": Remembered(left_at=datetime(year, 12, 31, 23, 59, tzinfo=UTC))})
    save_state(tmp_path, state, IDENTITY)
    assert load_state(tmp_path, IDENTITY) == state


def test_nothing_is_remembered_before_the_first_run(tmp_path):
    assert load_state(tmp_path / "new", IDENTITY) == SyncState()
    save_state(tmp_path / "new", SyncState(), IDENTITY)
    assert load_state(tmp_path / "new", IDENTITY) == SyncState()


def test_the_same_state_is_the_same_bytes(tmp_path, file):
    paris = timezone(timedelta(hours=1))
    person = STATE.people["4711"]
    same = replace(person, applied=dict(reversed(person.applied.items())), left_at=NOW.astimezone(paris))
    shuffled = {'"quoted\\\n': Remembered(), "4711": same}
    save_state(tmp_path / "other", SyncState(shuffled, STATE.plans), IDENTITY)
    assert (tmp_path / "other" / FILE).read_bytes() == file.read_bytes()


def test_each_person_is_one_line_of_the_file(file):
    lines = file.read_text().splitlines()
    assert len(lines) == len(STATE.people) + 2
    assert json.loads(file.read_text())["version"] == 1


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_file_has_the_permissions_that_are_given(tmp_path, mode):
    save_state(tmp_path, STATE, IDENTITY, file_mode=mode)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == mode


def test_the_file_is_private_by_default(file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_state_that_cannot_be_written_leaves_the_last_one(tmp_path, file):
    before = file.read_bytes()
    with pytest.raises(TypeError):
        save_state(tmp_path, SyncState({"1": Remembered(mail=object())}), IDENTITY)
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def damaged(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def person(**changes):
    return {"people": {"4711": {"mail": MAIL, **changes}}}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (person(invited_at=MAIL), "people.4711.invited_at"),
        (person(invited_at="2026-12-01T00:00:00"), "people.4711.invited_at"),
        (person(invited_at="9999-12-31T23:59:59-23:59"), "people.4711.invited_at"),
        (person(left_at="0001-01-01T00:00:00+23:59"), "people.4711.left_at"),
        (person(invited_for=10**30), "people.4711.invited_for"),
        (person(missing_runs=MAIL), "people.4711.missing_runs"),
        (person(missing_runs="3"), "people.4711.missing_runs"),
        (person(applied=[MAIL]), "people.4711.applied"),
        (person(applied={"job": 1}), "people.4711.applied.*job"),
        (person(mail=[MAIL]), "people.4711.mail"),
        (person(other=MAIL), "people.4711.other"),
        ({"people": [MAIL]}, "people"),
        ({"plans": None}, "plans"),
        ({"plans": [{"plan_id": MAIL}]}, "plans.0.applied_at"),
        ({"version": 2}, "has format version 2"),
        ({"version": None}, "has format version None"),
    ],
)
def test_a_damaged_file_is_refused_without_its_values(tmp_path, file, changes, problem):
    damaged(file, **changes)
    with pytest.raises(StoredStateError, match=problem) as caught:
        load_state(tmp_path, IDENTITY)
    assert "Restore it, or remove it" in str(caught.value)
    error = caught.value
    while error is not None:
        assert MAIL not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"[]", "is a list"),
        (b"{}", "has format version None"),
        (b'{"version":1', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_file_that_is_not_one_of_ours_is_refused(tmp_path, file, content, problem):
    file.write_bytes(content)
    with pytest.raises(StoredStateError, match=problem):
        load_state(tmp_path, IDENTITY)


def test_a_truncated_file_is_refused(tmp_path, file):
    whole = file.read_bytes()
    for length in range(1, len(whole) - 1, 7):
        file.write_bytes(whole[:length])
        with pytest.raises(StoredStateError):
            load_state(tmp_path, IDENTITY)


def test_the_state_of_another_sync_is_refused(tmp_path, file):
    with pytest.raises(StoredStateError, match=r"belongs to another sync.*state_path of its own"):
        load_state(tmp_path, "https://acme.test 64b1 v2 custom erp:")


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoredStateError, match="cannot be read"):
        load_state(tmp_path, IDENTITY)
