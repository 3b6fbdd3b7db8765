"""Look-ups of API v2: what they find, how many requests they take, and what they remember."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from airflow_provider_360learning.api.v2.lookups import KnownIds
from airflow_provider_360learning.exceptions import NotFoundError, RefusedError, UnexpectedResponseError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

MISSING = "missing@acme.test"
OTHER_ID = "64b1f0c2a9d3e40012ac0009"
#: So many addresses that they take several look-ups.
MANY = [f"person+{number:03}@subsidiary.acme.test" for number in range(400)]


@pytest.fixture
def look_up(api):
    """Run a look-up."""

    def run(name, *arguments):
        return api.client.run(getattr(api, name)(*arguments))

    return run


@pytest.fixture
def many(sandbox):
    """Create users, and return their ids by email address."""
    sandbox.control.add_users(MANY)
    return {each["mail"]: each["id"] for each in sandbox.control.state()["users"] if each["mail"] in set(MANY)}


def found(mail, id=GRACE_ID, status="active"):
    """Return a user as a response shows it."""
    return {"_id": id, "mail": mail, "status": status, "lang": "en"}


# Ids of users


def test_finds_many_users_in_one_request(look_up, sent):
    ids = look_up("user_ids_of", [GRACE_MAIL, OTHER_ID, LINUS_MAIL, ADMIN_MAIL])
    assert list(ids.items()) == [
        (GRACE_MAIL, GRACE_ID),
        (OTHER_ID, OTHER_ID),
        (LINUS_MAIL, LINUS_INVITATION_ID),
        (ADMIN_MAIL, ADMIN_ID),
    ]
    assert len(sent("getUsers")) == 1


def test_ids_take_no_request(look_up, sent):
    assert look_up("user_id_of", GRACE_ID.upper()) == GRACE_ID.upper()
    assert sent() == []


def test_remembers_users_until_a_write_changes_them(api, look_up, sent):
    for _ in range(2):
        assert look_up("user_id_of", GRACE_MAIL) == GRACE_ID
    assert len(sent("getUsers")) == 1
    api.delete_user(user=GRACE_ID)
    with pytest.raises(NotFoundError):
        look_up("user_id_of", GRACE_MAIL)


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_forgets_an_address_that_was_changed(api, look_up, user):
    look_up("user_id_of", GRACE_MAIL)
    api.update_user(user=user, mail="grace@acme.test")
    assert look_up("user_id_of", "grace@acme.test") == GRACE_ID
    with pytest.raises(NotFoundError):
        look_up("user_id_of", GRACE_MAIL)


def test_looks_up_again_who_was_not_found(api, look_up):
    with pytest.raises(NotFoundError):
        look_up("user_id_of", MISSING)
    made = api.create_user(mail=MISSING)
    assert look_up("user_id_of", MISSING) == made["user_id"]


def test_names_the_addresses_that_no_user_has(look_up):
    with pytest.raises(NotFoundError, match=f"'{MISSING}' and 'no-one@acme.test': check") as raised:
        look_up("user_ids_of", [GRACE_MAIL, MISSING, "no-one@acme.test"])
    assert raised.value.code == "user_not_found"


def test_names_the_users_that_have_one_address(sandbox, look_up):
    body = [found(GRACE_MAIL), found(GRACE_MAIL, OTHER_ID, "invited")]
    sandbox.control.add_fault("getUsers", kind="status", status=200, body=body)
    with pytest.raises(RefusedError, match=f"2 users have .*{GRACE_ID} and {OTHER_ID}"):
        look_up("user_ids_of", [MISSING, GRACE_MAIL])


def test_a_deleted_user_is_not_found(api, look_up):
    api.delete_user(user=GRACE_MAIL)
    with pytest.raises(NotFoundError):
        look_up("user_id_of", GRACE_MAIL)


def test_an_active_and_a_deleted_user_with_one_address_are_one(sandbox, look_up):
    body = [found(GRACE_MAIL, OTHER_ID, "deleted"), found(GRACE_MAIL)]
    sandbox.control.add_fault("getUsers", kind="status", status=200, body=body)
    assert look_up("user_id_of", GRACE_MAIL) == GRACE_ID


def test_reports_who_is_not_found_and_returns_the_others(look_up):
    result = look_up("find_user_ids", [GRACE_MAIL, MISSING])
    assert result.ids == {GRACE_MAIL: GRACE_ID}
    assert isinstance(result.errors[MISSING], NotFoundError)


@pytest.mark.parametrize("case", ["insensitive", "sensitive"])
def test_letter_case_is_as_the_server_has_it(sandbox, look_up, case):
    sandbox.control.settings(mail_filter_case=case)
    result = look_up("find_user_ids", [GRACE_MAIL.upper(), GRACE_MAIL])
    assert result.ids[GRACE_MAIL] == GRACE_ID
    assert (result.ids.get(GRACE_MAIL.upper()) == GRACE_ID) == (case == "insensitive")


def test_the_exact_address_takes_precedence(sandbox, look_up):
    """Letter case makes a difference to the accounts, but not to the filter."""
    body = [found(GRACE_MAIL.upper(), OTHER_ID), found(GRACE_MAIL)]
    sandbox.control.add_fault("getUsers", kind="status", status=200, body=body)
    assert look_up("user_id_of", GRACE_MAIL) == GRACE_ID


@pytest.mark.parametrize("case", ["insensitive", "sensitive"])
def test_an_account_is_found_in_another_letter_case(sandbox, api, case):
    """The platform has refused the address, so that there must be one."""
    sandbox.control.settings(mail_filter_case=case)
    made = api.create_user(mail=GRACE_MAIL.upper())
    assert made == {"mail": GRACE_MAIL.upper(), "user_id": GRACE_ID, "outcome": "already_exists"}


# Many users


def test_a_query_has_4_kb_at_most(many, look_up, sent):
    first = MANY[:200]
    assert look_up("user_ids_of", first) == {mail: many[mail] for mail in first}
    requests = [each["query"] for each in sent("getUsers")]
    lengths = [sum(len(name) + len(quote(value, safe="")) + 2 for name, value in each.items()) for each in requests]
    assert len(lengths) == 3
    assert max(lengths) < 3_900


def test_lists_all_users_where_that_takes_fewer_requests(many, look_up, sent):
    assert look_up("user_ids_of", MANY) == many
    assert [each["query"] for each in sent("getUsers")] == [{"status[ne]": "deleted"}]


def test_stops_listing_a_large_company(sandbox, many, look_up, sent):
    """The second time, it is known that the company is large."""
    sandbox.control.settings(max_page_size=100)
    for mails, listings in ((MANY, 4), ([f"no-{mail}" for mail in MANY], 0)):
        before = len(sent("getUsers"))
        assert look_up("find_user_ids", mails).ids == (many if listings else {})
        queries = [each["query"] for each in sent("getUsers")[before:]]
        filters = [query for query in queries if "mail[in][0]" in query]
        assert len(queries) - len(filters) == listings
        assert len(filters) == 6


def test_leaves_letter_case_to_the_server_when_users_are_listed(sandbox, many, look_up):
    sandbox.control.settings(mail_filter_case="sensitive")
    asked = [MANY[0].upper(), *MANY[1:]]
    assert list(look_up("find_user_ids", asked).errors) == [MANY[0].upper()]
    sandbox.control.settings(mail_filter_case="insensitive")
    assert look_up("user_id_of", MANY[0].upper()) == many[MANY[0]]


def test_remembers_a_bounded_number_of_ids():
    known = KnownIds(maximum=2)
    for key in "abc":
        known.put(key, key.upper())
    assert [known.get(key) for key in "abc"] == [None, "B", "C"]


# Email addresses of users


def test_returns_addresses_of_deleted_users_too(api, look_up, sent):
    api.delete_user(user=GRACE_ID)
    assert look_up("mails_of", [GRACE_ID.upper(), OTHER_ID, LINUS_INVITATION_ID]) == {
        GRACE_ID.upper(): GRACE_MAIL,
        LINUS_INVITATION_ID: LINUS_MAIL,
    }
    assert len(sent("getUsers")) == 1
    assert len(sent("getUser")) == 0, "all users were listed"


def test_a_single_address_is_read_alone(look_up, sent):
    assert look_up("mails_of", [GRACE_ID]) == {GRACE_ID: GRACE_MAIL}
    assert look_up("mails_of", [OTHER_ID]) == {}
    assert look_up("mails_of", []) == {}
    assert sent("getUsers") == []


@pytest.mark.parametrize("wanted", [3, 300])
def test_addresses_take_few_requests(sandbox, many, look_up, sent, wanted):
    """Three users are cheaper one by one, 300 are not."""
    sandbox.control.settings(max_page_size=20)
    last = MANY[-wanted:]
    assert look_up("mails_of", [many[mail] for mail in last]) == {many[mail]: mail for mail in last}
    assert len(sent("getUsers")) + len(sent("getUser")) <= (7 if wanted == 3 else 25)


# Sessions and groups


def test_finds_the_path_of_a_session_once(make_api, sandbox, sent):
    made = make_api().create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    api = make_api()
    before = len(sent("getAllPathSessions"))
    for session_id in (made["session_id"], made["session_id"].upper()):
        assert api.client.run(api.path_id_of(session_id)) == ONBOARDING_PATH_ID
    assert len(sent("getAllPathSessions")) - before == 1
    with pytest.raises(NotFoundError) as raised:
        api.client.run(api.path_id_of(OTHER_ID))
    assert raised.value.code == "path_session_not_found"


def test_finds_the_root_group_once(look_up, sandbox, sent):
    sandbox.control.settings(max_page_size=1, list_order="shuffled")
    for _ in range(2):
        assert look_up("root_group_id") == ROOT_GROUP_ID
    assert len(sent("getGroups")) == 2


def test_reports_a_company_without_a_root_group(look_up, sandbox):
    group = {"_id": SALES_GROUP_ID, "name": "Sales", "public": True, "parentId": ROOT_GROUP_ID}
    sandbox.control.add_fault("getGroups", kind="status", status=200, body=[group])
    with pytest.raises(UnexpectedResponseError, match="give group_id"):
        look_up("root_group_id")
