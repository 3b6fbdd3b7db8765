"""What the listings of 360Learning show, as accounts and groups, in both versions of the API."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    HIRING_FIELD_ID,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SITE_FIELD_ID,
)
from airflow_provider_360learning.sync.details import read_details
from airflow_provider_360learning.sync.listing import read_platform
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.platform import Group
from airflow_provider_360learning.sync.state import Remembered, SyncState
from tests.sync.support import NOW

MISSING_ID = "0" * 24
HR = "BambooHR"
YEAR_3000 = datetime(3000, 1, 1, tzinfo=UTC)


@pytest.fixture
def read(api):
    """Return a function that reads the listings, by default with the field ``custom`` as the key."""

    def read(*, state=None, custom_fields=False, key="custom", key_namespace="hr:", **options):
        options = SyncOptions(key=key, key_namespace=key_namespace, **options)
        return read_platform(api, options, state or SyncState(), NOW, custom_fields=custom_fields)

    return read


@pytest.fixture
def account(read):
    """Return a function that reads the listings and returns the account with an address, or ``None``."""

    def account(mail, **arguments):
        found = [one for one in read(**arguments).accounts if one.mail == mail]
        assert len(found) < 2
        return found[0] if found else None

    return account


def remember(**people):
    return SyncState({key: Remembered(**values) for key, values in people.items()})


def test_identifies_company_and_version(api, read, version):
    platform = read()
    assert platform.version == version
    assert platform.company == f"{api.client.company} {version}"


def test_groups_are_read_with_their_parents(read):
    platform = read()
    assert dict(platform.groups) == {
        ROOT_GROUP_ID: Group(ROOT_GROUP_ID, "Acme", None, public=False, custom=None),
        SALES_GROUP_ID: Group(SALES_GROUP_ID, "Sales", ROOT_GROUP_ID, public=True, custom=None),
    }
    assert platform.managed_groups == frozenset()


@pytest.mark.parametrize(
    ("custom", "key", "other_key"),
    [
        ("hr:4711", "4711", None),
        ("hr:", None, "hr:"),
        ("HR:4711", None, "HR:4711"),
        ("4711", None, "4711"),
        ("hr:a:b", "a:b", None),
        ("hr:  4711 ", "4711", None),
        ("hr: ", None, "hr:"),
        (None, None, None),
    ],
)
def test_a_key_is_one_of_the_namespace(api, account, custom, key, other_key):
    if custom is not None:
        api.update_user(user=GRACE_MAIL, custom=custom)
    grace = account(GRACE_MAIL)
    assert (grace.user_id, grace.status, grace.key, grace.other_key) == (GRACE_ID, "active", key, other_key)


def test_without_a_namespace_each_value_is_a_key(api, account):
    api.update_user(user=GRACE_MAIL, custom="0815")
    assert account(GRACE_MAIL, key_namespace="").key == "0815"
    assert account(ADMIN_MAIL, key_namespace="").key is None


def test_an_address_can_be_the_key(account):
    grace = account(GRACE_MAIL, key="mail", key_namespace="")
    assert (grace.key, grace.other_key) == (GRACE_MAIL, None)


def test_two_accounts_can_have_one_key(api, read):
    for mail in (GRACE_MAIL, ADMIN_MAIL):
        api.update_user(user=mail, custom="hr:1")
    assert [one.mail for one in read().accounts if one.key == "1"] == [ADMIN_MAIL, GRACE_MAIL]


def test_external_ids_are_keys_where_they_are_listed(api, read, account):
    api.set_external_id(user=GRACE_MAIL, external_platform=HR, external_id="hr:4711")
    api.set_external_id(user=ADMIN_MAIL, external_platform="Workday", external_id="hr:4712")
    options = {"key": "external_id", "external_platform": HR}
    if not api.user_facts.lists_deleted:
        with pytest.raises(NotAvailableError, match="use the field custom"):
            read(**options)
        return
    assert account(GRACE_MAIL, **options).key == "4711"
    assert account(ADMIN_MAIL, **options).key is None
    api.delete_user(user=GRACE_MAIL)
    deleted = account(GRACE_MAIL, **options)
    assert (deleted.key, deleted.status) == ("4711", "deleted")


def test_external_ids_need_the_name_of_their_platform(read):
    with pytest.raises(InvalidRequestError, match="external_platform is missing"):
        read(key="external_id")


def test_profile_fields_are_those_that_the_listing_has(api, account):
    api.update_user(user=GRACE_MAIL, job="Admiral", organization="Navy", phone="+33 1", lang="fr")
    fields = account(GRACE_MAIL).fields
    assert (fields["first_name"], fields["last_name"]) == ("Grace", "Hopper")
    everything = {"job": "Admiral", "organization": "Navy", "phone": "+33 1", "lang": "fr"}
    if fields.keys() == {"first_name", "last_name"}:
        assert api.user_facts.listed_fields == fields.keys()
    else:
        assert everything.items() <= fields.items()


def test_a_date_of_deactivation_is_known_where_the_listing_has_it(api, account):
    api.update_user(user=GRACE_MAIL, to_be_deactivated_at=YEAR_3000)
    grace = account(GRACE_MAIL)
    assert grace.deactivation_known == api.user_facts.lists_deactivation
    assert grace.deactivates_at == (YEAR_3000 if grace.deactivation_known else None)


# People whom a version may not list


def test_an_invited_person_is_pending(api, account):
    state = remember(**{"1": {"mail": "Una@acme.test", "invited_at": YEAR_3000}})
    api.create_user(mail="una@acme.test", custom="hr:1", mode="invite")
    una = account("una@acme.test", state=state)
    assert (una.status, una.key) == ("pending", "1")
    assert (una.user_id is not None) == api.user_facts.lists_invited


def test_an_accepted_invitation_is_an_account(api, account, sandbox):
    invited = api.create_user(mail="una@acme.test", custom="hr:1", mode="invite")
    state = remember(**{"1": {"mail": "una@acme.test", "user_id": invited["user_id"], "invited_at": YEAR_3000}})
    sandbox.control.accept_invitation("una@acme.test")
    una = account("una@acme.test", state=state)
    assert (una.status, una.key) == ("active", "1")
    assert una.user_id is not None


def test_an_accepted_invitation_without_its_key_is_not_pending_any_more(api, account, sandbox):
    api.create_user(mail="una@acme.test", mode="invite")
    sandbox.control.accept_invitation("una@acme.test")
    una = account("una@acme.test", state=remember(**{"1": {"mail": "una@acme.test", "invited_at": YEAR_3000}}))
    assert (una.status, una.key) == ("active", None)


def test_a_deleted_person_is_known_by_the_key(api, account):
    api.update_user(user=GRACE_MAIL, custom="hr:1")
    api.delete_user(user=GRACE_MAIL)
    grace = account(GRACE_MAIL, state=remember(**{"1": {"mail": GRACE_MAIL, "user_id": GRACE_ID}}))
    assert (grace.status, grace.key, grace.user_id, grace.memberships) == ("deleted", "1", GRACE_ID, None)


def test_a_user_who_is_listed_nowhere_counts_as_deleted_where_deleted_users_are_not_listed(api, account):
    state = remember(**{"1": {"mail": "una@acme.test", "user_id": MISSING_ID}})
    una = account("una@acme.test", state=state)
    assert (una is None) == api.user_facts.lists_deleted
    assert una is None or (una.status, una.key, una.user_id) == ("deleted", "1", MISSING_ID)


def test_a_user_who_is_deleted_while_users_are_read_counts_once(api, make_api, sent):
    deleted = []

    def delete_after_the_first_listing():
        if sent("getUsers") and not deleted:
            deleted.append(api.delete_user(user=GRACE_ID))

    reader = make_api(client={"before_sending": delete_after_the_first_listing})
    accounts = read_platform(reader, SyncOptions(key="custom"), SyncState(), NOW).accounts
    found = [one.status for one in accounts if one.user_id == GRACE_ID]
    assert found == (["deleted"] if api.user_facts.lists_deleted else ["active"])


def test_a_pseudonymized_user_has_no_address(api, read):
    api.update_user(user=GRACE_MAIL, custom="hr:1")
    api.delete_user(user=GRACE_MAIL)
    api.pseudonymize_user(user=GRACE_ID)
    found = [one for one in read().accounts if one.user_id == GRACE_ID]
    assert [one.mail for one in found] == ([""] if api.user_facts.lists_deleted else [])


def test_what_the_state_remembers_of_listed_people_is_not_used(read):
    state = remember(**{"1": {"mail": "old@acme.test", "user_id": GRACE_ID.upper()}})
    before = read()
    assert read(state=state) == before


# Memberships


def test_memberships_of_managed_groups_and_those_below_are_read(api, account, read):
    paris = api.create_group(name="Paris", parent_id=SALES_GROUP_ID, public=False)["group_id"]
    api.add_user_to_group(user=GRACE_MAIL, group_id=paris, role="coach")
    api.add_user_to_group(user=GRACE_MAIL, group_id=paris, role="learner")
    api.add_user_to_group(user=ADMIN_MAIL, group_id=SALES_GROUP_ID, role="editor")
    groups = {"managed_groups": (SALES_GROUP_ID.upper(),)}
    assert read(**groups).managed_groups == {SALES_GROUP_ID, paris}
    assert account(GRACE_MAIL, **groups).memberships == {paris: {"coach", "learner"}}
    assert account(ADMIN_MAIL, **groups).memberships == {SALES_GROUP_ID: {"editor"}}
    everywhere = account(GRACE_MAIL, managed_groups=(ROOT_GROUP_ID,)).memberships
    assert everywhere == {paris: {"coach", "learner"}, ROOT_GROUP_ID: {"learner"}}


def test_subgroups_that_are_not_managed_are_read_where_removals_reach_them(api, account, read):
    north = api.create_group(name="North", parent_id=SALES_GROUP_ID, public=True)["group_id"]
    board = api.create_group(name="Board", parent_id=SALES_GROUP_ID, public=False)["group_id"]
    for group in (SALES_GROUP_ID, north, board):
        api.add_user_to_group(user=GRACE_MAIL, group_id=group, role="coach")
    groups = {"managed_groups": (SALES_GROUP_ID,), "managed_subgroups": False}
    assert read(**groups).managed_groups == {SALES_GROUP_ID}
    assert account(GRACE_MAIL, **groups).memberships.keys() == {SALES_GROUP_ID}
    assert account(GRACE_MAIL, **groups, groups_mode="exact").memberships.keys() == {SALES_GROUP_ID, north}


def test_without_managed_groups_no_membership_is_known(account):
    assert account(GRACE_MAIL).memberships == {}


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"managed_groups": (SALES_GROUP_ID, MISSING_ID)}, r"managed_groups\[1\]"),
        ({"default_group": MISSING_ID}, "default_group"),
        ({"groups_parent": MISSING_ID}, "groups_parent"),
    ],
)
def test_a_group_that_does_not_exist_is_an_error(read, options, argument):
    with pytest.raises(InvalidRequestError, match=f"{argument}: no group has the id '{MISSING_ID}'"):
        read(**options)


# Protection


def protected(platform):
    return {account.mail for account in platform.accounts if account.is_protected}


def test_administrators_of_the_root_group_are_protected(api, read):
    api.add_user_to_group(user=GRACE_MAIL, group_id=SALES_GROUP_ID, role="admin")
    assert protected(read(managed_groups=(SALES_GROUP_ID,))) == {ADMIN_MAIL}
    api.add_user_to_group(user=GRACE_MAIL, group_id=ROOT_GROUP_ID, role="admin")
    assert protected(read()) == {ADMIN_MAIL, GRACE_MAIL}


def test_the_owner_is_protected_where_the_version_shows_one(api, read):
    api.add_user_to_group(user=GRACE_MAIL, group_id=ROOT_GROUP_ID, role="admin")
    api.remove_user_from_group(user=ADMIN_MAIL, group_id=ROOT_GROUP_ID, role="admin")
    assert protected(read()) - {ADMIN_MAIL} == {GRACE_MAIL}
    if any(member["role"] == "owner" for member in api.list_group_members(group_id=ROOT_GROUP_ID)):
        assert ADMIN_MAIL in protected(read())


@pytest.mark.parametrize(
    "entry",
    [" Grace.Hopper@ACME.test ", "*@acme.test", "grace.*", GRACE_ID, GRACE_ID.upper(), "4711", "hr:4711", "HR:47*"],
)
def test_addresses_ids_keys_and_patterns_protect(api, account, entry):
    api.update_user(user=GRACE_MAIL, custom="hr:4711")
    assert account(GRACE_MAIL, protected=(entry,)).is_protected


@pytest.mark.parametrize("entry", ["race.hopper@acme.test", "grace?hopper@acme.test", "471", "[g]*", "*@acme", ""])
def test_an_entry_protects_nothing_else(api, account, entry):
    api.update_user(user=GRACE_MAIL, custom="hr:4711")
    assert not account(GRACE_MAIL, protected=(entry,)).is_protected


def test_a_key_outside_the_namespace_protects(api, account):
    api.update_user(user=GRACE_MAIL, custom="crm:1")
    assert account(GRACE_MAIL, protected=("crm:*",)).is_protected


def test_entries_that_protect_nothing_are_logged_without_their_text(read, caplog):
    read(protected=(GRACE_MAIL, "grace@acme.tst", "*@acme.test", "*@partner.example"))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "No user matches entries=protected[1], protected[3]; these protect nothing"
    ]


def test_a_pending_person_can_be_protected(api, account):
    state = remember(**{"1": {"mail": "una@acme.test", "invited_at": YEAR_3000}})
    api.create_user(mail="una@acme.test", custom="hr:1", mode="invite")
    assert account("una@acme.test", state=state, protected=("*@acme.test",)).is_protected


# Requests


def test_planning_takes_no_request_per_user(api, read, sandbox, sent):
    read(managed_groups=(SALES_GROUP_ID,))
    before = len(sent())
    sandbox.control.add_users(f"user-{number}@acme.test" for number in range(400))
    sandbox.control.clear_journal()
    assert len(read(managed_groups=(SALES_GROUP_ID,)).accounts) > 400
    assert len(sent()) <= before


def test_custom_fields_are_listed_on_demand(read, sent):
    assert read().custom_fields == {}
    assert not sent("listCustomFields", "getCustomFields")
    fields = read(custom_fields=True).custom_fields
    assert fields == {DEPARTMENT_FIELD_ID: "Department", HIRING_FIELD_ID: "Hired on", SITE_FIELD_ID: "Site"}


# Details


@pytest.fixture
def detailed(api, read):
    """Return a function that returns the account of an address, after the details of some users were read."""

    def detailed(mail, user_ids, **options):
        platform = read_details(api, read(**options), user_ids)
        return next(one for one in platform.accounts if one.mail == mail)

    return detailed


def test_managers_custom_fields_and_deactivation_are_read_of_some_users(api, detailed):
    api.add_manager(user=GRACE_MAIL, manager=ADMIN_MAIL)
    values = {DEPARTMENT_FIELD_ID: "Navy", HIRING_FIELD_ID: "2026-01-31"}
    api.update_user(user=GRACE_MAIL, to_be_deactivated_at=YEAR_3000, custom_fields=values)
    grace = detailed(GRACE_MAIL, [GRACE_ID.upper()])
    assert grace.managers == (ADMIN_ID,)
    assert grace.custom_fields == values
    assert (grace.deactivates_at, grace.deactivation_known) == (YEAR_3000, True)


def test_a_user_without_details_has_empty_ones(detailed):
    admin = detailed(ADMIN_MAIL, [ADMIN_ID])
    assert (admin.managers, admin.custom_fields, admin.deactivates_at) == ((), {}, None)
    assert admin.deactivation_known


def test_details_of_other_users_are_not_read(detailed, sent):
    grace = detailed(GRACE_MAIL, [ADMIN_ID])
    assert (grace.managers, grace.custom_fields) == (None, None)
    assert not any(GRACE_ID in entry["path"] for entry in sent())


def test_details_can_be_read_of_all_people_who_are_managed(api, read):
    api.update_user(user=GRACE_MAIL, custom="hr:1")
    platform = read_details(api, read(), None)
    assert [one.mail for one in platform.accounts if one.managers is not None] == [GRACE_MAIL]


def test_a_user_who_was_deleted_since_the_listing_stays_without_details(api, read):
    platform = read()
    api.delete_user(user=GRACE_MAIL)
    assert read_details(api, platform, [GRACE_ID, LINUS_INVITATION_ID, MISSING_ID]).groups == platform.groups


def test_the_same_company_is_read_as_the_same_platform(api, read, sandbox):
    sandbox.control.add_users(["b@acme.test", "a@acme.test"])
    state = remember(**{"1": {"mail": LINUS_MAIL, "invited_at": YEAR_3000}})
    first = read(state=state, managed_groups=(ROOT_GROUP_ID,))
    assert read(state=state, managed_groups=(ROOT_GROUP_ID,)) == first
    assert repr(first) == repr(read(state=state, managed_groups=(ROOT_GROUP_ID,)))
