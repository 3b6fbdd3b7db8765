"""The switches of the sandbox. Assumptions about an API are settings, so that each alternative can be tested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from airflow_provider_360learning.sandbox.limits import Evidence


def _setting(
    default: Any, text: str, evidence: Evidence | None = None, *, ge: float | None = None, gt: float | None = None
) -> Any:
    """
    Describe a setting, with ``Any`` as in pydantic's ``Field``, because a default has the type of its field.

    :param evidence: how the default is known; ``None`` for a switch that is not about the API.
    """
    return Field(default, description=text, json_schema_extra={"evidence": evidence}, ge=ge, gt=gt)


class Settings(BaseModel):
    """
    The settings of a sandbox. Each field has a description and the evidence for its default.

    ``evidence`` in a field's ``json_schema_extra`` is ``documented``, ``recorded`` (in production), ``client`` (seen in
    a public client), ``assumed``, or ``None`` for a switch of the sandbox itself. ``control.evidence()`` lists all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Network

    delay_before_ms: float = _setting(0, "Time from sending a request to its arrival, when it is counted.", ge=0)
    delay_after_ms: float = _setting(0, "Delay of the response.", ge=0)
    jitter_ms: float = _setting(
        0, "Maximum deviation from `delay_before_ms`, evenly distributed; the sum is never negative.", ge=0
    )
    jitter_seed: int = _setting(360, "Seed of the jitter's random numbers, so that a run can be repeated.")

    # Memory, estimated

    max_state_mb: float = _setting(
        200, "Maximum size of what is stored in the company, in MB; a write beyond it is refused with 507.", gt=0
    )
    max_journal_mb: float = _setting(
        100, "Maximum size of the journal, in MB; beyond it, the oldest entries are removed.", gt=0
    )

    # Rate limits

    limits_enabled: bool = _setting(True, "Whether rate limits apply.")
    limits: dict[str, Annotated[int, Field(ge=1)] | None] = _setting(
        {},
        "Other figures than the documented ones, by name of the limit, for one version as `v2 company_reads`; `None` "
        "lifts a limit.",
    )
    versions_share_limits: bool = _setting(
        False,
        "Whether the requests of both API versions count against each other's limits of the same name.",
        "assumed",
    )
    refused_requests_count: bool = _setting(
        False, "Whether a request that is refused with 429 counts against the limits.", "assumed"
    )
    token_requests_count: bool = _setting(False, "Whether a request for a token counts against the limits.", "assumed")
    retry_after: Literal["seconds", "date"] | None = _setting(
        None, "Form of `Retry-After` in a 429; `None` for no such header.", "assumed"
    )
    rate_limit_body: dict[str, object] = _setting(
        {"error": "tooManyRequests"}, "Body of a 429, as in API v2.", "assumed"
    )

    # Authentication

    token_path: str = _setting(
        "/api/v2/oauth2/token",
        "Path where tokens are issued. The documented one names the other version.",
        "documented",
    )
    token_life: float = _setting(3600, "Seconds until a token expires, on the sandbox's clock.", "documented", gt=0)
    tokens_outlive_keys: bool = _setting(
        False, "Whether a token stays valid until it expires although its API key was revoked.", "assumed"
    )

    token_life_type: Literal["number", "string"] = _setting(
        "number",
        "Type of `expires_in` in API v2. The OpenAPI file has a number, a guide a string, as API v1 does.",
        "documented",
    )
    scope_error: Literal["nested", "flat"] = _setting(
        "nested",
        "Form of the 403 of API v2 for a missing scope: code and message under `error`, as in the OpenAPI files, or "
        "the code alone, as in a guide.",
        "documented",
    )

    # Users

    send_credentials_default: bool = _setting(
        False,
        "Meaning of a creation without `sendCredentials`. The documentation contradicts itself; a recorded request "
        "with an email address alone sent an invitation.",
        "recorded",
    )
    existing_user_codes: Literal["documented", "client"] = _setting(
        "documented",
        "Codes for an account and an invitation that exist: `user_already_exists` and `invitation_already_exists`; "
        "or `email_already_used` and `already_invited`, as public clients expect them.",
        "documented",
    )
    existing_user_key: Literal["error", "status"] = _setting(
        "error", "Whether these codes are an `error` with 400, or a `status` with 200.", "assumed"
    )
    reactivation_warning: bool = _setting(
        True, "Whether the creation of a deleted user succeeds with a `warning` that contains `reactivated`.", "client"
    )
    invited_user_routes: Literal["not_found", "known"] = _setting(
        "not_found", "Whether user routes and enrollments know an invited user before acceptance.", "assumed"
    )
    invitation_ids: Literal["user", "own"] = _setting(
        "user", "Whether the `_id` of an invitation of API v1 is that of the user who accepts it.", "assumed"
    )
    accepted_details: bool = _setting(
        True, "Whether a user who accepts an invitation has the details that were sent with it.", "assumed"
    )
    deleted_user_response: Literal["user_not_found", "no_content"] = _setting(
        "user_not_found", "Response to the deletion of a deleted user.", "assumed"
    )
    last_group_deletes_user: bool = _setting(
        True,
        "Whether a user who leaves the last group is deleted. A support article describes it for the web interface.",
        "assumed",
    )
    learners_join_above: bool = _setting(
        True,
        "Whether a learner who joins a public group joins the groups above, up to and including the first private one. "
        "A support article describes it for the web interface.",
        "assumed",
    )
    mails_of_other_companies: list[str] = _setting([], "Email addresses that are refused with `unavailableEmails`.")
    mails_invited_elsewhere: list[str] = _setting([], "Email addresses that are refused with `faultyInvitations`.")

    hr_platforms: list[str] | None = _setting(
        None,
        "Names of the platforms that users have ids in, `None` for any; API v1 refuses others with "
        "`externalPlatform_not_found`.",
    )

    # Groups and catalogs

    max_groups: int = _setting(30_000, "Maximum number of groups. The error beyond it is assumed.", "documented")
    integrated_groups: list[str] = _setting(
        [], "Ids of groups with an active integration, whose deletion is refused with the documented 500."
    )
    extended_training_solution: bool = _setting(
        True, "Whether the company has the package that lets groups below the root have a branding (v2)."
    )
    subgroups_of_deleted_group: Literal["deleted", "moved_up"] = _setting(
        "deleted",
        "What API v2's deleteGroup does to the groups below: they are deleted, too, or move to the group above.",
        "assumed",
    )
    analyst_role_available: bool = _setting(
        True, "Whether the company has the role `analyst`, which API v2 refuses otherwise.", "documented"
    )
    catalog_paths: Literal["session", "path"] = _setting(
        "session", "Whose ids `paths` of a catalog contains.", "assumed"
    )
    catalog_absent_response: Literal["no_content", "not_found"] = _setting(
        "no_content", "Response to the removal of an item that is not in the catalog.", "assumed"
    )

    # Paths

    session_id_key: Literal["id", "_id", "sessionId"] = _setting(
        "id", "Key of the new session's id in the response of createPathSession.", "assumed"
    )
    slot_id_key: Literal["_id", "id"] | None = _setting(
        "_id",
        "Key of the new slot's id in API v1's response of createClassroomSlot; `None` for a response without it.",
        "assumed",
    )
    delete_session_status: Literal[200, 204] = _setting(204, "Status of a deletePathSession that succeeds.", "assumed")
    unknown_mail_in_enrollment: Literal["user_not_found", "ignore"] = _setting(
        "user_not_found",
        "Whether an unknown email address refuses the enrollment of all users of its request, or is ignored.",
        "assumed",
    )
    enrolled_groups_grow: bool = _setting(
        True, "Whether a user who joins an enrolled group later is enrolled, too.", "assumed"
    )
    audience_mode: Literal["dynamic", "dynamicEnrollment", "dynamicUnenrollment", "manual"] = _setting(
        "dynamicEnrollment", "Mode of the audience of a session that API v2 creates.", "assumed"
    )
    deleted_users_in_audiences: Literal["kept", "removed"] = _setting(
        "kept",
        "Whether the audience of a session in API v2 still contains the ids of deleted users, with which it is refused "
        "when it is written.",
        "assumed",
    )
    unenrolled_in_statistics: bool = _setting(
        True, "Whether statistics of API v2 include learners who were unenrolled, with `unenrolledAt`.", "assumed"
    )
    non_root_sessions: list[str] = _setting(
        [], "Ids of sessions that updatePathSession refuses as children of a nested path."
    )

    # Learners and statistics

    learner_seconds: float = _setting(20, "Seconds from enrollment to completion, on the sandbox's clock.", gt=0)
    unsuccessful_mails: list[str] = _setting([], "Email addresses of learners who complete without success.")
    unsuccessful_word: Literal["unsuccessful", "Unsuccessful"] = _setting(
        "unsuccessful", "Spelling of their status. The documentation has both.", "documented"
    )
    users_status_key: Literal["usersStatus", "userStatus"] = _setting(
        "usersStatus", "Key of the counts by status. The documentation has both.", "documented"
    )
    deleted_users_in_counts: bool = _setting(True, "Whether statistics count deleted users.", "assumed")
    course_stats_cap: int | None = _setting(
        None,
        "Maximum size of a course statistic. A cap is documented, its figure is not.",
        "assumed",
        ge=0,
    )
    course_stats_cap_counts: Literal["attempts", "statistics"] = _setting(
        "attempts", "What the cap counts: attempts, or statistics (one per user and course).", "assumed"
    )
    attempts_first: bool = _setting(
        False,
        "Whether attempts precede their course and user in course statistics, which matters to streaming readers only.",
        "assumed",
    )
    generated_attempts: int = _setting(
        0,
        "Number of generated attempts that getCoursesStats (v1) and getAllCourseStats (v2) return in place of the "
        "company's; 0 for none. No other route knows them, their courses and their users.",
        ge=0,
    )
    generated_courses: int = _setting(100, "Number of generated courses.", ge=1)
    generated_users: int = _setting(5_000, "Number of generated users.", ge=1)
    generated_from: AwareDatetime = _setting(
        datetime(2026, 1, 1, tzinfo=UTC), "Time of the first generated completion; the others follow in equal steps."
    )
    generated_until: AwareDatetime = _setting(
        datetime(2026, 2, 1, tzinfo=UTC), "All generated attempts are completed before this time."
    )

    # External contents

    repeated_statistics: Literal["update", "new_attempt"] = _setting(
        "update",
        "Whether a statistic with course, email address and first activity of an earlier one updates its attempt.",
        "assumed",
    )
    faulty_statistics: Literal["refuse_batch", "report"] = _setting(
        "refuse_batch",
        "Whether an invalid statistic, an unknown user or an unknown course refuses the whole request with 400, or is "
        "skipped and reported.",
        "assumed",
    )
    external_reports: Literal["error", "status", "none"] = _setting(
        "error",
        "Form of the per-item results of imports: the code of a failure under `error`, or as `status`; or no results, "
        "but the usual acknowledgment.",
        "assumed",
    )

    # Bulk jobs and integrations of API v2

    bulk_job_seconds: float = _setting(
        0.2, "Duration of a bulk job on the sandbox's clock, if it need not wait for others.", ge=0
    )
    max_bulk_jobs: int = _setting(3, "Maximum number of bulk jobs at once.", "documented", ge=1)
    bulk_jobs_counted: Literal["not_ended", "running"] = _setting(
        "not_ended",
        "Which jobs count towards this maximum: all that have not ended, or running ones, so that others are queued.",
        "assumed",
    )
    bulk_api_enabled: bool = _setting(True, "Whether bulk jobs are accepted; otherwise `bulkAPIDisabled` with 503.")
    bulk_job_location: Literal["absolute", "relative", "none"] = _setting(
        "absolute", "Form of the URL in `Location` after the submission of a bulk job, or no such header.", "documented"
    )
    bulk_jobs_end: bool = _setting(True, "Whether new bulk jobs end. Jobs that do not end run forever.")
    bulk_jobs_fail_after: int | None = _setting(
        None, "Number of rows after which a new bulk job ends in the state `error`; `None` if it does not.", ge=0
    )
    bulk_rows_refused: list[str] = _setting([], "Rows of new bulk jobs that contain one of these texts are refused.")
    bulk_rows_unmentioned: list[str] = _setting(
        [], "Rows of new bulk jobs that contain one of these texts are done, and have no result."
    )
    bulk_result_inputs: Literal["as_sent", "with_defaults"] = _setting(
        "as_sent", "Whether the inputs in results are as they were sent, or have more keys.", "assumed"
    )
    reserved_platforms: list[str] = _setting(
        [], "Names of external platforms that are refused with `reservedPlatformName`."
    )
    max_integrations: int | None = _setting(
        None, "Maximum number of integrations. A maximum is documented, its figure is not.", "assumed", ge=0
    )

    # API v2: users

    restoration_dates_shown: bool = _setting(
        True, "Whether a user who was deleted and restored shows `deletedAt` and `reactivatedAt`.", "assumed"
    )
    own_mail_refused: bool = _setting(
        True, "Whether updateUser of API v2 refuses the email address that the user has already.", "assumed"
    )
    custom_values_left_out: Literal["removed", "kept"] = _setting(
        "removed",
        "Whether updateUserCustomFieldValues removes the values that are left out, as documented for courses.",
        "assumed",
    )
    own_name_refused: bool = _setting(
        True, "Whether updateCustomField of API v2 refuses the name that the custom field has already.", "assumed"
    )
    public_certificates: bool = _setting(
        True, "Whether certificates may be public; otherwise `privacyLevelNotAllowedByCompanySettings`."
    )
    content_custom_fields: bool = _setting(
        True,
        "Whether courses and path sessions may have custom fields; otherwise `customFieldsTargetTypeNotEnabled` and "
        "`courseCustomFieldsNotEnabled`.",
    )
    max_custom_fields: int | None = _setting(
        None, "Maximum number of custom fields. A maximum is documented, its figure is not.", "assumed", ge=0
    )

    # API v2: skills and webhooks

    skill_solution_enabled: bool = _setting(
        True, "Whether the company has the skill solution; otherwise `skillSolutionNotEnabled`."
    )
    max_webhook_subscriptions: int | None = _setting(
        None,
        "Maximum number of webhook subscriptions per type of event. A maximum is documented, its figure is not.",
        "assumed",
        ge=0,
    )
    unreachable_urls: list[str] = _setting(
        [],
        "URLs of webhooks that are refused with `urlUnreachable`. The events of subscriptions with such a URL count as "
        "`failed`, and all others as `delivered`, although none is sent.",
    )

    # API v2: lists and filters

    max_page_size: int | None = _setting(
        None, "Maximum number of items in a page of API v2; `None` for the documented page sizes.", ge=1
    )
    link_urls: Literal["absolute", "absolute_path", "relative"] = _setting(
        "absolute",
        "Form of the URL in `Link`: with the origin, with a leading slash, or without both.",
        "assumed",
    )
    list_order: Literal["created", "shuffled"] = _setting(
        "created", "Order of lists: that of creation, or a random one that stays.", "assumed"
    )
    encoded_brackets: Literal["refused", "accepted"] = _setting(
        "refused", "Whether brackets in the names of filters may be percent-encoded.", "assumed"
    )
    mail_filter_case: Literal["insensitive", "sensitive"] = _setting(
        "insensitive", "Whether filters on email addresses regard the case of letters.", "assumed"
    )
    malformed_request_body: Literal["nested", "framework"] = _setting(
        "nested",
        "Body of the 400 for a malformed request to API v2: code and message under `error`, or status, messages and "
        "`Bad Request`, as the server's framework (NestJS) has it.",
        "assumed",
    )

    # Formats

    bounds: Literal["inclusive", "after_exclusive", "before_exclusive", "exclusive"] = _setting(
        "inclusive", "Whether the bounds of a filter (`…After`, `…Before`) belong to its period.", "assumed"
    )
    form_arrays: Literal["all", "indexed"] = _setting(
        "all", "Whether a form may contain `name[]=` or `name=` for each item of a list, besides `name[0]=`.", "client"
    )
    compressed_responses: bool = _setting(
        True,
        "Whether larger responses, which arrive in chunks, are compressed if the client accepts gzip.",
        "recorded",
    )
    acknowledgment: Literal["empty_object", "no_content", "status", "empty_body"] = _setting(
        "empty_object",
        "Response to writes of unknown response shape: `{}` with 200 or a 204 (both recorded on other routes), "
        '`{"status": "ok"}`, or a 200 without a body.',
        "recorded",
    )

    @model_validator(mode="after")
    def _check_generated_period(self) -> Settings:
        if self.generated_until <= self.generated_from:
            raise ValueError("generated_until must be later than generated_from")
        return self

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """
        Return these settings with some changed.

        :raises ValueError: naming the invalid ones, in one line.
        """
        try:
            return Settings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            problems = [": ".join((*map(str, each["loc"]), each["msg"])) for each in error.errors()]
        raise ValueError(f"settings are invalid: {'; '.join(problems)}")
