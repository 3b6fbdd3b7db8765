"""The company that the sandbox starts with. Its ids are fixed, so that examples can name them."""

from __future__ import annotations

from typing import Literal, get_args

from airflow_provider_360learning.sandbox.seed_file import SeedFile
from airflow_provider_360learning.sandbox.state.model import Answer, CourseStatus, CustomField, LearningNeed, Project
from airflow_provider_360learning.sandbox.state.programs import ProgramElement, ProgramTemplate
from airflow_provider_360learning.sandbox.state.state import State
from airflow_provider_360learning.sandbox.state.tags import Tag

COMPANY_ID = "64b1f0c2a9d3e40012aa0001"
API_KEY = "5d1c9be2f0a84b7f9e63c0d2a7b841f3"

#: The credentials of API v2, whose format is an assumption.
CLIENT_ID = "acme-airflow-2f9c41d07be6"
CLIENT_SECRET = "b7d1e2094f8c4a55a1c3f60e9d2784bb3c1f5a7e"

ROOT_GROUP_ID = "64b1f0c2a9d3e40012ab0001"
SALES_GROUP_ID = "64b1f0c2a9d3e40012ab0002"

ADMIN_ID = "64b1f0c2a9d3e40012ac0001"
GRACE_ID = "64b1f0c2a9d3e40012ac0002"
LINUS_INVITATION_ID = "64b1f0c2a9d3e40012ac0003"

WELCOME_COURSE_ID = "64b1f0c2a9d3e40012ad0001"
SECURITY_COURSE_ID = "64b1f0c2a9d3e40012ad0002"
DRAFT_COURSE_ID = "64b1f0c2a9d3e40012ad0003"
DELETED_COURSE_ID = "64b1f0c2a9d3e40012ad0004"
ONBOARDING_PATH_ID = "64b1f0c2a9d3e40012ae0001"
INDUCTION_PROGRAM_ID = "64b1f0c2a9d3e40012ae1001"
FIRST_DAY_CLASSROOM_ID = "64b1f0c2a9d3e40012af0001"

DEPARTMENT_FIELD_ID = "64b1f0c2a9d3e40012ab1111"
SAFETY_TAG_ID = "64b1f0c2a9d3e40012af0001"
SALES_TAG_ID = "64b1f0c2a9d3e40012af0002"
LEARNING_NEED_ID = "64b1f0c2a9d3e40012af1001"
PROJECT_ID = "64b1f0c2a9d3e40012af2001"

HIRING_FIELD_ID = "64b1f0c2a9d3e40012ab1112"
SITE_FIELD_ID = "64b1f0c2a9d3e40012ab1113"

ADMIN_MAIL = "admin@acme.test"
GRACE_MAIL = "grace.hopper@acme.test"
LINUS_MAIL = "linus.pauling@acme.test"

#: Names such as production has: empty, and with blanks, a no-break space and a line break around the text.
DRAFT_COURSE_NAME = ""
DELETED_COURSE_NAME = " Welcome\u00a0to Acme 2024\n\u00a0"

Seed = Literal["demo", "empty"]
SEEDS: tuple[Seed, ...] = get_args(Seed)


def seed_state(state: State, seed: Seed | SeedFile) -> None:
    """
    Fill a new state.

    :param seed: ``demo`` for the whole company; ``empty`` for its root group and administrator alone; a file for these
        two and what it describes.
    :raises ValueError: if the file is invalid.
    """
    state.add_group("Acme", public=False, parent=None, id=ROOT_GROUP_ID)
    admin = state.add_person(ADMIN_MAIL, {"first_name": "Ada", "last_name": "Admin"}, id=ADMIN_ID)
    state.join(admin, ROOT_GROUP_ID, ["admin"])
    state.owner = admin.id
    state.log_in(admin)
    if isinstance(seed, SeedFile):
        seed.fill(state)
    if seed != "demo":
        return
    state.add_group("Sales", public=True, parent=ROOT_GROUP_ID, id=SALES_GROUP_ID)
    grace = state.add_person(GRACE_MAIL, {"first_name": "Grace", "last_name": "Hopper"}, id=GRACE_ID)
    state.join(grace, ROOT_GROUP_ID, ["learner"])
    state.add_person(
        LINUS_MAIL, {"first_name": "Linus", "last_name": "Pauling"}, status="invited", id=LINUS_INVITATION_ID
    )
    for field in (
        CustomField(DEPARTMENT_FIELD_ID, "Department", "users", "string"),
        CustomField(HIRING_FIELD_ID, "Hired on", "users", "date"),
        CustomField(SITE_FIELD_ID, "Site", "users", "string", authorized_values=("Lyon", "Paris")),
    ):
        state.put_custom_field(field)
    courses: tuple[tuple[str, str, CourseStatus], ...] = (
        (WELCOME_COURSE_ID, "Welcome to Acme", "published"),
        (SECURITY_COURSE_ID, "Security basics", "published"),
        (DRAFT_COURSE_ID, DRAFT_COURSE_NAME, "draft"),
        (DELETED_COURSE_ID, DELETED_COURSE_NAME, "deleted"),
    )
    for id, name, status in courses:
        state.add_course(name, group=ROOT_GROUP_ID, author=ADMIN_MAIL, status=status, id=id)
    for id, name in ((SAFETY_TAG_ID, "Safety"), (SALES_TAG_ID, "Sales")):
        state.tags.add(Tag(id, name))
    state.courses[SECURITY_COURSE_ID].tags.append(SAFETY_TAG_ID)
    now = state.courses[SECURITY_COURSE_ID].created_at
    question: Answer = {"title": "Which problem would this training solve?", "answer": "Negotiations take long."}
    need = LearningNeed(LEARNING_NEED_ID, "Negotiation", SALES_GROUP_ID, GRACE_ID, now, questions=(question,))
    state.learning_needs[need.id] = need
    state.projects[PROJECT_ID] = Project(PROJECT_ID, "Sales kit", SALES_GROUP_ID)
    state.add_path(
        "Onboarding",
        id=ONBOARDING_PATH_ID,
        group=ROOT_GROUP_ID,
        author=ADMIN_ID,
        courses=[WELCOME_COURSE_ID, SECURITY_COURSE_ID],
    )
    welcome = ProgramElement("course", WELCOME_COURSE_ID, "Welcome to Acme")
    state.programs.add_template(ProgramTemplate(INDUCTION_PROGRAM_ID, "Induction", ADMIN_MAIL, (welcome,)))
    state.classrooms.add("First day", ROOT_GROUP_ID, id=FIRST_DAY_CLASSROOM_ID)
