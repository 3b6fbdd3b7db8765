"""Names in the place of ids: every kind of object is found by its name in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)


def test_a_group_is_found_by_its_name_or_after_its_parents(api):
    below = api.create_group(name="EMEA", parent="Sales")["group_id"]
    for text in ("EMEA", "Sales/EMEA", "Acme/Sales/EMEA"):
        assert api.get_group(group=text)["group_id"] == below
    assert api.update_group(group="EMEA", parent="Acme")["group_id"] == below
    assert api.get_group(group="Acme/EMEA")["parent_id"] == ROOT_GROUP_ID
    assert api.delete_group(group="EMEA") == {"group_id": below, "outcome": "deleted"}


def test_an_error_names_all_groups_that_a_name_matches(api):
    one = api.create_group(name="Support", parent="Sales")["group_id"]
    two = api.create_group(name="Support")["group_id"]
    with pytest.raises(InvalidRequestError, match="group is 'Support', which matches 2 groups") as caught:
        api.add_user_to_group(group="Support", user=GRACE_MAIL)
    assert f"'Acme/Sales/Support' ({one})" in str(caught.value)
    assert f"'Acme/Support' ({two})" in str(caught.value)


def test_missing_groups_are_created_once(api):
    for _ in range(2):
        joined = api.add_user_to_group(
            group="Lab", user=GRACE_MAIL, create_groups=True, parent_group="Acme/Sales", role="coach"
        )
    assert api.get_group(group="Sales/Lab")["parent_id"] == SALES_GROUP_ID
    assert len(api.list_groups()) == 3
    assert {"group_id": joined["group_id"], "role": "coach"} in api.list_user_roles(user=GRACE_ID)


def test_a_course_is_found_by_its_name_unless_it_is_deleted(api):
    assert api.get_user_course_stats(course="Welcome to Acme", user=GRACE_ID) == []
    with pytest.raises(InvalidRequestError, match="but no course has this name"):
        api.get_user_course_stats(course="Welcome to Acme 2024", user=GRACE_ID)


def test_a_path_and_its_session_are_found_by_their_names(api):
    made = api.create_path_session(
        path="Onboarding", name="May", session_start="2026-05-01T00:00:00Z", group="Acme", instructors=[GRACE_MAIL]
    )
    assert made["path_id"] == ONBOARDING_PATH_ID
    assert api.enroll_users(session="May", path="Onboarding", users=[GRACE_MAIL])["session_id"] == made["session_id"]
    assert api.enroll_groups(session="May", groups=["Sales"])["session_id"] == made["session_id"]
    assert [row["user_id"] for row in api.list_path_session_stats(session="May")] == [GRACE_ID]
    with pytest.raises(InvalidRequestError, match="session is 'June', but no session of this path has this name"):
        api.enroll_users(session="June", path="Onboarding", users=[GRACE_MAIL])


@pytest.mark.slow  # API v2 does it with bulk jobs
def test_a_catalog_is_changed_by_names_of_courses_and_sessions(api):
    made = api.create_path_session(
        path="Onboarding", name="May", session_start="2026-05-01T00:00:00Z", group="Acme", instructors=[GRACE_MAIL]
    )
    items = {"group": "Sales", "courses": ["Welcome to Acme"], "sessions": ["May"]}
    assert api.add_to_catalog(**items)["items"] == 2
    catalog = api.get_catalog(group="Sales")
    assert [item["id"] for item in catalog["courses"]] == [WELCOME_COURSE_ID]
    assert [item["id"] for item in catalog["paths"]] == [made["session_id"]]
    assert api.remove_from_catalog(**items)["items"] == 2
    assert api.get_catalog(group="Sales") == {"courses": [], "paths": []}
