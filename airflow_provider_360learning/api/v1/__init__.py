"""
API v1: the actions of :mod:`..actions`, one module a subject.

.. seealso:: https://360learning.readme.io/docs
"""

from __future__ import annotations

from airflow_provider_360learning.api.v1.course_attempts import CourseAttemptActions
from airflow_provider_360learning.api.v1.courses import CourseActions
from airflow_provider_360learning.api.v1.external import ExternalActions
from airflow_provider_360learning.api.v1.groups import GroupActions
from airflow_provider_360learning.api.v1.paths import PathActions
from airflow_provider_360learning.api.v1.users import UserActions


class ApiV1(UserActions, GroupActions, CourseActions, CourseAttemptActions, PathActions, ExternalActions):
    """
    Everything that can be asked of 360Learning through API v1.

    Names and arguments are those that API v2 will keep; where v2 requires what v1 has no use for, the argument
    is there and optional. ``user`` always takes a mail or an id.
    """
