"""What an action did, in one sentence: names and ids that are known, and nothing else."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.models.certificates import (
    CreateCertificateOutline,
    DeleteCertificateOutline,
    ImportUserCertificate,
    UpdateCertificateOutline,
    UpdateCertificatePrivacy,
)
from airflow_provider_360learning.api.models.content_tags import (
    AddCourseTags,
    RemovePathTags,
    ReplaceCourseTags,
    ReplacePathTags,
)
from airflow_provider_360learning.api.models.courses import AddToCatalog, ArchiveCourse, ListCourses, RemoveFromCatalog
from airflow_provider_360learning.api.models.custom_fields import (
    CreateCustomField,
    DeleteCustomField,
    RemoveUserCustomField,
    SetUserCustomField,
    UpdateCustomField,
)
from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.models.elearning import CreateElearningCourse, UpdateElearningCourse
from airflow_provider_360learning.api.models.external import ArchiveExternalCourses
from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    RemoveUserFromGroup,
    SetGroupBranding,
    UpdateGroup,
)
from airflow_provider_360learning.api.models.integrations import (
    CreateIntegration,
    DeleteIntegration,
    UpdateIntegration,
)
from airflow_provider_360learning.api.models.libraries import AddToLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.models.paths import CreatePathSession, EnrollGroups, EnrollUsers, UnenrollUsers
from airflow_provider_360learning.api.models.tags import CreateTag, DeleteTag, UpdateTag
from airflow_provider_360learning.api.models.users import (
    ActivateUser,
    AddManager,
    CreateUser,
    DeleteUser,
    PseudonymizeUser,
    RemoveManager,
    SetExternalId,
    SetPassword,
    SetProfileImage,
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
    UpdateUser,
)
from airflow_provider_360learning.api.sentences import outcome_sentence
from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.api.versions import VERSIONS

ANA, BEN = "ana.roy@acme.test", "ben@acme.test"
USER, GROUP, OTHER, PATH, SESSION = "a" * 24, "b" * 24, "c" * 24, "d" * 24, "e" * 24
PACKAGE = Upload("safety.zip", b"PK")
SECRET = "correct horse battery"
TIME, PDF = "2026-01-31T08:00:00Z", Upload("a.pdf", b"")
NEW_SESSION = {"path_id": PATH, "name": "New hires", "session_start": "2026-10-01T00:00:00Z", "group_id": GROUP}


def created(outcome, user_id=USER):
    return {"mail": ANA, "user_id": user_id, "outcome": outcome}


@pytest.mark.parametrize(
    ("arguments", "result", "sentence"),
    [
        # create_user
        (CreateUser(mail=ANA), created("created"), f"Created user {ANA} ({USER})"),
        (CreateUser(mail=ANA, group_id=GROUP), created("created"), f"Created user {ANA} ({USER}) in group {GROUP}"),
        (
            CreateUser(mail=ANA, group_id=GROUP, other_group_ids=[OTHER, GROUP], role="coach"),
            created("created"),
            f"Created user {ANA} ({USER}) in groups {GROUP} and {OTHER} as coach",
        ),
        (CreateUser(mail=ANA, group_id=GROUP), created("invited", None), f"Invited user {ANA} to group {GROUP}"),
        (CreateUser(mail=ANA, group_id=GROUP), created("restored"), f"Restored the deleted user {ANA} ({USER})"),
        (
            CreateUser(mail=ANA, group_id=GROUP),
            created("updated"),
            f"Updated user {ANA} ({USER}) and added to group {GROUP}",
        ),
        (
            CreateUser(mail=ANA, group_id=GROUP),
            created("already_exists"),
            f"User {ANA} ({USER}) already exists; unchanged",
        ),
        (CreateUser(mail=ANA), created("already_invited", None), f"User {ANA} has a pending invitation; unchanged"),
        # update_user
        (
            UpdateUser(user=ANA, job="Clerk", password=SECRET, custom_fields={GROUP: SECRET}),
            {"user": ANA, "outcome": "updated"},
            f"Updated job, password and custom_fields of user {ANA}",
        ),
        (
            UpdateUser(user=USER, mail=BEN),
            {"user": USER, "outcome": "invited"},
            f"Updated mail of user {USER}; 360Learning invited {BEN}",
        ),
        # delete_user
        (DeleteUser(user=ANA), {"user": ANA, "outcome": "deleted"}, f"Deleted user {ANA}"),
        (
            DeleteUser(user=ANA),
            {"user": ANA, "outcome": "not_found"},
            f"User {ANA} does not exist; nothing to delete",
        ),
        # accounts
        (
            ActivateUser(user=ANA),
            {"user": ANA, "user_id": USER, "outcome": "activated"},
            f"Activated user {ANA} ({USER})",
        ),
        (
            ActivateUser(user=USER),
            {"user": USER, "user_id": USER, "outcome": "already_active"},
            f"User {USER} is active already; unchanged",
        ),
        (SetPassword(user=ANA, password=SECRET), {"user": ANA, "outcome": "set"}, f"Set the password of user {ANA}"),
        (
            PseudonymizeUser(user=ANA),
            {"user": ANA, "user_id": USER, "outcome": "pseudonymized"},
            f"Pseudonymized user {ANA} ({USER})",
        ),
        (
            PseudonymizeUser(user=ANA),
            {"user": ANA, "user_id": None, "outcome": "not_found"},
            f"User {ANA} does not exist; nothing to pseudonymize",
        ),
        (
            PseudonymizeUser(user=USER, dry_run=True),
            {"user": USER, "user_id": USER, "outcome": "would_pseudonymize"},
            f"Would pseudonymize user {USER}",
        ),
        (
            SetProfileImage(user=ANA, image=Upload("ana.png", b"x")),
            {"user": ANA, "user_id": USER, "profile_image_id": GROUP, "outcome": "set"},
            f"Set the profile image of user {ANA} ({USER})",
        ),
        # managers, external ids and notification emails
        (
            SubscribeToEmailNotifications(user=ANA),
            {"user": ANA, "outcome": "subscribed"},
            f"Subscribed user {ANA} to email notifications",
        ),
        (
            UnsubscribeFromEmailNotifications(user=ANA),
            {"user": ANA, "outcome": "unsubscribed"},
            f"Unsubscribed user {ANA} from email notifications",
        ),
        (
            AddManager(user=ANA, manager=BEN),
            {"user": ANA, "manager": BEN, "outcome": "added"},
            f"Added manager {BEN} to user {ANA}",
        ),
        (
            RemoveManager(user=ANA, manager=USER),
            {"user": ANA, "manager": USER, "outcome": "removed"},
            f"Removed manager {USER} from user {ANA}",
        ),
        (
            SetExternalId(user=ANA, external_platform="BambooHR", external_id="E 17"),
            {"user": ANA, "external_platform": "BambooHR", "external_id": "E 17", "outcome": "set"},
            f'Set the id of user {ANA} in BambooHR to "E 17"',
        ),
        # courses
        (
            ArchiveCourse(course="Security basics"),
            {"course_id": GROUP, "name": None, "outcome": "archived"},
            f'Archived course "Security basics" ({GROUP})',
        ),
        (
            ArchiveCourse(course_id=GROUP, archived=False, dry_run=True),
            {"course_id": GROUP, "name": "Security basics", "outcome": "would_restore"},
            f'Would restore course "Security basics" ({GROUP})',
        ),
        *(
            (
                CreateElearningCourse(name="Safety", lang="en", author=ANA, group_id=GROUP, package=PACKAGE),
                {"course_id": OTHER, "name": "Safety", "outcome": outcome},
                sentence,
            )
            for outcome, sentence in (
                ("created", f"Created course Safety ({OTHER})"),
                ("updated", f"Updated course Safety ({OTHER})"),
                ("already_exists", f"Course Safety ({OTHER}) already exists; unchanged"),
            )
        ),
        (
            UpdateElearningCourse(course="Safety", package=PACKAGE, lang="fr"),
            {"course_id": OTHER, "outcome": "updated"},
            f"Updated lang and package of course Safety ({OTHER})",
        ),
        (
            AddCourseTags(course="Safety", tags=["Sales", "New hires"]),
            {"course_id": OTHER, "tags": 2, "outcome": "added"},
            f'Added tags Sales and "New hires" to course Safety ({OTHER})',
        ),
        (
            RemovePathTags(path_id=PATH, tag_ids=[OTHER]),
            {"path_id": PATH, "tags": 1, "outcome": "removed"},
            f"Removed tag {OTHER} from path {PATH}",
        ),
        (
            ReplaceCourseTags(course_id=OTHER, tags=["Sales"]),
            {"course_id": OTHER, "tags": 1, "outcome": "replaced"},
            f"Replaced the tags of course {OTHER} with tag Sales",
        ),
        (
            ReplacePathTags(path_id=PATH, tag_ids=[]),
            {"path_id": PATH, "tags": 0, "outcome": "replaced"},
            f"Removed all tags of path {PATH}",
        ),
        # create_group
        (
            CreateGroup(name="Engineering"),
            {"group_id": GROUP, "name": "Engineering", "outcome": "created"},
            f"Created group Engineering ({GROUP})",
        ),
        (
            CreateGroup(name="New hires", parent_id=OTHER),
            {"group_id": GROUP, "name": "New hires", "outcome": "created"},
            f'Created group "New hires" ({GROUP}) in group {OTHER}',
        ),
        (
            CreateGroup(name="Engineering"),
            {"group_id": GROUP, "name": "Engineering", "outcome": "already_exists"},
            f"Group Engineering ({GROUP}) already exists; unchanged",
        ),
        (
            CreateGroup(name="Engineering"),
            {"group_id": GROUP, "name": "Engineering", "outcome": "updated"},
            f"Updated group Engineering ({GROUP})",
        ),
        # other actions on groups
        (
            UpdateGroup(group_id=GROUP, name="New", public=False),
            {"group_id": GROUP, "outcome": "updated"},
            f"Updated name and public of group {GROUP}",
        ),
        (
            DeleteGroup(group_id=GROUP),
            {"group_id": GROUP, "outcome": "deleted"},
            f"Deleted group {GROUP} and its subgroups",
        ),
        (
            DeleteGroup(group_id=GROUP),
            {"group_id": GROUP, "outcome": "not_found"},
            f"Group {GROUP} does not exist; nothing to delete",
        ),
        (
            DeleteGroup(group="Sales", dry_run=True),
            {"group_id": GROUP, "outcome": "would_delete", "subgroups": [{"group_id": OTHER, "name": "Lab"}]},
            f"Would delete group Sales ({GROUP}) and 1 subgroup: Lab ({OTHER})",
        ),
        (
            DeleteGroup(group_id=GROUP, dry_run=True),
            {"group_id": GROUP, "outcome": "would_delete", "subgroups": []},
            f"Would delete group {GROUP} without subgroups",
        ),
        (
            AddUserToGroup(group_id=GROUP, user=ANA, role="editor"),
            {"group_id": GROUP, "user": ANA, "role": "editor", "outcome": "added"},
            f"Added user {ANA} to group {GROUP} as editor",
        ),
        (
            RemoveUserFromGroup(group_id=GROUP, user=ANA),
            {"group_id": GROUP, "user": ANA, "outcome": "removed"},
            f"Removed user {ANA} from group {GROUP}",
        ),
        (
            RemoveUserFromGroup(group_id=GROUP, user=ANA, role="coach"),
            {"group_id": GROUP, "user": ANA, "outcome": "removed"},
            f"Removed role coach of user {ANA} in group {GROUP}",
        ),
        # catalogs
        (
            AddToCatalog(group_id=GROUP, course_ids=[USER, OTHER], session_ids=[SESSION]),
            {"group_id": GROUP, "outcome": "added", "items": 3},
            f"Added 2 courses and 1 session to the catalog of group {GROUP}",
        ),
        (
            RemoveFromCatalog(group_id=GROUP, session_ids=[SESSION]),
            {"group_id": GROUP, "outcome": "removed", "items": 1},
            f"Removed 1 session from the catalog of group {GROUP}",
        ),
        # certificates
        (
            ImportUserCertificate(user=ANA, title="First aid", delivered_at=TIME, file=PDF),
            {"user": ANA, "certificate_id": GROUP, "outcome": "imported"},
            f'Imported certificate "First aid" ({GROUP}) of user {ANA}',
        ),
        (
            ImportUserCertificate(user=ANA, title="Diploma", delivered_at=TIME, file=PDF),
            {"user": ANA, "certificate_id": None, "outcome": "already_exists"},
            f"Certificate Diploma of user {ANA} already exists; unchanged",
        ),
        (
            UpdateCertificatePrivacy(user=ANA, certificate_ids=[GROUP], public=False),
            {"user": ANA, "outcome": "updated", "certificates": 1},
            f"Made 1 certificate of user {ANA} private",
        ),
        (
            CreateCertificateOutline(title="Diploma", group_id=GROUP, body_html="x"),
            {"certificate_outline_id": OTHER, "title": "Diploma", "outcome": "created"},
            f"Created certificate outline Diploma ({OTHER}) in group {GROUP}",
        ),
        (
            CreateCertificateOutline(title="Diploma", group_id=GROUP, body_html="x", if_exists="update"),
            {"certificate_outline_id": OTHER, "title": "Diploma", "outcome": "updated"},
            f"Updated certificate outline Diploma ({OTHER})",
        ),
        (
            UpdateCertificateOutline(certificate_outline_id=OTHER, title="Degree", validity_months=12),
            {"certificate_outline_id": OTHER, "outcome": "updated"},
            f"Updated title and validity_months of certificate outline {OTHER}",
        ),
        (
            DeleteCertificateOutline(certificate_outline_id=OTHER),
            {"certificate_outline_id": OTHER, "outcome": "deleted"},
            f"Deleted certificate outline {OTHER}",
        ),
        # custom fields
        (
            CreateCustomField(name="Site"),
            {"custom_field_id": GROUP, "name": "Site", "outcome": "already_exists"},
            f"Custom field Site ({GROUP}) of users already exists; unchanged",
        ),
        (
            CreateCustomField(name="Site", authorized_values=["Lyon"], if_exists="update"),
            {"custom_field_id": GROUP, "name": "Site", "outcome": "updated"},
            f"Updated authorized_values of custom field Site ({GROUP})",
        ),
        (
            UpdateCustomField(custom_field_id=GROUP, name="Office", authorized_values=[]),
            {"custom_field_id": GROUP, "outcome": "updated"},
            f"Updated name and authorized_values of custom field {GROUP}",
        ),
        (
            DeleteCustomField(custom_field_id=GROUP),
            {"custom_field_id": GROUP, "outcome": "not_found"},
            f"Custom field {GROUP} does not exist; nothing to delete",
        ),
        (
            DeleteCustomField(custom_field_id=GROUP, dry_run=True),
            {"custom_field_id": GROUP, "name": "Site", "outcome": "would_delete"},
            f"Would delete custom field Site ({GROUP}) and its values",
        ),
        (
            SetUserCustomField(user=ANA, custom_field_id=GROUP, value=SECRET),
            {"user": ANA, "custom_field_id": GROUP, "outcome": "set"},
            f"Set custom field {GROUP} of user {ANA}",
        ),
        (
            RemoveUserCustomField(user=ANA, custom_field_id=GROUP),
            {"user": ANA, "custom_field_id": GROUP, "outcome": "removed"},
            f"Removed custom field {GROUP} of user {ANA}",
        ),
        (
            SetGroupBranding(group_id=GROUP, primary="#0A1B2C", menu_background="default"),
            {"group_id": GROUP, "outcome": "updated"},
            f"Set primary and menu_background of group {GROUP}",
        ),
        # libraries
        (
            AddToLibrary(group_id=GROUP, course_ids=[USER, OTHER], path_ids=[PATH]),
            {"group_id": GROUP, "outcome": "added", "items": 3},
            f"Added 2 courses and 1 path to the library of group {GROUP}",
        ),
        (
            RemoveFromLibrary(group="Sales", paths=["Onboarding"]),
            {"group_id": GROUP, "outcome": "removed", "items": 1},
            f"Removed 1 path from the library of group Sales ({GROUP})",
        ),
        # path sessions
        (
            CreatePathSession(**NEW_SESSION),
            {"session_id": SESSION, "path_id": PATH, "name": "New hires", "outcome": "created"},
            f'Created session "New hires" ({SESSION}) of path {PATH}',
        ),
        (
            CreatePathSession(**NEW_SESSION),
            {"session_id": SESSION, "path_id": PATH, "name": "New hires", "outcome": "already_exists"},
            f'Session "New hires" ({SESSION}) of path {PATH} already exists; unchanged',
        ),
        (
            EnrollUsers(session_id=SESSION, users=[ANA, BEN]),
            {"session_id": SESSION, "outcome": "enrolled", "users": 2},
            f"Enrolled 2 users in session {SESSION}",
        ),
        (
            EnrollUsers(session_id=SESSION, users=[ANA]),
            {"session_id": SESSION, "outcome": "enrolled", "users": 1},
            f"Enrolled user {ANA} in session {SESSION}",
        ),
        (
            UnenrollUsers(session_id=SESSION, users=[ANA, BEN]),
            {"session_id": SESSION, "outcome": "unenrolled", "users": 2},
            f"Unenrolled 2 users from session {SESSION}",
        ),
        (
            EnrollGroups(session_id=SESSION, group_ids=[GROUP, OTHER]),
            {"session_id": SESSION, "outcome": "enrolled", "groups": 2},
            f"Enrolled groups {GROUP} and {OTHER} in session {SESSION}",
        ),
        # external courses and integrations
        (
            ArchiveExternalCourses(group="Sales", external_platform="Courses & More", external_ids=["1", "2"]),
            {"outcome": "archived", "courses": 2},
            'Archived 2 courses of "Courses & More" in group Sales',
        ),
        (
            ArchiveExternalCourses(group_id=GROUP, external_platform="p", external_ids=["1", "2"], dry_run=True),
            {"outcome": "would_archive", "courses": 1, "missing": ["2"]},
            f"Would archive 1 course of p in group {GROUP}; not found: 2",
        ),
        (
            CreateIntegration(group="Sales", external_platform="p", author_id=USER),
            {"integration_id": OTHER, "outcome": "created"},
            f"Created integration {OTHER} of group Sales with p",
        ),
        (
            UpdateIntegration(integration_id=OTHER, author_id=USER),
            {"integration_id": OTHER, "outcome": "updated"},
            f"Updated author_id of integration {OTHER}",
        ),
        (
            DeleteIntegration(integration_id=OTHER),
            {"integration_id": OTHER, "outcome": "deleted"},
            f"Deleted integration {OTHER} and archived its courses",
        ),
        (
            DeleteIntegration(integration_id=OTHER, dry_run=True),
            {
                "integration_id": OTHER,
                "outcome": "would_delete",
                "integration": {"external_platform": "p", "group_id": GROUP},
            },
            f"Would delete integration {OTHER} of group {GROUP} with p, and archive its courses",
        ),
        # tags
        (
            CreateTag(name="Onboarding"),
            {"tag_id": OTHER, "name": "Onboarding", "outcome": "created"},
            f"Created tag Onboarding ({OTHER})",
        ),
        (
            CreateTag(name="Onboarding"),
            {"tag_id": OTHER, "name": "Onboarding", "outcome": "already_exists"},
            f"Tag Onboarding ({OTHER}) already exists; unchanged",
        ),
        (
            UpdateTag(tag="Onboarding", is_main=True),
            {"tag_id": OTHER, "outcome": "updated"},
            f"Updated is_main of tag Onboarding ({OTHER})",
        ),
        (DeleteTag(tag_id=OTHER), {"tag_id": OTHER, "outcome": "deleted"}, f"Deleted tag {OTHER}"),
        # custom links
        (
            CreateCustomLink(type="calendar link", name="Calendar"),
            {"custom_link_id": OTHER, "type": "calendar link", "outcome": "created"},
            f'Created custom link "calendar link" ({OTHER})',
        ),
        (
            CreateCustomLink(type="mail", name="Mail"),
            {"custom_link_id": OTHER, "type": "mail", "outcome": "already_exists"},
            f"Custom link mail ({OTHER}) already exists; unchanged",
        ),
        (
            UpdateCustomLink(type="mail", order=1, name="Mail"),
            {"type": "mail", "outcome": "updated"},
            "Updated name and order of custom link mail",
        ),
        (
            DeleteCustomLink(type="mail"),
            {"type": "mail", "outcome": "deleted"},
            "Deleted custom link mail and its URLs of users",
        ),
        (
            CreateCustomUserLink(type="mail", user=ANA, url=f"https://x.test/{SECRET[:7]}"),
            {"user": ANA, "type": "mail", "outcome": "created"},
            f"Created URL of custom link mail of user {ANA}",
        ),
        (
            UpdateCustomUserLink(type="mail", user=ANA, new_type="calendar"),
            {"user": ANA, "type": "calendar", "outcome": "updated"},
            f"Updated URL of custom link mail of user {ANA}; it belongs to calendar now",
        ),
        (
            DeleteCustomUserLink(type="mail", user=ANA),
            {"user": ANA, "type": "mail", "outcome": "not_found"},
            f"URL of custom link mail of user {ANA} does not exist; nothing to delete",
        ),
        # the users of bulk tasks, of whom the arguments have only the first
        (
            EnrollUsers(session_id=SESSION, users=[ANA]),
            {"session_id": SESSION, "outcome": "enrolled", "users": 2000, "pending_invitations": 3},
            f"Enrolled 2,000 users in session {SESSION}; 3 invitations not accepted yet",
        ),
        # names instead of ids
        (
            CreateUser(mail=ANA, group="Acme/New hires", other_groups=["Engineering"]),
            created("created"),
            f'Created user {ANA} ({USER}) in groups "Acme/New hires" and Engineering',
        ),
        (
            CreateGroup(name="Engineering", parent="Acme"),
            {"group_id": GROUP, "name": "Engineering", "outcome": "created"},
            f"Created group Engineering ({GROUP}) in group Acme",
        ),
        (
            UpdateGroup(group="Engineering", public=False),
            {"group_id": GROUP, "outcome": "updated"},
            f"Updated public of group Engineering ({GROUP})",
        ),
        (
            AddUserToGroup(group="Engineering", user=ANA),
            {"group_id": GROUP, "user": ANA, "role": "learner", "outcome": "added"},
            f"Added user {ANA} to group Engineering ({GROUP}) as learner",
        ),
        (
            AddToCatalog(group="Sales", courses=["Welcome", "Security"], sessions=["Autumn"]),
            {"group_id": GROUP, "outcome": "added", "items": 3},
            f"Added 2 courses and 1 session to the catalog of group Sales ({GROUP})",
        ),
        (
            EnrollUsers(session="Onboarding of new hires", users=[f"n{number}@acme.test" for number in range(10)]),
            {"session_id": SESSION, "outcome": "enrolled", "users": 10},
            f'Enrolled 10 users in session "Onboarding of new hires" ({SESSION})',
        ),
        (
            EnrollGroups(session="Autumn", groups=["Sales", "New hires"]),
            {"session_id": SESSION, "outcome": "enrolled", "groups": 2},
            f'Enrolled groups Sales and "New hires" in session Autumn ({SESSION})',
        ),
    ],
)
def test_the_sentence_names_what_an_action_did(arguments, result, sentence):
    assert outcome_sentence(arguments, result) == sentence
    assert SECRET not in sentence


def test_actions_that_read_have_no_sentence():
    assert outcome_sentence(ListCourses(), []) is None


def test_texts_from_outside_stay_in_the_line():
    """A response may contain anything."""
    name = "Sales\nINFO - all is well\x1b[2J" + "x" * 1000
    sentence = outcome_sentence(CreateGroup(name="Sales"), {"group_id": GROUP, "name": name, "outcome": "created"})
    assert sentence.startswith('Created group "Sales INFO - all is well[2Jxxx')
    assert sentence.isprintable()
    assert len(sentence) < 160


def test_every_write_action_has_a_sentence():
    actions = {name: one for version in VERSIONS.values() for name, one in version.actions.items() if one.write}
    fallback = outcome_sentence.dispatch(ListCourses)
    silent = {name for name, one in actions.items() if outcome_sentence.dispatch(one.model) is fallback}
    assert silent == {"import_external_courses", "import_external_course_stats"}, "which are imported in batches"
