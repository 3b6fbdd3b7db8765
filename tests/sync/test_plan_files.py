"""The folder of a plan: the same bytes for the same input, verified before it is applied, applied once."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_360learning.rows.stored_state import StoredStateError
from airflow_provider_360learning.sync import marks
from airflow_provider_360learning.sync.guards import Verdict
from airflow_provider_360learning.sync.marks import Run
from airflow_provider_360learning.sync.options import Guards, Limit, SyncOptions
from airflow_provider_360learning.sync.plan_files import PlanError, check_applicable, load_plan, write_plan
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.files.conftest import place  # noqa: F401 - a fixture
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.sync.support import NOW, change, changes, people, platform

HOUR = timedelta(hours=1)
FILES = ("plan.json", "meta.json", "changes.jsonl", "findings.jsonl", "agreed.jsonl", "summary.md")
VERDICTS = (Verdict("max_leavers", 50, 1, passed=True), Verdict("max_source_change", None, 0, passed=True))
CHANGES = replace(
    changes(
        change(
            "create_group", "Acme/Engineering", group="Acme/Engineering", after={"name": "Engineering", "parent": "a1"}
        ),
        change("create", "4711", after={"key": "hr:4711", "mail": "zoë@acme.example", "groups": ["a1"]}, rows=(1, 9)),
        change("update", "12", user_id="b2", before={"first_name": None}, after={"first_name": "Zoë"}, rows=(2,)),
        change("deactivate", "13", user_id="b3", after={"deactivates_at": "PT1H"}),
        conflicts=["20"],
        reports=[("unmanaged", "b4"), ("pending", "21"), ("missing", "22")],
        missing=["22"],
        errors=[(5, "manager is '99', whom no row has")],
    ),
    agreed={"12": {"job": "Chemist", "phone": None}},
)


@pytest.fixture
def plans(tmp_path):
    return tmp_path / "plans"


def write(folder, plan=CHANGES, **values):
    given = {
        "people": people(errors=[(3, "mail is 'x', but must be an email address")]),
        "platform": platform(),
        "state": SyncState(),
        "options": SyncOptions(key="custom", key_namespace="hr:"),
        "seconds": 12,
        "now": NOW,
        "valid_for": 24 * HOUR,
    }
    return write_plan(folder, plan, values.pop("verdicts", VERDICTS), **given | values)


def begin(plan, run, now, last_plan=None):
    return marks.begin_applying(plan, Run(run), last_plan, now)


def finish(plan, run, now):
    marks.finish_applying(plan, marks.read_mark(plan), Run(run), now, outcomes={"created": 1}, problem=None)


def content(plan):
    return {name: (plan.folder / name).read_bytes() for name in FILES if name != "meta.json"}


# The same input, the same bytes


def test_the_same_input_gives_the_same_bytes_at_another_time(tmp_path):
    first = write(tmp_path / "a")
    accounts = [replace(each, fields=dict(reversed(each.fields.items()))) for each in reversed(platform().accounts)]
    second = write(tmp_path / "b", now=NOW + HOUR, valid_for=HOUR, platform=platform(*accounts))
    assert first.plan_id == second.plan_id
    assert content(first) == content(second)


def test_the_id_is_the_hash_of_the_plan(plans):
    plan = write(plans)
    assert plan.plan_id == hashlib.sha256((plans / plan.plan_id / "plan.json").read_bytes()).hexdigest()[:32]


@pytest.mark.parametrize(
    "other",
    [
        {"people": people(digest="d2")},
        {"people": people(rows=999)},
        {"platform": platform(company="acme v1")},
        {"platform": platform(*(replace(each, status="deleted") for each in platform().accounts))},
        {"platform": replace(platform(), groups={})},
        {"state": SyncState({"4711": Remembered(user_id="b1")})},
        {"options": SyncOptions(key="custom", key_namespace="hr:", joiner_mode="create_active")},
        {"verdicts": VERDICTS[:1]},
        {"seconds": 13},
        {"plan": replace(CHANGES, changes=CHANGES.changes[1:])},
        {"plan": replace(CHANGES, conflicts=())},
        {"plan": replace(CHANGES, managed=1)},
        {"plan": replace(CHANGES, agreed={"12": {"job": "Chemist"}})},
    ],
)
def test_another_input_has_another_id(plans, other):
    assert write(plans).plan_id != write(plans, **other).plan_id


def test_a_plan_says_what_it_contains(plans):
    plan = json.loads((write(plans).folder / "plan.json").read_bytes())
    assert plan["company"] == "acme v2"
    assert plan["counts"] == {
        "conflict": 1,
        "row_error": 2,
        "deactivate": 1,
        "missing": 1,
        "create_group": 1,
        "create": 1,
        "update": 1,
        "pending": 1,
        "unmanaged": 1,
    }
    assert plan["guards"][0] == {"actual": 1, "guard": "max_leavers", "limit": 50, "passed": True}
    assert (plan["invitations"], plan["address_changes"], plan["seconds"]) == (1, 0, 12)


def test_a_line_has_what_is_changed_and_why(plans):
    lines = (write(plans).folder / "changes.jsonl").read_text().splitlines()
    assert json.loads(lines[2]) == {
        "action": "update",
        "after": {"first_name": "Zoë"},
        "before": {"first_name": None},
        "group": None,
        "key": "12",
        "reason": "the source says so",
        "rows": [2],
        "user_id": "b2",
    }


# Reading


@pytest.mark.parametrize(
    "options",
    [
        SyncOptions(key="mail"),
        SyncOptions(
            key="external_id",
            managed_groups=("a1", "a2"),
            owned=frozenset({"job"}),
            clear=frozenset({"phone", "job"}),
            protected=("*@partner.example",),
            leaver_grace=3,
            default_group="a1",
            guards=Guards(max_leavers=Limit(1)),
        ),
    ],
)
def test_what_was_written_is_read(place, options):  # noqa: F811 - the fixture
    written = write(place, options=options)
    read = load_plan(place, written.plan_id)
    assert read == written
    assert read.options == replace(options, guards=Guards())
    assert read.changes == replace(CHANGES, errors=((3, "mail is 'x', but must be an email address"), *CHANGES.errors))


def test_values_that_no_text_file_should_have_are_read_again(plans):
    hostile = 'a\n\r\0\x1b[31m"\\\u2028{{ x }}\ud800'
    plan = replace(CHANGES, changes=(change("update", hostile, after={"first_name": hostile}),))
    assert load_plan(plans, write(plans, plan).plan_id).changes.changes == plan.changes


def test_files_can_be_read_by_their_owner_only(plans):
    plan = write(plans)
    begin(plan, "run 1", NOW)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (plans / plan.plan_id).iterdir()}
    assert modes == dict.fromkeys([*FILES, "applied.json"], 0o600)


@pytest.mark.parametrize("name", FILES)
def test_an_edited_file_is_refused(plans, name):
    plan = write(plans)
    path = plans / plan.plan_id / name
    edited = path.read_bytes().replace(b"4711", b"4712").replace(b"conflict", b"konflict") + b" "
    path.write_bytes(edited)
    if name == "meta.json":  # the only file without a digest: it says when, not what
        assert load_plan(plans, plan.plan_id) == plan
        return
    with pytest.raises(PlanError, match="was changed after the plan was made"):
        load_plan(plans, plan.plan_id)


@pytest.mark.parametrize("name", FILES)
def test_a_plan_without_one_of_its_files_is_refused(plans, name):
    plan = write(plans)
    (plans / plan.plan_id / name).unlink()
    with pytest.raises(PlanError, match="is not complete, or does not exist"):
        load_plan(plans, plan.plan_id)


@pytest.mark.parametrize(
    "meta", [b"", b"{}", b"[]", b'{"version": 1}', b'{"version": 2}', b'{"version": 1, "redacted": false}', b"\xff"]
)
def test_a_damaged_meta_file_is_refused(plans, meta):
    plan = write(plans)
    (plans / plan.plan_id / "meta.json").write_bytes(meta)
    with pytest.raises((PlanError, StoredStateError), match="plan"):
        load_plan(plans, plan.plan_id)


def test_a_folder_that_was_renamed_is_another_plan(plans):
    plan = write(plans)
    other = "0" * 32
    (plans / plan.plan_id).rename(plans / other)
    with pytest.raises(PlanError, match="was changed"):
        load_plan(plans, other)


@pytest.mark.parametrize("plan_id", ["", "../../etc", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n", "٣" * 32])
def test_what_is_not_an_id_opens_no_file(plans, plan_id):
    with pytest.raises(PlanError, match="is not the id of a plan"):
        load_plan(plans, plan_id)


# Whether it may be applied


def test_a_plan_is_valid_until_its_time(plans):
    plan = load_plan(plans, write(plans, valid_for=HOUR).plan_id)
    check_applicable(plan, company="acme v2", now=NOW + HOUR)
    with pytest.raises(PlanError, match="was valid until 2026-12-01T07:00:00"):
        check_applicable(plan, company="acme v2", now=NOW + HOUR + timedelta(seconds=1))


def test_a_plan_of_another_company_or_version_is_refused(plans):
    with pytest.raises(PlanError, match="is for acme v2, but the connection is one of acme v1"):
        check_applicable(write(plans), company="acme v1", now=NOW)


def test_a_plan_is_applied_once(place):  # noqa: F811 - the fixture
    plan = write(place)
    begin(plan, "run 1", NOW)
    finish(plan, "run 1", NOW + HOUR)
    for run in ("run 1", "run 2"):
        with pytest.raises(PlanError, match="was applied at 2026-12-01T07:00:00"):
            begin(load_plan(place, plan.plan_id), run, NOW)


def test_a_retry_of_the_same_run_continues(place):  # noqa: F811 - the fixture
    plan = write(place)
    begin(plan, "run 1", NOW)
    begin(plan, "run 1", NOW + HOUR)
    with pytest.raises(PlanError, match=r"Another run began to apply plan .*'run 1'"):
        begin(plan, "run 2", NOW + HOUR)


def test_an_applied_plan_is_applied_again_only_if_it_was_made_again_afterwards(plans):
    plan = write(plans)
    begin(plan, "run 1", NOW)
    finish(plan, "run 1", NOW + HOUR)
    with pytest.raises(PlanError, match="was applied"):
        begin(write(plans, now=NOW + HOUR), "run 2", NOW + HOUR)
    assert begin(write(plans, now=NOW + 2 * HOUR), "run 2", NOW + 2 * HOUR).results == "results-2"


@pytest.mark.parametrize(
    "values", [{"results": "../x"}, {"started_at": "2026-12-01"}, {"started_at": None}, {"more": 1}]
)
def test_a_mark_with_other_values_is_damaged(plans, values):
    plan = write(plans)
    begin(plan, "run 1", NOW)
    path = plans / plan.plan_id / "applied.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(StoredStateError, match=r"applied\.json is damaged"):
        begin(plan, "run 1", NOW)


def test_a_damaged_mark_is_not_taken_for_none(plans):
    plan = write(plans)
    (plans / plan.plan_id / "applied.json").write_text("")
    with pytest.raises(StoredStateError, match=r"applied\.json is empty"):
        begin(plan, "run 1", NOW)


# Redacted plans


def test_a_redacted_plan_has_no_values_and_the_same_id(tmp_path):
    secret = "s3cr3t-name"
    mail = f"{secret}@acme.example"
    plan = changes(
        change("update", mail, before={"first_name": secret}, after={"first_name": secret}, rows=(2,)),
        change("create", mail, after={"mail": mail, "groups": [secret]}, user_id="b1"),
        conflicts=[mail],
        reports=[("unmanaged", mail)],
        missing=[mail],
        errors=[(5, f"manager is '{secret}', whom no row has; first_name is \"{secret}\", {mail} is taken")],
    )
    reasons = tuple(replace(each, reason=f"the address was {mail}, now {secret!r}") for each in plan.changes)
    plan = replace(plan, agreed={mail: {"job": secret}}, changes=reasons)
    redacted = write(tmp_path / "a", plan, redact=True)
    written = b"".join((redacted.folder / name).read_bytes() for name in FILES)
    assert secret.encode() not in written
    assert b'"action":"update"' in written
    assert b"row 2" in written
    assert redacted.plan_id == write(tmp_path / "b", plan).plan_id
    assert redacted.changes.changes == plan.changes  # those in memory can be applied


def test_a_redacted_plan_cannot_be_applied_later(plans):
    plan = write(plans, redact=True)
    with pytest.raises(PlanError, match="was written with redact=True"):
        load_plan(plans, plan.plan_id)


def test_a_redacted_plan_that_claims_to_be_complete_is_refused(plans):
    plan = write(plans, redact=True)
    path = Path(str(plan.folder)) / "meta.json"
    path.write_text(path.read_text().replace("true", "false"))
    with pytest.raises(PlanError, match="was changed"):
        load_plan(plans, plan.plan_id)
