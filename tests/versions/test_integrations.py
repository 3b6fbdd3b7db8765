"""Integrations, which only API v2 has: API v1 names what it has instead."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, ROOT_GROUP_ID, SALES_GROUP_ID
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
PROVIDER = {"group": "Sales", "external_platform": "Courses & More", "author_id": ADMIN_ID}


@pytest.fixture
def api(sandbox):
    """Return the API in the version that has integrations; it does not sleep between attempts."""
    with api_factory(sandbox, "v2") as make:
        yield make(client={"sleep": lambda seconds: None})


@pytest.fixture
def integration_id(api):
    return api.create_integration(**PROVIDER, default_progress=10)["integration_id"]


def test_creates_an_integration_once(api, integration_id):
    assert api.list_integrations() == [
        {
            "integration_id": integration_id,
            "group_id": SALES_GROUP_ID,
            "external_platform": "Courses & More",
            "author_id": ADMIN_ID,
            "default_completion": None,
            "default_progress": 10,
            "no_group_propagation": None,
            "logo_url": None,
            "unicolor_logo_url": None,
        }
    ]
    again = api.create_integration(**{**PROVIDER, "group": None, "group_id": SALES_GROUP_ID.upper()})
    assert again == {"integration_id": integration_id, "outcome": "already_exists"}
    assert api.create_integration(**{**PROVIDER, "group": "Acme"})["outcome"] == "created"


def test_updates_an_existing_integration_or_refuses_it(api, integration_id):
    made = api.create_integration(**{**PROVIDER, "author_id": GRACE_ID}, default_completion=True, if_exists="update")
    assert made == {"integration_id": integration_id, "outcome": "updated"}
    (found,) = api.list_integrations()
    assert (found["author_id"], found["default_completion"], found["default_progress"]) == (GRACE_ID, True, 10)
    with pytest.raises(AlreadyExistsError, match=f"with 'Courses & More' exists already: {integration_id}"):
        api.create_integration(**PROVIDER, if_exists="fail")


def test_updates_only_the_given_fields(api, integration_id):
    updated = api.update_integration(integration_id=integration_id, group="Acme", logo_url="https://logo.test/a.svg")
    assert updated == {"integration_id": integration_id, "outcome": "updated"}
    (found,) = api.list_integrations()
    assert (found["group_id"], found["external_platform"], found["default_progress"], found["logo_url"]) == (
        ROOT_GROUP_ID,
        "Courses & More",
        10,
        "https://logo.test/a.svg",
    )
    with pytest.raises(InvalidRequestError, match="at least one field"):
        api.update_integration(integration_id=integration_id)
    with pytest.raises(NotFoundError):
        api.update_integration(integration_id=MISSING_ID, author_id=ADMIN_ID)


def test_deletes_an_integration_once(sandbox, api, integration_id):
    planned = api.delete_integration(integration_id=integration_id, dry_run=True)
    assert (planned["outcome"], planned["integration"]) == ("would_delete", api.list_integrations()[0])
    assert api.delete_integration(integration_id=integration_id)["outcome"] == "deleted"
    for arguments in ({}, {"dry_run": True}):
        gone = api.delete_integration(integration_id=integration_id, **arguments)
        assert gone == {"integration_id": integration_id, "outcome": "not_found"}
        with pytest.raises(NotFoundError):
            api.delete_integration(integration_id=integration_id, if_missing="fail", **arguments)


def test_a_creation_whose_response_is_lost_is_looked_up_and_never_sent_twice(sandbox, api):
    sandbox.control.add_fault("createIntegration", kind="drop_after")
    assert api.create_integration(**PROVIDER)["outcome"] == "created"
    sandbox.control.add_fault("createIntegration", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_integration(**{**PROVIDER, "group": "Acme"})
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("createIntegration") == 2


def test_a_deletion_whose_response_is_lost_is_done(sandbox, api, integration_id):
    sandbox.control.add_fault("deleteIntegration", kind="drop_after")
    assert api.delete_integration(integration_id=integration_id, if_missing="fail")["outcome"] == "deleted"


def test_reports_that_the_company_has_as_many_as_it_may(sandbox, api, integration_id):
    sandbox.control.settings(max_integrations=1)
    with pytest.raises(RefusedError, match="integrationsLimitReached"):
        api.create_integration(**{**PROVIDER, "group": "Acme"})


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("list_integrations", {}),
        ("create_integration", {**PROVIDER, "group": None, "group_id": SALES_GROUP_ID}),
        ("update_integration", {"integration_id": MISSING_ID, "author_id": ADMIN_ID}),
        ("delete_integration", {"integration_id": MISSING_ID}),
    ],
)
def test_api_v1_names_what_it_has_instead(sandbox, action, arguments):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="take group and provider"):
        make().actions[action](**arguments)
    assert sandbox.control.journal() == []
