"""Listings of a hostile 360Learning, through the operator of the sync: bounded, and nothing leaves their place."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

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
    def company(**bodies):
        def respond(request):
            path = request.split(b" ")[1].decode().partition("?")[0]
            found = [body for name, body in bodies.items() if path.endswith(f"/{name}")]
            is_group = re.fullmatch(r".*/groups/[^/]+", path)
            body = TOKEN if "/oauth" in path else found[0] if found else {"_id": ROOT} if is_group else []
            return response(json.dumps(body).encode(), headers=["Content-Type: application/json"])

        with hostile_server(respond) as server:
            connection = json.loads(sandbox.connection_json(api_version=version, limits={}))
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


def test_a_user_who_is_listed_twice_is_one(company, syncs):  # noqa: F811 - the fixtures
    with company(groups=GROUPS, users=[user(), user(custom="hr:ana"), user(firstName="Ana")]):
        planned = syncs.plan([row("ana")])
    assert {change["user_id"] for change in changes_of(planned)} <= {USER}
