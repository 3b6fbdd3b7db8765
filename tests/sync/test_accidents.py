"""One test per accident that a sync must prevent, through the operator and the sandbox, on both API versions."""

from __future__ import annotations

import csv

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, SALES_GROUP_ID
from tests.sync.sync_runs import changes_of, pass_days, row

pytestmark = pytest.mark.slow  # each phase of an applied plan is a bulk run
MISSING = {"leavers": "both", "leaver_action": "delete"}
EXACT = {"managed_groups": ["Sales"], "groups_mode": "exact"}


def staff(count):
    """Return the rows of a company."""
    return [row(f"p{number:02}") for number in range(count)]


def write_csv(path, rows):
    """Write a source as a file, and return its path."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def changing(sandbox):
    """Return the requests since the journal was cleared that may have changed something."""
    return [
        entry
        for entry in sandbox.control.journal()
        if entry["method"] != "GET" and "token" not in entry["path"].lower() and "oauth" not in entry["path"]
    ]


def refused(sandbox, syncs, rows, reason, **arguments):
    """Expect that a sync is refused for good, and sends nothing that changes something."""
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=reason):
        syncs.apply(rows, **arguments)
    assert changing(sandbox) == []


def user(api, key):
    return api.get_user(user=f"{key}@acme.test")


def roles(api, user_id):
    return {(one["group_id"], one["role"]) for one in api.list_user_roles(user=user_id)}


def users_by_key(api):
    return {one["custom"]: one["user_id"] for one in api.list_users() if (one["custom"] or "").startswith("hr:")}


# The source


def test_an_empty_file_is_refused(api, sandbox, syncs, tmp_path):
    syncs.apply([row("ana"), row("bo")], **MISSING)
    path = tmp_path / "people.csv"
    for content in ("", "key,mail\n"):
        path.write_text(content)
        refused(sandbox, syncs, str(path), "empty|no rows", **MISSING)
    assert users_by_key(api).keys() == {"hr:ana", "hr:bo"}


def test_half_a_file_is_refused(api, sandbox, syncs, tmp_path):
    path = tmp_path / "people.csv"
    source = write_csv(path, staff(40))
    syncs.apply(source, **MISSING)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(sandbox, syncs, source, "max_leavers is .*max_source_change is", **MISSING, max_source_change="20%")
    # A higher limit of one guard does not disable the other.
    refused(sandbox, syncs, source, "max_source_change is", **MISSING, max_leavers=40, max_source_change="20%")
    assert len(users_by_key(api)) == 40


def test_a_filter_that_drops_a_department_is_refused(api, sandbox, syncs):
    people = staff(40)
    syncs.apply(people, **MISSING)
    # 20 % of the rows, which the guard of the source lets pass.
    refused(sandbox, syncs, people[:32], "max_leavers is 8, the limit 3", **MISSING, max_source_change="20%")
    # A grace does not hide them.
    grace = {"leaver_grace": 14, "missing_runs": 3}
    refused(sandbox, syncs, people[:32], "max_leavers is 8, the limit 3", **MISSING, **grace)
    assert len(users_by_key(api)) == 40


def test_a_leaver_a_day_for_40_days_is_noticed(api, sandbox, syncs):
    people = staff(20)
    syncs.apply(people, **MISSING)
    for day in (1, 2, 3):
        pass_days(api, syncs, 1)
        syncs.apply(people[day:], **MISSING)
    # 10 % of 17 people, and at least three, within 30 days.
    pass_days(api, syncs, 1)
    refused(sandbox, syncs, people[4:], "refused: max_leavers_per_period is 4, the limit 3[.]", **MISSING)
    # When the period is over, those who have been refused meanwhile are too many for one plan.
    pass_days(api, syncs, 36)
    refused(sandbox, syncs, people[19:], "refused: max_leavers is 16, the limit 3;", **MISSING)
    assert len(users_by_key(api)) == 17


def test_two_rows_with_one_key_are_refused(sandbox, syncs):
    rows = [row("ana"), row("ana", mail="other@acme.test"), row("bo")]
    refused(sandbox, syncs, rows, "max_row_errors|max_conflicts")


# The guards


def test_a_guard_at_its_limit_passes_and_above_it_does_not(api, sandbox, syncs):
    people = staff(10)
    syncs.apply(people, **MISSING)
    refused(sandbox, syncs, people[4:], "max_leavers is 4, the limit 3", **MISSING)
    result = syncs.apply(people[3:], **MISSING)
    assert result["guards"]["max_leavers"] == {"limit": 3, "actual": 3, "passed": True}
    assert len(users_by_key(api)) == 7


# Changes by hand


def test_a_user_who_was_deleted_by_hand_comes_back(api, syncs):
    rows = [row("ana", groups="Sales"), row("bo")]
    syncs.apply(rows, **EXACT)
    user_id = user(api, "ana")["user_id"]
    api.delete_user(user=user_id)
    syncs.apply(rows, **EXACT)
    assert user(api, "ana")["user_id"] == user_id
    assert (SALES_GROUP_ID, "learner") in roles(api, user_id)
    assert changes_of(syncs.plan(rows, **EXACT)) == []


def test_a_membership_that_was_removed_by_hand_comes_back(api, syncs):
    rows = [row("ana", groups="Sales;Sales:coach")]
    syncs.apply(rows, **EXACT)
    user_id = user(api, "ana")["user_id"]
    api.remove_user_from_group(user=user_id, group_id=SALES_GROUP_ID, role="coach")
    assert (SALES_GROUP_ID, "coach") not in roles(api, user_id)
    syncs.apply(rows, **EXACT)
    assert (SALES_GROUP_ID, "coach") in roles(api, user_id)


def test_a_plan_does_not_undo_what_was_changed_after_it(api, syncs):
    syncs.apply([row("ana"), row("bo")], **MISSING)
    plan = syncs.plan([row("ana", first_name="Anna")], **MISSING)
    assert plan["counts"] == {"delete": 1, "update": 1}
    api.update_user(user="ana@acme.test", first_name="Annabel")
    api.update_user(user="bo@acme.test", custom="manual:bo")  # is not that person any more
    result = syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert result["outcomes"] == {"stale": 2}
    assert (user(api, "ana")["first_name"], user(api, "bo")["custom"]) == ("Annabel", "manual:bo")


# People who return, and addresses


def test_a_rehire_with_a_new_address_keeps_the_account_and_gets_groups(api, syncs):
    people = [row("ana", groups="Sales"), row("bo")]
    syncs.apply(people, **EXACT, **MISSING)
    user_id = user(api, "ana")["user_id"]
    syncs.apply(people[1:], **EXACT, **MISSING)
    assert users_by_key(api).keys() == {"hr:bo"}
    returned = [row("ana", groups="Sales") | {"mail": "ana.novak@acme.test"}, row("bo")]
    syncs.apply(returned, **EXACT, **MISSING)
    assert api.get_user(user="ana.novak@acme.test")["user_id"] == user_id  # its statistics belong to it
    assert (SALES_GROUP_ID, "learner") in roles(api, user_id)
    assert changes_of(syncs.plan(returned, **EXACT, **MISSING)) == []


def test_a_newcomer_does_not_inherit_the_account_of_a_leaver(api, sandbox, syncs):
    syncs.apply([row("ana"), row("bo")], **MISSING)
    syncs.apply([row("bo")], **MISSING)
    newcomer = row("cy") | {"mail": "ana@acme.test"}
    refused(sandbox, syncs, [row("bo"), newcomer], "max_conflicts is 1", **MISSING)
    # A person who takes the address of a leaver of the same plan neither.
    refused(sandbox, syncs, [row("dee") | {"mail": "bo@acme.test"}], "max_conflicts is 1", **MISSING)
    assert users_by_key(api).keys() == {"hr:bo"}


def test_two_people_whose_addresses_are_swapped_are_a_conflict(api, sandbox, syncs):
    syncs.apply([row("ana"), row("bo")])
    before = users_by_key(api)
    swapped = [row("ana") | {"mail": "bo@acme.test"}, row("bo") | {"mail": "ana@acme.test"}]
    refused(sandbox, syncs, swapped, "max_conflicts is")
    result = syncs.apply(swapped, max_conflicts=5)  # accepted conflicts are left out nevertheless
    assert "change_mail" not in result["counts"]
    assert users_by_key(api) == before


def test_two_accounts_with_one_key_are_a_conflict(api, sandbox, syncs):
    syncs.apply([row("ana"), row("bo")], **MISSING)
    api.update_user(user=GRACE_MAIL, custom="hr:ana")
    refused(sandbox, syncs, [row("ana", first_name="Anna"), row("bo")], "max_conflicts is 1", **MISSING)
    # Neither of them leaves if no row has the key.
    result = syncs.plan([row("bo")], **MISSING, max_conflicts=1)
    assert changes_of(result) == []


# Applying


def test_a_plan_is_applied_once(sandbox, syncs):
    plan = syncs.plan([row("ana")])
    syncs.run(mode="apply", plan_id=plan["plan_id"])
    sandbox.control.clear_journal()
    for arguments in ({"mode": "apply", "plan_id": plan["plan_id"]}, {"mode": "apply", "accept_plan": plan["plan_id"]}):
        with pytest.raises(AirflowFailException, match="was applied at"):
            syncs.run(**arguments)
    assert changing(sandbox) == []


@pytest.mark.parametrize("file", ["plan.json", "changes.jsonl"])
def test_a_plan_whose_files_were_edited_is_refused(sandbox, syncs, file):
    plan = syncs.plan([row("ana"), row("bo")])
    path = storage_path(plan["path"]) / file
    text = path.read_text()
    path.write_text(text.replace("ana", "eve") if file == "changes.jsonl" else text.replace("2", "3", 1))
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException):
        syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert changing(sandbox) == []


def test_a_manager_who_is_created_by_the_same_plan(api, syncs):
    rows = [row("ana", manager="zoe"), row("bo", manager="zoe@acme.test"), row("zoe")]
    syncs.apply(rows)
    for key in ("ana", "bo"):
        [manager] = api.list_managers(user=f"{key}@acme.test")
        assert manager["user_id"] == user(api, "zoe")["user_id"]
    assert changes_of(syncs.plan(rows)) == []
