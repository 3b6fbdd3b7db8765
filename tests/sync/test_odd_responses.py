"""Responses that the sandbox does not send: not all forms that 360Learning may use are known."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from airflow_provider_360learning.exceptions import UnexpectedResponseError
from airflow_provider_360learning.sync.details import read_details
from airflow_provider_360learning.sync.listing import read_platform
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.state import SyncState
from tests.api.factory import api_factory
from tests.attacks.hostile_server import hostile_server, response
from tests.sync.support import NOW

ROOT, USER, BOSS = "64b1f0c2a9d3e40012ab0001", "64b1f0c2a9d3e40012ac0002", "64b1f0c2a9d3e40012ac0003"
TOKEN = {"access_token": "t0", "token_type": "Bearer", "expires_in": 3600}


@pytest.fixture
def company(sandbox, version):
    """Return a context in which a server returns the given bodies by the end of the path, and its API."""

    @contextmanager
    def company(**bodies):
        def respond(request):
            path = request.split(b" ")[1].decode().partition("?")[0]
            found = [body for name, body in bodies.items() if path.endswith(f"/{name}")]
            empty = {"_id": ROOT} if path.endswith(ROOT) else []
            body = TOKEN if "/oauth" in path else found[0] if found else empty
            return response(json.dumps(body).encode(), headers=["Content-Type: application/json"])

        with hostile_server(respond) as server, api_factory(sandbox, version) as make_api:
            yield make_api(server.url, client={"sleep": lambda seconds: None})

    return company


def read(api, **options):
    return read_platform(api, SyncOptions(**{"key": "custom", "key_namespace": "hr:", **options}), SyncState(), NOW)


def user(**values):
    return {"_id": USER, "mail": "una@acme.test", "status": "active", "lang": "en", **values}


GROUPS = [{"_id": ROOT, "name": "Acme", "public": False}]


def test_without_a_root_group_its_administrators_are_not_known(company):
    with (
        company(groups=[{**GROUPS[0], "parent": USER, "parentId": USER}], users=[user()]) as api,
        pytest.raises(UnexpectedResponseError, match="no root group"),
    ):
        read(api)


def test_a_user_without_an_id_is_an_error(company):
    with (
        company(groups=GROUPS, users=[user(_id=None)]) as api,
        pytest.raises(UnexpectedResponseError, match="a user has no id"),
    ):
        read(api)


@pytest.mark.parametrize(
    ("custom", "key", "other_key"),
    [("  hr:1 ", "1", None), (4711, None, "4711"), ("", None, None), ("   ", None, None), (True, None, "true")],
)
def test_keys_are_read_whatever_their_type(company, custom, key, other_key):
    with company(groups=GROUPS, users=[user(custom=custom)]) as api:
        una = next(one for one in read(api).accounts if one.user_id == USER)
    assert (una.key, (una.other_key or "").lower() or None) == (key, other_key)


def test_letter_case_of_ids_and_addresses_does_not_matter(company):
    groups = [{**GROUPS[0], "_id": ROOT.upper()}]
    with company(groups=groups, users=[user(_id=USER.upper(), mail=" Una@ACME.test")]) as api:
        platform = read(api, managed_groups=(ROOT,))
    assert set(platform.groups) == platform.managed_groups == {ROOT}
    assert [(one.user_id, one.mail) for one in platform.accounts] == [(USER, "una@acme.test")]


@pytest.mark.parametrize("version", ["v1"])
@pytest.mark.parametrize(
    "managers", [[{"_id": BOSS.upper()}], [{"mail": "Boss@acme.test"}], ["boss@acme.test"], [BOSS, BOSS]]
)
def test_managers_are_ids_whatever_their_form(company, managers):
    users = [user(), user(_id=BOSS, mail="boss@acme.test")]
    detail = user(managers=managers, toDeactivateAt="3000-01-01T00:00:00.000Z", customFields=[])
    with company(groups=GROUPS, users=users, **{USER: detail}) as api:
        una = next(one for one in read_details(api, read(api), [USER]).accounts if one.user_id == USER)
    assert una.managers == (BOSS,)
    assert una.deactivates_at == datetime(3000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("version", ["v2"])
@pytest.mark.parametrize("ids", [["1", "hr:2", "hr:1"], ["hr:1", "1", "hr:2"]])
def test_of_several_external_ids_the_same_one_is_the_key_in_each_run(company, ids):
    mappings = [
        {"_id": f"{number:024x}", "platform": "HR", "targetId": USER, "targetType": "user", "value": value}
        for number, value in enumerate(ids)
    ]
    with company(groups=GROUPS, users=[user()], **{"external-ids": mappings}) as api:
        assert [one.key for one in read(api, key="external_id", external_platform="HR").accounts] == ["1"]
