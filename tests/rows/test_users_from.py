"""The result of a bulk task is the input of the next: who is read from it, and which results are refused."""

from __future__ import annotations

import json
import logging
import tracemalloc

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.paths import (
    Learning360EnrollUsersOperator,
    Learning360UnenrollUsersOperator,
)
from airflow_provider_360learning.rows.users import BulkUsers, parse_bulk_results
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, LINUS_MAIL, SALES_GROUP_ID
from tests.rows.support import bulk, manifest_in, people, put, put_results, results_in
from tests.unlimited_sandbox import make_session, operations


@pytest.fixture
def session_id(sandbox):
    return make_session(sandbox)


def enroll(session_id, users_from, **arguments):
    operator = Learning360EnrollUsersOperator(
        task_id="enroll", session_id=session_id, users_from=users_from, **arguments
    )
    return operator.execute({})


def enrolled(sandbox):
    return {row["mail"] for row in sandbox.control.state()["enrollments"]}


def sent_lists(sandbox):
    """Return the users in each request."""
    journal = sandbox.control.journal()
    return [entry["body"]["userEmails"] for entry in journal if entry["operation"] == "addUsersToPathSession"]


# Who is in it


def test_enrolls_the_users_whose_rows_were_done(sandbox, session_id, results):
    sandbox.control.settings(mails_of_other_companies=["zoe@elsewhere.test"])
    rows = [*people(3), {"mail": GRACE_MAIL, "mode": "create_active"}]
    rows.append({"mail": "zoe@elsewhere.test", "mode": "create_active"})
    created = bulk("create_user", rows, results_path=results, max_failures=1)
    sandbox.control.clear_journal()
    done = enroll(session_id, created)
    assert done == {"session_id": session_id, "outcome": "enrolled", "users": 4, "pending_invitations": 0}
    assert enrolled(sandbox) == {"person1@acme.test", "person2@acme.test", "person3@acme.test", GRACE_MAIL}
    assert operations(sandbox) == ["addUsersToPathSession"]


def test_leaves_out_invited_people_until_they_have_accepted(sandbox, session_id, results, caplog):
    caplog.set_level(logging.INFO)
    rows = [{"mail": "ana@acme.test"}, {"mail": LINUS_MAIL}, *people(1)]
    first = enroll(session_id, bulk("create_user", rows, results_path=f"{results}/1"))
    assert (first["users"], first["pending_invitations"]) == (1, 2)
    assert "users=1 pending_invitations=2 rejected_rows=0; the invited people are left out" in caplog.text
    sandbox.control.accept_invitation("ana@acme.test")
    second = enroll(session_id, bulk("create_user", rows, results_path=f"{results}/2"))
    assert (second["users"], second["pending_invitations"]) == (2, 1)
    assert enrolled(sandbox) == {"ana@acme.test", "person1@acme.test"}


def test_includes_invited_people_on_request(sandbox, session_id, tmp_path):
    sandbox.control.settings(invited_user_routes="known")
    created = bulk("create_user", [{"mail": "ana@acme.test"}, *people(1)], results_path=tmp_path)
    done = enroll(session_id, created, include_invited=True)
    assert (done["users"], done["pending_invitations"]) == (2, 1)
    assert [sorted(users) for users in sent_lists(sandbox)] == [["ana@acme.test", "person1@acme.test"]]


def test_unenrolls_the_users_of_a_bulk_task(sandbox, tmp_path):
    created = bulk("create_user", people(3), results_path=tmp_path)
    session_id = make_session(sandbox, "person1@acme.test", "person2@acme.test", GRACE_MAIL)
    operator = Learning360UnenrollUsersOperator(task_id="unenroll", session_id=session_id, users_from=created)
    assert operator.execute({})["users"] == 3
    assert enrolled(sandbox) == {GRACE_MAIL}


@pytest.mark.parametrize(
    ("action", "row"),
    [
        ("update_user", {"user": GRACE_MAIL, "job": "Admiral"}),
        ("update_user", {"user": GRACE_ID, "job": "Admiral"}),
        ("add_user_to_group", {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID, "role": "coach"}),
        ("remove_user_from_group", {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID}),
    ],
)
def test_reads_the_results_of_every_action_about_users(sandbox, session_id, tmp_path, action, row):
    assert enroll(session_id, bulk(action, [row], results_path=tmp_path))["users"] == 1
    assert enrolled(sandbox) == {GRACE_MAIL}


def test_names_a_user_by_the_address_that_the_row_has_set(sandbox, session_id, results):
    rows = [{"user": GRACE_MAIL, "mail": "grace.new@acme.test"}]
    assert enroll(session_id, bulk("update_user", rows, results_path=results))["users"] == 1
    assert enrolled(sandbox) == {"grace.new@acme.test"}
    (result,) = results_in(results)
    assert (result["key"], result["user"]) == (GRACE_MAIL, "grace.new@acme.test")


def test_names_a_user_by_the_new_address_if_the_row_was_not_sent_again(sandbox, session_id, results):
    rows = [{"user": GRACE_MAIL, "mail": "grace.new@acme.test"}]
    bulk("update_user", rows, results_path=results)
    again = bulk("update_user", rows, results_path=results)
    assert again["outcomes"] == {"unchanged": 1}
    enroll(session_id, again)
    assert enrolled(sandbox) == {"grace.new@acme.test"}


def test_names_a_user_by_id_if_the_row_does(sandbox, tmp_path):
    bulk("update_user", [{"user": GRACE_ID, "mail": "grace.new@acme.test"}], results_path=tmp_path)
    (result,) = results_in(tmp_path)
    assert result["user"] == GRACE_ID


def test_takes_several_results_and_counts_a_user_once(sandbox, session_id, place):
    first = bulk("create_user", people(2), results_path=f"{place}/1")
    second = bulk("create_user", [*people(2, start=2), {"mail": "ana@acme.test"}], results_path=f"{place}/2")
    third = bulk("add_user_to_group", [{"user": "PERSON3@acme.test", "group_id": SALES_GROUP_ID}], results_path=place)
    done = enroll(session_id, [first, [second], json.dumps(third)])
    assert (done["users"], done["pending_invitations"]) == (3, 1)


def test_an_address_and_an_id_count_as_two_users(sandbox, session_id, tmp_path):
    """As docs/bulk.md says."""
    by_mail = bulk("update_user", [{"user": GRACE_MAIL, "job": "Admiral"}], results_path=tmp_path / "1")
    by_id = bulk("update_user", [{"user": GRACE_ID, "lang": "fr"}], results_path=tmp_path / "2")
    assert enroll(session_id, [by_mail, by_id])["users"] == 2
    assert enrolled(sandbox) == {GRACE_MAIL}


def test_refuses_an_encoding_because_users_are_not_a_text(sandbox, tmp_path):
    created = bulk("create_user", people(1), results_path=tmp_path / "users")
    arguments = {"users_from": created, "defaults": {"job": "Clerk"}, "results_path": tmp_path / "jobs"}
    with pytest.raises(AirflowFailException, match="encoding is given, but users_from has none"):
        bulk("update_user", encoding="cp1252", **arguments)
    assert bulk("update_user", encoding="", **arguments)["outcomes"] == {"updated": 1}


def test_is_a_source_of_rows_for_any_bulk_action(sandbox, results):
    created = bulk("create_user", [*people(3), {"mail": "ana@acme.test"}], results_path=f"{results}/users")
    done = bulk(
        "add_user_to_group",
        users_from=created,
        defaults={"group_id": SALES_GROUP_ID},
        results_path=f"{results}/members",
    )
    assert (done["outcomes"], done["pending_invitations"]) == ({"added": 3}, 1)
    assert [result["key"] for result in results_in(f"{results}/members")] == [
        f"person{number}@acme.test / {SALES_GROUP_ID} / learner" for number in (1, 2, 3)
    ]


def test_a_bulk_run_of_users_is_resumed(sandbox, results):
    created = bulk("create_user", people(40), results_path=f"{results}/users")
    membership = {"users_from": created, "defaults": {"group_id": SALES_GROUP_ID}, "results_path": f"{results}/members"}
    sandbox.control.add_fault("addUserToGroup", kind="status", status=401, body={"error": "invalid_api_key"}, after=30)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("add_user_to_group", **membership)
    sandbox.control.clear_journal()
    assert bulk("add_user_to_group", **membership)["outcomes"] == {"added": 40}
    assert 0 < operations(sandbox).count("addUserToGroup") < 40


# Many users


def test_sends_many_users_in_batches(sandbox, session_id, place):
    sandbox.control.settings(unknown_mail_in_enrollment="ignore")
    created = put_results(place, [(f"person{number}@acme.test", "created") for number in range(1201)])
    assert enroll(session_id, created)["users"] == 1201
    assert [len(users) for users in sent_lists(sandbox)] == [500, 500, 201]


def test_looks_names_up_once_for_all_batches(sandbox, session_id, place):
    sandbox.control.settings(unknown_mail_in_enrollment="ignore")
    created = put_results(place, [(f"person{number}@acme.test", "created") for number in range(1201)])
    operator = Learning360EnrollUsersOperator(task_id="enroll", session="Autumn", path="Onboarding", users_from=created)
    assert operator.execute({})["session_id"] == session_id
    assert operations(sandbox) == ["getPaths", "getPathSessions", *["addUsersToPathSession"] * 3]


@pytest.mark.slow
def test_reads_many_users_in_constant_memory(tmp_path):
    def measure(count):
        created = put_results(tmp_path / str(count), ((f"person{n}@acme.test", "created") for n in range(count)))
        results = parse_bulk_results(created)
        del created
        tracemalloc.start()
        with BulkUsers(results) as users:
            assert sum(len(batch) for batch in users.batches(500)) == len(users) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert measure(30_000) < measure(2_000) + 1_000_000


def test_enrolls_the_others_if_some_users_are_refused(sandbox, session_id, tmp_path):
    created = bulk("create_user", people(20), results_path=tmp_path)
    for number in (3, 17):
        bulk("delete_user", [{"user": f"person{number}@acme.test"}], results_path=tmp_path / "deleted")
    with pytest.raises(AirflowFailException) as raised:
        enroll(session_id, created)
    assert "18 of 20 users are done. 360Learning refuses 2: person3@acme.test (user_not_found), person17@" in str(
        raised.value
    )
    assert len(enrolled(sandbox)) == 18
    assert len(sent_lists(sandbox)) < 20


def test_stops_if_too_many_users_are_refused(sandbox, session_id, tmp_path):
    created = put_results(tmp_path, [(f"nobody{number}@acme.test", "created") for number in range(3000)])
    with pytest.raises(AirflowFailException, match="More than 100 users are refused"):
        enroll(session_id, created)
    assert len(sent_lists(sandbox)) < 250


def test_an_error_about_the_session_is_not_searched_for_in_halves(sandbox, tmp_path):
    created = bulk("create_user", people(20), results_path=tmp_path)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="path_session_not_found"):
        enroll("f" * 24, created)
    assert len(sent_lists(sandbox)) == 1


def test_passes_over_a_task_that_has_sent_nothing(sandbox, session_id, tmp_path):
    created = bulk("create_user", people(2), results_path=tmp_path / "users")
    context = {}
    with pytest.raises(AirflowFailException, match="are invalid"):
        bulk("create_user", [{"mail": "no"}], results_path=tmp_path / "invalid", context=context)
    assert enroll(session_id, [created, context["run_summary"]])["users"] == 2


def test_an_error_about_a_user_and_the_session_is_about_the_user(sandbox, session_id, tmp_path):
    created = bulk("create_user", people(2), results_path=tmp_path)
    sandbox.control.add_fault(
        "addUsersToPathSession", kind="status", status=400, body={"error": "user_not_in_session"}, count=2
    )
    with pytest.raises(AirflowFailException, match=r"1 of 2 users are done.*person1@acme.test \(user_not_in_session\)"):
        enroll(session_id, created)


def test_an_invalid_argument_is_reported_before_anything_is_sent(sandbox, tmp_path):
    created = bulk("create_user", people(2), results_path=tmp_path)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="session_id is 'x'"):
        enroll("x", created)
    assert operations(sandbox) == []


# Without users


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(GRACE_MAIL, "invited")], "1 invitation not accepted yet"),
        ([(GRACE_MAIL, "refused"), (GRACE_ID, "failed")], "2 rows rejected"),
        ([], "the bulk task had no rows"),
    ],
)
def test_is_skipped_without_users(sandbox, session_id, tmp_path, rows, reason):
    created = put_results(tmp_path / "users", rows)
    with pytest.raises(AirflowSkipException, match=f"No user to work on: {reason}"):
        enroll(session_id, created)
    membership = {"users_from": created, "defaults": {"group_id": SALES_GROUP_ID}, "results_path": tmp_path}
    with pytest.raises(AirflowSkipException, match="No user to work on"):
        bulk("add_user_to_group", **membership)
    assert bulk("add_user_to_group", **membership, allow_empty=True)["rows"] == 0
    assert operations(sandbox) == []


# Invalid results


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("/data/results.jsonl", "is '/data/results.jsonl', but must be an object"),
        ("{'results_path': 'x'}", "must be an object"),
        ([], "contains no results"),
        ({"action": "x", "results_path": None}, "the result of a task that has failed before it had results"),
        ([None], "is None, but must be an object.*A task that was skipped returns nothing"),
        (7, "is 7, but must be an object"),
        ({}, "has no key 'results_path' .it has no keys."),
        (
            {"session_id": "x", "outcome": "enrolled", "users": 3},
            "has no key 'results_path' .it has session_id, outcome, users.: pass the result of a bulk task, such as "
            "users_from=accounts.output",
        ),
        ({"results_path": "/data/results.jsonl", "rows": 3}, "has no key 'run' .it has results_path, rows."),
        ({"results_path": None, "run": "x"}, "has no key 'results_path'"),
        ({"results_path": "results.jsonl", "run": "x"}, "'results.jsonl' is not absolute"),
    ],
    ids=str,
)
def test_refuses_what_is_not_the_result_of_a_bulk_task(sandbox, session_id, value, problem):
    with pytest.raises(AirflowFailException, match=problem):
        enroll(session_id, value)
    assert operations(sandbox) == []


def test_reports_the_result_of_a_skipped_task(sandbox, session_id):
    operator = Learning360EnrollUsersOperator(task_id="enroll", session_id=session_id, users_from="{{ none }}")
    operator.users_from = None  # what a template or an XCom of a skipped task renders to
    with pytest.raises(AirflowFailException, match="users_from is None"):
        operator.execute({})


def edit_results(results, edit):
    path = storage_path(results) / "results.jsonl"
    put(path, edit(path.read_text()))


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        (lambda text: text[:-5], "damaged in line 3"),
        (lambda text: text[: text.rindex('{"row"')], "damaged: it has 2 rows .* but its manifest says 3"),
        (lambda text: text.replace('"created"', '"updated"', 1), "damaged: it has 3 rows with the outcomes"),
        (lambda text: text.replace('"row": 2', '"row": 1'), "damaged: it has row 1 in the place of row 2"),
        (lambda text: text.replace("person2@acme.test", "person2"), "damaged in row 2: it does not name a user"),
        (lambda text: "", "damaged: it has 0 rows"),
    ],
)
def test_refuses_damaged_results(sandbox, session_id, results, edit, finding):
    created = bulk("create_user", people(3), results_path=results)
    edit_results(results, edit)
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=f"StoredStateError: .*results.jsonl is {finding}"):
        enroll(session_id, created)
    assert operations(sandbox) == []


@pytest.mark.parametrize("file", ["results.jsonl", "manifest.json"])
def test_refuses_missing_results(sandbox, session_id, results, file):
    created = bulk("create_user", people(3), results_path=results)
    (storage_path(results) / file).unlink()
    with pytest.raises(AirflowFailException, match=r"is missing|has no results") as raised:
        enroll(session_id, created)
    assert ("looked for on this host" in str(raised.value)) is not results.startswith("memory")


def test_refuses_the_results_of_a_later_run(sandbox, session_id, results):
    created = bulk("create_user", people(3), results_path=results)
    bulk("create_user", people(3, start=4), results_path=results)
    assert manifest_in(results)["outcomes"] == created["outcomes"], "only the id of the run differs"
    with pytest.raises(AirflowFailException, match="has the results of another run"):
        enroll(session_id, created)
    assert enrolled(sandbox) == set()


def test_refuses_the_results_of_a_dry_run(sandbox, session_id, results):
    planned = bulk("create_user", people(3), results_path=results, dry_run=True)
    with pytest.raises(AirflowFailException, match="dry run"):
        enroll(session_id, planned)


@pytest.mark.parametrize(
    ("action", "row"), [("create_group", {"name": "Lab"}), ("delete_user", {"user": "x@acme.test"})]
)
def test_refuses_the_results_of_other_actions(sandbox, session_id, tmp_path, action, row):
    done = bulk(action, [row], results_path=tmp_path)
    with pytest.raises(AirflowFailException, match=f"users_from takes the results of create_user, .*'{action}'"):
        enroll(session_id, done)


@pytest.mark.parametrize("given", [{}, {"users": [GRACE_MAIL], "users_from": {"results_path": "/x", "run": "x"}}])
def test_needs_either_users_or_users_from(given):
    with pytest.raises(AirflowException, match="give either users or users_from"):
        Learning360EnrollUsersOperator(task_id="enroll", session_id="a" * 24, **given)


@pytest.mark.parametrize(
    "given", [{}, {"rows": [], "users_from": {}}, {"sql": "SELECT", "sql_conn_id": "x", "rows": []}]
)
def test_a_bulk_task_needs_one_source(given):
    with pytest.raises(AirflowException, match="give either rows or sql or users_from"):
        Learning360BulkOperator(task_id="bulk", action="delete_user", results_path="/x", **given)
