"""Users."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.filters import choices, mails, strings

operations = Operations()

#: Fields of a user and the details of a person that they show.
_PROFILE_FIELDS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "job": "job",
    "organization": "organization",
    "phone": "phone",
    "custom": "custom",
    "primaryGroupId": "primary_group",
}

#: The default language of a user (documented).
_DEFAULT_LANGUAGE = "en"


@operations.add(
    "getUsers",
    "GET",
    "/users",
    scope="users:read",
    page_size=500,
    filters=(mails("mail"), strings("username"), choices("status", "eq ne", "active", "invited", "deleted")),
    assumes="Deleted users match a filter on email addresses.",
)
def get_users(call: Call) -> Response:
    """List all users, also invited and deleted ones."""
    people = [
        person
        for person in call.state.people.values()
        if call.conditions.hold(mail=person.mail, username=None, status=person.status)
    ]
    return call.page(people, user)


def user(person: Person) -> dict[str, object]:
    """Return a user as responses show it. Fields without a value are absent."""
    values: Mapping[str, object] = person.profile
    dates = {"lastLoginDate": person.last_login_at, "toBeDeactivatedAt": person.profile.get("deactivate_at")}
    return {
        "_id": person.id,
        "mail": person.mail,
        "status": person.status,
        "lang": person.profile.get("language") or _DEFAULT_LANGUAGE,
        **{name: values[key] for name, key in _PROFILE_FIELDS.items() if values.get(key)},
        **{name: iso(seconds) for name, seconds in dates.items() if seconds is not None},
    }
