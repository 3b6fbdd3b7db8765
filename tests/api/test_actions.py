"""Actions and their models: what the interface promises, and the ways to run an action."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.external import ExternalCourse, ExternalStatistic
from airflow_provider_360learning.api.models.users import CreateUser, GetUser
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL

#: Models of the rows of actions that take several.
ROWS = {"import_external_courses": ExternalCourse, "import_external_course_stats": ExternalStatistic}


def actions_of(kind):
    return {name: found for base in kind.__mro__ for name, found in vars(base).items() if isinstance(found, Action)}


def test_api_v1_offers_the_actions_of_the_interface():
    promised, offered = actions_of(LearningApi), actions_of(ApiV1)
    assert {name: one.model for name, one in offered.items()} == {name: one.model for name, one in promised.items()}


def test_capabilities_name_all_actions_and_readers(api):
    available = {name for name, one in actions_of(ApiV1).items() if one.is_available}
    assert api.capabilities == {*available, "read_users", "read_course_attempts"}
    assert "archive_course" not in available


@pytest.mark.parametrize("name", [name for name, one in actions_of(ApiV1).items() if not one.is_available])
def test_an_action_that_only_v2_has_is_refused_by_v1(api, sent, name):
    action = api.actions[name]
    with pytest.raises(NotAvailableError, match=f"{name} is not available: only API v2 has it.* Nothing was sent"):
        action.check(action.model.model_construct())
    assert sent() == []


def test_v1_refuses_an_action_of_v2_that_is_called(api, sent):
    with pytest.raises(NotAvailableError, match=r"archive_course is not available: only API v2 has it\. Nothing"):
        api.archive_course(course="Welcome to Acme")
    assert sent() == []


@pytest.mark.parametrize("action", actions_of(ApiV1).values(), ids=actions_of(ApiV1).keys())
def test_every_field_is_described(action):
    for name, field in action.model.model_fields.items():
        assert (field.description or "").endswith("."), name


@pytest.mark.parametrize("action", actions_of(ApiV1).values(), ids=actions_of(ApiV1).keys())
def test_metadata_of_a_write_action_names_fields_of_its_rows(action):
    if action.write is not None:
        assert action.write.operation in API_V1.endpoints
        fields = ROWS.get(action.name, action.model).model_fields
        assert set(action.write.key) <= fields.keys()


def test_an_action_runs_in_a_thread_on_a_loop_and_from_a_model(api):
    assert api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID
    assert api.get_user.run(GetUser(user=GRACE_MAIL))["user_id"] == GRACE_ID
    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(api.get_user.arun(executor, user=GRACE_MAIL))["user_id"] == GRACE_ID


def test_reports_all_invalid_arguments_at_once(api, sent):
    with pytest.raises(InvalidRequestError) as raised:
        api.create_user(mail="x", role="boss", nickname="A")
    assert raised.value.argument == "mail"
    for problem in ("mail is 'x'", "role is 'boss'", "'nickname' is not an argument of create_user"):
        assert problem in str(raised.value)
    assert sent() == []


def test_refuses_a_deeply_nested_list(api, sent):
    nested: list[object] = []
    for _ in range(100_000):  # Python 3.14 represents a list with ten thousand levels
        nested = [nested]
    with pytest.raises(
        InvalidRequestError, match=r"labels\[0\] is a value of type list that cannot be shown"
    ) as raised:
        api.create_user(mail="ana@acme.test", labels=nested)
    assert raised.value.argument == "labels[0]"
    assert sent() == []


def test_steps_of_invalid_arguments_raise_at_once(api):
    with pytest.raises(InvalidRequestError, match="user is 'x'"):
        api.get_user.steps(user="x")


def test_arguments_cannot_be_changed():
    arguments = CreateUser(mail=GRACE_MAIL)
    with pytest.raises(ValueError, match="frozen"):
        arguments.mail = "x"
