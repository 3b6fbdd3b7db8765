"""Paths themselves in API v2: creation, changes, steps, translations, tokens and deletion."""

from __future__ import annotations

import json

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    DRAFT_COURSE_ID,
    FIRST_DAY_CLASSROOM_ID,
    GRACE_ID,
    ONBOARDING_PATH_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24
PATH = f"/paths/{ONBOARDING_PATH_ID}"
SAFETY = [("authorId", GRACE_ID), ("groupId", SALES_GROUP_ID), ("name", "Safety")]
REQUIRED = {"optional": False, "showCorrection": "onCompletion", "showForum": "never"}


@pytest.fixture
def upload(client):
    """Return a function that sends the parts of a multipart body."""

    def send(method, path, parts):
        return client.multipart(
            method, path, {name: [value for other, value in parts if other == name] for name, _ in parts}
        )

    return send


def step(id, kind="course", **options):
    return {"_id": id, "type": kind, "options": {**REQUIRED, **options} if kind == "course" else {"optional": False}}


def code_of(response):
    return response.status, response.code


@pytest.fixture
def safety(upload):
    """Create a path and return its id."""
    return upload("POST", "/paths", SAFETY).json["_id"]


def test_creates_and_changes_a_path(client, upload):
    parts = [
        *SAFETY,
        ("coAuthorIds", ADMIN_ID),
        ("description", "<p>é</p>"),
        ("options", json.dumps({"linearProgression": True})),
        ("estimatedWeeklyCommitment", json.dumps({"min": 1, "max": 2.5})),
    ]
    created = upload("POST", "/paths", parts)
    assert created.status == 201
    path = created.json
    assert path == client("GET", f"/paths/{path['_id']}").json
    assert (path["authorId"], path["coAuthorIds"], path["steps"]) == (GRACE_ID, [ADMIN_ID], [])
    assert (path["description"], path["estimatedWeeklyCommitment"]) == ("<p>é</p>", {"min": 1, "max": 2.5})
    assert path["options"]["linearProgression"] is True
    assert path["options"]["displayForum"] is False
    options = json.dumps({"displayForum": True})
    changed = upload("PATCH", f"/paths/{path['_id']}", [("name", "Safety 2"), ("options", options)]).json
    assert changed == {
        **path,
        "name": "Safety 2",
        "options": {**path["options"], "displayForum": True},
        "modifiedAt": changed["modifiedAt"],
    }


def test_several_co_authors_are_parts_of_the_same_name(client, sandbox, upload):
    sandbox.control.add_users(["ana@acme.test"])
    (ana,) = client("GET", "/users?mail[eq]=ana%40acme.test").ids
    parts = [*SAFETY, ("coAuthorIds", ADMIN_ID), ("coAuthorIds", ana)]
    assert upload("POST", "/paths", parts).json["coAuthorIds"] == [ADMIN_ID, ana]


@pytest.mark.parametrize(
    ("part", "status", "code"),
    [
        (("coAuthorIds", GRACE_ID), 400, "mainAuthorAsCoAuthor"),
        (("coAuthorIds", UNKNOWN), 404, "usersNotFound"),
        (("coAuthorIds", "x"), 400, "badRequest"),
        (("groupId", UNKNOWN), 404, "groupNotFound"),
        (("authorId", UNKNOWN), 404, "usersNotFound"),
        (("name", ""), 400, "badRequest"),
        (("options", "{"), 400, "badRequest"),
        (("options", '{"linear": true}'), 400, "badRequest"),
        (("options", '{"displayForum": "yes"}'), 400, "badRequest"),
        (("estimatedWeeklyCommitment", '{"min": 1}'), 400, "badRequest"),
    ],
)
@pytest.mark.unpublished_requests
def test_refuses_an_invalid_path(client, upload, part, status, code):
    parts = [*(each for each in SAFETY if each[0] != part[0]), part]
    assert code_of(upload("POST", "/paths", parts)) == (status, code)
    if code != "mainAuthorAsCoAuthor":
        assert code_of(upload("PATCH", PATH, [part])) == (status, code)
    assert len(client("GET", "/paths").json) == 1


def test_replaces_the_steps_of_a_path(client, safety):
    classroom = step(FIRST_DAY_CLASSROOM_ID, "classroom")
    classroom["options"] |= {"autoRegistration": True, "selfRegistration": {"enabled": False}}
    steps = [step(SECURITY_COURSE_ID, attemptsLimit=2), step(ONBOARDING_PATH_ID, "path"), classroom]
    assert client("PUT", f"/paths/{safety}/steps", {"steps": steps}).json == steps
    assert client("GET", f"/paths/{safety}").json["steps"] == steps


@pytest.mark.parametrize(
    ("steps", "status", "code"),
    [
        ([], 400, "badRequest"),
        ([{"_id": WELCOME_COURSE_ID, "type": "course"}], 400, "badRequest"),
        ([step(WELCOME_COURSE_ID, "webinar")], 400, "badRequest"),
        ([step(WELCOME_COURSE_ID), step(WELCOME_COURSE_ID)], 400, "duplicatedStep"),
        ([step(WELCOME_COURSE_ID, optional=True)], 400, "onlyOptionalSteps"),
        ([step(UNKNOWN)], 404, "courseStepNotFound"),
        ([step(DRAFT_COURSE_ID)], 404, "courseStepNotFound"),
        ([step(UNKNOWN, "path")], 404, "pathStepNotFound"),
        ([step(UNKNOWN, "email")], 404, "emailStepNotFound"),
        ([step(UNKNOWN, "classroom")], 404, "classroomStepNotFound"),
        ([step(UNKNOWN, "program")], 404, "programStepNotFound"),
        ([step(ONBOARDING_PATH_ID, "path")], 400, "pathCycle"),
    ],
)
@pytest.mark.unpublished_requests
def test_refuses_invalid_steps(client, steps, status, code):
    assert code_of(client("PUT", f"{PATH}/steps", {"steps": steps})) == (status, code)
    assert len(client("GET", PATH).json["steps"]) == 2


def test_a_path_cannot_contain_itself_through_another(client, safety):
    assert client("PUT", f"/paths/{safety}/steps", {"steps": [step(ONBOARDING_PATH_ID, "path")]}).status == 200
    refused = client("PUT", f"{PATH}/steps", {"steps": [step(WELCOME_COURSE_ID), step(safety, "path")]})
    assert code_of(refused) == (400, "pathCycle")


def test_an_archived_path_keeps_its_steps(client):
    client("PUT", f"{PATH}/archive", {"archived": True})
    assert code_of(client("PUT", f"{PATH}/steps", {"steps": [step(WELCOME_COURSE_ID)]})) == (400, "pathArchived")


def translation(lang, *, published=True):
    return {"lang": lang, "published": published, "translatorIds": [GRACE_ID], "translatedFields": {"name": lang}}


def test_replaces_the_translations_of_a_path(client):
    translations = [translation("en"), translation("fr", published=False)]
    assert client("PUT", f"{PATH}/translations", {"translations": translations}).json == translations
    assert client("GET", PATH).json["translations"] == translations
    for refused, code in (
        ([translation("en"), translation("en")], "nonUniqueLangEntries"),
        ([translation("fr")], "removingDefaultLang"),
        ([translation("en", published=False)], "unpublishingDefaultLang"),
    ):
        assert code_of(client("PUT", f"{PATH}/translations", {"translations": refused})) == (400, code)
    assert client("GET", PATH).json["translations"] == translations


def test_adds_tokens_to_a_group(client, sandbox):
    body = {"authorId": ADMIN_ID, "groupId": SALES_GROUP_ID, "numberTokensBought": 5, "pathId": ONBOARDING_PATH_ID}
    for _ in range(2):
        assert client("POST", "/paths/add-tokens", body).status == 204
    (path,) = sandbox.control.state()["paths"]
    assert (path["uses_tokens"], path["tokens"]) == (True, {SALES_GROUP_ID: 10})
    for name, code in (("pathId", "pathNotFound"), ("groupId", "groupNotFound"), ("authorId", "userNotFound")):
        assert code_of(client("POST", "/paths/add-tokens", {**body, name: UNKNOWN})) == (404, code)


def test_deletes_a_path_that_is_no_step_of_another(client, safety):
    client("PUT", f"/paths/{safety}/steps", {"steps": [step(ONBOARDING_PATH_ID, "path")]})
    assert code_of(client("DELETE", PATH)) == (409, "pathIsUsedAsATraining")
    assert client("DELETE", f"/paths/{safety}").status == 204
    assert client("DELETE", PATH).status == 204
    assert client("GET", "/paths").json == []
    assert code_of(client("DELETE", PATH)) == (404, "pathNotFound")
