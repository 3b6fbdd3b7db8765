"""The writer for what a run does with its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import ActionArguments, parse_argument, validate
from airflow_provider_360learning.api.models.external import ExternalCourse, ExternalStatistic, Library
from airflow_provider_360learning.api.models.parsers import parse_id
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.rows.config import ApplyAction, ImportCourses, ImportStatistics, RowsConfig
from airflow_provider_360learning.rows.job_writer import JobWriter
from airflow_provider_360learning.rows.names import RowNames
from airflow_provider_360learning.rows.schema import RowCheck, RowSchema, ignore_case, no_further_checks
from airflow_provider_360learning.rows.writers import BatchedWriter, RowWriter, per_row_writer, write_of


def make_writer(config: RowsConfig, api: LearningApi, names: RowNames) -> RowWriter | JobWriter:
    """
    Return the writer for what a run does.

    :param config: The run.
    :param api: The actions.
    :param names: Resolves names.
    :raises InvalidRequestError: if an argument is invalid; nothing was sent.
    """
    job = config.job
    if isinstance(job, ApplyAction):
        single = per_row_writer(api, job, names, resend_unconfirmed=config.resend_unconfirmed)
        if api.jobs is None or (kind := api.jobs.kinds.get(job.action)) is None:
            return single
        return JobWriter(
            api.client,
            api.jobs,
            kind,
            api.client.run(api.jobs.target(kind)),
            name=single.name,
            target_name=single.target,
            schema=single.schema,
            single=single,
            resend_unconfirmed=config.resend_unconfirmed,
        )
    library = _library_of(job, names)
    if isinstance(job, ImportStatistics):
        return _statistics_writer(api, job, library, resend_unconfirmed=config.resend_unconfirmed)
    return _courses_writer(api, job, library)


class UserCheck:
    """
    Finds email addresses that no user has, with one listing of all users.

    :param api: The actions.
    """

    def __init__(self, api: LearningApi) -> None:
        self._api = api
        self._mails: KeyTable | None = None

    def __call__(self, arguments: ExternalStatistic) -> Iterable[tuple[str, str]]:
        """Yield what is invalid in the email address of a row, if anything is."""
        if self._mails is None:
            self._mails = self._api.read_users(_mails_of)
        mail = arguments.mail
        if self._mails.get(ignore_case(mail)) is None:
            yield "mail", f"mail is {mail!r}, which no user in 360Learning has (an invited person must accept first)"


def _statistics_writer(
    api: LearningApi, job: ImportStatistics, library: Library, *, resend_unconfirmed: bool
) -> BatchedWriter | JobWriter:
    action = api.import_external_course_stats
    return _import_writer(
        api,
        "import_statistics",
        library,
        action,
        ExternalStatistic,
        lambda rows: action(group_id=library.group_id, external_platform=library.external_platform, statistics=rows),
        further_check=UserCheck(api) if job.verify_users_exist else no_further_checks,
        common_errors={"group_not_found"},
        resend_unconfirmed=resend_unconfirmed,
    )


def _courses_writer(api: LearningApi, job: ImportCourses, library: Library) -> BatchedWriter | JobWriter:
    parse_argument("author_id", parse_id, job.author_id)
    action = api.import_external_courses
    return _import_writer(
        api,
        "import_external_courses",
        library,
        action,
        ExternalCourse,
        lambda rows: action(
            group_id=library.group_id,
            external_platform=library.external_platform,
            author_id=job.author_id,
            courses=rows,
        ),
        author_id=job.author_id,
        common_errors={"group_not_found", "user_not_found", "authorId"},  # no row names a user: it is the author
        resend_unconfirmed=True,  # identified by the provider's id, a course sent twice is the same course
    )


def _import_writer(
    api: LearningApi,
    name: str,
    library: Library,
    action: BoundAction[..., Any],
    model: type[ActionArguments],
    send: Callable[[list[Any]], Sequence[str | None]],
    *,
    author_id: str | None = None,
    further_check: RowCheck = no_further_checks,
    common_errors: Collection[str],
    resend_unconfirmed: bool,
) -> BatchedWriter | JobWriter:
    write = write_of(action)
    target = f"{library.group_id} {library.external_platform}"
    # What all rows share, before the first one is read.
    action.check(action.model.model_construct(None, **library.__dict__, courses=(), statistics=()))
    if api.jobs is not None and (kind := api.jobs.kinds.get(action.name)):
        found = api.jobs.target(
            kind,
            group_id=library.group_id,
            external_platform=library.external_platform,
            integration_id=library.integration_id,
            author_id=author_id,
        )
        return JobWriter(
            api.client,
            api.jobs,
            kind,
            api.client.run(found),
            name=name,
            target_name=target,
            schema=RowSchema(action.name, model, write, {}, further_check=further_check, check=kind.check),
            single=None,
            resend_unconfirmed=resend_unconfirmed,
        )
    return BatchedWriter(
        name,
        target,
        RowSchema(action.name, model, write, {}, further_check=further_check),
        write,
        send,
        outcome="imported",
        append_only=not api.client.spec.endpoints[write.operation].may_resend,
        common_errors=common_errors,
        resend_unconfirmed=resend_unconfirmed,
    )


def _library_of(job: ImportStatistics | ImportCourses, names: RowNames) -> Library:
    """Return the library that a job imports into. It is validated before anything is sent."""
    values = {
        "group_id": job.group_id,
        "group": job.group,
        "external_platform": job.external_platform,
        "integration_id": job.integration_id,
    }
    library = validate(Library, "import", values)
    return names.resolved(library) if library.given_names() else library


def _mails_of(users: Iterable[Mapping[str, Any]]) -> KeyTable:
    mails = KeyTable()
    for user in users:
        mails.put(ignore_case(str(user["mail"])), "")
    return mails
