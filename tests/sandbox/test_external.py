"""Statistics of external contents."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ROOT_GROUP_ID

ONE = {"externalId": "course-1", "mail": GRACE_MAIL, "progress": 100}
ROUTE = "/externalContents/groups/{}/externalPlatforms/provider/courses/stats"


def test_twenty_statistics_are_taken_at_once(client):
    answer = client("POST", ROUTE.format(ROOT_GROUP_ID), json={"statistics": [ONE] * 20})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("group", "statistics", "error"),
    [
        ("0" * 24, [ONE], "group_not_found"),
        (ROOT_GROUP_ID, [ONE] * 21, "invalid argument : statistics"),
        (ROOT_GROUP_ID, [], "invalid argument : statistics"),
        (ROOT_GROUP_ID, ONE, "invalid argument : statistics"),
        (ROOT_GROUP_ID, [ONE, {"mail": GRACE_MAIL}], "missing argument : externalId"),
        (ROOT_GROUP_ID, [ONE, {"externalId": "course-1"}], "missing argument : mail"),
    ],
)
def test_refused_statistics(client, group, statistics, error):
    answer = client("POST", ROUTE.format(group), json={"statistics": statistics})
    assert (answer.status_code, answer.json()) == (400, {"error": error})
