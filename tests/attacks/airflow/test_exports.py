"""Exports from a hostile server: a file of valid rows, or an error of the family."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import Learning360Error, ResponseTooLargeError
from airflow_provider_360learning.exports.course_statistics import export_course_statistics
from airflow_provider_360learning.exports.interval import interval_of
from airflow_provider_360learning.exports.listings import LISTINGS, export_listing
from airflow_provider_360learning.exports.path_sessions import export_path_session_statistics
from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.operators.users import Learning360UpdateUserOperator
from tests.attacks import malformed
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.test_malformed_responses import ACTIONS, once  # noqa: F401 - a fixture

#: Responses for each export and format.
ROUNDS = 5
FORMATS = ("jsonl", "csv", "parquet")
GROUPS, GROUP = ACTIONS["list_groups"][1][0], ACTIONS["get_group"][1][0]
TEMPLATES = {
    "course_statistics": ACTIONS["read_course_attempts"][1],
    "path_sessions_statistics": [ACTIONS["list_path_sessions"][1][0], ACTIONS["list_path_session_stats"][1][0]],
    "users": ACTIONS["list_users"][1],
    "groups": [GROUPS],
    "memberships": [GROUPS, GROUP],
    "courses": ACTIONS["list_courses"][1],
    "paths": ACTIONS["list_paths"][1],
    "path_sessions": ACTIONS["list_path_sessions"][1],
}


def export(api, kind, path):
    if kind == "course_statistics":
        interval = interval_of("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 0, {})
        return export_course_statistics(api, path, interval)
    if kind == "path_sessions_statistics":
        return export_path_session_statistics(api, path, None)
    return export_listing(api, kind, path)


def test_all_listings_are_attacked():
    assert set(LISTINGS) < set(TEMPLATES)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", TEMPLATES)
def test_an_export_of_malformed_values_raises_errors_of_the_family_only(once, tmp_path, kind, format):  # noqa: F811
    for seed in range(ROUNDS):
        rng = random.Random(f"{kind} {format} {seed}")
        numbers = itertools.count()

        def respond(request, rng=rng, numbers=numbers):
            template = TEMPLATES[kind][min(next(numbers), len(TEMPLATES[kind]) - 1)]
            return response(malformed.plausible(rng, template).encode())

        with hostile_server(respond) as server:
            try:
                export(once(server.url, auth="api_key_header"), kind, tmp_path / f"{seed}.{format}")
            except Learning360Error as error:
                str(error).encode()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}") from error
            else:
                (tmp_path / f"{seed}.{format}").read_bytes()


def test_a_task_fails_for_good_if_a_read_is_too_large(connect_to, tmp_path):
    """A retry would read as much again."""
    user = json.dumps({"_id": "a" * 24, "mail": "ana@acme.test"}).encode()
    body = b"[" + b",".join([user] * 40_000) + b"]"
    with hostile_server(lambda request: response(body)) as server:
        connect_to(server.url, max_response_mib=1)
        operator = Learning360UpdateUserOperator(task_id="update", user="ana@acme.test", primary_group="Lab")
        with pytest.raises(AirflowFailException) as got:
            operator.execute({})
        assert isinstance(got.value.__cause__, ResponseTooLargeError)
        assert len(server.requests) == 1
        export_users = Learning360ExportUsersOperator(task_id="export", output_path=str(tmp_path / "users.csv"))
        assert export_users.execute({})["rows"] == 40_000  # read while it arrives
