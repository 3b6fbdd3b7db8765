"""
API v1: the actions of :mod:`..actions`, one module a subject.

.. seealso:: https://360learning.readme.io/docs
"""

from __future__ import annotations

from .courses import CourseActions
from .external import ExternalActions
from .groups import GroupActions
from .paths import PathActions
from .users import UserActions


class ApiV1(UserActions, GroupActions, CourseActions, PathActions, ExternalActions):
    """
    Everything that can be asked of 360Learning through API v1.

    Names and arguments are those that API v2 will keep; where v2 requires what v1 has no use for, the argument
    is there and optional. ``user`` always takes a mail or an id.
    """
