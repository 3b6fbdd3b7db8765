"""What each operation does, one module a subject. Importing this fills the table of operations."""

from __future__ import annotations

from ..routing import OPERATIONS
from . import courses, external, groups, paths, sessions, statistics, token, users

__all__ = ["OPERATIONS", "courses", "external", "groups", "paths", "sessions", "statistics", "token", "users"]
