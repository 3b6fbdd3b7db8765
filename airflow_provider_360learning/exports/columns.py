"""The columns of all exports, in their order: stable, and those that API v2 can fill as well."""

from __future__ import annotations

from airflow_provider_360learning.files.formats import Column, Kind


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


#: Kind of export to its columns; docs/exports.md says what each holds.
COLUMNS: dict[str, tuple[Column, ...]] = {
    "course_statistics": _columns(
        attempt_id="text",
        user_id="text",
        user_mail="text",
        course_id="text",
        path_id="text",
        session_id="text",
        progress="number",
        score="number",
        first_activity="moment",
        last_activity="moment",
        completed_at="moment",
        time_spent_seconds="number",
    ),
    "path_session_statistics": _columns(
        session_id="text",
        path_id="text",
        user_id="text",
        user_mail="text",
        deleted="flag",
        status="text",
        progress="number",
        score="number",
        completed_at="moment",
        time_spent_seconds="number",
    ),
    "users": _columns(
        user_id="text",
        mail="text",
        first_name="text",
        last_name="text",
        custom="text",
        primary_group_id="text",
    ),
    "groups": _columns(group_id="text", name="text", public="flag", parent_id="text", custom="text"),
    "memberships": _columns(group_id="text", user_id="text", user_mail="text", role="text"),
    "courses": _columns(
        course_id="text",
        name="text",
        status="text",
        author_mail="text",
        created_at="moment",
        modified_at="moment",
    ),
    "paths": _columns(path_id="text", name="text", group_id="text"),
    "path_sessions": _columns(session_id="text", path_id="text", name="text", group_id="text"),
}
