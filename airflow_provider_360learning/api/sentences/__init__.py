"""
What a write action did, in one sentence for the log.

Names are those of the arguments and of the result: no request is made for a sentence, and none contains a value that
may be a secret.
"""

from __future__ import annotations

from airflow_provider_360learning.api.sentences import (  # noqa: F401 - each registers its sentences
    certificates,
    classrooms,
    courses,
    custom_fields,
    custom_links,
    external,
    groups,
    paths,
    tags,
    users,
)
from airflow_provider_360learning.api.sentences.parts import outcome_sentence

__all__ = ["outcome_sentence"]
