"""Names in the place of ids: what they match, what is listed for them, and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.named_objects import MAX_COMPARED, MAX_SUGGESTIONS, _Groups
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

LISTINGS = ("getGroups", "getPaths", "getPathSessions", "getCourses")
MAY = {"name": "May", "session_start": "2026-05-01T00:00:00Z"}


def listings(sent):
    return [entry["operation"] for entry in sent(*LISTINGS)]


def writes(sent):
    return [entry for entry in sent() if entry["method"] != "GET" and entry["operation"] != "generateToken"]


@pytest.fixture
def make_group(api, sandbox):
    """Return a function that creates a group, of any name, and returns its id; the names are not listed yet."""

    def make(name, parent=ROOT_GROUP_ID):
        body = {"name": name, "public": False, "parent": parent}
        made = api.client.call(Call("createGroup", body=body))["id"]
        sandbox.control.clear_journal()
        return made

    return make


def group_of(api, text):
    return api.get_group(group=text)["group_id"]


# One name for one id


def test_every_action_takes_a_name_where_it_takes_an_id_of_something_that_has_one(api):
    kinds = {"group", "parent", "path", "session", "course", "classroom"}
    without = [
        f"{action.name}({field})"
        for action in api.actions.values()
        for field in action.model.model_fields
        for word in [field.removesuffix("s").removesuffix("_id").rpartition("_")[2]]
        if field.removesuffix("s").endswith("_id") and word in kinds and field not in action.model.alternatives
    ]
    assert without == []


@pytest.mark.parametrize(
    ("action", "arguments", "operation", "path", "listed"),
    [
        ("get_group", {"group": "Sales"}, "getGroup", f"groups/{SALES_GROUP_ID}", ["getGroups"]),
        ("get_catalog", {"group": "Sales"}, "getGroupCatalog", f"groups/{SALES_GROUP_ID}/catalog", ["getGroups"]),
        (
            "add_user_to_group",
            {"group": "Sales", "user": GRACE_MAIL},
            "addUserToGroup",
            f"groups/{SALES_GROUP_ID}/users/grace.hopper%40acme.test",
            ["getGroups"],
        ),
        (
            "remove_user_from_group",
            {"group": "Sales", "user": GRACE_ID},
            "deleteUserFromGroup",
            f"groups/{SALES_GROUP_ID}/users/{GRACE_ID}",
            ["getGroups"],
        ),
        ("update_group", {"group": "Sales", "custom": "S1"}, "updateGroup", f"groups/{SALES_GROUP_ID}", ["getGroups"]),
        ("delete_group", {"group": "Sales"}, "deleteGroup", f"groups/{SALES_GROUP_ID}", ["getGroups"]),
        (
            "get_user_course_stats",
            {"course": "Security basics", "user": GRACE_ID},
            "getUserCourseStats",
            f"courses/{SECURITY_COURSE_ID}/stats/{GRACE_ID}",
            ["getCourses"],
        ),
    ],
)
def test_sends_the_id_of_a_name(api, sent, action, arguments, operation, path, listed):
    getattr(api, action)(**arguments)
    (entry,) = sent(operation)
    assert entry["path"] == f"/api/v1/{path}"
    assert listings(sent) == listed


def test_creates_a_session_of_a_named_path_and_enrolls_named_groups_in_it(api, sent, sandbox):
    made = api.create_path_session(path="Onboarding", group="Acme", **MAY)
    (session,) = sandbox.control.state()["sessions"]
    assert (session["path"], session["owner_group"]) == (ONBOARDING_PATH_ID, ROOT_GROUP_ID)
    assert api.enroll_groups(session="May", groups=["Sales", "Acme"])["session_id"] == made["session_id"]
    assert sent("addGroupsToPathSession")[0]["body"] == {"groupIds": [SALES_GROUP_ID, ROOT_GROUP_ID]}
    assert api.enroll_users(session="May", path="Onboarding", users=[GRACE_MAIL])["outcome"] == "enrolled"
    learners = {user["mail"] for user in api.list_path_session_users(session="May")}
    assert learners == {row["mail"] for row in api.list_path_session_stats(session="May")}
    assert api.unenroll_users(session="May", users=[GRACE_MAIL])["outcome"] == "unenrolled"


def test_a_catalog_takes_names_of_courses_and_sessions(api, sent):
    made = api.create_path_session(path="Onboarding", group="Acme", **MAY)
    assert api.add_to_catalog(group="Sales", courses=["Welcome to Acme"], sessions=["May"])["items"] == 2
    assert sent("addToGroupCatalog")[0]["body"] == {
        "courses": [WELCOME_COURSE_ID],
        "pathSessions": [made["session_id"]],
    }
    assert api.remove_from_catalog(group="Sales", courses="Welcome to Acme")["items"] == 1


def test_a_user_joins_groups_by_their_names(api, sent, make_group):
    lab = make_group("Lab")
    api.create_user(mail="ana@acme.test", group="Sales", other_groups="Lab; Acme", primary_group="Acme/Lab")
    assert sent("createOrInviteUser")[0]["body"]["groups"] == [SALES_GROUP_ID, lab, ROOT_GROUP_ID]
    assert sent("createOrInviteUser")[0]["body"]["primaryGroupId"] == lab
    assert listings(sent) == ["getGroups"]
    api.update_user(user=GRACE_MAIL, primary_group="Acme")
    assert sent("updateUser")[0]["body"] == {"primaryGroupId": ROOT_GROUP_ID}


def test_the_primary_group_must_be_one_of_the_named_groups(api, sent):
    with pytest.raises(InvalidRequestError, match=r"primary_group_id is .*must be one of.*Nothing was sent"):
        api.create_user(mail="ana@acme.test", group="Sales", primary_group="Acme")
    assert writes(sent) == []


def test_an_update_moves_a_group_under_a_named_parent(api, make_group):
    lab = make_group("Lab")
    api.update_group(group="Lab", parent="Sales")
    assert api.get_group(group_id=lab)["parent_id"] == SALES_GROUP_ID
    assert api.create_group(name="Shop", parent="Sales/Lab")["outcome"] == "created"
    assert api.get_group(group="Lab/Shop")["parent_id"] == lab


def test_names_work_on_an_event_loop(api):
    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(api.get_group.arun(executor, group="Sales"))["group_id"] == SALES_GROUP_ID


# Matches


@pytest.mark.parametrize("text", ["Sales", " Sales ", "Acme/Sales", "\u00a0Sales"])
def test_a_group_is_named_alone_or_after_its_parents(api, text):
    assert group_of(api, text) == SALES_GROUP_ID


def test_names_are_compared_in_one_unicode_form(api, make_group):
    made = make_group(unicodedata.normalize("NFD", "Qualité"))
    assert group_of(api, unicodedata.normalize("NFC", "Qualité")) == made
    assert group_of(api, unicodedata.normalize("NFD", "Qualité")) == made


@pytest.mark.parametrize("text", ["sales", "Sale", "Sales.", "Acme / Sales", "/Sales", "Sales/", "me/Sales", "*"])
def test_nothing_else_matches(api, sent, text):
    with pytest.raises(InvalidRequestError, match="but no group has this name") as raised:
        api.add_user_to_group(group=text, user=GRACE_MAIL)
    assert raised.value.argument == "group"
    assert writes(sent) == []


def test_a_path_selects_one_of_several_groups_of_a_name(api, make_group):
    emea, apac = make_group("EMEA"), make_group("APAC")
    one, two = make_group("Support", emea), make_group("Support", apac)
    with pytest.raises(InvalidRequestError) as raised:
        group_of(api, "Support")
    text = str(raised.value)
    assert "group is 'Support', which matches 2 groups" in text
    assert f"'Acme/EMEA/Support' ({one}), 'Acme/APAC/Support' ({two})" in text
    assert "give the names of its parents as well" in text
    assert group_of(api, "EMEA/Support") == one
    assert group_of(api, "Acme/APAC/Support") == two


@pytest.mark.parametrize("text", ["R&D/Labs", "Acme/R&D/Labs"])
def test_a_name_may_have_a_separator(api, make_group, text):
    made = make_group("R&D/Labs")
    assert group_of(api, text) == made


@pytest.mark.parametrize("text", ["R&D/Labs", "Acme/R&D/Labs"])
def test_a_name_with_a_separator_and_a_path_of_names_are_two_matches(api, sent, make_group, text):
    slashed = make_group("R&D/Labs")
    nested = make_group("Labs", make_group("R&D"))
    with pytest.raises(InvalidRequestError, match="matches 2 groups") as raised:
        api.delete_group(group=text)
    assert slashed in str(raised.value)
    assert nested in str(raised.value)
    assert writes(sent) == []


def test_a_name_with_a_separator_is_another_match_beside_a_complete_path(api, make_group):
    slashed = make_group("Acme/Sales")
    with pytest.raises(InvalidRequestError, match="matches 2 groups") as raised:
        group_of(api, "Acme/Sales")
    assert slashed in str(raised.value)
    assert SALES_GROUP_ID in str(raised.value)
    assert group_of(api, "Acme/Acme/Sales") == slashed


def test_a_complete_path_is_not_the_end_of_a_longer_one(api, make_group):
    below = make_group("Sales", make_group("Acme"))
    assert group_of(api, "Acme/Sales") == SALES_GROUP_ID
    assert group_of(api, "Acme/Acme/Sales") == below


def test_a_session_is_selected_by_its_path(api, sandbox):
    first = api.create_path_session(path="Onboarding", group="Acme", **MAY)["session_id"]
    second = api.create_path_session(path="Onboarding", group="Sales", **MAY)["session_id"]
    with pytest.raises(InvalidRequestError, match="session is 'May', which matches 2 sessions") as raised:
        api.enroll_users(session="May", path="Onboarding", users=[GRACE_MAIL])
    assert f"'May' of path {ONBOARDING_PATH_ID} ({first})" in str(raised.value)
    assert second in str(raised.value)
    with pytest.raises(InvalidRequestError, match=r"path is 'Offboarding', but no path has this name"):
        api.enroll_users(session="May", path="Offboarding", users=[GRACE_MAIL])
    with pytest.raises(InvalidRequestError, match=r"session is 'May', but no session of this path has this name"):
        api.enroll_users(session="May", path_id="f" * 24, users=[GRACE_MAIL])


def test_a_deleted_course_has_no_name(api):
    with pytest.raises(InvalidRequestError, match="but no course has this name"):
        api.get_user_course_stats(course="Welcome to Acme 2024", user=GRACE_ID)


# Errors


def test_reports_all_names_at_once(api, sent):
    with pytest.raises(InvalidRequestError) as raised:
        api.create_path_session(path="Onbording", group="Sale", **MAY)
    text = str(raised.value)
    assert "path is 'Onbording', but no path has this name (similar: 'Onboarding')" in text
    assert "group is 'Sale', but no group has this name (similar: 'Acme/Sales')" in text
    assert text.endswith("Nothing was sent.")
    assert writes(sent) == []


def test_names_the_item_of_a_list(api):
    with pytest.raises(InvalidRequestError, match=r"other_groups\[1\] is 'Sails'") as raised:
        api.create_user(mail="ana@acme.test", other_groups=["Sales", "Sails"])
    assert raised.value.argument == "other_groups[1]"


def test_advises_where_an_id_belongs(api):
    with pytest.raises(InvalidRequestError, match=r"it looks like an id, which belongs in group_id"):
        group_of(api, SALES_GROUP_ID)


@pytest.mark.parametrize(
    ("action", "arguments", "advice"),
    [
        ("get_group", {"group": "Nonexist"}, "(check the spelling, or give group_id instead)"),
        ("create_group", {"name": "Lab", "parent": "Nonexist"}, "(check the spelling, or give parent_id instead)"),
        (
            "add_user_to_group",
            {"group": "Nonexist", "user": GRACE_MAIL},
            "(check the spelling, or give group_id instead; create_groups=True creates missing groups)",
        ),
        (
            "enroll_users",
            {"session": "Nonexist", "users": [GRACE_MAIL]},
            "(check the spelling, or give session_id instead)",
        ),
    ],
)
def test_advises_what_to_do_about_a_name_without_similar_ones(api, action, arguments, advice):
    with pytest.raises(InvalidRequestError) as raised:
        getattr(api, action)(**arguments)
    assert f"is 'Nonexist', but no {'session' if 'session' in arguments else 'group'} has this name {advice}" in str(
        raised.value
    )


def test_similar_names_are_searched_for_a_few_names_only(api):
    texts = []
    for number in range(MAX_SUGGESTIONS + 1):
        with pytest.raises(InvalidRequestError) as raised:
            group_of(api, f"Sales {number}")
        texts.append(str(raised.value))
    assert ["similar" in text for text in texts] == [True] * MAX_SUGGESTIONS + [False]


def test_no_similar_names_are_searched_among_very_many():
    records = [
        {"group_id": f"{number:024x}", "name": f"Sales {number}", "parent_id": None}
        for number in range(MAX_COMPARED + 1)
    ]
    for count, is_searched in ((MAX_COMPARED, True), (MAX_COMPARED + 1, False)):
        error = _Groups(records[:count]).no_match("Sales x", None)
        assert ("similar" in str(error)) == is_searched


def test_advises_to_give_the_id_if_the_names_of_parents_are_equal(api, make_group):
    make_group("Race", ROOT_GROUP_ID)
    make_group("Race", ROOT_GROUP_ID)
    with pytest.raises(InvalidRequestError, match="give the id instead, or rename all but one"):
        group_of(api, "Acme/Race")


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["Welcome to Acme"], r"Resolved courses='Welcome to Acme' course_ids=\w{24}"),
        (
            ["Welcome to Acme", "Security basics"],
            r"Resolved courses='Welcome to Acme' and 'Security basics' course_ids=\w{24} and \w{24}",
        ),
    ],
)
def test_logs_lists_of_names_as_text(api, caplog, names, line):
    with caplog.at_level("INFO"):
        api.add_to_catalog(group="Sales", courses=names)
    assert any(re.fullmatch(line, message) for message in caplog.messages)


@pytest.mark.parametrize("text", ["/" * 100_000, "Sales/" * 60, "a" * 100_000])
def test_unusual_names_are_refused_quickly(api, text):
    with pytest.raises(InvalidRequestError, match="but no group has this name") as raised:
        group_of(api, text)
    assert len(str(raised.value)) < 1000


def test_shows_a_few_of_many_matches(api, make_group):
    for number in range(8):
        make_group("Support", make_group(f"{number} " + "x" * 300))
    with pytest.raises(InvalidRequestError, match=r"matches 8 groups: .*, 3 more") as raised:
        group_of(api, "Support")
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("delete_group", {}, "group_id or group is missing or empty"),
        ("delete_group", {"group": " ", "group_id": ""}, "group_id or group is missing or empty"),
        ("delete_group", {"group": "Sales", "group_id": SALES_GROUP_ID}, "group is given beside group_id"),
        ("delete_group", {"group": "Sa\x00les"}, "control and invisible"),
        ("delete_group", {"group": ["Sales"]}, "must be a string"),
        ("enroll_groups", {"session": "May"}, "group_ids or groups is missing or empty"),
        ("enroll_groups", {"session": "May", "groups": []}, "group_ids or groups is missing or empty"),
        ("add_to_catalog", {"group": "Sales"}, "both empty"),
        ("update_group", {"group": "Sales"}, "at least one field"),
        ("add_user_to_group", {"group": "X", "user": GRACE_MAIL, "create_groups": True}, "create_groups needs parent"),
        ("create_user", {"mail": "a@x.test", "parent_group": "Acme"}, "parent_group is given, but create_groups is"),
    ],
)
def test_reports_an_invalid_combination_before_anything_is_sent(api, sent, action, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        getattr(api, action)(**arguments)
    assert sent() == []


def test_a_group_is_deleted_by_exactly_one_name(api, sent, make_group):
    """A misspelled name must not look like a deletion that is done, not even if a missing group is no error."""
    make_group("Sales", SALES_GROUP_ID)
    for name in ("Sales", "Sails"):
        with pytest.raises(InvalidRequestError, match="Nothing was sent"):
            api.delete_group(group=name, if_missing="skip")
    assert writes(sent) == []
    assert api.delete_group(group="Sales/Sales")["outcome"] == "deleted"


# Listings


def test_each_kind_is_listed_once_and_only_if_needed(api, sent):
    api.get_group(group_id=SALES_GROUP_ID)
    assert listings(sent) == []
    for _ in range(3):
        api.get_group(group="Sales")
        api.get_catalog(group="Acme")
    assert listings(sent) == ["getGroups"]


def test_a_group_that_was_created_renamed_or_deleted_is_known_to_the_next_call(api):
    made = api.create_group(name="Lab")["group_id"]
    assert group_of(api, "Lab") == made
    api.update_group(group="Lab", name="Workshop")
    assert group_of(api, "Workshop") == made
    api.delete_group(group="Workshop")
    with pytest.raises(InvalidRequestError, match="but no group has this name"):
        group_of(api, "Workshop")


# Missing groups


def test_creates_a_missing_group_under_the_given_parent(api, sandbox):
    arguments = {"create_groups": True, "parent_group": "Sales", "if_exists": "update"}
    api.create_user(mail=GRACE_MAIL, group="Lab", other_groups=["Lab", "Shop"], primary_group="Lab", **arguments)
    made = {group["name"]: group for group in sandbox.control.state()["groups"] if group["parent"] == SALES_GROUP_ID}
    assert made.keys() == {"Lab", "Shop"}
    joined = {each["group"] for each in sandbox.control.state()["memberships"] if each["mail"] == GRACE_MAIL}
    assert joined == {ROOT_GROUP_ID, made["Lab"]["id"], made["Shop"]["id"]}


def test_creates_a_missing_group_once(api, sent):
    for user in (GRACE_MAIL, GRACE_ID):
        api.add_user_to_group(group="Lab", user=user, create_groups=True, parent_group_id=ROOT_GROUP_ID)
    assert [entry["body"]["name"] for entry in sent("createGroup")] == ["Lab"]


def test_a_child_of_the_parent_is_meant_where_several_groups_have_a_name(api, make_group):
    lab = make_group("Lab")
    child = make_group("Sales", lab)
    arguments = {"user": GRACE_MAIL, "create_groups": True, "parent_group": "Lab"}
    assert api.add_user_to_group(group="Sales", **arguments)["group_id"] == child
    assert api.add_user_to_group(group="Acme", **arguments)["group_id"] == ROOT_GROUP_ID, "not created: it exists"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"group": "Lab", "parent_group": "Nowhere"}, "parent_group is 'Nowhere', but no group has this name"),
        ({"group": "Lab", "parent_group_id": "f" * 24}, "nor the id f{24} of the parent"),
        ({"group": "Sales/Lab", "parent_group": "Acme"}, "creates none with a / in its name"),
        ({"group": "sales", "parent_group": "Acme"}, f"'Acme/Sales' .{SALES_GROUP_ID}. differs from it in case only"),
    ],
)
def test_creates_nothing_where_the_place_is_not_certain(api, sent, arguments, problem):
    with pytest.raises(InvalidRequestError, match=problem) as raised:
        api.add_user_to_group(user=GRACE_MAIL, create_groups=True, **arguments)
    assert str(raised.value).count(" is '") == 1, "one cause, one error"
    assert writes(sent) == []


def test_creates_no_two_groups_that_differ_in_case_only(api, sent):
    arguments = {"mail": "ana@acme.test", "create_groups": True, "parent_group": "Acme"}
    with pytest.raises(InvalidRequestError, match=r"other_groups\[0\] is 'lab', .* and 'Lab', .* in case only"):
        api.create_user(group="Lab", other_groups=["lab"], **arguments)
    assert writes(sent) == []
    api.create_user(group="lab", **arguments)
    with pytest.raises(InvalidRequestError, match=r"group is 'Lab', .* and 'Acme/lab' \(.* in case only"):
        api.create_user(group="Lab", **arguments)
    assert [entry["body"]["name"] for entry in sent("createGroup")] == ["lab"]


def test_creates_nothing_if_another_argument_is_invalid(api, sent):
    with pytest.raises(InvalidRequestError, match="primary_group_id is"):
        api.create_user(
            mail="ana@acme.test", group="Lab", primary_group="Acme", create_groups=True, parent_group="Acme"
        )
    assert writes(sent) == []


def test_models_declare_the_fields_of_ids_that_their_names_stand_for():
    models = [one.model for base in ApiV1.__mro__ for one in vars(base).values() if isinstance(one, Action)]
    assert len(models) > 20
    for model in models:
        assert {one.id_field for one in model.names.values()} <= model.model_fields.keys()
