"""A task as the scheduler sees it."""

from __future__ import annotations

from typing import Any


def stored_task(dag: Any, task_id: str) -> Any:
    """Take a DAG through its serialization, and return one of its tasks."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization

        stored = Serialization.deserialize_dag(Serialization.serialize_dag(dag))
    except ImportError:  # Airflow 2
        from airflow.serialization.serialized_objects import SerializedDAG

        stored = SerializedDAG.from_dict(SerializedDAG.to_dict(dag))
    return stored.get_task(task_id)
