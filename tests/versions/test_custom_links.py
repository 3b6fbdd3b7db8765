"""Custom links and their URLs of users: the same arguments, results and errors in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
)
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL

URL = "https://calendar.test/grace?token=1"


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def calendar(api):
    """Create a custom link, and return its id."""
    return api.create_custom_link(type="calendar", name="Calendar", icon="agenda")["custom_link_id"]


def links(api):
    return [(link["type"], link["name"], link["order"], link["icon"]) for link in api.list_custom_links()]


def urls(api, user=GRACE_MAIL):
    return [(url["type"], url["name"], url["icon"], url["url"]) for url in api.list_custom_user_links(user=user)]


def test_creates_a_custom_link_once(api, calendar):
    assert [link["custom_link_id"] for link in api.list_custom_links()] == [calendar]
    again = api.create_custom_link(type="calendar", name="Another")
    assert again == {"custom_link_id": calendar, "type": "calendar", "outcome": "already_exists"}
    assert links(api) == [("calendar", "Calendar", 0, "agenda")]


def test_a_new_link_is_the_last_one_unless_an_order_is_given(api):
    for type, order in (("a", 5), ("b", None), ("c", 1), ("d", None)):
        api.create_custom_link(type=type, name=type.upper(), order=order)
    assert {type: order for type, _, order, _ in links(api)} == {"a": 5, "b": 6, "c": 1, "d": 7}


def test_updates_an_existing_link_or_refuses_it(api, calendar):
    updated = api.create_custom_link(type="calendar", name="Agenda", if_exists="update")
    assert updated == {"custom_link_id": calendar, "type": "calendar", "outcome": "updated"}
    assert links(api) == [("calendar", "Agenda", 0, "agenda")]
    with pytest.raises(AlreadyExistsError, match=f"custom link 'calendar' exists already: {calendar}"):
        api.create_custom_link(type="calendar", name="Agenda", if_exists="fail")


def test_updates_only_the_given_fields_of_a_link(api, calendar):
    assert api.update_custom_link(type="calendar", new_type="agenda", order=3) == {
        "type": "agenda",
        "outcome": "updated",
    }
    assert links(api) == [("agenda", "Calendar", 3, "agenda")]
    api.update_custom_link(type="agenda", name="Agenda", icon="inbox")
    assert links(api) == [("agenda", "Agenda", 3, "inbox")]
    with pytest.raises(NotFoundError, match="No custom link has the type 'calendar'"):
        api.update_custom_link(type="calendar", name="x")


def test_refuses_what_another_link_has(api, calendar):
    api.create_custom_link(type="mail", name="Mail")
    for change in ({"new_type": "calendar"}, {"name": "Calendar"}, {"order": 0}):
        with pytest.raises(Learning360Error) as raised:
            api.update_custom_link(type="mail", **change)
        assert not raised.value.transient


def test_deletes_a_link_with_its_urls_once(api, calendar):
    api.create_custom_user_link(user=GRACE_MAIL, type="calendar", url=URL)
    assert api.delete_custom_link(type="calendar") == {"type": "calendar", "outcome": "deleted"}
    assert (links(api), urls(api)) == ([], [])
    assert api.delete_custom_link(type="calendar") == {"type": "calendar", "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_custom_link(type="calendar", if_missing="fail")


@pytest.mark.slow
def test_a_link_whose_response_is_lost_is_looked_up_and_never_sent_twice(sandbox, api):
    sandbox.control.add_fault("createCustomLink", kind="drop_after")
    assert api.create_custom_link(type="a", name="A")["outcome"] == "created"
    sandbox.control.add_fault("createCustomLink", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_custom_link(type="b", name="B")
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("createCustomLink") == 2


def test_a_deletion_whose_response_is_lost_is_done(sandbox, api, calendar):
    for operation, delete in (
        ("deleteCustomUserLink", lambda: api.delete_custom_user_link(user=GRACE_MAIL, type="calendar")),
        ("deleteCustomLink", lambda: api.delete_custom_link(type="calendar")),
    ):
        api.create_custom_user_link(user=GRACE_MAIL, type="calendar", url=URL)
        sandbox.control.add_fault(operation, kind="drop_after")
        assert delete()["outcome"] == "deleted"


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_sets_changes_and_deletes_the_url_of_a_user(api, calendar, user):
    where = {"user": user, "type": "calendar"}
    assert api.create_custom_user_link(**where, url=URL) == {**where, "outcome": "created"}
    assert urls(api) == [("calendar", "Calendar", "agenda", URL)]
    assert api.create_custom_user_link(**where, url="https://x.test") == {**where, "outcome": "already_exists"}
    assert urls(api) == [("calendar", "Calendar", "agenda", URL)]
    assert api.update_custom_user_link(**where, url="https://x.test") == {**where, "outcome": "updated"}
    assert urls(api, user) == [("calendar", "Calendar", "agenda", "https://x.test")]
    assert urls(api, ADMIN_MAIL) == []
    assert api.delete_custom_user_link(**where) == {**where, "outcome": "deleted"}
    assert urls(api) == []
    assert api.delete_custom_user_link(**where) == {**where, "outcome": "not_found"}


def test_updates_an_existing_url_or_refuses_it_without_showing_it(api, calendar):
    where = {"user": GRACE_MAIL, "type": "calendar"}
    api.create_custom_user_link(**where, url=URL)
    assert api.create_custom_user_link(**where, url="https://x.test", if_exists="update")["outcome"] == "updated"
    assert [url for *_, url in urls(api)] == ["https://x.test"]
    with pytest.raises(
        AlreadyExistsError, match=f"URL of the user {GRACE_MAIL} for the custom link 'calendar'"
    ) as error:
        api.create_custom_user_link(**where, url=URL, if_exists="fail")
    assert "https" not in str(error.value.args)


def test_a_url_can_move_to_another_link(api, calendar):
    api.create_custom_link(type="mail", name="Mail")
    api.create_custom_user_link(user=GRACE_MAIL, type="calendar", url=URL)
    moved = api.update_custom_user_link(user=GRACE_MAIL, type="calendar", new_type="mail")
    assert moved == {"user": GRACE_MAIL, "type": "mail", "outcome": "updated"}
    assert urls(api) == [("mail", "Mail", None, URL)]


@pytest.mark.slow
def test_a_url_whose_response_is_lost_is_looked_up_and_never_sent_twice(sandbox, api, calendar):
    where = {"user": GRACE_MAIL, "type": "calendar", "url": URL}
    sandbox.control.add_fault("createCustomUserLink", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_custom_user_link(**where)
    sandbox.control.add_fault("createCustomUserLink", kind="drop_after")
    assert api.create_custom_user_link(**where)["outcome"] == "created"
    sent = [entry["operation"] for entry in sandbox.control.journal()]
    assert sent.count("createCustomUserLink") == 2


def test_raises_for_missing_users_links_and_urls(api, calendar):
    for user in ("missing@acme.test", "0" * 24):
        with pytest.raises(NotFoundError):
            api.list_custom_user_links(user=user)
    with pytest.raises(NotFoundError):
        api.create_custom_user_link(user=GRACE_MAIL, type="mail", url=URL)
    with pytest.raises(NotFoundError, match=f"user {GRACE_MAIL} has no URL for the custom link 'calendar'"):
        api.update_custom_user_link(user=GRACE_MAIL, type="calendar", url=URL)
    with pytest.raises(NotFoundError):
        api.delete_custom_user_link(user=GRACE_MAIL, type="calendar", if_missing="fail")


def test_needs_something_to_change(sandbox, api):
    for change, arguments in (
        (api.update_custom_link, {"type": "mail"}),
        (api.update_custom_user_link, {"type": "mail", "user": GRACE_MAIL}),
    ):
        with pytest.raises(InvalidRequestError, match="needs"):
            change(**arguments)
    assert sandbox.control.journal() == []
