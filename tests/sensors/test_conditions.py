"""When a condition is met, when it can never be, its result, and invalid arguments."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.completion import CONDITIONS, make_condition
from airflow_provider_360learning.completion.course import CourseCompletionResult
from airflow_provider_360learning.completion.event import timeout_message
from airflow_provider_360learning.completion.path_session import PathSessionCompletionResult
from airflow_provider_360learning.completion.slot_attendance import SlotAttendanceResult
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_MAIL,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sensors.classrooms import Learning360SlotAttendanceSensor
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

SESSION = "a" * 24
ANA, BEN, CAT = "ana@acme.test", "ben@acme.test", "cat@acme.test"
DONE = {"status": "successful", "completed_at": "2026-11-01T10:00:00.000Z"}
FAILED = {"status": "unsuccessful", "completed_at": "2026-11-01T10:00:00.000Z"}
OPEN = {"status": "onTime", "completed_at": None}
DELETED = {"deleted": True}


def rows(**learners):
    """Return the statistics of learners, by first name."""
    return [
        {"user_id": f"id of {name}", "mail": f"{name}@acme.test", "deleted": False, **statistic}
        for name, statistic in learners.items()
    ]


def evaluate(statistics, **arguments):
    return make_condition("path_session", {"session_id": SESSION, **arguments}).evaluate(statistics)


@pytest.mark.parametrize(
    ("statistics", "arguments", "is_complete"),
    [
        # All enrolled users
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
        # ... or deleted, which does not count
        (rows(ana=DONE, ben=OPEN | DELETED), {"users": (ANA, BEN)}, True),
        (rows(ana=DONE | DELETED), {"users": (ANA,)}, False),
        # Deleted and enrolled again with the same email address: the current account counts
        ([*rows(ana=OPEN), *rows(ana=DONE | DELETED)], {"users": (ANA,)}, False),
        ([*rows(ana=OPEN | DELETED), *rows(ana=DONE)], {"users": (ANA,)}, True),
    ],
)
def test_a_path_session_is_complete(statistics, arguments, is_complete):
    assert evaluate(statistics, **arguments).is_complete is is_complete


@pytest.mark.parametrize(
    ("statistics", "arguments", "reason"),
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
        # More users may still enroll
        (
            rows(ana=FAILED, ben=FAILED),
            {"status": "successful", "if_unsuccessful": "fail", "required": 1},
            None,
        ),
    ],
)
def test_a_path_session_can_never_be_complete(statistics, arguments, reason):
    failure = evaluate(statistics, **arguments).failure
    assert failure is None if reason is None else re.search(reason, failure)


def test_the_result_contains_the_progress():
    statistics = rows(ana=DONE, ben=OPEN, cat=FAILED)
    arguments = {"users": (ANA, BEN, CAT, "dan@acme.test"), "status": "successful", "if_unsuccessful": "fail"}
    assert evaluate(statistics, **arguments, required="any").result == {
        "enrolled": 3,
        "done": 1,
        "needed": 1,
        "unsuccessful": 1,
        "pending": [BEN, "dan@acme.test"],
    }


def test_the_result_names_at_most_20_users():
    statistics = rows(**{f"n{number}": OPEN for number in range(50)})
    result = evaluate(statistics).result
    assert (len(result["pending"]), result["needed"]) == (20, 50)
    missing = tuple(f"n{number}@elsewhere.test" for number in range(50))
    assert len(evaluate(statistics, users=missing).result["pending"]) == 20
    assert evaluate(statistics, users=missing, if_not_enrolled="fail").failure == (
        "50 of the users are not enrolled: n0@elsewhere.test, n1@elsewhere.test, n2@elsewhere.test, n3@elsewhere.test "
        "and 46 more"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"session_id": "Autumn"}, "session_id is 'Autumn'"),
        ({"users": ()}, "users is empty"),
        ({"users": ("Ana",)}, r"users\[0\] is 'Ana'"),
        ({"required": "most"}, "required is 'most'"),
        ({"required": 0}, "required is 0"),
        ({"required": 1.5}, "required is 1.5"),
        ({"required": True}, "required is True"),
        ({"required": "1_0"}, "required is '1_0'"),
        ({"required": "nan"}, "required is 'nan'"),
        ({"required": [1]}, r"required is \[1\]"),
        ({"required": 3, "users": (ANA, BEN)}, "required is 3, but users contains only 2"),
        ({"status": "done"}, "status is 'done'"),
        ({"min_enrolled": 0}, "min_enrolled is 0"),
        ({"min_enrolled": "many"}, "min_enrolled is 'many'"),
        ({"if_not_enrolled": "cry"}, "if_not_enrolled is 'cry'"),
        ({"if_unsuccessful": "cry"}, "if_unsuccessful is 'cry'"),
        ({"path_id": "Onboarding"}, "path_id is 'Onboarding'"),
    ],
)
def test_a_path_session_sensor_names_an_invalid_argument_before_anything_is_sent(sandbox, arguments, problem):
    sensor = Learning360PathSessionCompletionSensor(
        task_id="wait", deferrable=True, **{"session_id": SESSION, **arguments}
    )
    with pytest.raises(AirflowFailException, match=problem):
        sensor.execute({})
    assert sandbox.control.journal() == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"course_id": "Welcome"}, "course_id is 'Welcome'"),
        ({"user": "Grace"}, "user is 'Grace'"),
        ({"since": "yesterday"}, "since is 'yesterday'"),
        ({"since": "2026-11-01T00:00:00"}, "since is '2026-11-01T00:00:00'"),
        ({"min_score": "good"}, "min_score is 'good'"),
        ({"min_score": 101}, "min_score is 101"),
    ],
)
def test_a_course_sensor_names_an_invalid_argument_before_anything_is_sent(sandbox, arguments, problem):
    sensor = Learning360CourseCompletionSensor(
        task_id="wait", deferrable=True, **{"course_id": WELCOME_COURSE_ID, "user": GRACE_MAIL, **arguments}
    )
    with pytest.raises(AirflowFailException, match=problem):
        sensor.execute({})
    assert sandbox.control.journal() == []


def test_names_every_invalid_argument(sandbox):
    sensor = Learning360PathSessionCompletionSensor(
        task_id="wait", deferrable=True, session_id="Autumn", required=0, status="done"
    )
    with pytest.raises(AirflowFailException, match=r"session_id is 'Autumn'.*required is 0.*status is 'done'"):
        sensor.execute({})


@pytest.mark.parametrize(
    ("subject", "arguments"),
    [
        ("course", {"course_id": SESSION, "user": ANA, "since": "2026-11-01T00:00:00Z", "min_score": "80"}),
        ("path_session", {"session_id": SESSION}),
        (
            "path_session",
            {"session_id": SESSION, "path_id": SESSION, "users": (ANA, BEN), "required": "0.5", "min_enrolled": 2},
        ),
        ("slot_attendance", {"slot_id": SESSION, "users": (ANA, BEN), "required": "0.5", "min_registered": 2}),
    ],
)
def test_a_condition_is_the_same_after_a_round_trip_through_json(subject, arguments):
    condition = make_condition(subject, arguments)
    copy = make_condition(subject, json.loads(json.dumps(condition.arguments())))
    assert copy == condition


def test_equal_conditions_have_equal_arguments():
    """Waits share a poll by their arguments, however these are written."""
    times = ["2026-11-01T00:00:00Z", "2026-11-01T01:00:00+01:00", datetime(2026, 11, 1, tzinfo=UTC)]
    written = [make_condition("course", {"course_id": SESSION, "user": ANA, "since": since}) for since in times]
    assert {json.dumps(condition.arguments()) for condition in written} == {
        json.dumps({"course_id": SESSION, "user": ANA, "since": "2026-11-01T00:00:00+00:00"})
    }


@pytest.mark.parametrize(
    ("sensor", "result"),
    [
        (Learning360CourseCompletionSensor, CourseCompletionResult),
        (Learning360PathSessionCompletionSensor, PathSessionCompletionResult),
        (Learning360SlotAttendanceSensor, SlotAttendanceResult),
    ],
)
def test_the_arguments_of_a_sensor_are_the_fields_of_its_condition(sensor, result):
    """With the same defaults; and the sensor's docstring names every key of the result."""
    fields = CONDITIONS[sensor.subject].model_fields
    assert list(sensor.template_fields) == ["learning360_conn_id", *fields, "users_from", "include_invited"]
    names = CONDITIONS[sensor.subject].names
    assert set(sensor.required_pairs) == {(one.id_field, name) for name, one in names.items() if one.is_required}
    parameters = inspect.signature(sensor.__init__).parameters
    for name, field in fields.items():
        default = parameters[name].default
        if name == "user":  # users_from can take its place
            assert default is None
            continue
        assert (field.is_required() and default is inspect.Parameter.empty) or default == field.default
    for key in result.__annotations__:
        assert f"``{key}``" in sensor.__doc__


# Progress


@pytest.mark.parametrize(
    ("statistics", "arguments", "progress"),
    [
        (rows(ana=DONE, ben=OPEN), {}, f"1 of 2 completed; waiting for {BEN}"),
        (rows(ana=OPEN, ben=OPEN), {}, f"0 of 2 completed; waiting for {ANA} and {BEN}"),
        (rows(ana=DONE, ben=DONE), {}, "2 of 2 completed"),
        (rows(ana=DONE, ben=OPEN), {"required": "any"}, "1 of 2 completed (1 needed)"),
        (
            rows(ana=DONE, ben=OPEN, cat=OPEN),
            {"required": 2},
            f"1 of 3 completed (2 needed); waiting for {BEN} and {CAT}",
        ),
        (rows(), {}, "0 of 0 completed (at least 1 must be enrolled)"),
        (rows(ana=DONE), {"min_enrolled": 5}, "1 of 1 completed (at least 5 must be enrolled)"),
        (rows(ana=DONE), {"users": (ANA, BEN)}, f"1 of 2 completed (1 not enrolled yet); waiting for {BEN}"),
        (rows(ana=DONE), {"users": (ANA, BEN), "if_not_enrolled": "ignore"}, "1 of 1 completed"),
        (
            rows(ana=OPEN, ben=FAILED),
            {"status": "successful", "if_unsuccessful": "fail", "required": 1},
            f"0 of 2 successful (1 needed, 1 unsuccessful); waiting for {ANA}",
        ),
        (
            rows(**{f"learner{number:04}": DONE if number < 1000 else OPEN for number in range(3000)}),
            {},
            "1,000 of 3,000 completed; waiting for learner1000@acme.test, learner1001@acme.test, learner1002@acme.test "
            "and 1,997 more",
        ),
    ],
)
def test_the_progress_of_a_path_session(statistics, arguments, progress):
    assert evaluate(statistics, **arguments).progress == progress


@pytest.mark.parametrize("length", [1, 30, 100, 1000])
@pytest.mark.parametrize("number", [1, 25, 5000])
def test_the_progress_fits_a_line(length, number):
    """With the longest details, and email addresses of any length that contain anything."""
    statistics = [
        {**OPEN, "user_id": f"id {index}", "mail": f"{index}\n\x1b" + "x" * length + "@acme.test", "deleted": False}
        for index in range(number)
    ]
    missing = tuple(f"missing{index}@acme.test" for index in range(number))
    lost = rows(**{f"lost{index}": FAILED for index in range(number)})
    for arguments in (
        {},
        {"status": "successful", "if_unsuccessful": "fail", "required": 0.5},
        {"status": "successful", "if_unsuccessful": "fail", "required": 0.5, "users": missing},
    ):
        progress = evaluate([*statistics, *lost], **arguments).progress
        assert len(timeout_message(progress)) <= 160
        assert progress.isprintable()
