"""Skills of the sandbox: libraries, skills, jobs, and the skills and jobs of users."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID

SQL = {"externalId": "sql", "name": "SQL", "parentExternalIds": []}
CHILD = {"externalId": "joins", "name": "Joins", "parentExternalIds": ["sql"]}
ANALYST = {"externalId": "analyst", "name": "Analyst"}
REVIEW = {"userId": GRACE_ID, "assessorId": ADMIN_ID, "skillId": "sql"}
MISSING_ID = "0" * 24


@pytest.fixture
def skills(client, run):
    """Create two skills, and return a function that lists them."""
    assert run("PUT", "/bulk/skills", SQL, CHILD) == [None, None]
    return lambda: client("GET", "/skills").json


def test_creates_and_replaces_skills_by_their_external_ids(client, run, skills, sandbox):
    sql, joins = skills()
    assert (sql["name"], sql["status"], sql["parents"]) == ("SQL", "published", [])
    assert joins["parents"] == [{"_id": sql["_id"], "externalId": "sql"}]
    sandbox.control.advance(10)
    translation = {"lang": "fr", "translatedFields": {"name": "SQL (fr)"}}
    assert run("PUT", "/bulk/skills", {**SQL, "name": "SQL 2", "translations": [translation]}) == [None]
    (changed,) = (each for each in skills() if each["externalId"] == "sql")
    assert (changed["_id"], changed["name"], changed["translations"]) == (sql["_id"], "SQL 2", [translation])
    assert changed["createdAt"] == sql["createdAt"] < changed["updatedAt"]
    (found,) = client("GET", f"/skills?status[eq]=published&updatedAt[gte]={changed['updatedAt'][:19]}Z").json
    assert found["externalId"] == "sql"


def test_refuses_skills_that_are_above_themselves(client, skills):
    cycle = {**SQL, "parentExternalIds": ["joins"]}
    refused = client("PUT", "/bulk/skills", {"input": [cycle]})
    assert (refused.status, refused.code) == (400, "skillsGraphHasCycles")


def test_skills_are_in_libraries(run, skills):
    assert run("PUT", "/bulk/skills", {**SQL, "libraryId": "data"}) == ["There is no such library."]
    library = {"externalId": "data", "name": "Data", "status": "draft"}
    assert run("PUT", "/bulk/skills/libraries", library) == [None]
    assert run("PUT", "/bulk/skills", {**SQL, "libraryId": "data"}) == [None]
    assert "libraryId" in skills()[0]
    assert run("DELETE", "/bulk/skills/libraries", {"externalId": "data"}) == [None]
    assert "libraryId" not in skills()[0]
    assert run("DELETE", "/bulk/skills/libraries", {"externalId": "data"}) == ["There is no such library."]


def test_a_deleted_skill_disappears_from_jobs_and_users(client, run, skills, sandbox):
    assert run("PUT", "/bulk/skills/jobs", ANALYST) == [None]
    assert run("PUT", "/bulk/skills/jobs-skills", {"jobId": "analyst", "skillId": "sql"}) == [None]
    assert run("POST", "/bulk/skills/reviews", {**REVIEW, "actionType": "skillAdded"}) == [None]
    assert run("DELETE", "/bulk/skills", {"externalId": "sql"}, {"externalId": "sql"}) == [
        None,
        "There is no such skill.",
    ]
    assert [each["externalId"] for each in skills()] == ["joins"]
    assert client("GET", "/skills/powers").json == []
    assert sandbox.control.state()["skill_jobs"][0]["skills"] == {}


def test_replaces_the_skills_of_the_jobs_in_the_input_only(run, skills, sandbox):
    other = {"externalId": "engineer", "name": "Engineer", "parentExternalId": "analyst"}
    assert run("PUT", "/bulk/skills/jobs", ANALYST, other) == [None, None]
    qualifiers = [{"_id": "level", "valueId": "high"}]
    rows = [
        {"jobId": "analyst", "skillId": "sql", "qualifiers": qualifiers},
        {"jobId": "analyst", "skillId": "joins"},
        {"jobId": "engineer", "skillId": "sql"},
    ]
    assert run("PUT", "/bulk/skills/jobs-skills", *rows) == [None] * 3
    assert run("PUT", "/bulk/skills/jobs-skills", rows[1], {"jobId": "none", "skillId": "sql"}) == [
        None,
        "There is no such job.",
    ]
    ids = {each["externalId"]: each["_id"] for each in skills()}
    analyst, engineer = sandbox.control.state()["skill_jobs"]
    assert (analyst["skills"], engineer["skills"]) == ({ids["joins"]: {}}, {ids["sql"]: {}})


def test_refuses_more_than_100_skills_of_a_job_and_jobs_of_a_user(client):
    rows = [{"jobId": "analyst", "skillId": f"skill {number}"} for number in range(101)]
    assert client("PUT", "/bulk/skills/jobs-skills", {"input": rows}).code == "tooManySkills"
    jobs = [f"job {number}" for number in range(101)]
    row = {"userId": GRACE_ID, "targetJobIds": jobs}
    assert client("PUT", "/bulk/skills/users/jobs", {"input": [row]}).code == "tooManyJobs"
    assert client("PUT", f"/skills/users/{GRACE_ID}/jobs", {"jobIds": jobs}).code == "tooManyJobs"


def test_replaces_the_jobs_of_a_user(client, run, sandbox):
    assert run("PUT", "/bulk/skills/jobs", ANALYST, {"externalId": "engineer", "name": "Engineer"}) == [None, None]
    path = f"/skills/users/{GRACE_ID}/jobs"
    assert client("PUT", path, {"jobIds": ["analyst", "none"]}).code == "jobExternalIdNotFound"
    assert client("PUT", f"/skills/users/{MISSING_ID}/jobs", {"jobIds": []}).code == "userNotFound"
    assert client("PUT", path, {"jobIds": ["analyst"]}).json == ["analyst"]
    row = {"userId": GRACE_ID, "targetJobIds": ["engineer"], "previousJobIds": ["analyst"]}
    assert run("PUT", "/bulk/skills/users/jobs", row, {**row, "currentJobIds": ["none"]}) == [
        None,
        "There is no such job.",
    ]
    jobs = {"user": GRACE_ID, "current": [], "target": ["engineer"], "previous": ["analyst"]}
    assert sandbox.control.state()["user_jobs"] == [jobs]
    assert run("DELETE", "/bulk/skills/jobs", {"externalId": "analyst"}) == [None]
    assert sandbox.control.state()["user_jobs"] == [{**jobs, "previous": []}]


def test_reviews_add_assess_and_remove_the_skills_of_users(client, run, skills):
    added = {**REVIEW, "actionType": "skillAdded", "createdAt": "2026-01-01T00:00:00.000Z"}
    assert run("POST", "/bulk/skills/reviews", added) == [None]
    (power,) = client("GET", "/skills/powers").json
    assert (power["userId"], power["skillExternalId"], power["status"]) == (GRACE_ID, "sql", "toAssess")
    assert power["createdAt"] == "2026-01-01T00:00:00.000Z"
    assessed = {**REVIEW, "externalId": "r1", "actionType": "skillAssessed"}
    by_index = {**REVIEW, "actionType": "skillAssessedByIndex", "qualifiers": [{"_id": "level", "valueIndex": 2}]}
    assert run("POST", "/bulk/skills/reviews", assessed, by_index) == [None, None]
    (power,) = client("GET", f"/skills/powers?userId[eq]={GRACE_ID}&status[eq]=pendingValidation").json
    assert power["externalId"] == "r1"
    assert power["qualifiers"] == [{"_id": "level", "type": "singleChoice", "currentValueId": "level-2"}]
    assert client("GET", f"/skills/powers?skillId[in]={MISSING_ID}").json == []
    assert client("POST", f"/users/{GRACE_ID}/managers/{ADMIN_ID}").status == 204
    assert run("POST", "/bulk/skills/reviews", assessed) == [None]
    (validated,) = client("GET", "/skills/powers?status[eq]=validated").json
    assert validated["_id"] == power["_id"]
    deleted = {**REVIEW, "actionType": "skillDeleted"}
    assert run("POST", "/bulk/skills/reviews", deleted, deleted) == [None, "There is no such skill of this user."]
    assert client("GET", "/skills/powers").json == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/skills", None),
        ("GET", "/skills/powers", None),
        ("PUT", f"/skills/users/{GRACE_ID}/jobs", {"jobIds": []}),
        ("PUT", "/bulk/skills", {"input": []}),
    ],
)
def test_a_company_may_lack_the_skill_solution(client, sandbox, method, path, body):
    sandbox.control.settings(skill_solution_enabled=False)
    refused = client(method, path, body)
    assert (refused.status, refused.code) == (400, "skillSolutionNotEnabled")
