"""Everything about the sandbox that can be switched, assumptions about API v1 above all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


class Settings(BaseModel):
    """The sandbox's switches.

    **Network**

    :param delay_before_ms: time a request travels before it arrives and is counted.
    :param delay_after_ms: time the answer travels back.
    :param jitter_ms: the way in is up to this much longer or shorter, evenly spread (never below zero).
    :param jitter_seed: start of the jitter's random numbers, so that a run can be repeated.

    **Limits** (documented figures: :data:`.limits.DOCUMENTED`)

    :param limits_enabled: ``False`` switches all limits off.
    :param limits: other figures than the documented ones, by name; ``None`` lifts a limit.
    :param refused_requests_count: *assumption:* a request refused with 429 does not extend the window.
    :param token_requests_count: *assumption:* requests for a token count against no limit.
    :param retry_after: *assumption:* a 429 carries no ``Retry-After``; or in ``seconds``, or as a ``date``.
    :param rate_limit_body: *assumption:* the body of a 429, taken from API v2.

    **Authentication**

    :param token_path: where tokens are issued; the documented path speaks of v2 and is not certain.
    :param token_life: seconds until a token expires, on the sandbox's clock.

    **Users**

    :param send_credentials_default: *assumption:* what leaving out ``sendCredentials`` means. The documentation
        contradicts itself; ``False`` fits its table.
    :param invited_user_routes: *assumption:* an invited mail is ``not_found`` in user routes and enrollments
        before it accepts; with ``known`` it is found.
    :param deleted_user_answer: *assumption:* deleting somebody a second time is ``user_not_found``;
        or ``no_content``.
    :param last_group_deletes_user: *assumption:* who leaves the last group is deleted. A support article says so
        of the web interface.
    :param mails_of_other_companies: mails that answer ``unavailableEmails``.
    :param mails_invited_elsewhere: mails that answer ``faultyInvitations``.

    **Groups and catalogs**

    :param max_groups: the documented cap; the error beyond it is *assumed*.
    :param integrated_groups: ids of groups with an active integration: deleteGroup refuses them with its 500.
    :param catalog_paths: *assumption:* ``paths`` of a catalog holds ids of path ``session``; or of ``path``.
    :param catalog_absent_answer: *assumption:* removing what is not in the catalog is ``no_content``;
        or ``not_found``.

    **Paths**

    :param session_id_key: *assumption:* key of the new session's id in createPathSession's answer.
    :param delete_session_status: *assumption:* status of deletePathSession's answer.
    :param unknown_mail_in_enrollment: *assumption:* enrolling an unknown mail is ``user_not_found``, and nobody
        of that request is enrolled; with ``ignore`` the others are.
    :param enrolled_groups_grow: *assumption:* who joins an enrolled group later is enrolled, too.
    :param non_root_sessions: ids of sessions that updatePathSession refuses as children of a nested path.

    **Learners and statistics**

    :param learner_seconds: seconds from enrollment to completion, on the sandbox's clock.
    :param unsuccessful_mails: learners who complete without success.
    :param unsuccessful_word: spelling of that status: the documentation has both.
    :param users_status_key: key of the counts: the documentation has both.
    :param deleted_users_in_counts: *assumption:* statistics count deleted users, too.
    :param course_stats_cap: the most that a course statistic holds. There is a cap, its figure is not known.
    :param course_stats_cap_counts: *assumption:* the cap counts ``attempts``; or ``statistics``, one for each user and
        course.
    :param attempts_first: *assumption:* in course statistics, course and user stand before their attempts; ``True``:
        they stand behind them, which is the same to JSON, and not to who reads it as a stream.

    :param generated_attempts: how many made-up attempts getCoursesStats answers with, instead of the company's;
        0: none. Nothing else knows of them, their courses and their users.
    :param generated_courses: on how many courses they are.
    :param generated_users: whose they are: of how many users.
    :param generated_from: when the first one was completed; the others follow in equal steps.
    :param generated_until: by when all are completed.

    **External contents**

    :param repeated_statistics: *assumption:* a statistic with the course, mail and first activity of an earlier one
        is an ``update`` of the same attempt; or a ``new_attempt``.
    :param faulty_statistics: *assumption:* a statistic with a fault, an unknown mail or an unknown course makes
        its whole request a 400 (``refuse_batch``); or it is skipped, and the ``report`` says so.
    :param external_reports: *assumption:* imports answer ``{"statistics": [{"externalId", "mail", "status"}, …],
        "report": {"statisticsUpdated": …}}``, or the like for courses. The status is ``updated``; or else ``error``,
        and the code is under ``error`` (``error``), or it is the code itself (``status``); or the answer is
        that of ``acknowledgement`` (``none``).

    **Answers**

    :param bounds: *assumption:* the two moments that a filter (``…After``, ``…Before``) gives belong to the period
        (``inclusive``); or one of them does not, or neither.
    :param acknowledgement: *assumption:* answers of unknown shape are ``{}`` (``empty_object``);
        or ``{"status": "ok"}`` (``status``); or a 200 without a body (``empty_body``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay_before_ms: float = Field(0, ge=0)
    delay_after_ms: float = Field(0, ge=0)
    jitter_ms: float = Field(0, ge=0)
    jitter_seed: int = 360

    limits_enabled: bool = True
    limits: dict[str, Annotated[int, Field(ge=1)] | None] = {}
    refused_requests_count: bool = False
    token_requests_count: bool = False
    retry_after: Literal["seconds", "date"] | None = None
    rate_limit_body: dict[str, object] = {"error": "tooManyRequests"}

    token_path: str = "/api/v2/oauth2/token"
    token_life: float = Field(3600, gt=0)

    send_credentials_default: bool = False
    invited_user_routes: Literal["not_found", "known"] = "not_found"
    deleted_user_answer: Literal["user_not_found", "no_content"] = "user_not_found"
    last_group_deletes_user: bool = True
    mails_of_other_companies: list[str] = []
    mails_invited_elsewhere: list[str] = []

    max_groups: int = 30_000
    integrated_groups: list[str] = []
    catalog_paths: Literal["session", "path"] = "session"
    catalog_absent_answer: Literal["no_content", "not_found"] = "no_content"

    session_id_key: Literal["id", "_id", "sessionId"] = "id"
    delete_session_status: Literal[200, 204] = 204
    unknown_mail_in_enrollment: Literal["user_not_found", "ignore"] = "user_not_found"
    enrolled_groups_grow: bool = True
    non_root_sessions: list[str] = []

    learner_seconds: float = Field(20, gt=0)
    unsuccessful_mails: list[str] = []
    unsuccessful_word: Literal["unsuccessful", "Unsuccessful"] = "unsuccessful"
    users_status_key: Literal["usersStatus", "userStatus"] = "usersStatus"
    deleted_users_in_counts: bool = True
    course_stats_cap: int | None = Field(None, ge=0)
    course_stats_cap_counts: Literal["attempts", "statistics"] = "attempts"
    attempts_first: bool = False

    generated_attempts: int = Field(0, ge=0)
    generated_courses: int = Field(100, ge=1)
    generated_users: int = Field(5_000, ge=1)
    generated_from: AwareDatetime = datetime(2026, 1, 1, tzinfo=UTC)
    generated_until: AwareDatetime = datetime(2026, 2, 1, tzinfo=UTC)

    repeated_statistics: Literal["update", "new_attempt"] = "update"
    faulty_statistics: Literal["refuse_batch", "report"] = "refuse_batch"
    external_reports: Literal["error", "status", "none"] = "error"

    bounds: Literal["inclusive", "after_exclusive", "before_exclusive", "exclusive"] = "inclusive"
    acknowledgement: Literal["empty_object", "status", "empty_body"] = "empty_object"

    @model_validator(mode="after")
    def _generate_in_a_period(self) -> Settings:
        if self.generated_until <= self.generated_from:
            raise ValueError("generated_until must be later than generated_from")
        return self

    def changed(self, changes: dict[str, object]) -> Settings:
        """Return these settings with some of them changed, checked as at the start."""
        return Settings.model_validate({**self.model_dump(), **changes})
