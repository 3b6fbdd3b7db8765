"""Rows that name groups and sessions: reported before anything is sent, created once, and the same in all attempts."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.imports import (
    Learning360ImportExternalCoursesOperator,
    Learning360ImportStatisticsOperator,
)
from airflow_provider_360learning.rows.names import FILE
from airflow_provider_360learning.rows.preflight import MAX_NEW_GROUPS
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.rows.support import (
    bulk,
    faults_in,
    files_in,
    outcomes_in,
    people,
    put,
    put_csv,
    results_in,
    writes,
)
from tests.unlimited_sandbox import make_session, operations

REJECTED_KEY = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}
UNDER_ACME = {"create_groups": True, "parent_group": "Acme"}


@pytest.fixture
def api(sandbox):
    """Return the actions, to prepare the company."""
    return Learning360Hook().api


@pytest.fixture(autouse=True)
def only_named_groups(sandbox):
    """Let learners join the groups that rows name, and none above."""
    sandbox.control.settings(learners_join_above=False)


def names_of_groups(sandbox):
    return sorted(group["name"] for group in sandbox.control.state()["groups"])


def groups_of(sandbox, mail):
    """Return the names of the groups of a user."""
    names = {group["id"]: group["name"] for group in sandbox.control.state()["groups"]}
    return sorted(names[each["group"]] for each in sandbox.control.state()["memberships"] if each["mail"] == mail)


def listed(sandbox):
    return [name for name in operations(sandbox) if name in ("getGroups", "getPaths", "getPathSessions", "getCourses")]


# Names in rows


def test_rows_name_their_groups(sandbox, place):
    file = put_csv(
        f"{place}/in.csv",
        [
            {"E-Mail": "ana@acme.test", "Department": "Sales"},
            {"E-Mail": "bo@acme.test", "Department": "Acme/Sales"},
            {"E-Mail": "cy@acme.test", "Department": "Acme"},
        ],
    )
    mapping = {"E-Mail": "mail", "Department": "group"}
    bulk(
        "create_user",
        file,
        column_mapping=mapping,
        defaults={"mode": "create_active"},
        results_path=f"{place}/results",
    )
    assert [groups_of(sandbox, f"{name}@acme.test") for name in ("ana", "bo", "cy")] == [["Sales"], ["Sales"], ["Acme"]]
    assert listed(sandbox) == ["getGroups"], "for all rows"


def test_rows_name_sessions_and_paths(sandbox, tmp_path):
    session_id = make_session(sandbox)
    bulk("enroll_users", [{"session": "Autumn", "path": "Onboarding", "users": GRACE_MAIL}], results_path=tmp_path)
    (enrolled,) = sandbox.control.state()["enrollments"]
    assert (enrolled["session"], enrolled["mail"]) == (session_id, GRACE_MAIL)
    assert listed(sandbox) == ["getPaths", "getPathSessions"]
    assert results_in(tmp_path)[0]["key"] == f"Autumn / {GRACE_MAIL}"


def test_reports_unknown_names_with_row_line_and_field(sandbox, tmp_path):
    file = put(
        tmp_path / "in.csv",
        "mail,group,other_groups\nana@acme.test,Sales,\nbo@acme.test,Sails,\ncy@acme.test,Sales,Acme;Nowhere\n",
    )
    with pytest.raises(AirflowFailException, match=r"2 of 3 rows .* row 2 \(line 3\): group is 'Sails', but no group"):
        bulk("create_user", file, results_path=tmp_path / "results")
    found = faults_in(tmp_path / "results")
    assert [(one["row"], one["line"], one["field"], one["value"]) for one in found] == [
        (2, 3, "group", "Sails"),
        (3, 4, "other_groups[1]", "Acme;Nowhere"),
    ]
    assert found[0]["problem"].endswith("(similar: 'Acme/Sales')")
    assert writes(sandbox) == []


def test_reports_a_name_of_several_groups_with_their_parents(sandbox, tmp_path, api):
    api.create_group(name="Sales", parent="Sales")
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bulk("create_user", [{"mail": "ana@acme.test", "group": "Sales"}], results_path=tmp_path)
    (error,) = faults_in(tmp_path)
    assert f"matches 2 groups: 'Acme/Sales' ({SALES_GROUP_ID}), 'Acme/Sales/Sales'" in error["problem"]


def test_skips_rows_with_unknown_names(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": "Sails"}, {"user": ADMIN_MAIL, "group": "Sales"}]
    bulk("add_user_to_group", rows, results_path=tmp_path, on_invalid="skip")
    assert outcomes_in(tmp_path) == ["invalid", "added"]


def test_a_name_in_a_row_replaces_a_default_id_and_the_other_way_round(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": "Sales"}, {"user": ADMIN_MAIL}]
    bulk("add_user_to_group", rows, defaults={"group_id": ROOT_GROUP_ID}, results_path=tmp_path / "a")
    rows = [{"user": ADMIN_MAIL, "group_id": SALES_GROUP_ID}]
    bulk("add_user_to_group", rows, defaults={"group": "Acme"}, results_path=tmp_path / "b")
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Sales"]
    assert groups_of(sandbox, ADMIN_MAIL) == ["Acme", "Sales"]


def test_a_group_by_name_and_by_id_is_the_same_group(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": "Sales"}, {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID}]
    with pytest.raises(AirflowFailException, match=r"is in row 1 already"):
        bulk("add_user_to_group", rows, results_path=tmp_path)
    assert writes(sandbox) == []


def test_the_key_of_a_result_has_the_name(sandbox, tmp_path):
    bulk("add_user_to_group", [{"user": GRACE_MAIL, "group": "Sales"}], results_path=tmp_path)
    assert results_in(tmp_path)[0]["key"] == f"{GRACE_MAIL} / Sales / learner"


# Missing groups


def test_creates_each_missing_group_once_before_the_first_row(sandbox, results):
    rows = [
        one | {"group": group} for one, group in zip(people(5), ["Lab", "Shop", "Lab", "Sales", "Shop"], strict=True)
    ]
    bulk("create_user", rows, results_path=results, **UNDER_ACME)
    sent = [entry["operation"] for entry in writes(sandbox)]
    assert sent == ["createGroup"] * 2 + ["createOrInviteUser"] * 5
    assert names_of_groups(sandbox) == ["Acme", "Lab", "Sales", "Shop"]
    assert [groups_of(sandbox, row["mail"]) for row in rows] == [[row["group"]] for row in rows]
    sandbox.control.clear_journal()
    bulk("create_user", rows, results_path=results, **UNDER_ACME)
    assert outcomes_in(results) == ["already_exists"] * 5
    assert "createGroup" not in operations(sandbox)


def test_creates_groups_for_memberships(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": "Lab"}, {"user": ADMIN_MAIL, "group": "Lab"}]
    bulk("add_user_to_group", rows, results_path=tmp_path, create_groups="True", parent_group_id=SALES_GROUP_ID)
    (lab,) = [group for group in sandbox.control.state()["groups"] if group["name"] == "Lab"]
    assert lab["parent"] == SALES_GROUP_ID
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Lab"]


def test_creates_no_group_of_an_invalid_row(sandbox, tmp_path):
    rows = [
        {"mail": "ana", "group": "Lab"},
        {"mail": "bo@acme.test", "group": "Shop"},
        {"mail": "bo@acme.test", "group": "Depot"},
        {"mail": "cy@acme.test", "group": "HR/Finance"},
    ]
    bulk("create_user", rows, results_path=tmp_path, on_invalid="skip", **UNDER_ACME)
    assert outcomes_in(tmp_path) == ["invalid", "invited", "invalid", "invalid"]
    assert names_of_groups(sandbox) == ["Acme", "Sales", "Shop"]
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert names_of_groups(sandbox) == ["Acme", "Sales", "Shop"]


def test_missing_groups_that_differ_in_case_only_are_an_error(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": group} for group in ("Lab", "lab", "LAB ", "sales")]
    with pytest.raises(AirflowFailException, match="3 of 4 rows"):
        bulk("add_user_to_group", rows, results_path=tmp_path, **UNDER_ACME)
    problems = [error["problem"] for error in faults_in(tmp_path)]
    assert ["'Lab', which does not exist either, differs from it in case only" in one for one in problems] == [
        True,
        True,
        False,
    ]
    assert f"'Acme/Sales' ({SALES_GROUP_ID}) differs from it in case only" in problems[2]
    assert writes(sandbox) == []
    for _ in range(2):
        bulk("add_user_to_group", rows, results_path=tmp_path, on_invalid="skip", **UNDER_ACME)
        assert [outcome == "invalid" for outcome in outcomes_in(tmp_path)] == [False, True, True, True]
    assert names_of_groups(sandbox) == ["Acme", "Lab", "Sales"]


def test_groups_that_differ_in_case_only_and_exist_are_two(sandbox, tmp_path, api):
    for name in ("lab", "Lab"):
        api.create_group(name=name, parent="Acme")
    rows = [{"user": GRACE_MAIL, "group": "lab"}, {"user": GRACE_MAIL, "group": "Lab"}]
    bulk("add_user_to_group", rows, results_path=tmp_path, **UNDER_ACME)
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Lab", "lab"]


def test_a_dry_run_creates_no_group(sandbox, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    bulk(
        "create_user", [one | {"group": "Lab"} for one in people(2)], results_path=tmp_path, dry_run=True, **UNDER_ACME
    )
    assert outcomes_in(tmp_path / "dry_run") == ["would_send"] * 2
    assert "groups=1 would be created: 'Lab'" in caplog.text
    assert writes(sandbox) == []
    assert names_of_groups(sandbox) == ["Acme", "Sales"]


def test_a_group_that_cannot_be_created_ends_the_run_before_the_first_row(sandbox, tmp_path):
    sandbox.control.settings(max_groups=2)
    rows = [one | {"group": "Lab"} for one in people(2)]
    with pytest.raises(AirflowFailException, match="groups_limit_reached"):
        bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert [entry["operation"] for entry in writes(sandbox)] == ["createGroup"]
    assert json.loads((tmp_path / "progress.json").read_text())["lease_until"] == 0, "the next attempt need not wait"
    sandbox.control.settings(max_groups=10)
    bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert outcomes_in(tmp_path) == ["created"] * 2


def test_an_interrupted_creation_of_groups_is_continued(sandbox, tmp_path):
    rows = [one | {"group": f"Lab {number}"} for number, one in enumerate(people(4))]
    sandbox.control.add_fault("createGroup", **REJECTED_KEY, after=2)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert len(names_of_groups(sandbox)) == 2 + 2
    bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert names_of_groups(sandbox) == ["Acme", "Lab 0", "Lab 1", "Lab 2", "Lab 3", "Sales"]
    assert outcomes_in(tmp_path) == ["created"] * 4


def test_only_actions_that_add_users_to_groups_create_them(sandbox, tmp_path):
    with pytest.raises(
        AirflowFailException, match=r"not available for delete_group, only for add_user_to_group, create"
    ):
        bulk("delete_group", [{"group": "Sales"}], results_path=tmp_path, **UNDER_ACME)
    assert operations(sandbox) == []


def test_a_template_may_switch_the_creation_off(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "group": "Lab"}, {"user": GRACE_MAIL, "group": "Sales"}]
    switched_off = UNDER_ACME | {"create_groups": "False"}
    bulk("add_user_to_group", rows, results_path=tmp_path, on_invalid="skip", **switched_off)
    assert outcomes_in(tmp_path) == ["invalid", "added"]


def test_an_unknown_parent_is_one_error(sandbox, tmp_path):
    rows = [one | {"group": "Sales"} for one in people(3)]
    with pytest.raises(AirflowFailException, match="parent_group is 'Acne', but no group has this name"):
        bulk("create_user", rows, results_path=tmp_path, on_invalid="skip", create_groups=True, parent_group="Acne")
    assert operations(sandbox) == ["getGroups"]


def test_refuses_to_create_thousands_of_groups(sandbox, tmp_path):
    """A column of other values, such as email addresses, was taken for that of the groups."""
    rows = [one | {"group": one["mail"]} for one in people(MAX_NEW_GROUPS + 1)]
    with pytest.raises(AirflowFailException, match="the list names more than 1000 groups that do not exist"):
        bulk("create_user", rows, results_path=tmp_path, **UNDER_ACME)
    assert operations(sandbox) == ["getGroups"]


@pytest.mark.parametrize("arguments", [{"create_groups": True}, {"parent_group": "Acme"}])
def test_the_parent_of_new_groups_is_stated(arguments):
    with pytest.raises(AirflowException, match=r"create_groups and parent_group .* belong together"):
        Learning360BulkOperator(task_id="bulk", action="create_user", rows=[], results_path="/x", **arguments)


# Existing users


def test_an_existing_user_joins_the_group(sandbox, tmp_path):
    rows = [
        {"mail": "ana@acme.test", "mode": "create_active"},
        {"mail": GRACE_MAIL, "mode": "create_active"},
        {"mail": LINUS_MAIL, "mode": "invite"},
    ]
    done = bulk("create_user", rows, results_path=tmp_path, defaults={"group": "Sales", "if_exists": "update"})
    assert done["outcomes"] == {"created": 1, "updated": 1, "already_invited": 1}
    assert groups_of(sandbox, "ana@acme.test") == ["Sales"]
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Sales"]
    sandbox.control.accept_invitation(LINUS_MAIL)
    bulk("create_user", rows, results_path=tmp_path, defaults={"group": "Sales", "if_exists": "update"})
    assert groups_of(sandbox, LINUS_MAIL) == ["Sales"], "the next run includes who has accepted"


def test_a_pending_invitation_is_not_remembered_as_done(sandbox, tmp_path):
    rows = [{"mail": LINUS_MAIL, "group": "Sales", "if_exists": "update"}]
    bulk("create_user", rows, results_path=tmp_path, skip_unchanged=True)
    sandbox.control.accept_invitation(LINUS_MAIL)
    bulk("create_user", rows, results_path=tmp_path, skip_unchanged=True)
    assert outcomes_in(tmp_path) == ["updated"]
    bulk("create_user", rows, results_path=tmp_path, skip_unchanged=True)
    assert outcomes_in(tmp_path) == ["unchanged"]


# Names that change


def test_a_row_is_unchanged_as_long_as_its_name_means_the_same_group(sandbox, results, api):
    rows = [{"user": GRACE_MAIL, "group": "Sales"}]
    run = {"results_path": results, "skip_unchanged": True}
    bulk("add_user_to_group", rows, **run)
    bulk("add_user_to_group", rows, **run)
    assert outcomes_in(results) == ["unchanged"]
    api.update_group(group_id=SALES_GROUP_ID, name="Sellers")
    bulk("add_user_to_group", [{"user": GRACE_MAIL, "group": "Sellers"}], **run)
    assert outcomes_in(results) == ["unchanged"], "the same group under its new name"
    api.create_group(name="Sales")
    bulk("add_user_to_group", rows, **run)
    assert outcomes_in(results) == ["added"], "another group of that name"
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Sales", "Sellers"]


def test_a_run_that_renames_its_groups_is_resumed(sandbox, results, api):
    for number in range(6):
        api.create_group(name=f"Lab {number}")
    rows = [{"group": f"Lab {number}", "name": f"Workshop {number}"} for number in range(6)]
    sandbox.control.add_fault("updateGroup", **REJECTED_KEY, after=3, count=3)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("update_group", rows, results_path=results)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()
    bulk("update_group", rows, results_path=results)
    assert listed(sandbox) in ([], ["getGroups"]), "the names are those of the first attempt"
    assert [name for name in names_of_groups(sandbox) if name[-1].isdigit()] == [f"Workshop {one}" for one in range(6)]
    assert set(outcomes_in(results)) <= {"updated", "unchanged"}


def test_a_run_that_deletes_groups_by_name_is_resumed(sandbox, tmp_path, api):
    for number in range(6):
        api.create_group(name=f"Lab {number}")
    rows = [{"group": f"Lab {number}", "if_missing": "fail"} for number in range(6)]
    sandbox.control.add_fault("deleteGroup", **REJECTED_KEY, after=3, count=3)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("delete_group", rows, results_path=tmp_path)
    sandbox.control.clear_faults()
    bulk("delete_group", rows, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["deleted"] * 6
    assert names_of_groups(sandbox) == ["Acme", "Sales"]


def test_a_retry_of_a_finished_run_needs_no_name(sandbox, tmp_path):
    """The attempt before died before Airflow recorded its result."""
    identity = {"dag_id": "d", "task_id": "bulk", "run_id": "r", "map_index": -1}
    attempt = {"ti": SimpleNamespace(**identity, max_tries=1, xcom_push=lambda *_: None)}
    rows = [{"group": "Sales"}]
    done = bulk("delete_group", rows, results_path=tmp_path, context=attempt)
    sandbox.control.clear_journal()
    assert bulk("delete_group", rows, results_path=tmp_path, context=attempt) == done
    assert operations(sandbox) == []
    cleared = {"ti": SimpleNamespace(**identity, max_tries=3, xcom_push=lambda *_: None)}
    with pytest.raises(AirflowFailException, match="group is 'Sales', but no group has this name"):
        bulk("delete_group", rows, results_path=tmp_path, context=cleared)


def test_retrying_failed_rows_uses_the_groups_of_the_last_run(sandbox, tmp_path, api):
    api.create_group(name="Lab")
    rows = [{"group": "Lab", "name": "Workshop"}, {"group": "Sales", "name": "Sellers"}]
    sandbox.control.add_fault("updateGroup", kind="status", status=503, after=1)
    bulk("update_group", rows, results_path=tmp_path, impatient=True, max_failures=1)
    assert sorted(outcomes_in(tmp_path)) == ["failed", "updated"]
    bulk("update_group", rows, results_path=tmp_path, retry_failed_only=True)
    assert outcomes_in(tmp_path) == ["updated", "updated"]
    assert names_of_groups(sandbox) == ["Acme", "Sellers", "Workshop"]


def test_stores_the_ids_of_names_beside_the_results(sandbox, results):
    bulk("add_user_to_group", [{"user": GRACE_MAIL, "group": "Sales"}], results_path=results)
    stored = json.loads(files_in(results)[FILE])
    assert stored["names"] == [{"kind": "group", "name": "Sales", "scope": None, "id": SALES_GROUP_ID}]
    bulk("add_user_to_group", [{"user": ADMIN_MAIL, "group_id": SALES_GROUP_ID}], results_path=f"{results}/2")
    assert FILE not in files_in(f"{results}/2"), "only if there are names"


@pytest.mark.parametrize(
    "damage", ['{"version": 1, "run": RUN}', '{"version": 1, "run": RUN, "names": [{}]}', "", "[]"]
)
def test_damaged_names_of_an_earlier_attempt_are_an_error(sandbox, tmp_path, api, damage):
    rows = [{"user": GRACE_MAIL, "group": "Sales"}]
    sandbox.control.add_fault("addUserToGroup", **REJECTED_KEY)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("add_user_to_group", rows, results_path=tmp_path)
    run = json.loads((tmp_path / FILE).read_text())["run"]
    (tmp_path / FILE).write_text(damage.replace("RUN", json.dumps(run)))
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=r"StoredStateError: .*names\.json .*remove it"):
        bulk("add_user_to_group", rows, results_path=tmp_path)
    assert operations(sandbox) == []
    (tmp_path / FILE).unlink()
    bulk("add_user_to_group", rows, results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["added"]


def test_starting_over_looks_names_up_again(sandbox, tmp_path, api):
    rows = [{"user": GRACE_MAIL, "group": "Sales"}]
    sandbox.control.add_fault("addUserToGroup", **REJECTED_KEY)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("add_user_to_group", rows, results_path=tmp_path)
    api.update_group(group="Sales", name="Sellers")
    made = api.create_group(name="Sales")["group_id"]
    bulk("add_user_to_group", rows, results_path=tmp_path, ignore_checkpoint=True)
    (name,) = json.loads(storage_path(tmp_path / FILE).read_text())["names"]
    assert name["id"] == made
    assert groups_of(sandbox, GRACE_MAIL) == ["Acme", "Sales"]


# Imports


def test_imports_into_the_library_of_a_named_group(sandbox, tmp_path):
    course = {"external_id": "C1", "title": "Course", "launch_url": "https://c.test/1", "language": "en"}
    attempt = {
        "external_id": "C1",
        "mail": GRACE_MAIL,
        "progress": 50,
        "time_spent_seconds": 60,
        "first_activity": "2026-10-01T00:00:00Z",
        "last_activity": "2026-10-02T00:00:00Z",
    }
    library = {"group": "Acme", "external_platform": "Academy"}
    Learning360ImportExternalCoursesOperator(
        task_id="courses", rows=[course], results_path=str(tmp_path / "courses"), author_id=ADMIN_ID, **library
    ).execute({})
    Learning360ImportStatisticsOperator(
        task_id="statistics", rows=[attempt], results_path=str(tmp_path / "statistics"), **library
    ).execute({})
    assert outcomes_in(tmp_path / "courses") == outcomes_in(tmp_path / "statistics") == ["imported"]
    (stored,) = sandbox.control.state()["external_courses"]
    assert stored["group"] == ROOT_GROUP_ID
    with pytest.raises(AirflowFailException, match="group is 'Nowhere', but no group has this name"):
        Learning360ImportStatisticsOperator(
            task_id="again", rows=[attempt], results_path=str(tmp_path / "x"), **library | {"group": "Nowhere"}
        ).execute({})


def test_a_user_may_be_named_by_id_in_a_group_that_is_named(sandbox, tmp_path):
    bulk("remove_user_from_group", [{"user": GRACE_ID, "group": "Acme"}], results_path=tmp_path)
    assert outcomes_in(tmp_path) == ["removed"]
