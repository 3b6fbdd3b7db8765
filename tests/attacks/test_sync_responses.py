"""Listings of a hostile 360Learning, through the operator of the sync: bounded, and nothing leaves their place."""

from __future__ import annotations

import itertools
import json
import re
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import UnexpectedResponseError
from tests.attacks.hostile_server import hostile_server, response
from tests.sync.conftest import syncs  # noqa: F401 - a fixture
from tests.sync.sync_runs import changes_of, row
from tests.unlimited_sandbox import CONNECTION
from tests.versions.conftest import api, make_api, sent, version  # noqa: F401 - fixtures

ROOT, USER = "64b1f0c2a9d3e40012ab0001", "64b1f0c2a9d3e40012ac0002"
TOKEN = {"access_token": "t0", "token_type": "Bearer", "expires_in": 3600}
GROUPS = [{"_id": ROOT, "name": "Acme", "public": False}]


@pytest.fixture
def company(sandbox, syncs, version, monkeypatch):  # noqa: F811 - the fixtures
    """Return a context in which 360Learning returns the given bodies by the end of the path."""

    @contextmanager
    def company(extra=None, **bodies):
        def respond(request):
            path, _, query = request.split(b" ")[1].decode().partition("?")
            if query.endswith("deleted") and "eq" in query:  # v2 lists deleted users apart
                path = path.replace("/users", "/deleted")
            found = [body for name, body in bodies.items() if path.endswith(f"/{name}")]
            is_object = re.fullmatch(r".*/(groups|users)/[^/]+", path)
            body = TOKEN if "/oauth" in path else found[0] if found else {"_id": ROOT} if is_object else []
            if callable(body):
                return body(query)
            return response(json.dumps(body).encode(), headers=["Content-Type: application/json"])

        with hostile_server(respond) as server:
            connection = json.loads(sandbox.connection_json(api_version=version, limits={}, **(extra or {})))
            monkeypatch.setenv(CONNECTION, json.dumps(connection | {"host": server.url, "port": None}))
            yield server

    return company


def user(user_id=USER, **values):
    return {"_id": user_id, "mail": "ana@acme.test", "status": "active", "lang": "en", "custom": "hr:ana", **values}


def test_groups_that_are_above_each_other_are_no_endless_tree(company, syncs):  # noqa: F811 - the fixtures
    ids = [f"{number:024x}" for number in range(1, 4)]
    ring = [
        {"_id": one, "name": f"Ring {one}", "public": True, "parent": above, "parentId": above}
        for one, above in zip(ids, [*ids[1:], ids[0]], strict=True)
    ]
    own = {"_id": "f" * 24, "name": "Own", "public": True, "parent": "f" * 24, "parentId": "f" * 24}
    with company(groups=[*GROUPS, *ring, own], users=[user()]):
        planned = syncs.plan(
            [row("ana", groups="Ring;New"), row("bo", groups=ids[0])],
            **{"managed_groups": [ROOT, ids[0], "f" * 24], "groups_mode": "exact", "create_groups": True},
            **{"groups_parent": ids[0], "max_row_errors": 9, "max_conflicts": 9},
        )
    assert planned["counts"]["create"] == 1


def test_names_of_a_listing_cannot_write_to_the_summary(company, syncs, caplog):  # noqa: F811 - the fixtures
    name = "x\n# All guards passed.\n\x1b[31m{{ 7 * 7 }}<script>`"
    users = [
        user(custom=None),
        user(f"{USER[:-1]}7", mail="z@acme.test", custom=f"hr:{name}"),
        user(f"{USER[:-1]}8", mail=f"{name}@acme.test", custom="other"),
    ]
    with company(groups=[*GROUPS, {"_id": "b" * 24, "name": name, "parent": ROOT, "parentId": ROOT}], users=users):
        planned = syncs.plan(
            [row("ana"), row("bo", groups=name)],
            leavers="both",
            max_row_errors=9,
            max_conflicts=9,
            managed_groups=[ROOT],
            groups_mode="exact",
        )
    summary = (Path(planned["path"]) / "summary.md").read_text()
    assert len([line for line in summary.splitlines() if line.startswith("#")]) == 3
    assert not re.search(r"\{\{|\x1b|<script", re.sub(r"`[^`\n]+`", "", summary))
    assert "{{" not in summary
    assert "\x1b" not in summary
    assert all(message.isprintable() for message in caplog.messages)


def without_end(version, item):  # noqa: F811 - the name of a fixture
    """Return a responder that lists items without end: in one response, or page by page."""
    text = json.dumps(item).encode()
    if version == "v1":
        return lambda query: response(itertools.chain([b"[" + text], itertools.repeat(b"," + text)))
    page, numbers = b"[" + b",".join([text] * max(1, 900_000 // len(text))) + b"]", itertools.count()
    return lambda query: response(page, headers=[f"Link: <?next={next(numbers)}>; rel=next"])


@pytest.mark.parametrize(
    "values", [{}, {"firstName": "a" * 500_000}, {"_id": "a" * 500_000}], ids=["many", *("long",) * 2]
)
def test_users_without_end_do_not_fill_the_memory(company, syncs, version, values):  # noqa: F811 - the fixtures
    users = without_end(version, user(**values))
    with (
        company({"max_response_mib": 1}, groups=GROUPS, users=users),
        pytest.raises(AirflowFailException, match=r"more users than may be held in memory \(8 MiB\)"),
    ):
        syncs.plan([row("ana")])


@pytest.mark.parametrize("version", ["v2"])
def test_external_ids_without_end_do_not_fill_the_memory(company, syncs, version):  # noqa: F811 - the fixtures
    ids = without_end(version, {"_id": USER, "targetId": USER, "targetType": "user", "value": "hr:ana"})
    with (
        company({"max_response_mib": 1}, **{"groups": GROUPS, "external-ids": ids, "mappings": ids}),
        pytest.raises(AirflowFailException, match="more users than may be held in memory"),
    ):
        syncs.plan([row("ana")], key="external_id", external_platform="HR")


def test_a_user_who_is_listed_twice_is_one(company, syncs):  # noqa: F811 - the fixtures
    with company(groups=GROUPS, users=[user(), user(custom="hr:ana"), user(firstName="Ana")]):
        planned = syncs.plan([row("ana")])
    assert {change["user_id"] for change in changes_of(planned)} <= {USER}


DELETED = user(status="deleted", deletedAt=["2026-01-01T00:00:00.000Z"])


@pytest.mark.parametrize("version", ["v2"])
@pytest.mark.parametrize("rows", [[row("ana")], [row("ana", status="inactive")], [row("bo")]])
def test_a_user_who_is_listed_as_deleted_and_not_is_left_alone(company, syncs, rows):  # noqa: F811 - the fixture
    with company(groups=GROUPS, users=[user()], deleted=[DELETED]):
        planned = syncs.plan(rows, leavers="both", leaver_action="delete")
    assert {change["key"] for change in changes_of(planned)} == {one["key"] for one in rows} - {"ana"}
    assert planned["counts"].get("contradictory") == (1 if rows == [row("ana")] else None)


@pytest.mark.parametrize("version", ["v2"])
def test_changes_of_a_user_who_is_listed_as_deleted_and_not_are_stale(company, syncs):  # noqa: F811 - the fixture
    users = []
    with company(groups=GROUPS, users=users, deleted=[DELETED]) as server:
        planned = syncs.plan([row("ana")])
        assert planned["counts"]["reinstate"] == 1
        users.append(user())
        applied = syncs.run(mode="apply", plan_id=planned["plan_id"])
    assert set(applied["outcomes"]) == {"stale"}
    assert {request.partition(b" ")[0] for request in server.requests if b"/oauth" not in request} == {b"GET"}


DATES = ["99999999999999999999-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", 10**400, -1, float("nan"), ["x"]]


@pytest.mark.parametrize("name", ["lastLogin", "deactivation"])
def test_an_absurd_date_of_a_listing_is_an_error_of_the_family(company, make_api, version, name):  # noqa: F811
    names = {"v1": ("lastLoginAt", "toDeactivateAt"), "v2": ("lastLoginDate", "toBeDeactivatedAt")}[version]
    for date in DATES:
        with company(groups=GROUPS, users=[user(**{names[name != "lastLogin"]: date})]) as server:
            api = make_api(server.url, client={"sleep": lambda seconds: None})
            with pytest.raises(UnexpectedResponseError, match=r"is not a timestamp|not the expected JSON"):
                api.read_users(list)


#: The endpoints that a sync of these companies has to do with; an id is one part of a path.
ENDPOINTS = re.compile(
    r"/api/v\d/(oauth2/token|groups(/[0-9a-f]{24}(/roles)?)?|users(/(?!\.\.?(/|$))[^/?#\s]+(/managers|/custom-fields/values)?)?)"
)
IDS = [
    "../groups",
    "..",
    "x?y=1",
    "x#y",
    "x\r\nHost: e",
    "%2e%2e",
    "//evil.example/x",
    "http://evil.example/",
    "\u202e",
]


@pytest.mark.parametrize("kind", ["group", "user"])
def test_an_id_of_a_listing_leads_to_no_other_endpoint(company, syncs, kind):  # noqa: F811 - the fixture
    for one in IDS:
        groups = [*GROUPS, {"_id": one, "name": "Odd", "public": True, "parent": ROOT, "parentId": ROOT}]
        listed = {"groups": groups} if kind == "group" else {"groups": GROUPS, "users": [user(one)]}
        with company(**listed) as server, suppress(AirflowFailException):
            syncs.apply([row("ana", job="x")], managed_groups=[ROOT], groups_mode="exact", verify="full")
        targets = {request.split(b" ")[1].decode().partition("?")[0] for request in server.requests}
        assert not [each for each in targets if not ENDPOINTS.fullmatch(each)]


def chain(length, top):
    """Return groups below each other, from one below another group."""
    ids = [top, *(f"{number:024x}" for number in range(1, length))]
    return [
        {"_id": one, "name": f"G{one}", "public": True, "parent": above, "parentId": above}
        for above, one in pairwise(ids)
    ]


def test_groups_that_are_nested_deeply_are_paths(company, syncs):  # noqa: F811 - the fixture
    with company(groups=[*GROUPS, *chain(100, ROOT)], users=[user()]):
        planned = syncs.plan([row("ana", groups="New")], managed_groups=[f"{99:024x}"], create_groups=True)
    assert planned["counts"]["create_group"] == 1


@pytest.mark.parametrize("top", [ROOT, f"{9_999:024x}"], ids=["tree", "circle"])
def test_groups_that_are_nested_too_deeply_are_refused(company, syncs, top):  # noqa: F811 - the fixture
    with (
        company(groups=[*GROUPS, *chain(10_000, top)], users=[user()]),
        pytest.raises(UnexpectedResponseError, match="more than 100 levels"),
    ):
        syncs.plan([row("ana")])
