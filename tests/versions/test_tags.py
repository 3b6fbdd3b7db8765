"""Tags: the same arguments, results and errors in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    Learning360Error,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
#: The operation that creates a tag.
CREATION = {"v1": "postSkills", "v2": "createTag"}


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def tags(api, sandbox):
    """Return a function that lists the tags that a test has made."""
    known = {tag["tag_id"] for tag in api.list_tags()}
    sandbox.control.clear_journal()

    def made():
        new = [tag for tag in api.list_tags() if tag["tag_id"] not in known]
        return [(tag["name"], tag["is_main"], tag["external_id"]) for tag in new]

    return made


def test_creates_a_tag_once(api, tags):
    made = api.create_tag(name="Onboarding", is_main=True, external_id="1743_ab")
    assert made == {"tag_id": made["tag_id"], "name": "Onboarding", "outcome": "created"}
    assert made["tag_id"] in {tag["tag_id"] for tag in api.list_tags()}
    assert tags() == [("Onboarding", True, "1743_ab")]
    assert api.create_tag(name="Onboarding") == {**made, "outcome": "already_exists"}
    assert tags() == [("Onboarding", True, "1743_ab")]


def test_updates_an_existing_tag_or_refuses_it(api, tags):
    made = api.create_tag(name="Onboarding", external_id="1")
    assert api.create_tag(name="Onboarding", is_main=True, if_exists="update") == {**made, "outcome": "updated"}
    assert tags() == [("Onboarding", True, "1")]
    with pytest.raises(AlreadyExistsError, match=f"tag 'Onboarding' exists already: {made['tag_id']}"):
        api.create_tag(name="Onboarding", if_exists="fail")


def test_updates_only_the_given_fields_of_a_tag(api, tags):
    tag_id = api.create_tag(name="Onboarding", is_main=True, external_id="1")["tag_id"]
    assert api.update_tag(tag="Onboarding", name="Welcome") == {"tag_id": tag_id, "outcome": "updated"}
    assert tags() == [("Welcome", True, "1")]
    api.update_tag(tag_id=tag_id, is_main=False, external_id="2")
    assert tags() == [("Welcome", False, "2")]


def test_refuses_the_name_of_another_tag_and_an_unknown_tag(api, tags):
    api.create_tag(name="Onboarding")
    api.create_tag(name="Security")
    with pytest.raises(Learning360Error) as raised:
        api.update_tag(tag="Security", name="Onboarding")
    assert not raised.value.transient
    with pytest.raises(NotFoundError):
        api.update_tag(tag_id=MISSING_ID, name="Security")
    assert [name for name, *_ in tags()] == ["Onboarding", "Security"]


@pytest.mark.slow
def test_a_creation_whose_response_is_lost_is_looked_up_and_never_sent_twice(sandbox, api, tags, version):
    sandbox.control.add_fault(CREATION[version], kind="drop_after")
    assert api.create_tag(name="Onboarding")["outcome"] == "created"
    sandbox.control.add_fault(CREATION[version], kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_tag(name="Security")
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count(CREATION[version]) == 2
    assert [name for name, *_ in tags()] == ["Onboarding"]


def test_needs_a_field_to_change(sandbox, api):
    with pytest.raises(InvalidRequestError, match="update_tag needs at least one field to change"):
        api.update_tag(tag_id=MISSING_ID)
    assert sandbox.control.journal() == []


def test_deletes_a_tag_once_in_api_v2(sandbox):
    with api_factory(sandbox, "v2") as make:
        api = make()
        tag_id = api.create_tag(name="Onboarding")["tag_id"]
        assert api.delete_tag(tag="Onboarding") == {"tag_id": tag_id, "outcome": "deleted"}
        assert tag_id not in {tag["tag_id"] for tag in api.list_tags()}
        assert api.delete_tag(tag_id=tag_id)["outcome"] == "not_found"
        with pytest.raises(NotFoundError):
            api.delete_tag(tag_id=tag_id, if_missing="fail")


def test_a_deletion_whose_response_is_lost_is_done(sandbox):
    with api_factory(sandbox, "v2") as make:
        api = make(client={"sleep": lambda seconds: None})
        api.create_tag(name="Onboarding")
        sandbox.control.add_fault("deleteTag", kind="drop_after")
        assert api.delete_tag(tag="Onboarding", if_missing="fail")["outcome"] == "deleted"


def test_deletes_no_tag_in_api_v1(sandbox):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="delete_tag is not available"):
        make().delete_tag(tag_id=MISSING_ID)
    assert sandbox.control.journal() == []
