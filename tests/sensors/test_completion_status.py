"""When a wait is over, when it can never be, and what it says about how far it is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_360learning.completion.conditions import (
    CourseCompletion,
    PathSessionCompletion,
    from_dict,
    to_dict,
)
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator, Learning360DeleteUserOperator
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

SESSION = "a" * 24
ANA, BEN, CAT = "ana@acme.test", "ben@acme.test", "cat@acme.test"
DONE = {"status": "successful", "completed_at": "2026-11-01T10:00:00.000Z"}
FAILED = {"status": "unsuccessful", "completed_at": "2026-11-01T10:00:00.000Z"}
OPEN = {"status": "onTime", "completed_at": None}
DELETED = {"deleted": True}


def rows(**learners):
    """Statistics as the API has them, one row for each first name."""
    return [
        {"user_id": f"id of {name}", "mail": f"{name}@acme.test", "deleted": False, **facts}
        for name, facts in learners.items()
    ]


def verdict(answer, **question):
    asked = PathSessionCompletion(session_id=SESSION, **question)
    asked.check()
    return asked.judge(answer)


@pytest.mark.parametrize(
    ("answer", "question", "is_complete"),
    [
        # Everybody enrolled
        (rows(ana=DONE, ben=DONE), {}, True),
        (rows(ana=DONE, ben=OPEN), {}, False),
        (rows(ana=DONE, ben=FAILED), {}, True),
        (rows(), {}, False),
        # any, a number, a share
        (rows(ana=DONE, ben=OPEN), {"required": "any"}, True),
        (rows(ana=OPEN, ben=OPEN), {"required": "any"}, False),
        (rows(), {"required": "any"}, False),
        (rows(ana=DONE, ben=DONE, cat=OPEN), {"required": 2}, True),
        (rows(ana=DONE, ben=OPEN, cat=OPEN), {"required": 2}, False),
        (rows(ana=DONE), {"required": 2}, False),
        (rows(ana=DONE, ben=DONE, cat=OPEN), {"required": "2"}, True),
        (rows(ana=DONE, ben=DONE, cat=OPEN), {"required": 0.6}, True),
        (rows(ana=DONE, ben=DONE, cat=OPEN), {"required": 0.7}, False),
        (rows(ana=DONE, ben=DONE, cat=OPEN), {"required": "0.6"}, True),
        (rows(ana=DONE, ben=OPEN), {"required": 1.0}, False),
        (rows(ana=OPEN), {"required": 0.001}, False),
        (rows(**{f"n{i}": DONE if i < 7 else OPEN for i in range(100)}), {"required": 0.07}, True),
        # Deleted users do not count
        (rows(ana=DONE, ben=OPEN | DELETED), {}, True),
        (rows(ana=DONE | DELETED, ben=OPEN), {"required": "any"}, False),
        (rows(ana=DONE | DELETED), {}, False),
        # An audience that is too small is never complete
        (rows(ana=DONE, ben=DONE), {"min_enrolled": 3}, False),
        (rows(ana=DONE, ben=DONE, cat=DONE), {"min_enrolled": 3}, True),
        (rows(ana=DONE, ben=DONE, cat=DONE | DELETED), {"min_enrolled": "3"}, False),
        # successful, and not just completed
        (rows(ana=DONE, ben=FAILED), {"status": "successful"}, False),
        (rows(ana=DONE, ben=DONE), {"status": "successful"}, True),
        (rows(ana=DONE, ben={"status": "toRetake", "completed_at": None}), {}, False),
        # Users given
        (rows(ana=DONE, ben=OPEN), {"users": (ANA,)}, True),
        (rows(ana=DONE, ben=OPEN), {"users": (ANA, BEN)}, False),
        (rows(ana=DONE, ben=OPEN), {"users": ("ANA@acme.test",)}, True),
        (rows(ana=DONE, ben=OPEN), {"users": (ANA, BEN), "required": "any"}, True),
        (rows(ana=DONE, ben=OPEN), {"users": (ANA, BEN), "required": 1}, True),
        (rows(ana=DONE, ben=OPEN, cat=DONE), {"users": (ANA, BEN, CAT), "required": 0.5}, True),
        # ... of whom some are not enrolled
        (rows(ana=DONE), {"users": (ANA, BEN)}, False),
        (rows(ana=DONE), {"users": (ANA, BEN), "if_not_enrolled": "ignore"}, True),
        (rows(), {"users": (ANA, BEN), "if_not_enrolled": "ignore"}, False),
        (rows(ana=DONE), {"users": (ANA, BEN), "if_not_enrolled": "fail"}, False),
        # ... or deleted: nobody waits for them
        (rows(ana=DONE, ben=OPEN | DELETED), {"users": (ANA, BEN)}, True),
        (rows(ana=DONE | DELETED), {"users": (ANA,)}, False),
        # Who was deleted and is back with the same mail counts as the one who is there now
        ([*rows(ana=OPEN), *rows(ana=DONE | DELETED)], {"users": (ANA,)}, False),
        ([*rows(ana=OPEN | DELETED), *rows(ana=DONE)], {"users": (ANA,)}, True),
    ],
)
def test_when_a_path_session_is_complete(answer, question, is_complete):
    assert verdict(answer, **question).is_complete is is_complete


@pytest.mark.parametrize(
    ("answer", "question", "why"),
    [
        (rows(ana=DONE), {"users": (ANA, BEN), "if_not_enrolled": "fail"}, "1 of the users are not enrolled: ben@"),
        (rows(ana=DONE), {"users": (ANA, BEN), "if_not_enrolled": "wait"}, None),
        (rows(ana=OPEN, ben=FAILED), {"status": "successful"}, None),
        (rows(ana=OPEN, ben=FAILED), {"status": "successful", "if_unsuccessful": "fail"}, "2 .* only 1 still can"),
        (rows(ana=OPEN, ben=FAILED), {"if_unsuccessful": "fail"}, None),
        (
            rows(ana=OPEN, ben=FAILED),
            {"status": "successful", "if_unsuccessful": "fail", "users": (ANA, BEN), "required": 1},
            None,
        ),
        (
            rows(ana=FAILED, ben=FAILED),
            {"status": "successful", "if_unsuccessful": "fail", "users": (ANA, BEN), "required": "any"},
            "1 .* only 0 still can",
        ),
        (rows(ana=DONE, ben=OPEN | DELETED), {"users": (ANA, BEN), "required": 2}, "2 .* only 1 are not deleted"),
        (rows(ana=OPEN | DELETED), {"users": (ANA,)}, "1 .* only 0 are not deleted"),
        (rows(ana=OPEN | DELETED), {"users": (ANA, BEN)}, None),
        (rows(ana=OPEN | DELETED), {}, None),
        # Of everybody enrolled, more may still come
        (
            rows(ana=FAILED, ben=FAILED),
            {"status": "successful", "if_unsuccessful": "fail", "required": 1},
            None,
        ),
    ],
)
def test_when_a_path_session_can_never_be_complete(answer, question, why):
    found = verdict(answer, **question).impossible
    assert found is None if why is None else re.search(why, found)


def test_the_result_says_how_far_it_is():
    answer = rows(ana=DONE, ben=OPEN, cat=FAILED)
    question = {"users": (ANA, BEN, CAT, "dan@acme.test"), "status": "successful", "if_unsuccessful": "fail"}
    assert verdict(answer, **question, required="any").as_result() == {
        "enrolled": 3,
        "done": 1,
        "needed": 1,
        "unsuccessful": 1,
        "pending": [BEN, "dan@acme.test"],
    }


def test_the_result_names_at_most_20():
    answer = rows(**{f"n{number}": OPEN for number in range(50)})
    result = verdict(answer).as_result()
    assert (len(result["pending"]), result["needed"]) == (20, 50)
    strangers = tuple(f"n{number}@elsewhere.test" for number in range(50))
    assert len(verdict(answer, users=strangers).as_result()["pending"]) == 20
    assert verdict(answer, users=strangers, if_not_enrolled="fail").impossible.count("@") == 20


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ({"session_id": "Autumn"}, "session_id is 'Autumn'"),
        ({"users": ()}, "users is empty"),
        ({"users": ("Ana",)}, r"users\[0\] is 'Ana'"),
        ({"required": "most"}, "required is 'most'"),
        ({"required": 0}, "required is 0"),
        ({"required": 1.5}, "required is 1.5"),
        ({"required": True}, "required is True"),
        ({"required": None}, "required is None"),
        ({"required": 3, "users": (ANA, BEN)}, "required is 3, but users names 2 only"),
        ({"status": "done"}, "status is 'done'"),
        ({"min_enrolled": 0}, "min_enrolled is 0"),
        ({"min_enrolled": "many"}, "min_enrolled is 'many'"),
        ({"if_not_enrolled": "cry"}, "if_not_enrolled is 'cry'"),
        ({"if_unsuccessful": "cry"}, "if_unsuccessful is 'cry'"),
        ({"path_id": "Onboarding"}, "path_id is 'Onboarding'"),
    ],
)
def test_a_wrong_argument_about_a_path_session_is_named_before_anything_is_sent(sandbox, question, named):
    sensor = Learning360PathSessionCompletionSensor(task_id="wait", **{"session_id": SESSION, **question})
    with pytest.raises(AirflowFailException, match=named):
        sensor.execute({})
    assert sandbox.control.journal() == []


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ({"course_id": "Welcome"}, "course_id is 'Welcome'"),
        ({"user": "Grace"}, "user is 'Grace'"),
        ({"since": "yesterday"}, "since is 'yesterday'"),
        ({"since": "2026-11-01T00:00:00"}, "since is '2026-11-01T00:00:00'"),
        ({"min_score": "good"}, "min_score is 'good'"),
        ({"min_score": 101}, "min_score is 101"),
    ],
)
def test_a_wrong_argument_about_a_course_is_named_before_anything_is_sent(sandbox, question, named):
    arguments = {"course_id": WELCOME_COURSE_ID, "user": GRACE_MAIL, **question}
    with pytest.raises(AirflowFailException, match=named):
        Learning360CourseCompletionSensor(task_id="wait", **arguments).execute({})
    assert sandbox.control.journal() == []


@pytest.mark.parametrize(
    "question",
    [
        CourseCompletion(course_id=SESSION, user=ANA, since="2026-11-01T00:00:00Z", min_score=80),
        PathSessionCompletion(session_id=SESSION),
        PathSessionCompletion(session_id=SESSION, path_id=SESSION, users=(ANA, BEN), required=0.5, min_enrolled=2),
    ],
)
def test_a_question_comes_back_from_json_as_it_was(question):
    assert from_dict(json.loads(json.dumps(to_dict(question)))) == question


# Through the sandbox


def look(sensor, **arguments):
    """Look once: the result, or ``None`` where there is something to wait for."""
    try:
        return sensor(task_id="wait", **arguments).execute({})
    except TaskDeferred:
        return None


def test_everybody_enrolled_in_a_session_completes_it_in_time(sandbox, session_id, enroll):
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    Learning360CreateUserOperator(task_id="ana", mail=ANA, mode="create_active").execute({})
    enroll(GRACE_MAIL, ANA)
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    sandbox.control.advance(3600)
    done = look(Learning360PathSessionCompletionSensor, session_id=session_id)
    assert done == {"enrolled": 2, "done": 2, "needed": 2, "unsuccessful": 0, "pending": []}


def test_a_user_is_found_by_id_as_by_mail(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_ID])["done"] == 1
    assert (
        look(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_MAIL, GRACE_ID])["done"] == 1
    )


def test_a_learner_who_is_deleted_is_not_waited_for(sandbox, session_id, enroll):
    Learning360CreateUserOperator(task_id="ana", mail=ANA, mode="create_active").execute({})
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    enroll(ANA)
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id) is None
    Learning360DeleteUserOperator(task_id="delete", user=ANA).execute({})
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id)["enrolled"] == 1
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id, users=[GRACE_MAIL, ANA])["needed"] == 1


@pytest.mark.parametrize("word", ["unsuccessful", "Unsuccessful"])
def test_a_learner_without_success_has_completed_but_is_not_successful(sandbox, session_id, enroll, word):
    sandbox.control.settings(unsuccessful_mails=[GRACE_MAIL], unsuccessful_word=word)
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id)["done"] == 1
    assert look(Learning360PathSessionCompletionSensor, session_id=session_id, status="successful") is None
    with pytest.raises(AirflowFailException, match="1 learners must be successful, and only 0 still can"):
        look(
            Learning360PathSessionCompletionSensor,
            session_id=session_id,
            status="successful",
            if_unsuccessful="fail",
        )


def test_a_user_who_must_be_enrolled_and_is_not_fails_the_wait(sandbox, session_id):
    with pytest.raises(AirflowFailException, match=f"not enrolled: {GRACE_MAIL}"):
        look(
            Learning360PathSessionCompletionSensor,
            session_id=session_id,
            users=[GRACE_MAIL],
            if_not_enrolled="fail",
        )


def look_at_course(**arguments):
    return look(Learning360CourseCompletionSensor, **{"course_id": WELCOME_COURSE_ID, "user": GRACE_MAIL, **arguments})


def test_a_course_that_was_never_tried_is_waited_for(sandbox):
    assert look_at_course() is None


def test_a_course_is_completed_in_time(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(1800)
    assert look_at_course() is None
    sandbox.control.advance(1800)
    done = look_at_course()
    assert done == {"attempts": 1, "completed": 1, "progress": 100, "pending": []}
    assert look_at_course(user=GRACE_ID, course_id=SECURITY_COURSE_ID)["completed"] == 1


def test_only_completions_since_a_moment_count(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    (row,) = sandbox.control.state()["enrollments"]
    # The first of two courses is completed 5/8 of an hour after the enrollment: a quarter idle, then half of the rest.
    completed_at = row["since"] + 3600 * 5 / 8
    assert look_at_course(since=moment(completed_at - 2)) is not None
    assert look_at_course(since=moment(completed_at + 2)) is None
    assert look_at_course(since=moment(completed_at - 2).isoformat()) is not None


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def test_only_a_score_that_is_high_enough_counts(sandbox, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    assert look_at_course(min_score=90) is not None
    assert look_at_course(min_score="90") is not None
    assert look_at_course(min_score=90.5) is None


def test_a_user_or_course_that_does_not_exist_fails_the_wait(sandbox):
    with pytest.raises(AirflowFailException, match="user_not_found"):
        look_at_course(user=ANA)
    with pytest.raises(AirflowFailException, match="course_not_found"):
        look_at_course(course_id="f" * 24)
    with pytest.raises(AirflowFailException, match="session_not_found"):
        look(Learning360PathSessionCompletionSensor, session_id=SESSION)
