"""Custom fields and their values: the same arguments, results and errors in both versions of the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    HIRING_FIELD_ID,
    SITE_FIELD_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def values(api):
    """Return a function that returns the values of the custom fields of Grace."""
    return lambda: api.get_user(user=GRACE_ID)["custom_fields"]


@pytest.fixture
def lose(sandbox):
    """Return a function that loses the responses to operations, whose work is done."""

    def lose(*names, kind="drop_after", **how):
        for name in names:
            sandbox.control.add_fault(name, kind=kind, **how)

    return lose


def authorized(api, field_id):
    return api.get_authorized_values(custom_field_id=field_id)["authorized_values"]


# Custom fields


def test_creates_a_custom_field_once(api):
    made = api.create_custom_field(name="Cost center", authorized_values=["1000", "2000"])
    field_id = made["custom_field_id"]
    assert made == {"custom_field_id": field_id, "name": "Cost center", "outcome": "created"}
    assert authorized(api, field_id) == ["1000", "2000"]
    again = api.create_custom_field(name=" Cost  center", authorized_values=["3000"])
    assert again == {**made, "outcome": "already_exists"}
    assert authorized(api, field_id) == ["1000", "2000"]


def test_updates_an_existing_custom_field_or_refuses_it(api):
    found = {"custom_field_id": SITE_FIELD_ID, "name": "Site"}
    updated = api.create_custom_field(name="Site", authorized_values=["Rome"], if_exists="update")
    assert updated == {**found, "outcome": "updated"}
    assert authorized(api, SITE_FIELD_ID) == ["Rome"]
    assert api.create_custom_field(name="Site", if_exists="update") == {**found, "outcome": "already_exists"}
    with pytest.raises(AlreadyExistsError, match=f"'Site' exists already: {SITE_FIELD_ID}"):
        api.create_custom_field(name="Site", if_exists="fail")


def test_a_creation_whose_response_is_lost_is_confirmed_by_the_listing(api, lose):
    lose("createCustomField")
    made = api.create_custom_field(name="Cost center", authorized_values=["1000"])
    assert made["outcome"] == "created"
    assert authorized(api, made["custom_field_id"]) == ["1000"]


def test_a_creation_that_cannot_be_confirmed_is_reported_and_never_sent_twice(sandbox, api, lose):
    lose("createCustomField", kind="drop_before")
    with pytest.raises(OutcomeUnknownError, match="createCustomField"):
        api.create_custom_field(name="Cost center")
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("createCustomField") == 1


def test_lists_custom_fields_of_users(api):
    fields = api.list_custom_fields(target_type="users")
    assert [(one["custom_field_id"], one["name"], one["target_type"]) for one in fields] == [
        (DEPARTMENT_FIELD_ID, "Department", "users"),
        (HIRING_FIELD_ID, "Hired on", "users"),
        (SITE_FIELD_ID, "Site", "users"),
    ]
    assert api.list_custom_fields() == fields
    assert api.list_custom_fields(target_type="contents") == []


def test_returns_authorized_values(api):
    assert api.get_authorized_values(custom_field="Site") == {
        "custom_field_id": SITE_FIELD_ID,
        "authorized_values": ["Lyon", "Paris"],
    }
    assert authorized(api, DEPARTMENT_FIELD_ID) == []
    with pytest.raises(NotFoundError):
        api.get_authorized_values(custom_field_id=MISSING_ID)


def test_renames_a_custom_field_also_twice(api):
    for _ in range(2):  # as a task that is retried
        assert api.update_custom_field(custom_field_id=SITE_FIELD_ID, name="Office") == {
            "custom_field_id": SITE_FIELD_ID,
            "outcome": "updated",
        }
    assert authorized(api, SITE_FIELD_ID) == ["Lyon", "Paris"]
    assert api.get_authorized_values(custom_field="Office")["custom_field_id"] == SITE_FIELD_ID
    with pytest.raises(InvalidRequestError, match="custom_field is 'Site', but no custom field has this name"):
        api.get_authorized_values(custom_field="Site")


def test_replaces_and_lifts_the_restriction_of_values(api):
    api.update_custom_field(custom_field="Site", authorized_values=["Rome"])
    assert authorized(api, SITE_FIELD_ID) == ["Rome"]
    api.update_custom_field(custom_field="Site", authorized_values=[])
    assert authorized(api, SITE_FIELD_ID) == []


def test_refuses_the_name_of_another_custom_field_and_an_unknown_id(api):
    with pytest.raises(AlreadyExistsError):
        api.update_custom_field(custom_field_id=SITE_FIELD_ID, name="Department")
    with pytest.raises(NotFoundError):
        api.update_custom_field(custom_field_id=MISSING_ID, name="Office")


def test_deletes_a_custom_field_and_its_values_once(api, values):
    api.set_user_custom_field(user=GRACE_MAIL, custom_field="Site", value="Lyon")
    api.set_user_custom_field(user=GRACE_MAIL, custom_field="Department", value="Navy")
    deleted = {"custom_field_id": SITE_FIELD_ID, "outcome": "deleted"}
    assert api.delete_custom_field(custom_field="Site") == deleted
    assert values() == {DEPARTMENT_FIELD_ID: "Navy"}
    assert api.delete_custom_field(custom_field_id=SITE_FIELD_ID) == {**deleted, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_custom_field(custom_field_id=SITE_FIELD_ID, if_missing="fail")


def test_a_deletion_whose_response_is_lost_is_done(api, lose):
    lose("deleteCustomField")
    assert api.delete_custom_field(custom_field_id=SITE_FIELD_ID, if_missing="fail")["outcome"] == "deleted"


def test_a_dry_run_names_the_custom_field_and_deletes_nothing(sandbox, api):
    expected = {"custom_field_id": SITE_FIELD_ID, "name": "Site", "outcome": "would_delete"}
    assert api.delete_custom_field(custom_field_id=SITE_FIELD_ID, dry_run=True) == expected
    missing = api.delete_custom_field(custom_field_id=MISSING_ID, dry_run=True)
    assert missing == {"custom_field_id": MISSING_ID, "outcome": "not_found"}
    with pytest.raises(NotFoundError, match=f"{MISSING_ID} does not exist"):
        api.delete_custom_field(custom_field_id=MISSING_ID, dry_run=True, if_missing="fail")
    assert len(sandbox.control.state()["custom_fields"]) == 3


# Values of users


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_sets_and_removes_one_value_of_a_user(api, values, user):
    done = {"user": user, "custom_field_id": DEPARTMENT_FIELD_ID}
    for value in ("Navy", "Yale"):
        set_ = api.set_user_custom_field(user=user, custom_field="Department", value=value)
        assert set_ == {**done, "outcome": "set"}
    api.set_user_custom_field(user=user, custom_field_id=SITE_FIELD_ID.upper(), value="Paris")
    assert values() == {DEPARTMENT_FIELD_ID: "Yale", SITE_FIELD_ID: "Paris"}
    for _ in range(2):  # as a task that is retried
        removed = api.remove_user_custom_field(user=user, custom_field_id=DEPARTMENT_FIELD_ID)
        assert removed == {**done, "outcome": "removed"}
    assert values() == {SITE_FIELD_ID: "Paris"}


@pytest.mark.parametrize(("value", "stored"), [(12, "12"), ("2026-01-31", "2026-01-31"), (" Ré  union", "Ré union")])
def test_a_value_is_stored_as_it_is_written(api, values, value, stored):
    api.set_user_custom_field(user=GRACE_ID, custom_field="Department", value=value)
    assert values() == {DEPARTMENT_FIELD_ID: stored}


def test_a_change_of_a_value_whose_response_is_lost_is_sent_again(api, lose, values):
    lose("addCustomFieldValue", "updateUserCustomFieldValues")
    api.set_user_custom_field(user=GRACE_ID, custom_field="Department", value="Navy")
    assert values() == {DEPARTMENT_FIELD_ID: "Navy"}
    lose("removeCustomFieldValue", "updateUserCustomFieldValues")
    api.remove_user_custom_field(user=GRACE_ID, custom_field="Department")
    assert values() == {}


def test_refuses_a_value_that_is_not_authorized(api, values):
    with pytest.raises(InvalidRequestError, match="360Learning does not accept an argument"):
        api.set_user_custom_field(user=GRACE_ID, custom_field="Site", value="Rome")
    assert values() == {}


@pytest.mark.parametrize(
    ("user", "field_id"), [("nobody@acme.test", SITE_FIELD_ID), (MISSING_ID, SITE_FIELD_ID), (GRACE_ID, MISSING_ID)]
)
def test_raises_for_missing_users_and_custom_fields(api, user, field_id):
    with pytest.raises(NotFoundError):
        api.set_user_custom_field(user=user, custom_field_id=field_id, value="Lyon")
    with pytest.raises(NotFoundError):
        api.remove_user_custom_field(user=user, custom_field_id=field_id)


def test_values_survive_the_deletion_and_restoration_of_a_user(api, values):
    api.set_user_custom_field(user=GRACE_ID, custom_field="Site", value="Lyon")
    api.delete_user(user=GRACE_MAIL)
    api.create_user(mail=GRACE_MAIL, mode="create_active")
    assert values() == {SITE_FIELD_ID: "Lyon"}


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("create_custom_field", {}, "name is missing or empty"),
        ("create_custom_field", {"name": "A", "target_type": "groups"}, "target_type is 'groups'"),
        ("create_custom_field", {"name": "A", "type": "number"}, "type is 'number'"),
        (
            "create_custom_field",
            {"name": "A", "authorized_values": [str(number) for number in range(301)]},
            "authorized_values has 301 values, but a custom field has at most 300",
        ),
        (
            "create_custom_field",
            {"name": "A", "type": "date", "authorized_values": ["2026-01-31", "31.01.2026"]},
            r"authorized_values\[1\] is '31.01.2026', but must be a date: YYYY-MM-DD",
        ),
        ("update_custom_field", {"custom_field_id": SITE_FIELD_ID}, "needs at least one field to change"),
        ("delete_custom_field", {}, "custom_field_id or custom_field is missing or empty"),
        ("delete_custom_field", {"custom_field_id": "Site"}, "custom_field_id is 'Site'"),
        ("set_user_custom_field", {"user": GRACE_ID, "custom_field": "Site", "value": " "}, "value is missing"),
        ("set_user_custom_field", {"user": GRACE_ID, "custom_field": "Site", "value": True}, "value is True"),
        ("set_user_custom_field", {"user": "Grace", "custom_field": "Site", "value": "x"}, "user is 'Grace'"),
        ("remove_user_custom_field", {"user": GRACE_ID}, "custom_field_id or custom_field is missing or empty"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(sandbox, api, action, arguments, problem):
    sandbox.control.clear_journal()
    with pytest.raises(InvalidRequestError, match=problem):
        api.actions[action](**arguments)
    assert sandbox.control.journal() == []


def test_an_unknown_name_lists_similar_ones(api):
    with pytest.raises(InvalidRequestError, match=r"no custom field of users has this name \(similar: 'Site' of users"):
        api.set_user_custom_field(user=GRACE_ID, custom_field="Sites", value="Lyon")


# Values of courses and path sessions, which only API v2 has


@pytest.fixture
def api_v2(sandbox):
    """Return API v2 of a company with a custom field of contents, which has the name of one of users."""
    with api_factory(sandbox, "v2") as make:
        api = make()
        api.create_custom_field(name="Site", target_type="contents")
        yield api


def test_names_of_custom_fields_of_users_and_of_contents_are_apart(api_v2):
    of_contents = api_v2.list_custom_fields(target_type="contents")
    assert [(one["name"], one["type"]) for one in of_contents] == [("Site", "string")]
    done = api_v2.set_course_custom_field(course="Welcome to Acme", custom_field="Site", value="Rome")
    assert done["custom_field_id"] == of_contents[0]["custom_field_id"] != SITE_FIELD_ID
    assert api_v2.set_user_custom_field(user=GRACE_ID, custom_field="Site", value="Lyon")["custom_field_id"] == (
        SITE_FIELD_ID
    )
    with pytest.raises(InvalidRequestError, match="'Site', which matches 2 custom fields: 'Site' of users") as raised:
        api_v2.delete_custom_field(custom_field="Site")
    assert f"'Site' of contents ({done['custom_field_id']}): give the id instead" in str(raised.value)


def test_sets_and_removes_values_of_a_course(api_v2):
    course = {"course_id": WELCOME_COURSE_ID}
    level = api_v2.create_custom_field(name="Valid until", target_type="contents", type="date")["custom_field_id"]
    api_v2.set_course_custom_field(**course, custom_field="Site", value="Rome")
    set_ = api_v2.set_course_custom_field(**course, custom_field_id=level, value="2026-12-31")
    assert set_ == {**course, "custom_field_id": level, "outcome": "set"}
    removed = api_v2.remove_course_custom_field(**course, custom_field="Site")
    assert removed == {**course, "custom_field_id": removed["custom_field_id"], "outcome": "removed"}
    assert api_v2.get_course_custom_fields(**course) == {"custom_fields": {level: "2026-12-31"}}
    for invalid in ("soon", "2026-01-310"):
        problem = rf"value has '{invalid}' for .*, but that field is a date: YYYY-MM-DD"
        with pytest.raises(InvalidRequestError, match=problem):
            api_v2.set_course_custom_field(**course, custom_field_id=level, value=invalid)
    for change, more in ((api_v2.set_course_custom_field, {"value": "x"}), (api_v2.remove_course_custom_field, {})):
        with pytest.raises(NotFoundError):
            change(course_id=MISSING_ID, custom_field="Site", **more)
        with pytest.raises(NotFoundError, match=f"No custom field of contents has the id {MISSING_ID}"):
            change(**course, custom_field_id=MISSING_ID, **more)


@pytest.mark.parametrize("path", [{}, {"path": "Onboarding"}])
def test_sets_and_removes_values_of_a_path_session(api_v2, path):
    made = api_v2.create_path_session(
        path="Onboarding", name="May", session_start="2026-05-01T00:00:00Z", group="Acme", instructors=[GRACE_MAIL]
    )
    session = {"session_id": made["session_id"]}
    set_ = api_v2.set_path_session_custom_field(session="May", **path, custom_field="Site", value="Rome")
    assert set_ == {**session, "custom_field_id": set_["custom_field_id"], "outcome": "set"}
    assert api_v2.get_path_session_custom_fields(session="May", **path) == {
        "custom_fields": {set_["custom_field_id"]: "Rome"}
    }
    removed = api_v2.remove_path_session_custom_field(**session, **path, custom_field="Site")
    assert removed == {**set_, "outcome": "removed"}
    assert api_v2.get_path_session_custom_fields(**session) == {"custom_fields": {}}


def test_reports_that_courses_have_no_custom_fields(sandbox, api_v2):
    sandbox.control.settings(content_custom_fields=False)
    with pytest.raises(RefusedError, match="courseCustomFieldsNotEnabled"):
        api_v2.set_course_custom_field(course_id=WELCOME_COURSE_ID, custom_field="Site", value="Rome")
    with pytest.raises(RefusedError, match="customFieldsTargetTypeNotEnabled"):
        api_v2.create_custom_field(name="Level", target_type="contents")


def test_reports_a_value_that_360learning_keeps(sandbox, api_v2):
    api_v2.set_user_custom_field(user=GRACE_ID, custom_field="Department", value="Navy")
    sandbox.control.settings(custom_values_left_out="kept")
    with pytest.raises(RefusedError, match=f"keeps the value of the custom field {DEPARTMENT_FIELD_ID}"):
        api_v2.remove_user_custom_field(user=GRACE_ID, custom_field="Department")


def test_a_value_that_is_set_already_is_not_written_again(sandbox, api_v2):
    for _ in range(2):
        api_v2.set_user_custom_field(user=GRACE_ID, custom_field="Department", value="Navy")
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("updateUserCustomFieldValues") == 1


def test_refuses_authorized_values_without_one_in_use(api_v2):
    api_v2.set_user_custom_field(user=GRACE_ID, custom_field_id=SITE_FIELD_ID, value="Lyon")
    with pytest.raises(InvalidRequestError, match="customFieldValuesConflict"):
        api_v2.update_custom_field(custom_field_id=SITE_FIELD_ID, authorized_values=["Rome"])


def test_refuses_a_custom_field_that_exists_with_another_type(api_v2):
    with pytest.raises(RefusedError, match=f"'Hired on' .{HIRING_FIELD_ID}. exists already, and its type is date"):
        api_v2.create_custom_field(name="Hired on")
    made = api_v2.create_custom_field(name="Hired on", type="date")
    assert made == {"custom_field_id": HIRING_FIELD_ID, "name": "Hired on", "outcome": "already_exists"}


@pytest.mark.slow  # they wait for each other
def test_changes_of_one_user_at_the_same_time_are_all_kept(sandbox, api_v2):
    """Each reads and writes all values, so that without a lock one would undo the other."""
    fields = [api_v2.create_custom_field(name=f"Field {number}")["custom_field_id"] for number in range(6)]
    sandbox.control.settings(delay_after_ms=20)
    with ThreadPoolExecutor(len(fields)) as executor:
        list(
            executor.map(lambda id: api_v2.set_user_custom_field(user=GRACE_ID, custom_field_id=id, value="x"), fields)
        )
    assert api_v2.get_user(user=GRACE_ID)["custom_fields"] == dict.fromkeys(fields, "x")


@pytest.mark.parametrize(
    ("arguments", "argument"), [({"target_type": "contents"}, "target_type"), ({"type": "date"}, "type")]
)
def test_api_v1_names_what_it_does_not_have(sandbox, arguments, argument):
    with api_factory(sandbox, "v1") as make:
        with pytest.raises(NotAvailableError, match=f"{argument} .* is not available in API v1") as raised:
            make().create_custom_field(name="Level", **arguments)
        assert raised.value.argument == argument
    assert sandbox.control.journal() == []


@pytest.mark.parametrize("acknowledgment", ["empty_object", "no_content"])
def test_api_v1_looks_up_the_id_that_a_response_lacks(sandbox, acknowledgment):
    sandbox.control.settings(acknowledgment=acknowledgment)
    with api_factory(sandbox, "v1") as make:
        made = make().create_custom_field(name="Level")
    assert made["custom_field_id"] == sandbox.control.state()["custom_fields"][-1]["id"]
