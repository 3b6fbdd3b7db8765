"""The pool of tasks, mapped or not: explicit, else that of ``default_args``, else that of the configuration."""

from __future__ import annotations

from datetime import datetime

import pytest

try:
    from airflow.sdk import DAG, TaskGroup
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.utils.task_group import TaskGroup

from airflow_provider_360learning.operators.users import Learning360DeleteUserOperator
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from tests.operators.support import stored_task

KINDS = {
    "operator": (Learning360DeleteUserOperator, {"user": "ana@acme.test"}, {"user": ["ana@acme.test"]}),
    "sensor": (
        Learning360CourseCompletionSensor,
        {"course_id": "a" * 24, "user": "ana@acme.test"},
        {"course_id": ["a" * 24], "user": ["ana@acme.test"]},
    ),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=["plain", "mapped", "mapped with expand_kwargs"])
def add(request, kind):
    """Return a function that adds a task of this kind to the current DAG, plain or mapped."""
    operator, values, lists = kind

    def add(**arguments):
        if request.param == "plain":
            return operator(task_id="one", **values, **arguments)
        partial = operator.partial(task_id="one", **arguments)
        return partial.expand(**lists) if request.param == "mapped" else partial.expand_kwargs([values])

    return add


def make_dag(**arguments):
    return DAG("pools", schedule=None, start_date=datetime(2026, 1, 1), **arguments)


def pools(dag, task_id="one"):
    """Return the pool of a task as parsed, and as stored."""
    return dag.get_task(task_id).pool, stored_task(dag, task_id).pool


def test_the_shared_pool_is_the_default(add):
    with make_dag() as dag:
        add()
    assert pools(dag) == ("learning360", "learning360")


def test_the_configuration_names_the_shared_pool(add, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "lms")
    with make_dag() as dag:
        add()
    assert pools(dag) == ("lms", "lms")


def test_airflows_default_pool_is_the_default_if_no_pool_is_created(add, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__CREATE_POOL", "False")
    with make_dag() as dag:
        add()
    assert pools(dag) == ("default_pool", "default_pool")


def test_default_args_of_the_dag_override_the_configuration(add, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "lms")
    with make_dag(default_args={"pool": "x"}) as dag:
        add()
    assert pools(dag) == ("x", "x")


def test_default_args_can_name_airflows_default_pool(add):
    with make_dag(default_args={"pool": "default_pool"}) as dag:
        add()
    assert pools(dag) == ("default_pool", "default_pool")


def test_default_args_of_a_task_group_override_those_of_the_dag(add):
    with make_dag(default_args={"pool": "x"}) as dag, TaskGroup("group", default_args={"pool": "y"}):
        add()
    assert pools(dag, "group.one") == ("y", "y")


def test_default_args_of_the_dag_apply_in_a_task_group_without_any(add):
    with make_dag(default_args={"pool": "x"}) as dag, TaskGroup("group", default_args={"retries": 1}):
        add()
    assert pools(dag, "group.one") == ("x", "x")


def test_default_args_of_an_outer_task_group_apply_in_an_inner_one(add):
    with make_dag() as dag, TaskGroup("outer", default_args={"pool": "y"}), TaskGroup("inner"):
        add()
    assert pools(dag, "outer.inner.one") == ("y", "y")


def test_default_args_of_the_task_override_all_others(add):
    with make_dag(default_args={"pool": "x"}) as dag, TaskGroup("group", default_args={"pool": "y"}):
        add(default_args={"pool": "z"})
    assert pools(dag, "group.one") == ("z", "z")


def test_an_explicit_pool_overrides_everything(add, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "lms")
    with make_dag(default_args={"pool": "x"}) as dag, TaskGroup("group", default_args={"pool": "y"}):
        add(pool="mine", default_args={"pool": "z"})
    assert pools(dag, "group.one") == ("mine", "mine")


def test_airflows_default_pool_can_be_named(add):
    with make_dag(default_args={"pool": "x"}) as dag:
        add(pool="default_pool")
    assert pools(dag) == ("default_pool", "default_pool")


def test_default_args_of_an_explicit_dag_and_task_group_apply(add):
    dag = make_dag(default_args={"pool": "x"})
    add(dag=dag)
    assert pools(dag) == ("x", "x")
    dag = make_dag()
    add(task_group=TaskGroup("group", default_args={"pool": "y"}, dag=dag), dag=dag)
    assert pools(dag, "group.one") == ("y", "y")


def test_the_shared_pool_is_the_default_without_a_dag(kind):
    operator, values, _ = kind
    assert operator(task_id="one", **values).pool == "learning360"


def test_pool_slots_are_not_changed(add):
    with make_dag() as dag:
        add(pool_slots=2)
    assert dag.get_task("one").pool_slots == 2


def test_an_unmapped_task_keeps_the_pool(kind):
    operator, _, lists = kind
    with make_dag(default_args={"pool": "x"}) as dag:
        operator.partial(task_id="one").expand(**lists)
    single = {name: values[0] for name, values in lists.items()}
    assert dag.get_task("one").unmap(single).pool == "x"
