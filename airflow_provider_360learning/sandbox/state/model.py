"""The objects of a company, in words that belong to no API version. Times are seconds since the epoch."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypedDict

Role = Literal["admin", "analyst", "coach", "contributor", "editor", "learner", "user_admin"]
PersonStatus = Literal["active", "invited", "deleted"]
CourseStatus = Literal["draft", "published", "archived", "deleted"]
LearningNeedStatus = Literal["new", "exploring", "onHold", "projectOngoing", "done", "alreadyExists", "discarded"]
MailKind = Literal["invitation", "password", "generated_password"]
#: What a custom field belongs to, and what its values are.
FieldTarget = Literal["users", "contents"]
FieldKind = Literal["string", "date"]
#: Whether changes of groups enroll and unenroll their members: both, one of them, or neither.
AudienceMode = Literal["dynamic", "dynamic_enrollment", "dynamic_unenrollment", "manual"]


class Profile(TypedDict, total=False):
    """
    Details of a person; what was never given is absent.

    :param custom_fields: values by id of the field.
    :param deactivate_at: when the account is to be deactivated.
    :param image: id of the profile image.
    """

    first_name: str
    last_name: str
    custom: str
    phone: str
    language: str
    job: str
    organization: str
    primary_group: str
    image: str
    labels: list[str]
    custom_fields: dict[str, object]
    deactivate_at: float


@dataclass
class Person:
    """
    A user with an account (``active``), with a pending invitation (``invited``), or ``deleted``.

    Deletion is soft: enrollments and statistics stay, memberships are lost.

    :param password: the password that was set, never part of a dump.
    :param password_must_be_changed: whether it must be changed at the next login.
    :param last_login_at: ``None`` for a user who has never logged in.
    :param deleted_at: when the account was deleted, each time.
    :param reactivated_at: when it was restored, each time.
    :param managers: ids of the managers; like the subordinates, they survive a deletion.
    """

    id: str
    mail: str
    status: PersonStatus = "active"
    profile: Profile = field(default_factory=Profile)
    password: str | None = field(default=None, repr=False)
    password_must_be_changed: bool = False
    last_login_at: float | None = None
    email_notifications: bool = True
    deleted_at: list[float] = field(default_factory=list)
    reactivated_at: list[float] = field(default_factory=list)
    managers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CustomField:
    """
    A custom field, whose values are parts of what it belongs to.

    :param authorized_values: the only values that it may have; empty if it may have any.
    """

    id: str
    name: str
    target: FieldTarget
    kind: FieldKind
    authorized_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class CertificateOutline:
    """
    What certificates are made from.

    :param group: id of its group.
    :param validity_months: how long certificates are valid; ``None`` if they do not expire.
    :param texts: its texts, and the ids of its images, by their names in API v2.
    """

    id: str
    title: str
    group: str
    created_at: float
    validity_months: int | None = None
    texts: dict[str, str | None] = field(default_factory=dict)

    def expiration(self, delivered_at: float) -> float | None:
        """Return when a certificate expires: the day of its delivery, some months later, or the end of that month."""
        if self.validity_months is None:
            return None
        start = datetime.fromtimestamp(delivered_at, UTC)
        year, month = divmod(start.year * 12 + start.month - 1 + self.validity_months, 12)
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day).timestamp()


@dataclass(frozen=True)
class Certificate:
    """
    A certificate of a user.

    :param user: id of the user.
    :param outline: id of the outline that it belongs to, which may be deleted.
    :param session: id of the path session that has delivered it; ``None`` if it was imported.
    :param public: whether others can see it.
    """

    id: str
    user: str
    title: str
    delivered_at: float
    expires_at: float | None = None
    outline: str | None = None
    session: str | None = None
    public: bool = False


@dataclass
class ExternalId:
    """
    The id that something has in another platform.

    :param target: id of what has it.
    :param target_type: what that is, in the words of API v2.
    """

    id: str
    platform: str
    target: str
    target_type: str
    value: str


@dataclass
class Group:
    """
    A group with its members, its catalog and its library.

    :param parent: id of the group above; ``None`` for the root group.
    :param members: roles by id of the person.
    :param courses: ids of the catalog's courses.
    :param path_sessions: ids of the catalog's sessions.
    :param library_courses: ids of the library's courses.
    :param library_paths: ids of the library's paths.
    :param colors: colors that are not the defaults, by name.
    :param details: images, addresses and policies, as they were given.
    """

    id: str
    name: str
    public: bool
    parent: str | None
    custom: str | None = None
    members: dict[str, list[Role]] = field(default_factory=dict)
    courses: list[str] = field(default_factory=list)
    path_sessions: list[str] = field(default_factory=list)
    library_courses: list[str] = field(default_factory=list)
    library_paths: list[str] = field(default_factory=list)
    colors: dict[str, str] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)


class Answer(TypedDict):
    """A question about a learning need, with its answer."""

    title: str
    answer: str


@dataclass(frozen=True)
class LearningNeed:
    """
    What the members of a group need to learn.

    :param author: id of the user who has declared it.
    :param experts: ids of the suggested experts.
    :param volunteers: ids of the users who have volunteered.
    """

    id: str
    name: str
    group: str
    author: str
    created_at: float
    status: LearningNeedStatus = "new"
    questions: tuple[Answer, ...] = ()
    experts: tuple[str, ...] = ()
    volunteers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """A project of a group."""

    id: str
    name: str
    group: str
    completed: bool = False


class CourseTranslation(TypedDict):
    """
    A translation of a course.

    :param translators: ids of the users who translate.
    """

    lang: str
    published: bool
    translators: list[str]
    name: str
    description: str


@dataclass
class Course:
    """
    A course.

    :param group: id of its group.
    :param author: email address of its author.
    :param custom_fields: values by id of the custom field.
    :param co_authors: ids of further authors.
    :param duration: minutes.
    :param tags: ids of its tags.
    :param is_package: whether it consists of a file in an eLearning standard.
    :param version: number of its releases.
    """

    id: str
    name: str
    group: str
    author: str
    created_at: float
    modified_at: float
    status: CourseStatus = "published"
    custom_fields: dict[str, object] = field(default_factory=dict)
    co_authors: list[str] = field(default_factory=list)
    description: str = ""
    duration: float = 15
    lang: str = "en"
    tags: list[str] = field(default_factory=list)
    translations: list[CourseTranslation] = field(default_factory=list)
    is_package: bool = False
    version: int = 1


@dataclass
class PathStep:
    """
    A step of a path.

    :param kind: ``course``, ``path``, ``email`` and others.
    :param id: id of the course or path, or of the step itself.
    :param title: title of a step that is no course or path.
    :param options: stored as they were given.
    """

    kind: str
    id: str
    title: str = ""
    options: dict[str, object] = field(default_factory=dict)


@dataclass
class Path:
    """
    A path.

    :param author: id of its author.
    :param options: what learners may and must do, by the names of API v2.
    :param commitment: hours per week that it takes, minimum and maximum.
    :param translations: stored as they were given.
    :param uses_tokens: whether each enrollment takes one of a number of bought tokens.
    :param certificate: id of the outline of the certificate that it delivers.
    :param tags: ids of its tags.
    :param tokens: numbers of bought tokens by id of the group.
    """

    id: str
    name: str
    group: str
    author: str
    steps: list[PathStep]
    created_at: float
    modified_at: float
    co_authors: list[str] = field(default_factory=list)
    description: str | None = None
    info: str | None = None
    language: str = "en"
    source_language: str = "en"
    certificate: str | None = None
    options: dict[str, bool] = field(default_factory=dict)
    commitment: dict[str, object] | None = None
    translations: list[dict[str, object]] = field(default_factory=list)
    archived: bool = False
    uses_tokens: bool = False
    tags: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def courses(self) -> list[str]:
        """Ids of its courses, in order."""
        return [step.id for step in self.steps if step.kind == "course"]


class FormerEnrollment(NamedTuple):
    """
    An enrollment that has ended.

    :param since: when it began.
    :param until: when it ended.
    :param by_self: whether the learner had enrolled without being in the audience.
    """

    since: float
    until: float
    by_self: bool


@dataclass
class Session:
    """
    A session of a path.

    Its audience are users and the members of groups, apart from excluded learners. Ids are keys, because an audience
    may be large.

    :param instructors: email addresses.
    :param registration_request: stored as it was given.
    :param user_limit: maximum number of learners who enroll themselves.
    :param root: id of the session that contains this one, if the path is a step of another path.
    :param has_audience_builder: whether its audience can be read and replaced as a whole.
    :param has_other_filters: whether its audience is also defined by something that no API shows.
    :param users: ids of the users of its audience.
    :param groups: ids of the groups of its audience.
    :param excluded: ids of the excluded learners.
    :param enrolled: time of enrollment by id of the learner.
    :param self_enrolled: ids of the enrolled learners who have enrolled themselves.
    :param former: ended enrollments by id of the learner.
    :param custom_fields: values by id of the custom field.
    """

    id: str
    path: str
    name: str
    owner_group: str
    start: float
    created_at: float
    modified_at: float
    end: float | None = None
    info: str | None = None
    instructors: list[str] = field(default_factory=list)
    registration_request: object = None
    user_limit: int | None = None
    root: str | None = None
    has_audience_builder: bool = True
    has_other_filters: bool = False
    mode: AudienceMode = "dynamic_enrollment"
    users: dict[str, None] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    excluded: dict[str, None] = field(default_factory=dict)
    enrolled: dict[str, float] = field(default_factory=dict)
    self_enrolled: dict[str, None] = field(default_factory=dict)
    former: dict[str, FormerEnrollment] = field(default_factory=dict)
    custom_fields: dict[str, object] = field(default_factory=dict)


@dataclass
class Integration:
    """
    What connects a group with another platform, whose courses come to the library of the group.

    :param author: id of the user to whom courses without an author are attributed.
    :param options: the optional fields, as they were given.
    """

    id: str
    platform: str
    group: str
    author: str
    options: dict[str, object] = field(default_factory=dict)


@dataclass
class ExternalCourse:
    """
    A course of another platform, which is a course of the company, too.

    :param author: id of the user it is attributed to.
    :param details: the fields of the last import, in snake case.
    :param more: sources and translations of the last import, if it had more than their names and languages.
    :param times_sent: how often it was imported.
    :param is_connected: whether the integration that it came through exists, if it came through one.
    """

    course: Course
    platform: str
    external_id: str
    author: str = ""
    details: dict[str, object] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    times_sent: int = 0
    is_connected: bool = True


@dataclass(frozen=True)
class Attempt:
    """
    An attempt of a learner on a course.

    :param path: id of the path it was made in, if any.
    :param session: id of that path's session.
    """

    id: str
    progress: int
    score: float | None
    time_spent_ms: int
    first_activity: float
    last_activity: float
    completed_at: float | None
    path: str | None = None
    session: str | None = None


@dataclass(frozen=True)
class ReportedAttempt(Attempt):
    """
    An attempt on an external course, as its platform reports it.

    :param result: the platform's verdict.
    :param sent_first_activity: the first activity as it was sent, which identifies a repetition.
    :param times_sent: how many reports were about it.
    """

    result: Literal["failed", "success"] | None = None
    sent_first_activity: float | None = None
    times_sent: int = 1


@dataclass(frozen=True)
class SentMail:
    """An email that the platform sent."""

    to: str
    kind: MailKind
