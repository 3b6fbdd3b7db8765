"""Users as responses of API v2 have them."""

from __future__ import annotations

from airflow_provider_360learning.api.fields import string, strings_if_any
from airflow_provider_360learning.api.results import UserProfile, UserRecord
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ResponseObject

#: What API v2 does not return of a user.
NO_PROFILE: UserProfile = {
    "groups": None,
    "managers": None,
    "subordinates": None,
    "external_ids": None,
    "labels": None,
    "skills": None,
    "certifications": None,
    "paths": None,
    "assigned_programs": None,
    "completed_programs": None,
    "average_score": None,
    "total_time_spent_minutes": None,
    "publications": None,
    "comments": None,
    "messages": None,
    "reactions": None,
    "champion_status": None,
    "champion_achievements": None,
    "learner_achievements": None,
    "image_url": None,
}


def neutral_user(item: ResponseObject) -> UserRecord:
    """Read a user of any v2 route."""
    return {
        "user_id": string(item, "_id"),
        "mail": string(item, "mail"),
        "username": string(item, "username"),
        "status": string(item, "status"),
        "first_name": string(item, "firstName"),
        "last_name": string(item, "lastName"),
        "job": string(item, "job"),
        "organization": string(item, "organization"),
        "phone": string(item, "phone"),
        "lang": string(item, "lang"),
        "custom": string(item, "custom"),
        "primary_group_id": string(item, "primaryGroupId"),
        "profile_image_id": string(item, "profileImageId"),
        "last_login_at": read_timestamp("lastLoginDate", item.get("lastLoginDate")),
        "to_be_deactivated_at": read_timestamp("toBeDeactivatedAt", item.get("toBeDeactivatedAt")),
        "deleted_at": _times(item, "deletedAt"),
        "reactivated_at": _times(item, "reactivatedAt"),
    }


def _times(item: ResponseObject, name: str) -> list[str] | None:
    times = strings_if_any(item, name)
    return None if times is None else [time for each in times if (time := read_timestamp(name, each)) is not None]
