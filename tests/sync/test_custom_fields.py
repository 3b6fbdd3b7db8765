"""Custom fields of people, through the operator, on both API versions."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.demo_company import DEPARTMENT_FIELD_ID, SITE_FIELD_ID
from tests.sync.sync_runs import changes_of, row

ANA = "ana@acme.test"


def ana(department, site):
    """Return the row of a person with two custom fields."""
    return row("ana", **{"custom_fields.Department": department, "custom_fields.Site": site})


def values(api):
    found = api.get_user(user=ANA)["custom_fields"]
    return found.get(DEPARTMENT_FIELD_ID), found.get(SITE_FIELD_ID)


def test_a_custom_field_that_does_not_change_keeps_its_value(api, syncs):
    syncs.apply([ana("Navy", "Lyon")])
    assert values(api) == ("Navy", "Lyon")
    assert changes_of(syncs.plan([ana("Navy", "Lyon")])) == []
    syncs.apply([ana("Army", "Lyon")])
    assert values(api) == ("Army", "Lyon")
    assert changes_of(syncs.plan([ana("Army", "Lyon")], verify="full")) == []


def test_a_custom_field_that_was_changed_by_hand_keeps_that_value(api, syncs):
    syncs.apply([ana("Navy", "Lyon")])
    api.set_user_custom_field(user=ANA, custom_field_id=SITE_FIELD_ID, value="Paris")
    syncs.apply([ana("Army", "Lyon")])
    assert values(api) == ("Army", "Paris")
