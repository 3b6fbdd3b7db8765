"""What each operation does, one module a subject. Importing this fills the table of operations."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routes import (
    courses,
    external,
    groups,
    paths,
    sessions,
    statistics,
    token,
    users,
)
from airflow_provider_360learning.sandbox.routing import OPERATIONS

__all__ = ["OPERATIONS", "courses", "external", "groups", "paths", "sessions", "statistics", "token", "users"]
