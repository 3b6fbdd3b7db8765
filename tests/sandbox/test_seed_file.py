"""Companies that are described in a file."""

from __future__ import annotations

import json

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from tests.sandbox.conftest import Client

COMPANY = """
company: Globex
custom_fields:
  - {name: Site, authorized_values: [Lyon, Paris]}
groups:
  - {name: Lab, custom: lab-1}
  - {name: Optics, parent: Lab, public: false, id: 64b1f0c2a9d3e40012ab0099}
users:
  - {mail: ana@globex.test, first_name: Ana, last_name: Roy, groups: [Lab], custom_fields: {Site: Lyon}}
  - {mail: bo@globex.test, groups: {Optics: [learner, coach]}, managers: [ed@globex.test], external_ids: {HR: E-1}}
  - {mail: cy@globex.test, status: invited, groups: [Lab]}
  - {mail: di@globex.test, status: deleted}
  - {mail: ed@globex.test}
courses:
  - {name: Lasers, author: ana@globex.test, group: Lab}
  - {name: Draft, status: draft}
paths:
  - {name: Safety, courses: [Lasers], group: Lab}
sessions:
  - name: January
    id: 64b1f0c2a9d3e40012ae0099
    path: Safety
    start: 2026-01-05
    users: [ed@globex.test]
    groups: [Lab]
"""


#: A user with a value of a custom field, whose properties are open.
FIELD = "custom_fields: [{{name: Site, {}}}]\nusers: [{{mail: a@b.c, custom_fields: {{Site: Lyon}}}}]"
#: A session, whose last field is open, and a deleted user.
SESSION = """
users: [{mail: a@b.c, status: deleted}]
courses: [{name: c}]
paths: [{name: x, courses: [c]}]
sessions: [{name: s, path: x, start: 2026-01-05, """


@pytest.fixture
def start(tmp_path):
    """Return a function that builds a sandbox, which is not started, with the company of a file."""

    def build(text: str, name: str = "company.yaml") -> Sandbox:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return Sandbox(seed=file)

    return build


def test_a_company_is_described_in_yaml(start):
    with start(COMPANY) as sandbox:
        state = sandbox.control.state()
        client = Client(sandbox)
        roles = client("GET", "/users/bo@globex.test/roles").json()
        bo = client("GET", "/users/getUserByExternalId/E-1/HR").json()
        managers = client("GET", "/users/bo@globex.test").json()["managers"]
        client.close()
    groups = {group["name"]: group for group in state["groups"]}
    assert groups.keys() == {"Globex", "Lab", "Optics"}
    assert groups["Optics"]["id"] == "64b1f0c2a9d3e40012ab0099"
    assert groups["Optics"]["parent"] == groups["Lab"]["id"]
    assert roles == [{"group": groups["Optics"]["id"], "roles": ["learner", "coach"]}]
    assert (bo["mail"], [each["mail"] for each in managers]) == ("bo@globex.test", ["ed@globex.test"])
    users = {user["mail"]: user for user in state["users"]}
    assert users["di@globex.test"]["status"] == "deleted"
    assert list(users["ana@globex.test"]["profile"]["custom_fields"].values()) == ["Lyon"]
    assert [each["mail"] for each in state["invitations"]] == ["cy@globex.test"]
    members = {(each["group"], each["mail"]) for each in state["memberships"]}
    assert (groups["Globex"]["id"], "ed@globex.test") in members
    assert {course["name"]: course["status"] for course in state["courses"]} == {
        "Lasers": "published",
        "Draft": "draft",
    }
    [session] = state["sessions"]
    assert session["id"] == "64b1f0c2a9d3e40012ae0099"
    assert session["start"] == 1767571200  # midnight in UTC
    assert {each["mail"] for each in state["enrollments"]} == {"ana@globex.test", "ed@globex.test"}


def test_a_company_is_described_in_json(start):
    sandbox = start(json.dumps({"groups": [{"name": "Lab"}]}), "company.json")
    with sandbox:
        assert [group["name"] for group in sandbox.control.state()["groups"]] == ["Acme", "Lab"]


def test_reset_returns_to_the_file(start):
    with start("groups: [{name: Lab}]") as sandbox:
        sandbox.control.reset("empty")
        assert len(sandbox.control.state()["groups"]) == 1
        sandbox.control.reset()
        assert len(sandbox.control.state()["groups"]) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: [{mail: ana}]", r"company.yaml is invalid: users.0.mail: String should match"),
        ("user: []", r"user: Extra inputs are not permitted"),
        ("users: [{mail: a@b.c, status: asleep}]", r"users.0.status: Input should be 'active', 'invited' or 'deleted'"),
        ("groups: [{name: 2026}]", r"groups.0.name: Input should be a valid string"),
        ("groups: [{name: Lab, id: 12}]", r"groups.0.id"),
        ("groups: [{name: Lab, parent: Lob}]", r"parent of group 'Lab': 'Lob' is none of 'Acme'"),
        ("groups: [{name: Lab}, {name: Lab}]", r"groups: 'Lab' is there more than once"),
        ("groups: [{name: Acme}]", r"groups: 'Acme' is there more than once"),
        ("users: [{mail: a@b.c}, {mail: A@b.c}]", r"users: 'a@b.c' is there more than once"),
        ("users: [{mail: a@b.c, id: 64b1f0c2a9d3e40012ab0001}]", r"ids: '64b1f0c2a9d3e40012ab0001' is there more than"),
        ("users: [{mail: a@b.c, groups: [Lab]}]", r"user a@b.c: 'Lab' is none of 'Acme'"),
        ("users: [{mail: a@b.c, custom_fields: {Site: Lyon}}]", r"user a@b.c: 'Site' is none of those of the file"),
        ("users: [{mail: a@b.c, groups: {Acme: []}}]", r"users.0.groups.*Acme: List should have at least 1 item"),
        (
            FIELD.format("authorized_values: [Paris]"),
            r"user a@b.c: 'Lyon' is not among the authorized_values of 'Site'",
        ),
        (FIELD.format("kind: date"), r"user a@b.c: 'Site' is 'Lyon', but must be a date such as '2026-01-31'"),
        (FIELD.format("target: contents"), r"user a@b.c: the custom field 'Site' is one of contents"),
        ("users: [{mail: a@b.c, managers: [b@b.c]}]", r"user a@b.c: the user b@b.c is not in the file"),
        (
            "users: [{mail: a@b.c, external_ids: {HR: '1'}}, {mail: b@b.c, external_ids: {HR: '1'}}]",
            r"user b@b.c: another user has the id '1' in 'HR'",
        ),
        ("courses: [{name: x, author: a@b.c}]", r"course 'x': the user a@b.c is not in the file"),
        ("paths: [{name: x, courses: []}]", r"paths.0.courses: List should have at least 1 item"),
        ("paths: [{name: x, courses: [y]}]", r"path 'x': 'y' is none of"),
        ("sessions: [{name: s, path: x, start: soon}]", r"sessions.0.start"),
        (SESSION + "end: 2026-01-04}]", r"session 's': its end is before its start"),
        (SESSION + "users: [a@b.c]}]", r"session 's': the user a@b.c is deleted"),
        ("sessions: [{name: s, path: x, start: 2026-01-05}]", r"session 's': 'x' is none of"),
        ("groups: [", r"company.yaml is not valid YAML: while parsing"),
        ("- groups", r"file: Input should be a valid dictionary"),
        ("!!python/object/apply:os.getcwd []", r"could not determine a constructor for the tag"),
    ],
)
def test_an_invalid_file_is_refused_with_the_place(start, text, problem):
    with pytest.raises(ValueError, match=problem):
        start(text)


def test_invalid_json_is_refused(start):
    with pytest.raises(ValueError, match=r"company.json is not valid JSON: "):
        start("{", "company.json")


def test_many_problems_are_counted(start):
    with pytest.raises(ValueError, match=r"; and 40 more$"):
        start(json.dumps({"users": [{"mail": "ana"}] * 50}))


def test_an_empty_file_is_the_smallest_company(start):
    with start("") as sandbox:
        assert len(sandbox.control.state()["users"]) == 1


def test_a_file_that_is_missing_is_reported(tmp_path):
    with pytest.raises(ValueError, match=r"seed is '.*missing.yaml', but must be demo, empty, or a file that exists"):
        Sandbox(seed=tmp_path / "missing.yaml")
