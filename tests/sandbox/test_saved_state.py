"""The company of a sandbox, saved to a file and loaded from it."""

from __future__ import annotations

import json
import os
import stat

import pytest

from airflow_provider_360learning.sandbox import saved_state
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state.jobs import Behavior
from airflow_provider_360learning.sandbox.state.skills import Skill
from tests.sandbox.conftest import Client
from tests.sandbox.test_external import COURSE, COURSES


@pytest.fixture
def file(tmp_path):
    return tmp_path / "company.json"


def fill(sandbox: Sandbox) -> None:
    """Create an object of each kind."""
    client = Client(sandbox)
    sandbox.control.settings(limits_enabled=False)
    created = client("POST", "/users", json={"mail": "ana@acme.test", "password": "pw-1", "sendCredentials": True})
    assert created.status_code == 200
    start = "2026-01-05T09:00:00.000Z"
    session = {"sessionName": "January", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": start}
    created = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions/", json=session)
    assert created.status_code == 200, created.text
    [session_id] = [each["id"] for each in sandbox.control.state()["sessions"]]
    sandbox.control.self_enroll(session_id, GRACE_MAIL)
    imported = client("POST", COURSES, json={"authorId": ADMIN_ID, "externalCourses": [COURSE]})
    assert imported.status_code == 200, imported.text
    for path, body in (
        ("/skills", [{"name": "Onboarding"}]),
        ("/customlinks", {"type": "mail", "name": "Mail"}),
        ("/customuserlinks", {"mail": GRACE_MAIL, "type": "mail", "url": "https://mail.test"}),
    ):
        assert client("POST", path, json=body).status_code == 200
    assert client("PUT", f"/users/{GRACE_MAIL}/managers/{ADMIN_ID}").status_code == 200
    external_id = {"externalPlatform": "HR", "externalId": "7"}
    assert client("PUT", f"/users/{GRACE_MAIL}/externalId", data=external_id).status_code == 200
    client.close()


def test_a_company_is_the_same_after_a_restart(file):
    with Sandbox(state_file=file) as sandbox:
        fill(sandbox)
        sandbox.control.advance(1000)
        api_key = sandbox.control.add_api_key()
        client = sandbox.control.add_client(["users:read"])
        before = sandbox.control.state()
    assert len(before["sessions"]) == len(before["enrollments"]) == 1
    with Sandbox(state_file=file) as sandbox:
        assert sandbox.control.state() == before
        assert sandbox.api_key == api_key
        assert (sandbox.client_id, sandbox.client_secret) == (client["client_id"], client["client_secret"])
        assert sandbox.control.has_password("ana@acme.test", "pw-1")
        client = Client(sandbox)
        assert client("POST", "/users", json={"mail": "ANA@acme.test", "password": "x"}).status_code == 400
        assert client("POST", "/skills", json=[{"name": "Onboarding"}]).status_code == 400
        assert client("GET", f"/users/{ADMIN_ID}").json()["subordinates"][0]["mail"] == GRACE_MAIL
        assert client("GET", "/users/getUserByExternalId/7/HR").json()["mail"] == GRACE_MAIL
        created = client("POST", "/groups", json={"name": "New", "public": True}).json()["id"]
        client.close()
        assert created not in json.dumps(before)


def test_the_clock_stays_ahead(file):
    with Sandbox(state_file=file) as sandbox:
        before = sandbox.control.advance(86_400)
    with Sandbox(state_file=file) as sandbox:
        assert sandbox.control.advance(0) == pytest.approx(before, abs=60)


def test_objects_that_belong_to_two_lists_are_one_object(file):
    with Sandbox(state_file=file) as sandbox:
        fill(sandbox)
        [external] = sandbox.control.state()["external_courses"]
    company = Company(Settings(), "empty")
    saved_state.read(company, file)
    [loaded] = company.state.external.courses.values()
    assert loaded.course is company.state.courses[external["id"]]


def test_skills_and_webhooks_are_kept_with_secrets_and_events():
    before, after = Company(Settings(), "empty"), Company(Settings(), "empty")
    subscription = before.state.webhooks.subscribe("group.created", "Groups", "https://hooks.acme.test")
    before.state.add_group("Lab", public=True, parent=ROOT_GROUP_ID)
    skills = before.state.skills
    skill = Skill(id="1" * 24, external_id="sql", name="SQL", created_at=1.0, updated_at=2.0)
    skills.review(skills.put(skills.skills, skill), ADMIN_ID, "2" * 24, 3.0)
    saved_state.load(after, saved_state.dump(before))
    assert after.state.skills.powers == skills.powers
    assert after.state.skills.skill("sql") == skill
    assert after.state.webhooks.subscriptions == {subscription.id: subscription}
    after.state.add_group("Lab 2", public=True, parent=ROOT_GROUP_ID)
    assert len(after.state.webhooks.subscriptions[subscription.id].events) == 2


def test_slots_of_classrooms_are_kept_with_registrations_and_sheets():
    before, after = Company(Settings(), "empty"), Company(Settings(), "empty")
    classrooms = before.state.classrooms
    lab = classrooms.add("Lab", ROOT_GROUP_ID)
    slot = classrooms.add_slot(
        lab.id, "1" * 24, "program", name="Day 1", start=1.0, end=2.0, hours=1, virtual=False, location="Room 1"
    )
    classrooms.set_attendance(classrooms.register(slot, ADMIN_ID), attended=True)
    classrooms.wait(slot, "2" * 24)
    classrooms.add_sheet(slot, "Morning")
    saved_state.load(after, saved_state.dump(before))
    assert after.state.classrooms.slots_of(lab) == [slot]
    assert after.state.classrooms.as_dict() == classrooms.as_dict()


def test_a_job_that_had_not_ended_ends_in_error():
    company = Company(Settings(), "empty")
    behavior = Behavior(seconds=60, max_running=3)
    company.state.jobs.submit("job", "addUsersToGroups", [{"a": 1}], behavior, lambda row: "id")
    loaded = Company(Settings(), "empty")
    saved_state.load(loaded, saved_state.dump(company))
    job = loaded.state.jobs.jobs["job"]
    assert (job.state(loaded.clock.now()), job.inputs) == ("error", [{"a": 1}])
    assert "stopped" in (job.error or "")
    assert loaded.state.jobs.count(running_only=False) == 0


def test_any_value_survives():
    company = Company(Settings(), "empty")
    details = {"$": "x", "deep": [{"$": [1, None]}], "text": "\ud800\u202e", "number": 1.5}
    integration = company.state.external.add_integration("Udemy", ROOT_GROUP_ID, "x", details)
    loaded = Company(Settings(), "empty")
    saved_state.load(loaded, saved_state.dump(company))
    assert loaded.state.external.integrations[integration.id] == integration


def test_only_the_user_can_read_the_file(file):
    with Sandbox(state_file=file):
        pass
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == [file.name]


def test_a_file_that_cannot_be_written_is_reported_at_the_start(tmp_path):
    with pytest.raises(OSError, match="missing"):
        Sandbox(state_file=tmp_path / "missing" / "company.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("[]", "not saved by this version"),
        ('{"version": 0}', "not saved by this version"),
        ('{"version": 1}', "its contents are not as the sandbox saves them: KeyError"),
        ('{"version": 1, "api_keys": {"x": 1}}', "LookupError.*x of ApiKeys"),
        ('{"version": 1, "api_keys": {"_issued": {"$": "Popen", "fields": {}}}}', "KeyError.*Popen"),
        ('{"version": 1, "api_keys": {"_issued": {"$": "model.Group", "fields": {"x": 1}}}}', "TypeError.*'x'"),
    ],
)
def test_a_file_with_other_contents_is_refused(file, text, problem):
    file.write_text(text)
    with pytest.raises(ValueError, match=f"company.json cannot be loaded: .*{problem}"):
        Sandbox(state_file=file)
    assert file.read_text() == text


def test_the_file_precedes_the_seed(file):
    with Sandbox(state_file=file, seed="empty"):
        pass
    with Sandbox(state_file=file, seed="demo") as sandbox:
        assert len(sandbox.control.state()["users"]) == 1
