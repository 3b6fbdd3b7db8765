"""How long a plan takes at the rate limit, and the emails that it causes, in each API version."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_360learning.sync.duration import address_changes, expected_seconds, invitations
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.plan import Action
from tests.sync.support import change, changes

INVITE = SyncOptions(key="custom")
EXTERNAL = SyncOptions(key="external_id", external_platform="hr")
CREATE = SyncOptions(key="custom", joiner_mode="create_active")


def each(action, number, **after):
    return [change(action, f"{index}", after=after) for index in range(number)]


@pytest.mark.parametrize(
    ("plan", "options", "seconds"),
    [
        (changes(), INVITE, {"v1": 0, "v2": 0}),
        (changes(*each("create", 100, mail="a")), INVITE, {"v1": 50, "v2": 20}),
        (changes(*each("create", 100, mail="a", groups=["a1", "a2"])), INVITE, {"v1": 50, "v2": 30}),
        # The key, and the profile of an active user, are written once it is known that the account is a new one.
        (changes(*each("create", 100, mail="a")), CREATE, {"v1": 70, "v2": 40}),
        (changes(*each("update", 100, job="x")), INVITE, {"v1": 20, "v2": 10}),
        (changes(*each("update", 100, **{"job": "x", "custom_fields.a": "y"})), INVITE, {"v1": 40, "v2": 20}),
        (changes(*each("update", 100, **{"custom_fields.a": "y"})), INVITE, {"v1": 20, "v2": 10}),
        (changes(*each("update", 100, **{"custom_fields.a": None})), INVITE, {"v1": 20, "v2": 10}),
        (changes(*each("update", 100, **{"job": "x", "custom_fields.a": None})), INVITE, {"v1": 40, "v2": 20}),
        (changes(*each("deactivate", 100, deactivates_at="PT1H")), INVITE, {"v1": 20, "v2": 10}),
        (changes(*each("delete", 100)), INVITE, {"v1": 50, "v2": 10}),
        (changes(*each("create", 100, mail="a"), *each("delete", 100)), INVITE, {"v1": 100, "v2": 30}),
        (changes(*each("create", 100, mail="a", key="1")), EXTERNAL, {"v1": 100, "v2": 20}),
        (changes(*each("update", 1, job="x")), INVITE, {"v1": 1, "v2": 1}),
    ],
)
def test_the_duration_at_the_limit(api, version, plan, options, seconds):
    assert expected_seconds(plan, options, api) == seconds[version]


def test_memberships_are_changed_by_few_jobs_where_there_are_jobs(api):
    seconds = expected_seconds(changes(*each("add_to_group", 400, role="learner")), INVITE, api)
    assert seconds == (80 if api.jobs is None else 1)


@pytest.mark.parametrize("action", get_args(Action))
def test_every_change_takes_time(api, action):
    assert expected_seconds(changes(change(action)), INVITE, api) > 0


def test_only_new_people_who_are_invited_get_emails():
    plan = changes(*each("create", 3), *each("reinstate", 2), *each("change_mail", 4))
    assert (invitations(plan, INVITE), invitations(plan, CREATE)) == (3, 0)
    assert address_changes(plan) == 4
