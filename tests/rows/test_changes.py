"""Rows that were accepted as they are, or that 360Learning lists as they are, are not sent."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.rows.sender import OutageError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    SALES_GROUP_ID,
    SITE_FIELD_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.rows.support import bulk, bulk_failing, files_in, outcomes_in, people, put_csv, writes
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, operations, use_api_v2


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
    assert update([{"lang": "en", "job": "Admiral", "user": GRACE_MAIL.upper()}])[0] == ["unchanged"]


def test_a_new_mail_in_other_case_is_a_change(update):
    assert update([{"user": GRACE_ID, "mail": GRACE_MAIL.title()}])[0] == ["updated"]
    assert update([{"user": GRACE_ID, "mail": GRACE_MAIL.upper()}])[0] == ["updated"]


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
    assert update(rows) == (["unchanged"] * 3, ["getUsers"]), "the updated user may be the one named by id"
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
    bulk_failing("update_user", rows, results_path=results, defaults={"job": "Admiral"})
    assert outcomes_in(results) == ["refused"], "she was deleted"


def test_the_remembered_state_has_no_personal_data(update, results):
    update(JOBS)
    header, *entries, footer = files_in(results)["accepted.txt"].decode().splitlines()
    assert (header, footer) == ("learning360-accepted 1", "end 5"), "two rows, what they change, and how they name it"
    assert all(re.fullmatch(r"[0-9a-f]{16} ([0-9a-f]{16})?:[12]", entry) for entry in entries)


def test_remembers_rows_of_earlier_attempts_after_resuming(sandbox, tmp_path):
    rows = people(150)
    bulk("create_user", rows, results_path=tmp_path / "created")
    updates = [{"user": row["mail"], "job": "Clerk"} for row in rows]
    sandbox.control.add_fault(
        "updateUser", kind="status", status=401, body={"error": "invalid_api_key"}, mentions="person121@"
    )
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("update_user", updates, results_path=tmp_path)
    bulk("update_user", updates, results_path=tmp_path)
    sandbox.control.clear_journal()
    bulk("update_user", updates, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["unchanged"] * 150
    assert operations(sandbox) == []


@pytest.fixture
def apply(sandbox, tmp_path):
    """Apply an action to rows, with one state for all actions, and return the outcomes."""

    def apply(action, *rows, **arguments):
        bulk(action, list(rows), results_path=tmp_path / action, state_path=tmp_path / "state", **arguments)
        return outcomes_in(tmp_path / action)

    return partial(apply, skip_unchanged=True)


ANA = {"mail": "ana@acme.test", "mode": "create_active"}


def user_id(sandbox, mail="ana@acme.test"):
    (found,) = [user["id"] for user in sandbox.control.state()["users"] if user["mail"] == mail]
    return found


def test_creates_a_group_again_that_was_deleted_by_id(sandbox, apply):
    assert apply("create_group", {"name": "Team"}) == ["created"]
    (team,) = [group["id"] for group in sandbox.control.state()["groups"] if group["name"] == "Team"]
    assert apply("delete_group", {"group_id": team}) == ["deleted"]
    assert apply("create_group", {"name": "Team"}) == ["created"]


def test_creates_a_group_again_that_was_renamed_by_id(sandbox, apply):
    assert apply("create_group", {"name": "Team"}) == ["created"]
    (team,) = [group["id"] for group in sandbox.control.state()["groups"] if group["name"] == "Team"]
    assert apply("update_group", {"group_id": team, "name": "Crew"}) == ["updated"]
    assert apply("create_group", {"name": "Team"}) == ["created"]


@pytest.mark.parametrize("naming", ["mail", "id"])
def test_creates_a_user_again_who_was_deleted(sandbox, apply, naming):
    assert apply("create_user", ANA) == ["created"]
    user = ANA["mail"] if naming == "mail" else user_id(sandbox)
    for _ in range(2):
        assert apply("delete_user", {"user": user}) == ["deleted"]
        assert apply("create_user", ANA) == ["restored"]
        assert apply("create_user", ANA) == ["unchanged"]


@pytest.mark.parametrize("naming", ["mail", "id"])
def test_adds_a_user_again_who_was_removed(sandbox, apply, naming):
    apply("create_user", ANA)
    member = {"group_id": SALES_GROUP_ID, "user": ANA["mail"]}
    removed = member if naming == "mail" else {**member, "user": user_id(sandbox)}
    for _ in range(2):
        assert apply("add_user_to_group", member) == ["added"]
        assert apply("add_user_to_group", member) == ["unchanged"]
        assert apply("remove_user_from_group", removed) == ["removed"]


@pytest.mark.parametrize("naming", ["mail", "id"])
def test_adds_a_manager_again_who_was_removed(sandbox, apply, naming):
    apply("create_user", ANA)
    row = {"user": ANA["mail"], "manager": ADMIN_MAIL}
    removed = row if naming == "mail" else {"user": user_id(sandbox), "manager": ADMIN_ID}
    for _ in range(2):
        assert apply("add_manager", row) == ["added"]
        assert apply("add_manager", row) == ["unchanged"]
        assert apply("remove_manager", removed) == ["removed"]


def test_a_new_manager_does_not_undo_the_removal_of_another_one(sandbox, apply):
    apply("create_user", ANA)

    def night():
        return [
            *apply("add_manager", {"user": ANA["mail"], "manager": ADMIN_MAIL}),
            *apply("remove_manager", {"user": ANA["mail"], "manager": GRACE_MAIL}),
        ]

    assert night() == ["added", "removed"]
    assert night() == ["unchanged", "unchanged"]


def test_creates_a_user_again_who_was_pseudonymized(sandbox, apply):
    assert apply("create_user", ANA) == ["created"]
    assert apply("pseudonymize_user", {"user": ANA["mail"]}) == ["pseudonymized"]
    assert apply("create_user", ANA) == ["created"]


def test_sets_the_external_id_of_a_user_again_who_was_deleted(sandbox, apply):
    apply("create_user", ANA)
    row = {"user": ANA["mail"], "external_platform": "BambooHR", "external_id": "7"}
    for _ in range(2):
        assert apply("set_external_id", row) == ["set"]
        assert apply("set_external_id", row) == ["unchanged"]
        assert apply("delete_user", {"user": ANA["mail"]}) == ["deleted"]
        assert apply("create_user", ANA) == ["restored"]


@pytest.mark.parametrize("naming", ["mail", "id"])
def test_resumes_emails_again_that_were_stopped(sandbox, apply, naming):
    apply("create_user", ANA)
    row = {"user": ANA["mail"]}
    stopped = row if naming == "mail" else {"user": user_id(sandbox)}
    for _ in range(2):
        assert apply("subscribe_to_email_notifications", row) == ["subscribed"]
        assert apply("subscribe_to_email_notifications", row) == ["unchanged"]
        assert apply("unsubscribe_from_email_notifications", stopped) == ["unsubscribed"]


def test_updates_a_user_again_who_was_updated_by_id(sandbox, apply):
    apply("create_user", ANA)
    by_mail, by_id = {"user": ANA["mail"], "job": "A"}, {"user": user_id(sandbox), "job": "B"}
    for row in (by_mail, by_id, by_mail, by_id):
        assert apply("update_user", row) == ["updated"]


def test_never_skips_the_rows_of_a_file_that_names_one_user_in_two_ways(sandbox, apply):
    apply("create_user", ANA)
    rows = [{"user": ANA["mail"], "job": "A"}, {"user": user_id(sandbox), "job": "B"}]
    for _ in range(3):
        assert apply("update_user", *rows) == ["updated", "updated"]


def test_creates_a_user_again_who_was_removed_from_a_group(sandbox, apply):
    row = {**ANA, "group_id": SALES_GROUP_ID, "if_exists": "update"}
    assert apply("create_user", row) == ["created"]
    apply("remove_user_from_group", {"group_id": SALES_GROUP_ID, "user": ANA["mail"]})
    assert apply("create_user", row) != ["unchanged"]


def test_sets_a_value_of_a_custom_field_again_that_was_removed(sandbox, apply):
    row = {"user": GRACE_MAIL, "custom_field_id": SITE_FIELD_ID}
    other = {"user": GRACE_MAIL, "custom_field_id": DEPARTMENT_FIELD_ID, "value": "Navy"}
    for _ in range(2):
        assert apply("set_user_custom_field", {**row, "value": "Lyon"}, other)[0] == "set"
        assert apply("set_user_custom_field", {**row, "value": "Lyon"}, other) == ["unchanged", "unchanged"]
        assert apply("remove_user_custom_field", row) == ["removed"]
    apply("set_user_custom_field", {**row, "value": "Lyon"})
    assert apply("update_user", {"user": GRACE_MAIL, "custom_fields": {SITE_FIELD_ID: "Paris"}}) == ["updated"]
    assert apply("set_user_custom_field", {**row, "value": "Lyon"}, other) == ["set", "unchanged"]


def test_adds_a_tag_again_that_was_removed_or_replaced(sandbox, apply, monkeypatch):
    use_api_v2(sandbox, monkeypatch)
    row = {"course_id": WELCOME_COURSE_ID, "tags": "Safety"}
    other = {**row, "tags": "Sales"}
    for _ in range(2):
        assert apply("add_course_tags", row, other)[0] == "added"
        assert apply("add_course_tags", row, other) == ["unchanged", "unchanged"]
        assert apply("remove_course_tags", row) == ["removed"]
    assert apply("replace_course_tags", row) == ["replaced"]
    assert apply("replace_course_tags", row) == ["unchanged"]
    assert apply("add_course_tags", other) == ["added"]
    assert apply("replace_course_tags", row) == ["replaced"]


def test_adds_a_course_to_a_library_again_that_was_removed(sandbox, apply):
    row = {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]}
    for _ in range(2):
        assert apply("add_to_library", row) == ["added"]
        assert apply("add_to_catalog", row)[0] in ("added", "unchanged")
        assert apply("add_to_library", row) == ["unchanged"]
        assert apply("remove_from_library", row) == ["removed"]
    assert apply("add_to_catalog", row) == ["unchanged"]


def test_creates_a_tag_again_that_was_renamed(sandbox, apply):
    for number in range(2):
        assert apply("create_tag", {"name": "Onboarding"}) == ["created"]
        assert apply("create_tag", {"name": "Onboarding"}) == ["unchanged"]
        assert apply("update_tag", {"tag": "Onboarding", "name": f"Welcome {number}"}) == ["updated"]


@pytest.mark.parametrize("naming", ["mail", "id"])
def test_sets_a_url_again_that_was_deleted_with_its_link_or_alone(sandbox, apply, naming):
    link, row = {"type": "mail", "name": "Mail"}, {"user": GRACE_MAIL, "type": "mail", "url": "https://mail.test"}
    where = {"user": GRACE_MAIL if naming == "mail" else GRACE_ID, "type": "mail"}
    assert apply("create_custom_link", link) == ["created"]
    assert apply("create_custom_user_link", row) == ["created"]
    assert apply("create_custom_user_link", row) == ["unchanged"]
    assert apply("delete_custom_user_link", where) == ["deleted"]
    assert apply("create_custom_user_link", row) == ["created"]
    assert apply("delete_custom_link", {"type": "mail"}) == ["deleted"]
    assert apply("create_custom_link", link) == ["created"]
    assert apply("create_custom_user_link", row) == ["created"]


def test_creates_an_integration_again_that_was_deleted_by_id(sandbox, apply, monkeypatch):
    use_api_v2(sandbox, monkeypatch)
    row = {"group_id": SALES_GROUP_ID, "external_platform": "p", "author_id": ADMIN_ID}
    for _ in range(2):
        assert apply("create_integration", row) == ["created"]
        assert apply("create_integration", row) == ["unchanged"]
        (made,) = sandbox.control.state()["integrations"]
        assert apply("delete_integration", {"integration_id": made["id"]}) == ["deleted"]


def test_actions_without_conflict_share_one_state(sandbox, apply, tmp_path):
    """Nightly: new people are created, updated, and move from one group to another."""
    mail = ANA["mail"]
    bulk("create_group", [{"name": "Old"}], results_path=tmp_path / "group")
    (other,) = [group["id"] for group in sandbox.control.state()["groups"] if group["name"] == "Old"]

    def night():
        return [
            *apply("create_user", ANA),
            *apply("update_user", {"user": mail, "job": "Clerk"}),
            *apply("add_user_to_group", {"user": mail, "group_id": SALES_GROUP_ID}),
            *apply("remove_user_from_group", {"user": mail, "group_id": other}),
        ]

    assert night() == ["created", "updated", "added", "removed"]
    for _ in range(4):
        last = night()
    assert last == ["unchanged"] * 4


def test_a_resumed_run_does_not_replace_newer_state(sandbox, tmp_path):
    rows = [*people(110), *people(40, start=111, job="Late")]
    state = {"state_path": tmp_path / "state", "skip_unchanged": True}
    first = rows[0]["mail"]
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=500, count=500, mentions="Late")
    with pytest.raises(OutageError):
        bulk("create_user", rows, results_path=tmp_path / "create", impatient=True, **state)
    sandbox.control.clear_faults()
    bulk("delete_user", [{"user": first}], results_path=tmp_path / "delete", **state)
    bulk("create_user", rows, results_path=tmp_path / "create", max_failures=100, **state)
    bulk("create_user", rows, results_path=tmp_path / "again", **state)
    # A row that failed before others succeeded is not resumed.
    resumed = outcomes_in(tmp_path / "create")
    later = ["created" if outcome == "failed" else "unchanged" for outcome in resumed[1:]]
    assert outcomes_in(tmp_path / "again") == ["restored", *later]


def test_a_retry_of_failed_rows_does_not_replace_newer_state(sandbox, apply, tmp_path):
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, mentions="person2@acme.test")
    arguments = {"results_path": tmp_path / "create_user", "state_path": tmp_path / "state", "skip_unchanged": True}
    bulk("create_user", people(2), impatient=True, max_failures=1, **arguments)
    sandbox.control.clear_faults()
    assert apply("delete_user", {"user": "person1@acme.test"}) == ["deleted"]
    assert apply("create_user", *people(2), retry_failed_only=True) == ["created", "created"]
    assert apply("create_user", *people(2)) == ["restored", "unchanged"]


def test_rows_of_a_killed_attempt_are_sent_once_more(sandbox, apply, tmp_path):
    """What another task has recorded since may be newer than the parts of the killed attempt."""
    rows = [*people(110), *people(40, start=111, job="Late")]
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=500, count=500, mentions="Late")
    arguments = {"results_path": tmp_path / "create_user", "state_path": tmp_path / "state", "skip_unchanged": True}
    with pytest.raises(OutageError):
        bulk("create_user", rows, impatient=True, **arguments)
    sandbox.control.clear_faults()
    (tmp_path / "state" / "accepted.txt").unlink()  # as if the attempt had not saved it
    checkpoint = tmp_path / "create_user" / "progress.json"
    checkpoint.write_text(json.dumps({**json.loads(checkpoint.read_text()), "remembered_up_to": 0}))
    assert apply("delete_user", {"user": "person1@acme.test"}) == ["deleted"]
    resumed = apply("create_user", *rows, max_failures=100)
    again = apply("create_user", *rows)
    assert again[0] == "restored"
    # A row that failed before others succeeded is not resumed.
    failed = {number for number, outcome in enumerate(resumed) if outcome == "failed"}
    assert {again[number] for number in failed} <= {"created"}
    assert {again[number] for number in range(150) if number not in failed} == {
        "restored",
        "already_exists",
        "unchanged",
    }
    assert apply("create_user", *rows) == ["unchanged"] * 150


def test_sends_the_row_of_an_invited_person_until_the_invitation_is_accepted(sandbox, results):
    rows = [{"mail": "ana@acme.test"}, *people(1)]
    arguments = {"results_path": results, "skip_unchanged": True}
    seen = []
    for accepts in (False, False, True, False):
        if accepts:
            sandbox.control.accept_invitation("ana@acme.test")
        bulk("create_user", rows, **arguments)
        seen.append(outcomes_in(results))
    assert seen == [
        ["invited", "created"],
        ["already_invited", "unchanged"],
        ["already_exists", "unchanged"],
        ["unchanged", "unchanged"],
    ]


def test_does_not_send_the_row_of_an_invited_person_again_if_it_would_be_refused(sandbox, results):
    arguments = {"results_path": results, "skip_unchanged": True, "defaults": {"if_exists": "fail"}}
    for outcome in ("invited", "unchanged"):
        bulk("create_user", [{"mail": "ana@acme.test"}], **arguments)
        assert outcomes_in(results) == [outcome]
