"""Rows that were accepted as they are, or that 360Learning lists as they are, are not sent."""

from __future__ import annotations

import re

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.rows.support import bulk, files_in, outcomes_in, people, put_csv, writes
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, operations


@pytest.fixture
def update(sandbox, results):
    """Update users, and return the outcomes and the operations that this took."""

    def update(rows, **arguments):
        sandbox.control.clear_journal()
        bulk("update_user", rows, **{"results_path": results, **arguments})
        return outcomes_in(arguments.get("results_path", results)), operations(sandbox)

    return update


JOBS = [{"user": GRACE_MAIL, "job": "Admiral"}, {"user": ADMIN_MAIL, "job": "Boss"}]


def test_a_second_run_of_the_same_file_sends_no_request(update, place):
    file = put_csv(f"{place}/in.csv", JOBS)
    assert update(file) == (["updated", "updated"], ["getUsers", "updateUser", "updateUser"])
    assert update(file) == (["unchanged", "unchanged"], [])
    assert update(file) == (["unchanged", "unchanged"], [])


def test_sends_and_remembers_a_changed_row(update):
    update(JOBS)
    changed = [JOBS[0], {**JOBS[1], "job": "Chief"}]
    assert update(changed) == (["unchanged", "updated"], ["getUsers", "updateUser"])
    assert update(changed) == (["unchanged", "unchanged"], [])
    assert update(JOBS)[0] == ["unchanged", "updated"], "and the earlier value as well"


def test_identifies_rows_by_key_not_by_position(update):
    update(JOBS)
    again = [{"user": "unknown@acme.test", "job": "x"}, *reversed(JOBS)]
    assert update(again, max_failures=1)[0] == ["refused", "unchanged", "unchanged"]


def test_ignores_the_case_of_a_mail_and_the_order_of_columns(update):
    update([{"user": GRACE_MAIL, "job": "Admiral", "lang": "en"}])
    assert update([{"lang": "en", "job": "Admiral", "user": GRACE_MAIL.upper()}])[0] == ["updated"], "the value differs"
    assert update([{"lang": "en", "job": "Admiral", "user": GRACE_MAIL.upper()}])[0] == ["unchanged"]


def test_sends_rejected_rows_again(update):
    rows = [*JOBS, {"user": "unknown@acme.test", "job": "Clerk"}]
    assert update(rows, max_failures=1)[0] == ["updated", "updated", "refused"]
    assert update(rows, max_failures=1) == (["unchanged", "unchanged", "refused"], ["getUsers", "updateUser"])


def test_skips_rows_that_the_listing_already_shows(update):
    rows = [
        {"user": GRACE_MAIL, "first_name": "Grace", "last_name": "Hopper"},
        {"user": GRACE_ID.upper(), "first_name": "Grace"},
        {"user": ADMIN_MAIL, "first_name": "Grace"},
    ]
    assert update(rows) == (["unchanged", "unchanged", "updated"], ["getUsers", "updateUser"])
    assert update(rows) == (["unchanged"] * 3, [])


def test_sends_a_field_that_the_listing_lacks(update):
    rows = [{"user": GRACE_MAIL, "first_name": "Grace", "job": "Admiral"}]
    assert update(rows) == (["updated"], ["getUsers", "updateUser"])


def test_compares_groups_with_their_listing(sandbox, results):
    (sales,) = [group for group in sandbox.control.state()["groups"] if group["id"] == SALES_GROUP_ID]
    assert (sales["name"], sales["public"]) == ("Sales", True)
    sandbox.control.clear_journal()
    bulk("update_group", [{"group_id": SALES_GROUP_ID, "name": "Sales"}], results_path=results)
    assert (outcomes_in(results), operations(sandbox)) == (["unchanged"], ["getGroups"])
    bulk("update_group", [{"group_id": SALES_GROUP_ID, "name": "Sellers"}], results_path=results)
    assert outcomes_in(results) == ["updated"]


def test_does_not_detect_changes_by_other_clients(update):
    """Without a request, only the file shows what has changed."""
    update(JOBS)
    Learning360Hook().api.update_user(user=GRACE_MAIL, job="Retired")
    assert update(JOBS)[0] == ["unchanged", "unchanged"]
    assert update(JOBS, skip_unchanged=False)[0] == ["updated", "updated"]


def test_always_sends_a_row_with_a_password(update):
    rows = [{"user": GRACE_MAIL, "password": "planted-secret"}, {"user": ADMIN_MAIL, "job": "Boss"}]
    assert update(rows)[0] == ["updated", "updated"]
    assert update(rows) == (["updated", "unchanged"], ["updateUser"])


def test_the_remembered_state_does_not_depend_on_a_password(update, place):
    kept = []
    for number in range(2):
        folder = f"{place}/{number}"
        update([{"user": GRACE_MAIL, "job": "Admiral", "password": f"planted-secret-{number}"}], results_path=folder)
        kept.append(files_in(folder)["accepted.txt"])
    assert kept[0] == kept[1]


def test_other_actions_than_updates_skip_nothing_by_default(sandbox, tmp_path):
    for _ in range(2):
        bulk("create_user", people(2), results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["already_exists", "already_exists"]
    for folder in ("first", "second"):
        bulk("create_user", people(2), results_path=tmp_path / folder, state_path=tmp_path, skip_unchanged=True)
    assert outcomes_in(tmp_path / "second") == ["unchanged", "unchanged"]


def test_keeps_the_remembered_state_in_state_path(update, place):
    remembered = f"{place}/remembered"
    first = update(JOBS, results_path=f"{place}/monday", state_path=remembered)
    second = update(JOBS, results_path=f"{place}/tuesday", state_path=remembered)
    third = update(JOBS, results_path=f"{place}/wednesday")
    assert [outcomes[0] for outcomes, _ in (first, second, third)] == ["updated", "unchanged", "updated"]
    assert sorted(files_in(remembered)) == ["accepted.txt"]


def test_remembers_each_company_separately(update, monkeypatch):
    update(JOBS)
    with Sandbox(settings={"limits_enabled": False}) as other:
        monkeypatch.setenv(CONNECTION, other.connection_json(auth="api_key_header", limits=UNLIMITED))
        update(JOBS)
        assert [entry["operation"] for entry in writes(other)] == ["updateUser", "updateUser"]


def test_another_action_on_the_same_subject_invalidates_what_was_accepted(sandbox, results):
    rows = [{"user": GRACE_MAIL}]
    bulk("update_user", rows, results_path=results, defaults={"job": "Admiral"})
    bulk("delete_user", rows, results_path=results, skip_unchanged=True)
    assert outcomes_in(results) == ["deleted"]
    bulk("update_user", rows, results_path=results, defaults={"job": "Admiral"}, max_failures=1)
    assert outcomes_in(results) == ["refused"], "she was deleted"


def test_the_remembered_state_has_no_personal_data(update, results):
    update(JOBS)
    header, *entries, footer = files_in(results)["accepted.txt"].decode().splitlines()
    assert (header, footer) == ("learning360-accepted 1", "end 2")
    assert all(re.fullmatch(r"[0-9a-f]{16} [0-9a-f]{16}:1", entry) for entry in entries)


def test_remembers_rows_of_earlier_attempts_after_resuming(sandbox, tmp_path):
    rows = people(150)
    bulk("create_user", rows, results_path=tmp_path / "created")
    updates = [{"user": row["mail"], "job": "Clerk"} for row in rows]
    sandbox.control.add_fault("updateUser", kind="status", status=401, body={"error": "invalid_api_key"}, after=120)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("update_user", updates, results_path=tmp_path)
    bulk("update_user", updates, results_path=tmp_path)
    sandbox.control.clear_journal()
    bulk("update_user", updates, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["unchanged"] * 150
    assert operations(sandbox) == []
