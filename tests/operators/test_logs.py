"""The outcome of each operator, in one line of the task's log; a password is never in it."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.content_tags import (
    Learning360AddCourseTagsOperator,
    Learning360AddPathTagsOperator,
    Learning360RemoveCourseTagsOperator,
    Learning360RemovePathTagsOperator,
    Learning360ReplaceCourseTagsOperator,
    Learning360ReplacePathTagsOperator,
)
from airflow_provider_360learning.operators.courses import (
    Learning360AddToCatalogOperator,
    Learning360ArchiveCourseOperator,
    Learning360RemoveFromCatalogOperator,
)
from airflow_provider_360learning.operators.custom_fields import (
    Learning360CreateCustomFieldOperator,
    Learning360DeleteCustomFieldOperator,
    Learning360RemoveUserCustomFieldOperator,
    Learning360SetUserCustomFieldOperator,
    Learning360UpdateCustomFieldOperator,
)
from airflow_provider_360learning.operators.custom_links import (
    Learning360CreateCustomLinkOperator,
    Learning360CreateCustomUserLinkOperator,
    Learning360DeleteCustomLinkOperator,
    Learning360DeleteCustomUserLinkOperator,
    Learning360UpdateCustomLinkOperator,
    Learning360UpdateCustomUserLinkOperator,
)
from airflow_provider_360learning.operators.elearning import (
    Learning360CreateElearningCourseOperator,
    Learning360UpdateElearningCourseOperator,
)
from airflow_provider_360learning.operators.groups import (
    Learning360AddToLibraryOperator,
    Learning360AddUserToGroupOperator,
    Learning360CreateGroupOperator,
    Learning360DeleteGroupOperator,
    Learning360RemoveFromLibraryOperator,
    Learning360RemoveUserFromGroupOperator,
    Learning360SetGroupBrandingOperator,
    Learning360UpdateGroupOperator,
    Learning360UploadGroupMediaOperator,
)
from airflow_provider_360learning.operators.imports import Learning360ArchiveExternalCoursesOperator
from airflow_provider_360learning.operators.integrations import (
    Learning360CreateIntegrationOperator,
    Learning360DeleteIntegrationOperator,
    Learning360UpdateIntegrationOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollGroupsOperator,
    Learning360EnrollUsersOperator,
    Learning360UnenrollUsersOperator,
)
from airflow_provider_360learning.operators.tags import (
    Learning360CreateTagOperator,
    Learning360DeleteTagOperator,
    Learning360UpdateTagOperator,
)
from airflow_provider_360learning.operators.users import (
    Learning360ActivateUserOperator,
    Learning360AddManagerOperator,
    Learning360CreateUserOperator,
    Learning360DeleteUserOperator,
    Learning360PseudonymizeUserOperator,
    Learning360RemoveManagerOperator,
    Learning360SetExternalIdOperator,
    Learning360SetPasswordOperator,
    Learning360SetProfileImageOperator,
    Learning360SubscribeToEmailNotificationsOperator,
    Learning360UnsubscribeFromEmailNotificationsOperator,
    Learning360UpdateUserOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.operators.test_arguments import ONE_ACTION
from tests.operators.test_certificates import LINES as LINES_OF_CERTIFICATES
from tests.operators.test_classrooms import LINES as LINES_OF_CLASSROOMS
from tests.operators.test_custom_fields import LINES as LINES_OF_CUSTOM_FIELDS
from tests.operators.test_paths import LINES as LINES_OF_PATHS
from tests.unlimited_sandbox import make_session, operations, use_api_v2

ANA = "ana.roy@acme.test"
SECRET = "Correct-horse-7"


def make_course(sandbox):
    package = Upload("safety.zip", b"PK")
    course = {"name": "Safety", "lang": "en", "author": ADMIN_MAIL, "group_id": SALES_GROUP_ID, "package": package}
    return Learning360Hook().api.create_elearning_course(**course)["course_id"]


def make_tag(sandbox):
    return Learning360Hook().api.create_tag(name="Onboarding")["tag_id"]


def make_integration(sandbox):
    made = Learning360Hook().api.create_integration(group="Sales", external_platform="p", author_id=ADMIN_ID)
    return made["integration_id"]


def make_link(sandbox):
    """Create a custom link with a URL of one user, and return its type."""
    api = Learning360Hook().api
    api.create_custom_link(type="mail", name="Mail")
    api.create_custom_user_link(user=GRACE_MAIL, type="mail", url="https://mail.test")
    return "mail"


#: What is made before an operator runs, if the line names it: the argument that takes its id, and how to make it.
MADE = {
    "integration": ("integration_id", make_integration),
    "course": ("course_id", make_course),
    "link": ("type", make_link),
    "session": ("session_id", make_session),
    "tag": ("tag_id", make_tag),
}
#: Keys of results that have the id of an object.
IDS = [
    *("user_id", "group_id", "session_id", "course_id", "tag_id"),
    *("custom_field_id", "custom_link_id", "integration_id"),
]
WELCOME = f'"Welcome to Acme" ({WELCOME_COURSE_ID})'
TAGS_OF_COURSE = {"course": "Welcome to Acme", "tags": ["Sales"]}
TAGS_OF_PATH = {"path_id": ONBOARDING_PATH_ID, "tags": ["Sales"]}
#: Operators with arguments, and the line that each logs; ``{id}`` is the id in its result.
LINES = [
    (
        Learning360CreateUserOperator,
        {"mail": ANA, "group_id": SALES_GROUP_ID, "mode": "create_active", "password": SECRET},
        f"Created user {ANA} ({{id}}) in group {SALES_GROUP_ID}",
    ),
    (
        Learning360CreateUserOperator,
        {"mail": ANA, "group": "Acme/Sales", "mode": "create_active"},
        f"Created user {ANA} ({{id}}) in group Acme/Sales",
    ),
    (
        Learning360AddUserToGroupOperator,
        {"group": "Sales", "user": GRACE_MAIL},
        f"Added user {GRACE_MAIL} to group Sales ({{id}}) as learner",
    ),
    (
        Learning360UpdateUserOperator,
        {"user": GRACE_MAIL, "job": "Rear admiral", "password": SECRET},
        f"Updated job and password of user {GRACE_MAIL}",
    ),
    (Learning360DeleteUserOperator, {"user": GRACE_MAIL}, f"Deleted user {GRACE_MAIL}"),
    (Learning360ActivateUserOperator, {"user": LINUS_MAIL}, f"Activated user {LINUS_MAIL} ({{id}})"),
    (
        Learning360SetPasswordOperator,
        {"user": GRACE_MAIL, "password": SECRET},
        f"Set the password of user {GRACE_MAIL}",
    ),
    (Learning360SetProfileImageOperator, {"user": GRACE_MAIL}, f"Set the profile image of user {GRACE_MAIL} ({{id}})"),
    (Learning360PseudonymizeUserOperator, {"user": GRACE_MAIL}, f"Pseudonymized user {GRACE_MAIL} ({{id}})"),
    (
        Learning360SubscribeToEmailNotificationsOperator,
        {"user": GRACE_MAIL},
        f"Subscribed user {GRACE_MAIL} to email notifications",
    ),
    (
        Learning360UnsubscribeFromEmailNotificationsOperator,
        {"user": GRACE_MAIL},
        f"Unsubscribed user {GRACE_MAIL} from email notifications",
    ),
    (
        Learning360AddManagerOperator,
        {"user": GRACE_MAIL, "manager": ADMIN_MAIL},
        f"Added manager {ADMIN_MAIL} to user {GRACE_MAIL}",
    ),
    (
        Learning360RemoveManagerOperator,
        {"user": GRACE_MAIL, "manager": ADMIN_MAIL},
        f"Removed manager {ADMIN_MAIL} from user {GRACE_MAIL}",
    ),
    (
        Learning360SetExternalIdOperator,
        {"user": GRACE_MAIL, "external_platform": "SAP SuccessFactors", "external_id": "E-17"},
        f'Set the id of user {GRACE_MAIL} in "SAP SuccessFactors" to E-17',
    ),
    (
        Learning360CreateGroupOperator,
        {"name": "New hires", "parent_id": SALES_GROUP_ID},
        f'Created group "New hires" ({{id}}) in group {SALES_GROUP_ID}',
    ),
    (
        Learning360UpdateGroupOperator,
        {"group_id": SALES_GROUP_ID, "public": False},
        f"Updated public of group {SALES_GROUP_ID}",
    ),
    (
        Learning360DeleteGroupOperator,
        {"group_id": SALES_GROUP_ID},
        f"Deleted group {SALES_GROUP_ID} and its subgroups",
    ),
    (
        Learning360AddUserToGroupOperator,
        {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL},
        f"Added user {GRACE_MAIL} to group {SALES_GROUP_ID} as learner",
    ),
    (
        Learning360RemoveUserFromGroupOperator,
        {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL},
        f"Removed user {GRACE_MAIL} from group {ROOT_GROUP_ID}",
    ),
    (
        Learning360AddToCatalogOperator,
        {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
        f"Added 1 course to the catalog of group {SALES_GROUP_ID}",
    ),
    (
        Learning360ArchiveCourseOperator,
        {"course": "Welcome to Acme"},
        f'Archived course "Welcome to Acme" ({WELCOME_COURSE_ID})',
    ),
    (
        Learning360RemoveFromCatalogOperator,
        {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
        f"Removed 1 course from the catalog of group {SALES_GROUP_ID}",
    ),
    (
        Learning360CreateCustomFieldOperator,
        {"name": "Cost center"},
        'Created custom field "Cost center" ({id}) of users',
    ),
    (
        Learning360UpdateCustomFieldOperator,
        {"custom_field": "Site", "authorized_values": ["Rome"]},
        "Updated authorized_values of custom field Site ({id})",
    ),
    (
        Learning360DeleteCustomFieldOperator,
        {"custom_field": "Site"},
        "Deleted custom field Site ({id}) and its values",
    ),
    (
        Learning360SetUserCustomFieldOperator,
        {"user": GRACE_MAIL, "custom_field": "Department", "value": SECRET},
        f"Set custom field Department ({{id}}) of user {GRACE_MAIL}",
    ),
    (
        Learning360RemoveUserCustomFieldOperator,
        {"user": GRACE_MAIL, "custom_field": "Site"},
        f"Removed custom field Site ({{id}}) of user {GRACE_MAIL}",
    ),
    (
        Learning360SetGroupBrandingOperator,
        {"group": "Sales", "primary": "#0a1b2c"},
        f"Set primary of group Sales ({SALES_GROUP_ID})",
    ),
    (
        Learning360UploadGroupMediaOperator,
        {"group": "Sales", "author": ADMIN_MAIL},
        f"Uploaded banner of group Sales ({SALES_GROUP_ID})",
    ),
    (
        Learning360AddToLibraryOperator,
        {"group": "Sales", "courses": ["Welcome to Acme"]},
        f"Added 1 course to the library of group Sales ({SALES_GROUP_ID})",
    ),
    (
        Learning360RemoveFromLibraryOperator,
        {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
        f"Removed 1 course from the library of group {SALES_GROUP_ID}",
    ),
    (
        Learning360CreatePathSessionOperator,
        {
            "path_id": ONBOARDING_PATH_ID,
            "name": "New hires",
            "session_start": "2026-10-01T00:00:00Z",
            "group_id": ROOT_GROUP_ID,
        },
        f'Created session "New hires" ({{id}}) of path {ONBOARDING_PATH_ID}',
    ),
    (
        Learning360CreateCustomLinkOperator,
        {"type": "mail", "name": "Mail"},
        "Created custom link mail ({id})",
    ),
    (Learning360UpdateCustomLinkOperator, {"name": "Post"}, "Updated name of custom link {link}"),
    (Learning360DeleteCustomLinkOperator, {}, "Deleted custom link {link} and its URLs of users"),
    (
        Learning360CreateCustomUserLinkOperator,
        {"user": ADMIN_MAIL, "url": "https://mail.test"},
        f"Created URL of custom link {{link}} of user {ADMIN_MAIL}",
    ),
    (
        Learning360UpdateCustomUserLinkOperator,
        {"user": GRACE_MAIL, "url": "https://post.test"},
        f"Updated URL of custom link {{link}} of user {GRACE_MAIL}",
    ),
    (
        Learning360DeleteCustomUserLinkOperator,
        {"user": GRACE_MAIL},
        f"Deleted URL of custom link {{link}} of user {GRACE_MAIL}",
    ),
    (
        Learning360ArchiveExternalCoursesOperator,
        {"group": "Sales", "external_platform": "p", "external_ids": ["1"]},
        "Archived 1 course of p in group Sales",
    ),
    (
        Learning360CreateIntegrationOperator,
        {"group": "Sales", "external_platform": "p", "author_id": ADMIN_ID},
        "Created integration {id} of group Sales with p",
    ),
    (Learning360UpdateIntegrationOperator, {"author_id": GRACE_ID}, "Updated author_id of integration {integration}"),
    (Learning360DeleteIntegrationOperator, {}, "Deleted integration {integration} and archived its courses"),
    (Learning360AddCourseTagsOperator, TAGS_OF_COURSE, f"Added tag Sales to course {WELCOME}"),
    (Learning360RemoveCourseTagsOperator, TAGS_OF_COURSE, f"Removed tag Sales from course {WELCOME}"),
    (Learning360ReplaceCourseTagsOperator, TAGS_OF_COURSE, f"Replaced the tags of course {WELCOME} with tag Sales"),
    (Learning360AddPathTagsOperator, TAGS_OF_PATH, f"Added tag Sales to path {ONBOARDING_PATH_ID}"),
    (Learning360RemovePathTagsOperator, TAGS_OF_PATH, f"Removed tag Sales from path {ONBOARDING_PATH_ID}"),
    (
        Learning360ReplacePathTagsOperator,
        TAGS_OF_PATH,
        f"Replaced the tags of path {ONBOARDING_PATH_ID} with tag Sales",
    ),
    (
        Learning360CreateElearningCourseOperator,
        {"name": "Safety", "lang": "en", "author": ADMIN_MAIL, "group_id": SALES_GROUP_ID},
        "Created course Safety ({id})",
    ),
    (
        Learning360UpdateElearningCourseOperator,
        {"lang": "fr"},
        "Updated lang and package of course {course}",
    ),
    (Learning360CreateTagOperator, {"name": "Onboarding"}, "Created tag Onboarding ({id})"),
    (Learning360UpdateTagOperator, {"is_main": True}, "Updated is_main of tag {tag}"),
    (Learning360DeleteTagOperator, {}, "Deleted tag {tag}"),
    (Learning360EnrollUsersOperator, {"users": [GRACE_MAIL]}, f"Enrolled user {GRACE_MAIL} in session {{session}}"),
    (
        Learning360EnrollGroupsOperator,
        {"group_ids": [SALES_GROUP_ID]},
        f"Enrolled group {SALES_GROUP_ID} in session {{session}}",
    ),
    (
        Learning360UnenrollUsersOperator,
        {"users": [GRACE_MAIL]},
        f"Unenrolled user {GRACE_MAIL} from session {{session}}",
    ),
]


@pytest.mark.parametrize(("operator", "arguments", "line"), LINES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_logs_its_outcome_in_one_line(
    sandbox, monkeypatch, capfd, caplog, tmp_path, operator, arguments, line
):
    if not ApiV1.definitions()[operator.action].is_available:
        use_api_v2(sandbox, monkeypatch)
    made = {name: make(sandbox) for name, (_, make) in MADE.items() if f"{{{name}}}" in line}
    given = {MADE[name][0]: value for name, value in made.items()}
    for name in operator.uploads[:1]:
        given[name] = tmp_path / ("package.zip" if name == "package" else "picture.png")
        given[name].write_bytes(b"PK")
    caplog.clear()
    result = operator(task_id="one", **given, **arguments).execute({})
    made_id = next((result[name] for name in IDS if name in result), None)
    assert caplog.text.count(line.format(id=made_id, **made)) == 1
    assert SECRET not in caplog.text + capfd.readouterr().out


def test_every_operator_of_one_action_is_in_the_list():
    elsewhere = [*LINES_OF_CERTIFICATES, *LINES_OF_CLASSROOMS, *LINES_OF_CUSTOM_FIELDS, *LINES_OF_PATHS]
    assert {operator for operator, _, _ in [*LINES, *elsewhere]} == set(ONE_ACTION)


def test_no_request_is_made_for_the_line(sandbox):
    Learning360AddUserToGroupOperator(task_id="one", group_id=SALES_GROUP_ID, user=GRACE_MAIL).execute({})
    assert operations(sandbox) == ["addUserToGroup"]


def test_a_task_that_changes_nothing_says_so(sandbox, caplog):
    task = Learning360CreateUserOperator(task_id="one", mail=GRACE_MAIL, mode="create_active")
    result = task.execute({})
    assert f"User {GRACE_MAIL} ({result['user_id']}) already exists; unchanged" in caplog.text


def test_the_outcome_is_logged_before_the_usage(sandbox, caplog):
    caplog.set_level(logging.INFO)
    Learning360DeleteUserOperator(task_id="one", user=GRACE_MAIL).execute({})
    assert caplog.messages[-1].startswith("360Learning API usage: ")
