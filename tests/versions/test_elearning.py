"""Courses in an eLearning standard, which API v2 creates from a file."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.elearning import (
    Learning360CreateElearningCourseOperator,
    Learning360UpdateElearningCourseOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory
from tests.unlimited_sandbox import CONNECTION

PACKAGE = Upload("safety.zip", b"PK\x03\x04")
COURSE: dict[str, Any] = {
    "name": "Safety",
    "lang": "en",
    "author": ADMIN_MAIL,
    "group_id": SALES_GROUP_ID,
    "package": PACKAGE,
}
CREATE, UPDATE = "createELearningStandardCourse", "updateELearningStandardCourse"


@pytest.fixture
def v2(sandbox):
    """Return the API of version 2."""
    with api_factory(sandbox, "v2") as make:
        yield make()


def test_creates_a_course_once(v2, sent):
    made = v2.create_elearning_course(**COURSE)
    assert made == {"course_id": made["course_id"], "name": "Safety", "outcome": "created"}
    assert v2.create_elearning_course(**COURSE) == {**made, "outcome": "already_exists"}
    (request,) = sent(CREATE)
    assert request["body"] == {
        "name": "Safety",
        "sourceLang": "en",
        "authorId": ADMIN_ID,
        "groupId": SALES_GROUP_ID,
        "estdFile": {"file_name": "safety.zip", "media_type": "application/zip", "size": 4},
    }
    with pytest.raises(AlreadyExistsError):
        v2.create_elearning_course(**COURSE, if_exists="fail")


def test_updates_an_existing_course(v2):
    made = v2.create_elearning_course(**COURSE)
    again = {**COURSE, "description": "New", "co_authors": [GRACE_MAIL], "if_exists": "update"}
    assert v2.create_elearning_course(**again) == {**made, "outcome": "updated"}
    course = v2.get_course(course_id=made["course_id"])
    assert (course["description"], course["co_author_ids"], course["version_number"]) == ("New", [GRACE_ID], 2)


def test_changes_only_the_given_fields(v2):
    course_id = v2.create_elearning_course(**COURSE, duration_minutes=30)["course_id"]
    before = v2.get_course(course_id=course_id)
    picture = Upload("cover.png", b"x")
    assert v2.update_elearning_course(course="Safety", lang="fr", cover_picture=picture)["outcome"] == "updated"
    after = v2.get_course(course_id=course_id)
    changed = {name for name in before if before[name] != after[name]} - {"modified_at"}
    assert changed == {"lang", "default_lang"}


def test_another_course_of_this_name_is_not_taken_for_it(v2):
    """Another group, or a native course: neither is the course of the file."""
    made = v2.create_elearning_course(**COURSE)
    other = v2.create_group(name="Lab")["group_id"]
    assert v2.create_elearning_course(**{**COURSE, "group_id": other})["course_id"] != made["course_id"]
    assert v2.create_elearning_course(**{**COURSE, "name": "Welcome to Acme"})["outcome"] == "created"


def test_a_lost_response_is_confirmed_by_a_lookup(sandbox, v2, sent):
    sandbox.control.add_fault(CREATE, kind="drop_after")
    assert v2.create_elearning_course(**COURSE)["outcome"] == "created"
    assert len(sent(CREATE)) == 1


def test_a_lost_request_is_not_sent_again(sandbox, v2, sent):
    sandbox.control.add_fault(CREATE, kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        v2.create_elearning_course(**COURSE)
    assert len(sent(CREATE)) == 1


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"author": GRACE_MAIL}, RefusedError),  # not an editor
        ({"group_id": "0" * 24}, NotFoundError),
        ({"co_authors": ["0" * 24]}, NotFoundError),
        ({"package": Upload("safety.zip", b"")}, InvalidRequestError),
    ],
)
def test_errors_of_the_server(v2, changed, error):
    with pytest.raises(error):
        v2.create_elearning_course(**{**COURSE, **changed})


def test_a_native_course_cannot_be_changed(v2):
    with pytest.raises(RefusedError) as raised:
        v2.update_elearning_course(course_id=WELCOME_COURSE_ID, lang="fr")
    assert raised.value.code == "courseNotEstd"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"package": "/tmp/x.zip"}, "package is not a file"),
        ({"duration_minutes": 0}, "duration_minutes is 0"),
        ({"co_authors": [ADMIN_MAIL.upper()]}, f"co_authors has {ADMIN_MAIL}, who is the author"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_sent(v2, sent, changed, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        v2.create_elearning_course(**{**COURSE, **changed})
    with pytest.raises(InvalidRequestError, match="at least one field"):
        v2.update_elearning_course(course_id=WELCOME_COURSE_ID)
    assert sent() == []


@pytest.fixture
def connected(sandbox, monkeypatch):
    """Use API v2 in the default connection."""
    limits = dict.fromkeys(VERSIONS["v2"].spec.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2", limits=limits))


@pytest.mark.usefixtures("connected")
def test_operators_upload_the_file_of_a_path(tmp_path, v2, sent):
    package = tmp_path / "safety.zip"
    package.write_bytes(b"PK")
    create = Learning360CreateElearningCourseOperator(task_id="create", **{**COURSE, "package": str(package)})
    course_id = create.execute({})["course_id"]
    package.write_bytes(b"PK, new")
    Learning360UpdateElearningCourseOperator(task_id="update", course="Safety", package=str(package)).execute({})
    assert v2.get_course(course_id=course_id)["version_number"] == 2
    assert [each["body"]["estdFile"]["size"] for each in sent(CREATE, UPDATE)] == [2, 7]


@pytest.mark.usefixtures("connected")
def test_a_file_that_does_not_exist_is_named_before_anything_is_sent(tmp_path, sent):
    operator = Learning360UpdateElearningCourseOperator(
        task_id="update", course_id=WELCOME_COURSE_ID, package=str(tmp_path / "missing.zip")
    )
    with pytest.raises(AirflowFailException, match=r"package: .*missing.zip does not exist. Nothing was sent"):
        operator.execute({})
    assert sent() == []


@pytest.mark.usefixtures("connected")
def test_rows_cannot_name_files(tmp_path, sent):
    rows = [{**COURSE, "package": "/etc/passwd"}]
    operator = Learning360BulkOperator(
        task_id="bulk", action="create_elearning_course", rows=rows, results_path=str(tmp_path)
    )
    with pytest.raises(AirflowFailException, match="action is 'create_elearning_course', but must be one of"):
        operator.execute({})
    assert sent() == []


def test_v1_refuses_it(sandbox, sent):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="only API v2 has it"):
        make().create_elearning_course(**COURSE)
    assert sent() == []
