"""The columns of all exports, in their order. They are stable, and the same in both versions of the API."""

from __future__ import annotations

from airflow_provider_360learning.files.columns import Column, Kind


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


#: Name of an export to its columns; docs/exports.md describes them.
COLUMNS: dict[str, tuple[Column, ...]] = {
    "course_statistics": _columns(
        attempt_id="string",
        user_id="string",
        user_mail="string",
        course_id="string",
        path_id="string",
        session_id="string",
        progress="number",
        score="number",
        first_activity="timestamp",
        last_activity="timestamp",
        completed_at="timestamp",
        time_spent_seconds="number",
    ),
    "path_session_statistics": _columns(
        session_id="string",
        path_id="string",
        user_id="string",
        user_mail="string",
        deleted="boolean",
        status="string",
        progress="number",
        score="number",
        completed_at="timestamp",
        time_spent_seconds="number",
    ),
    "users": _columns(
        user_id="string",
        mail="string",
        first_name="string",
        last_name="string",
        custom="string",
        primary_group_id="string",
        username="string",
        status="string",
        job="string",
        organization="string",
        phone="string",
        lang="string",
        profile_image_id="string",
        last_login_at="timestamp",
        to_be_deactivated_at="timestamp",
        deleted_at="json",
        reactivated_at="json",
    ),
    "groups": _columns(group_id="string", name="string", public="boolean", parent_id="string", custom="string"),
    "memberships": _columns(group_id="string", user_id="string", user_mail="string", role="string"),
    "courses": _columns(
        course_id="string",
        name="string",
        status="string",
        author_mail="string",
        created_at="timestamp",
        modified_at="timestamp",
        type="string",
        lang="string",
        default_lang="string",
        description="string",
        duration_minutes="number",
        group_id="string",
        group_name="string",
        author_id="string",
        co_author_ids="json",
        co_author_mails="json",
        tag_ids="json",
        translations="json",
        external_platform="string",
        version_number="integer",
        collaborative_learning="boolean",
    ),
    "paths": _columns(path_id="string", name="string", group_id="string"),
    "path_sessions": _columns(session_id="string", path_id="string", name="string", group_id="string"),
}
