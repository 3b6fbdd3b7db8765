"""Actions on paths themselves: the same results and the same effects in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import AlreadyExistsError, InvalidRequestError, NotFoundError, RefusedError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24
SAFETY = {"name": "Safety", "group_id": SALES_GROUP_ID, "course_ids": [SECURITY_COURSE_ID, WELCOME_COURSE_ID]}


@pytest.fixture
def paths(sandbox):
    """Return a function that returns the paths as the sandbox has them, but for the first one."""
    return lambda: sandbox.control.state()["paths"][1:]


def test_creates_a_path_once(api, paths):
    made = api.create_path(
        **SAFETY,
        authors=[GRACE_MAIL, ADMIN_MAIL],
        description="<p>At work</p>\n<p>é</p>",
        additional_information="P-17",
        default_lang="fr",
        linear=True,
        mandatory_replay=False,
        automated_reminders=True,
    )
    (path,) = paths()
    assert made == {"path_id": path["id"], "name": "Safety", "outcome": "created"}
    assert {name: path[name] for name in ("name", "group", "author", "co_authors", "description", "info")} == {
        "name": "Safety",
        "group": SALES_GROUP_ID,
        "author": GRACE_ID,
        "co_authors": [ADMIN_ID],
        "description": "<p>At work</p>\n<p>é</p>",
        "info": "P-17",
    }
    assert (path["language"], path["courses"]) == ("fr", SAFETY["course_ids"])
    assert path["options"] == {"linearProgression": True, "mandatoryReplay": False, "automatedReminders": True}
    assert api.create_path(**SAFETY) == {**made, "outcome": "already_exists"}
    with pytest.raises(AlreadyExistsError, match=f"'Safety' exists already: {path['id']}"):
        api.create_path(**SAFETY, if_exists="fail")
    assert paths() == [path]


def test_updates_an_existing_path_but_for_its_courses(api, paths):
    made = api.create_path(**SAFETY)
    again = {**SAFETY, "course_ids": [WELCOME_COURSE_ID], "if_exists": "update"}
    assert api.create_path(**again, linear=True) == {**made, "outcome": "updated"}
    assert api.create_path(**again) == {**made, "outcome": "already_exists"}
    (path,) = paths()
    assert (path["options"], path["courses"]) == ({"linearProgression": True}, SAFETY["course_ids"])


def test_identifies_a_path_by_name_and_group(api, paths):
    by_names = {"name": "Safety", "group": "Sales", "courses": ["Security basics", "Welcome to Acme"]}
    made = api.create_path(**by_names)
    assert api.create_path(**{**SAFETY, "group_id": SALES_GROUP_ID.upper()})["path_id"] == made["path_id"]
    other = api.create_path(**{**SAFETY, "group_id": ROOT_GROUP_ID})
    assert other["outcome"] == "created"
    api.update_path(path_id=other["path_id"], group="Sales")
    with pytest.raises(RefusedError, match="2 paths of this group have the name 'Safety'"):
        api.create_path(**SAFETY)
    assert [path["courses"] for path in paths()] == [SAFETY["course_ids"]] * 2


def test_creates_no_path_without_its_group_course_or_author(api, paths):
    for changes in (
        {"group_id": MISSING_ID},
        {"course_ids": [WELCOME_COURSE_ID, MISSING_ID]},
    ):
        with pytest.raises(NotFoundError):
            api.create_path(**{**SAFETY, **changes})
    with pytest.raises(Exception, match=r"invalid_authors|missing@acme\.test"):
        api.create_path(**SAFETY, authors=["missing@acme.test"])
    assert paths() == []


def test_a_creation_whose_response_is_lost_is_found(sandbox, make_api, paths):
    api = make_api(client={"sleep": lambda seconds: None})
    sandbox.control.add_fault("createPath", kind="drop_after")
    assert api.create_path(**SAFETY, if_exists="fail")["outcome"] == "created"
    assert [path["courses"] for path in paths()] == [SAFETY["course_ids"]]


def test_changes_the_given_fields_of_a_path(api, paths):
    path_id = api.create_path(**SAFETY, authors=[GRACE_MAIL, ADMIN_MAIL], description="old", linear=True)["path_id"]
    (before,) = paths()
    assert api.update_path(path="Safety", name="Safety 2", mandatory_replay=True) == {
        "path_id": path_id,
        "outcome": "updated",
    }
    (path,) = paths()
    assert (path["name"], path["options"]) == ("Safety 2", {"linearProgression": True, "mandatoryReplay": True})
    changed = {name for name, value in path.items() if value != before[name]}
    assert changed == {"name", "options", "modified_at"}
    api.update_path(
        path="Safety 2", group="Acme", authors=[ADMIN_MAIL, GRACE_MAIL], description="new", default_lang="de"
    )
    (path,) = paths()
    assert (path["group"], path["author"], path["co_authors"]) == (ROOT_GROUP_ID, ADMIN_ID, [GRACE_ID])
    assert (path["description"], path["language"]) == ("new", "de")


def test_reports_an_update_of_nothing_or_of_a_missing_path(api, sent):
    with pytest.raises(InvalidRequestError, match="update_path needs at least one field"):
        api.update_path(path_id=ONBOARDING_PATH_ID)
    assert sent() == []
    for arguments in ({"path_id": MISSING_ID, "name": "x"}, {"path_id": ONBOARDING_PATH_ID, "group_id": MISSING_ID}):
        with pytest.raises(NotFoundError):
            api.update_path(**arguments)


def test_returns_a_path_with_its_steps_and_sessions(api, version):
    session = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    path = api.get_path(path="Onboarding")
    assert path == api.list_paths()[0]
    of_v1, of_v2 = (version == each for each in ("v1", "v2"))
    options = {"optional": False, "showCorrection": "onCompletion", "showForum": "never"} if of_v2 else None
    assert path == {
        "path_id": ONBOARDING_PATH_ID,
        "name": "Onboarding",
        "group_id": ROOT_GROUP_ID,
        "session_ids": [session["session_id"]],
        "status": "published" if of_v2 else None,
        "lang": "en",
        "default_lang": "en",
        "description": "" if of_v1 else None,
        "additional_information": None,
        "author_id": ADMIN_ID,
        "co_author_ids": [] if of_v2 else None,
        "certificate_id": None,
        "certificate_title": None,
        "cover_picture_id": None,
        "linear": False if of_v2 else None,
        "mandatory_replay": False if of_v2 else None,
        "automated_reminders": False if of_v2 else None,
        "display_forum": False if of_v2 else None,
        "display_classroom_messages": False if of_v2 else None,
        "notification_on_step_creation": False if of_v2 else None,
        "estimated_duration": None,
        "estimated_weekly_commitment": None,
        "steps": [
            {"step_id": id, "type": "course", "title": title if of_v1 else None, "options": options}
            for id, title in ((WELCOME_COURSE_ID, "Welcome to Acme"), (SECURITY_COURSE_ID, "Security basics"))
        ],
        "translations": [],
        "created_at": path["created_at"],
        "modified_at": path["created_at"],
    }
    with pytest.raises(NotFoundError):
        api.get_path(path_id=MISSING_ID)


def test_returns_the_translations_of_a_path(sandbox, api, version):
    translation = {
        "lang": "fr",
        "published": False,
        "translatorIds": [GRACE_ID],
        "translatedFields": {"name": "Accueil", "description": "<p>é</p>"},
    }
    english = {**translation, "lang": "en", "published": True}
    with api_factory(sandbox, "v2") as make:
        body = {"translations": [english, translation]}
        make().client.call(Call("replacePathTranslations", path={"pathId": ONBOARDING_PATH_ID}, body=body))
    found = api.get_path(path_id=ONBOARDING_PATH_ID)["translations"][1]
    assert (found["lang"], found["published"], found["translator_ids"]) == ("fr", False, [GRACE_ID])
    named = (found["name"], found["description"])
    assert named == (("Accueil", "<p>é</p>") if version == "v2" else (None, None))
