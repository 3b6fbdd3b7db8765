"""Bulk jobs of the sandbox: their states, their number, and what they do with rows."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)

CATALOG = {"groupId": SALES_GROUP_ID, "contentType": "course", "contentId": WELCOME_COURSE_ID}
MISSING_ID = "0" * 24


@pytest.fixture
def integration(client):
    """Connect Sales with a platform, and return the path below which its jobs are submitted."""
    body = {"externalPlatform": "Acme", "groupId": SALES_GROUP_ID, "authorId": ADMIN_ID}
    return f"/bulk/integrations/{client('POST', '/integrations', body).json['_id']}"


def test_a_job_advances_with_the_clock_and_shows_what_it_knows(client, submit, sandbox):
    sandbox.control.settings(bulk_job_seconds=100)
    job = submit("POST", "/bulk/groups/catalog", CATALOG)
    assert job.startswith(f"{sandbox.url}/api/v2/bulk/operations/")
    shown = []
    for seconds in (0, 15, 15, 100):
        sandbox.control.advance(seconds)
        shown.append(client("GET", job).json)
    assert [each["status"] for each in shown] == ["pending", "queued", "running", "completed"]
    assert [sorted(each.keys() - {"_id", "type", "status"}) for each in shown] == [
        ["createdAt"],
        ["createdAt", "queuedAt"],
        ["createdAt", "progress", "queuedAt", "startedAt"],
        ["createdAt", "endedAt", "progress", "queuedAt", "startedAt"],
    ]
    assert shown[0]["createdAt"] < shown[1]["queuedAt"] < shown[2]["startedAt"] < shown[3]["endedAt"]


def test_a_job_does_nothing_and_has_no_results_before_it_ends(client, submit, sandbox):
    sandbox.control.settings(bulk_job_seconds=100)
    job = submit("POST", "/bulk/groups/catalog", CATALOG)
    sandbox.control.advance(90)
    assert client("GET", f"{job}/results").code == "bulkOperationNotRun"
    assert client("GET", f"/groups/{SALES_GROUP_ID}/catalog/course-ids").json == []
    sandbox.control.advance(20)
    assert client("GET", f"/groups/{SALES_GROUP_ID}/catalog/course-ids").json == [WELCOME_COURSE_ID]
    assert client("GET", f"{job}/results").json == [
        {"input": CATALOG, "status": "success", "resourceId": WELCOME_COURSE_ID}
    ]


def test_a_fourth_job_is_refused_until_one_has_ended(client, submit, sandbox):
    sandbox.control.settings(bulk_job_seconds=100)
    for _ in range(3):
        submit("POST", "/bulk/groups/catalog", CATALOG)
    response = client("POST", "/bulk/groups/catalog", {"input": [CATALOG]})
    assert (response.status, response.code) == (429, "bulkOperationsConcurrencyLimitReached")
    sandbox.control.advance(101)
    submit("POST", "/bulk/groups/catalog", CATALOG)


def test_where_only_running_jobs_count_others_are_queued_and_no_more_than_three_run(client, submit, sandbox):
    sandbox.control.settings(bulk_jobs_counted="running", bulk_job_seconds=100)
    for _ in range(5):
        submit("POST", "/bulk/groups/catalog", CATALOG)
    states = []
    for _ in range(4):
        sandbox.control.advance(50)
        states.append([each["status"] for each in client("GET", "/bulk/operations").json])
    assert states == [
        ["running"] * 3 + ["queued"] * 2,
        ["completed"] * 3 + ["running"] * 2,
        ["completed"] * 3 + ["running"] * 2,
        ["completed"] * 5,
    ]


def test_jobs_are_listed_by_type_state_and_time_in_pages_of_twenty(client, submit, sandbox):
    for number in range(23):
        method = "DELETE" if number % 2 else "POST"
        submit(method, "/bulk/groups/catalog", CATALOG)
        sandbox.control.advance(1)
    sandbox.control.settings(bulk_job_seconds=100)
    submit("POST", "/bulk/groups/memberships")
    assert [len(page.json) for page in client.pages("/bulk/operations")] == [20, 4]
    removals = client("GET", "/bulk/operations?type[eq]=removeContentsFromGroupsCatalog").json
    assert len(removals) == 11
    assert [each["type"] for each in client("GET", "/bulk/operations?status[eq]=pending").json] == ["addUsersToGroups"]
    later = client("GET", f"/bulk/operations?createdAt[gte]={removals[-1]['createdAt']}").json
    assert len(later) == 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"input": "x"}, 400, "invalidInput"),
        ({}, 400, "invalidInput"),
        ({"input": [{"externalId": "c"}] * 1001}, 400, "inputTooLong"),
    ],
)
@pytest.mark.unpublished_requests
def test_an_invalid_submission_is_refused(client, integration, body, status, code):
    response = client("DELETE", f"{integration}/courses", body)
    assert (response.status, response.code) == (status, code)


def test_a_job_that_fails_has_the_results_of_its_first_rows(client, submit, sandbox):
    sandbox.control.settings(bulk_jobs_fail_after=1)
    job = submit("POST", "/bulk/groups/catalog", CATALOG, CATALOG)
    sandbox.control.advance(1)
    shown = client("GET", job).json
    assert (shown["status"], bool(shown["errorMessage"])) == ("error", True)
    assert len(client("GET", f"{job}/results").json) == 1


def test_a_job_may_never_end(client, submit, sandbox):
    sandbox.control.settings(bulk_jobs_end=False)
    job = submit("POST", "/bulk/groups/catalog", CATALOG)
    sandbox.control.advance(3000)
    assert client("GET", job).json["status"] == "running"


def test_the_bulk_api_may_be_disabled(client, sandbox):
    sandbox.control.settings(bulk_api_enabled=False)
    response = client("POST", "/bulk/groups/catalog", {"input": [CATALOG]})
    assert (response.status, response.code) == (503, "bulkAPIDisabled")


def test_rows_are_refused_one_by_one(run, sandbox):
    sandbox.control.settings(bulk_rows_refused=[GRACE_ID])
    rows = [
        CATALOG,
        {**CATALOG, "groupId": MISSING_ID},
        {**CATALOG, "contentId": MISSING_ID},
        {**CATALOG, "contentType": "path-session"},
        {**CATALOG, "contentId": GRACE_ID},
    ]
    assert run("POST", "/bulk/groups/catalog", *rows) == [
        None,
        "There is no such group.",
        "There is no such course.",
        "There is no such path session.",
        "This row is refused by a setting of the sandbox.",
    ]


@pytest.mark.unpublished_requests
def test_a_malformed_row_is_refused_by_itself(run):
    _, reason = run("POST", "/bulk/groups/catalog", CATALOG, {**CATALOG, "contentType": "path"})
    assert reason.startswith("contentType: ")


def test_a_row_may_be_done_and_not_mentioned(client, submit, sandbox):
    sandbox.control.settings(bulk_rows_unmentioned=[WELCOME_COURSE_ID])
    job = submit("POST", "/bulk/groups/catalog", CATALOG)
    sandbox.control.advance(1)
    assert client("GET", f"{job}/results").json == []
    assert client("GET", f"/groups/{SALES_GROUP_ID}/catalog/course-ids").json == [WELCOME_COURSE_ID]


def test_libraries_have_courses_and_paths(client, run):
    course = CATALOG
    path = {**CATALOG, "contentType": "path", "contentId": ONBOARDING_PATH_ID}
    assert run("POST", "/bulk/groups/library", course, path, course) == [None] * 3
    assert client("GET", f"/groups/{SALES_GROUP_ID}/library/path-ids").json == [ONBOARDING_PATH_ID]
    assert run("DELETE", "/bulk/groups/library", course) == [None]
    assert client("GET", f"/groups/{SALES_GROUP_ID}/library/course-ids").json == []


def test_notification_emails_are_switched_by_email_address(run, sandbox):
    rows = [{"mail": mail, "type": "deactivation"} for mail in (GRACE_MAIL, "missing@acme.test", GRACE_ID)]
    assert run("POST", "/bulk/notifications/subscriptions", *rows) == [None, *["There is no such user."] * 2]
    subscribed = {each["id"]: each["email_notifications"] for each in sandbox.control.state()["users"]}
    assert subscribed == {ADMIN_ID: True, GRACE_ID: False}
    assert run("POST", "/bulk/notifications/subscriptions", {"mail": GRACE_MAIL, "type": "activation"}) == [None]
    assert all(each["email_notifications"] for each in sandbox.control.state()["users"])


def test_learners_leave_public_subgroups_and_others_stay(run, sandbox):
    memberships = lambda: {  # noqa: E731
        each["group"]: each["roles"] for each in sandbox.control.state()["memberships"] if each["user"] == GRACE_ID
    }
    rows = [
        {"userId": GRACE_ID, "groupId": group, "role": role}
        for group in (ROOT_GROUP_ID, SALES_GROUP_ID)
        for role in ("learner", "coach")
    ]
    assert run("POST", "/bulk/groups/memberships", *rows) == [None] * 4
    assert run("DELETE", "/bulk/groups/memberships", rows[1]) == [None]
    assert memberships()[SALES_GROUP_ID] == ["learner", "coach"]
    assert run("DELETE", "/bulk/groups/memberships", rows[0], rows[0]) == [
        None,
        "The user does not have this role in the group.",
    ]
    assert memberships() == {SALES_GROUP_ID: ["coach"]}


def test_a_user_without_a_role_in_a_group_leaves_the_sessions_of_the_group(client, run):
    body = {
        "name": "May",
        "startDate": "2026-03-01T00:00:00.000Z",
        "mainInstructorId": ADMIN_ID,
        "registrationRequestValidation": "disabled",
    }
    session = client("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions", body).json["_id"]
    membership = {"userId": GRACE_ID, "groupId": SALES_GROUP_ID, "role": "coach"}
    assert run("POST", "/bulk/groups/memberships", membership) == [None]
    audience = {"filters": [{"type": "groups", "ids": [SALES_GROUP_ID]}], "mode": "dynamic"}
    client("PUT", f"/paths/{ONBOARDING_PATH_ID}/sessions/{session}/audiences", audience)
    enrollments = f"/paths/{ONBOARDING_PATH_ID}/enrollments?sessionId[eq]={session}&status[eq]=published"
    assert GRACE_ID in [each["userId"] for each in client("GET", enrollments).json]
    assert run("DELETE", "/bulk/groups/memberships", membership) == [None]
    assert GRACE_ID not in [each["userId"] for each in client("GET", enrollments).json]


def test_groups_with_integrations_and_the_root_group_are_not_deleted(client, run, integration):
    assert run("DELETE", "/bulk/groups", {"groupId": SALES_GROUP_ID}, {"groupId": ROOT_GROUP_ID}) == [
        "The group has active integrations.",
        "The root group cannot be deleted.",
    ]
    client("DELETE", integration.removeprefix("/bulk"))
    assert run("DELETE", "/bulk/groups", {"groupId": SALES_GROUP_ID}) == [None]
    assert client("GET", f"/groups/{SALES_GROUP_ID}").status == 404


COURSE = {
    "externalId": "c-1",
    "name": "One",
    "defaultLang": "en",
    "launchUrl": "https://courses.test/1",
    "sources": [{"name": "Ada", "logoUrl": "https://courses.test/ada.png"}],
    "subjects": ["Basics"],
    "translations": [{"lang": "fr", "translatedFields": {"name": "Un"}}],
}
STATISTIC = {
    "courseIdentifier": {"type": "externalId", "value": "c-1"},
    "userIdentifier": {"type": "mail", "value": GRACE_MAIL},
    "progress": 50,
    "timeSpent": 1,
    "firstActivityAt": "2026-03-01T00:00:00.000Z",
    "lastActivityAt": "2026-03-02T00:00:00.000Z",
}


def test_a_course_is_replaced_and_archived_through_its_integration(client, run, integration):
    one = f"{integration.removeprefix('/bulk')}/courses/c-1"
    assert run("PUT", f"{integration}/courses", COURSE) == [None]
    course = client("GET", one).json
    assert COURSE.items() <= course.items()
    assert course["authorId"] == ADMIN_ID
    for kind in ("catalog", "library"):
        assert client("GET", f"/groups/{SALES_GROUP_ID}/{kind}/course-ids").json == [course["courseId"]]
    assert run("PUT", f"{integration}/courses", {**COURSE, "name": "First", "duration": 5, "authorId": GRACE_ID}) == [
        None
    ]
    again = client("GET", one).json
    assert (again["courseId"], again["name"], again["duration"]) == (course["courseId"], "First", 5)
    modified_at = client("GET", f"/courses/{course['courseId']}").json["modifiedAt"]
    assert run("DELETE", f"{integration}/courses", {"externalId": "c-1"}, {"externalId": "c-2"}) == [
        None,
        "There is no such course.",
    ]
    archived = client("GET", f"/courses/{course['courseId']}").json
    assert (archived["status"], archived["modifiedAt"]) == ("archived", modified_at)  # documented so


def attempts(sandbox):
    return [
        (each["progress"], each["completed_at"] is not None) for each in sandbox.control.state()["external_attempts"]
    ]


def test_statistics_begin_attempts_or_update_those_that_are_not_completed(run, integration, sandbox):
    """As it is documented: a completed attempt is left alone."""
    run("PUT", f"{integration}/courses", COURSE)
    import_ = lambda **changes: run("POST", f"{integration}/stats", {**STATISTIC, **changes})  # noqa: E731
    assert import_() == [None]
    import_(progress=80)
    assert attempts(sandbox) == [(80, False)]
    import_(progress=100)
    assert attempts(sandbox) == [(100, True)]
    import_(progress=10)
    assert attempts(sandbox) == [(100, True)]
    import_(progress=20, firstActivityAt="2026-03-02T00:00:01.000Z", lastActivityAt="2026-03-03T00:00:00.000Z")
    import_(progress=30, forceNew=True)
    assert attempts(sandbox) == [(100, True), (20, False), (30, False)]


def test_statistics_name_course_and_user_by_their_own_ids_as_well(client, run, integration, sandbox):
    run("PUT", f"{integration}/courses", COURSE)
    course = client("GET", f"{integration.removeprefix('/bulk')}/courses/c-1").json["courseId"]
    internal = {
        **STATISTIC,
        "courseIdentifier": {"type": "internalId", "value": course},
        "userIdentifier": {"type": "internalId", "value": GRACE_ID},
    }
    unknown = {**STATISTIC, "userIdentifier": {"type": "mail", "value": "missing@acme.test"}}
    elsewhere = {**internal, "courseIdentifier": {"type": "internalId", "value": WELCOME_COURSE_ID}}
    assert run("POST", f"{integration}/stats", internal, unknown, elsewhere) == [
        None,
        "There is no such user.",
        "There is no such course.",
    ]
    assert len(attempts(sandbox)) == 1


def test_what_one_version_imports_the_other_shows(client, integration, sandbox, run):
    run("PUT", f"{integration}/courses", COURSE)
    (course,) = sandbox.control.state()["external_courses"]
    assert (course["details"]["authors"], course["details"]["alternative_languages"]) == (["Ada"], ["fr"])


def test_integrations_are_created_edited_listed_and_deleted(client, integration, sandbox):
    path = integration.removeprefix("/bulk")
    body = {"externalPlatform": "Acme", "groupId": SALES_GROUP_ID, "authorId": ADMIN_ID}
    assert client("POST", "/integrations", body).code == "duplicateExternalPlatform"
    assert client("POST", "/integrations", {**body, "groupId": MISSING_ID}).code == "groupNotFound"
    assert client("POST", "/integrations", {**body, "authorId": MISSING_ID}).code == "userNotFound"
    other = client("POST", "/integrations", {**body, "groupId": ROOT_GROUP_ID, "defaultProgress": 5}).json
    assert other["defaultProgress"] == 5
    assert client("GET", "/integrations?externalPlatform[eq]=Acme").ids == [path.rpartition("/")[2], other["_id"]]
    assert client("GET", "/integrations?externalPlatform[eq]=acme").json == []
    assert client("PATCH", path, {"groupId": ROOT_GROUP_ID}).code == "duplicateExternalPlatform"
    assert client("PATCH", path, {"externalPlatform": "New", "noGroupPropagation": True}).json == {
        **body,
        "externalPlatform": "New",
        "noGroupPropagation": True,
    }
    sandbox.control.settings(reserved_platforms=["New"], max_integrations=2)
    assert client("DELETE", path).code == "reservedPlatformName"
    assert client("POST", "/integrations", {**body, "externalPlatform": "More"}).code == "integrationsLimitReached"
    assert client("PUT", f"{integration}/courses", {"input": []}).code == "reservedPlatformName"
    assert client("DELETE", f"/integrations/{other['_id']}").status == 204
    assert client("DELETE", f"/integrations/{other['_id']}").code == "integrationNotFound"


def test_the_courses_of_an_integration_follow_it_and_are_archived_with_it(client, run, integration):
    path = integration.removeprefix("/bulk")
    run("PUT", f"{integration}/courses", COURSE)
    client("PATCH", path, {"externalPlatform": "New"})
    course = client("GET", f"{path}/courses/c-1").json
    assert client("GET", f"{path}/courses/c-2").code == "courseNotBelongToIntegration"
    client("DELETE", path)
    assert client("GET", f"/courses/{course['courseId']}").json["status"] == "archived"


def test_switches_notification_emails_of_users_off_and_on(run, sandbox):
    def notified():
        return {user["mail"]: user["email_notifications"] for user in sandbox.control.state()["users"]}[GRACE_MAIL]

    path, row = "/bulk/notifications/subscriptions", {"mail": GRACE_MAIL, "type": "deactivation"}
    missing = {"mail": "missing@acme.test", "type": "activation"}
    assert run("POST", path, row, missing) == [None, "There is no such user."]
    assert notified() is False
    assert run("POST", path, {**row, "type": "activation"}) == [None]
    assert notified() is True
