"""Values of megabytes in a response, a file or an argument: no error and no log line becomes as long as they are."""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error, NotFoundError
from airflow_provider_360learning.log_text import MAX_TEXT, get_logger, hide_addresses
from airflow_provider_360learning.rows.folders import OWNER
from tests.api.factory import MakeApi, api_factory
from tests.attacks.hostile_server import hostile_server, response
from tests.rows.support import make_operator
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures

LONG = "x" * 1_000_000
ID, OTHER_ID = "a" * 24, "b" * 24
#: Maximum number of characters of an error that quotes some values.
MAX_MESSAGE = 1_000
ONCE = {"max_attempts": 1}


def test_an_error_is_cut_where_it_is_absurdly_long():
    error = InvalidRequestError(f"It has {LONG}", code=LONG, operation="createGroup", url=f"GET /groups/{LONG}")
    assert len(error.args[0]) == MAX_TEXT
    assert error.args[0].endswith("x… (shortened: 1,000,007 characters)")
    assert len(error.code) == 300
    assert len(str(error)) < MAX_TEXT + MAX_MESSAGE
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(NotFoundError("x" * MAX_TEXT)) == "x" * MAX_TEXT


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("text", [LONG, "\x1b" * 1_000_000, "ana@acme.test " * 100_000], ids=["plain", "raw", "mails"])
def test_a_log_line_is_cut_where_it_is_absurdly_long(caplog, text, is_hidden):
    before = time.process_time()
    log = get_logger("airflow_provider_360learning.attacked")
    if is_hidden:
        with hide_addresses():
            log.warning("It has %s, and more", text)
    else:
        log.warning("It has %s, and more", text)
    assert len(caplog.messages[0]) == MAX_TEXT
    assert caplog.messages[0].endswith(" characters)")
    assert is_hidden <= ("acme" not in caplog.messages[0])
    assert time.process_time() - before < 2


@pytest.fixture
def make_api(sandbox) -> Iterator[Callable[[str], MakeApi]]:  # noqa: F811 - the fixture
    """Return a function that creates the API of a version."""
    with api_factory(sandbox, "v1") as v1, api_factory(sandbox, "v2") as v2:
        yield {"v1": v1, "v2": v2}.__getitem__


def long_ids(**fields: object) -> list[dict[str, object]]:
    """Make objects with ids of 100 KB."""
    return [dict.fromkeys(("_id", "sessionId"), f"{number}{LONG[:100000]}") | fields for number in range(50)]


JOB = {"_id": ID, "type": "deleteGroups", "status": LONG, "createdAt": "2026-01-01T12:00:00.000Z"}
SESSION = {"_id": OTHER_ID, "pathId": ID, "isAudienceBuilder": True, "endDate": "2099-01-01T12:00:00.000Z"}
AUDIENCE = {"mode": "manual", "filters": [{"type": LONG, "ids": []}]}
ROOT = {"_id": ID, "name": "Acme"}
LAB = {"name": "Lab", "parent_id": ID}
START = "2026-01-01T00:00:00Z"
#: Version, responses by a part of the target, what is called, and what the error says.
RESPONSES = {
    "state of a job": ("v2", {"bulk": JOB}, lambda api: api.client.run(api.jobs.status(ID)), "the state of a bulk job"),
    "type of a filter": (
        "v2",
        {"audience": AUDIENCE, "sessions": SESSION},
        lambda api: api.enroll_groups(path_id=ID, session_id=OTHER_ID, group_ids=[ID]),
        "a filter of the type",
    ),
    "ids of tags": ("v2", {"tags": long_ids(name="One")}, lambda api: api.create_tag(name="One"), "50 tags"),
    "ids of groups, v1": (
        "v1",
        {"groups": [ROOT, *long_ids(name="Lab", parent=ID)]},
        lambda api: api.create_group(**LAB),
        "50 groups",
    ),
    "ids of groups, v2": (
        "v2",
        {"groups": [ROOT, *long_ids(name="Lab", parentId=ID)]},
        lambda api: api.create_group(**LAB),
        "50 groups",
    ),
    "ids of paths": (
        "v2",
        {"paths": long_ids(name="One", groupId=ID)},
        lambda api: api.create_path(name="One", group_id=ID),
        "50 paths",
    ),
    "ids of sessions, v1": (
        "v1",
        {"sessions": long_ids(sessionName="One", pathId=ID, sessionOwnerGroup=ID)},
        lambda api: api.create_path_session(name="One", path_id=ID, session_start=START, group_id=ID),
        "50 sessions",
    ),
    "an argument": ("v2", {}, lambda api: api.get_group(group_id=LONG), "group_id is"),
}


@pytest.mark.parametrize(("version", "bodies", "act", "quoted"), RESPONSES.values(), ids=RESPONSES)
def test_an_error_quotes_the_start_of_a_value_only(make_api, caplog, version, bodies, act, quoted):
    caplog.set_level(logging.INFO)

    def respond(request: bytes):
        target = request.split()[1].decode()
        token = {"access_token": "t" * 20, "expires_in": 3600}
        body = token if "oauth2" in target else next((body for part, body in bodies.items() if part in target), {})
        return response(json.dumps(body).encode(), headers=["Connection: close"])

    with hostile_server(respond) as server, pytest.raises(Learning360Error, match=quoted) as caught:
        act(make_api(version)(server.url, client=ONCE))
    assert len(str(caught.value)) < MAX_MESSAGE
    assert max(map(len, [*caplog.messages, ""])) < MAX_MESSAGE


def test_the_owner_of_a_folder_has_a_name_of_any_length(sandbox, tmp_path):  # noqa: F811 - the fixture
    claim = {"version": 1, "owner": LONG, "token": "t", "until": time.time() + 60}
    Path(tmp_path, OWNER).write_text(json.dumps(claim))
    with pytest.raises(Exception, match="is in use by xxx") as caught:
        make_operator("create_user", [{"mail": "a@b.test"}], results_path=tmp_path).execute({})
    assert len(str(caught.value)) < MAX_MESSAGE
