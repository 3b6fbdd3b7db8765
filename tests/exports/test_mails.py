"""Email addresses that are joined to exports by the ids of users."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

import pytest

from airflow_provider_360learning.api.course_attempts import UserMail
from airflow_provider_360learning.exports.mails import Mails, mails_of


@dataclass
class Users:
    """An API adapter with these users."""

    users: list[UserMail]
    reads: int = 0

    def mails_in_statistics(self):
        self.reads += 1
        return iter(self.users)


USERS = [
    UserMail("64aB", "a@x.test", deleted=False),
    UserMail("64ac", "b@x.test", deleted=True),
    UserMail("64ad", None, deleted=False),
]


@pytest.mark.parametrize(
    ("user_id", "found"),
    [
        ("64ab", ("a@x.test", False)),
        ("64AB", ("a@x.test", False)),
        ("64ac", ("b@x.test", True)),
        ("64ad", (None, False)),
        ("64ae", (None, None)),
        (None, (None, None)),
    ],
)
def test_finds_users_by_id(user_id, found):
    with mails_of(Users(USERS), with_mails=True) as mails:
        assert mails.find(user_id) == found
        assert mails.mail_of(user_id) == found[0]


def test_reads_nothing_unless_asked_for():
    api = Users(USERS)
    with mails_of(api, with_mails=False) as mails:
        assert mails is None
    assert api.reads == 0


def test_has_nothing_to_add_if_rows_have_email_addresses():
    with mails_of(Users([]), with_mails=True) as mails:
        assert mails is None


def test_closes_its_table_after_an_error():
    with pytest.raises(KeyError), mails_of(Users(USERS), with_mails=True) as mails:
        raise KeyError
    with pytest.raises(Exception, match="closed"):
        mails.find("64ab")


def test_most_of_many_users_are_not_in_memory():
    count = 20_000
    users = (UserMail(f"{number:024x}", f"user.{number:050}@acme.test", deleted=False) for number in range(count))
    tracemalloc.start()
    try:
        mails = Mails(users, max_cached=1000)
        assert mails.mail_of(f"{7:024x}") == f"user.{7:050}@acme.test"
        for number in range(count):
            mails.mail_of(f"{number:024x}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        mails.close()
    assert peak < 1_500_000  # of 5 million
