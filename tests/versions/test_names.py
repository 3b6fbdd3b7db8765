"""Names in the place of ids: every kind of object is found by its name in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
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
