"""The actions that only API v2 has."""

from __future__ import annotations

from typing import ParamSpec, TypeVar

from airflow_provider_360learning.api.actions import Action, ApiAdapter, not_available
from airflow_provider_360learning.api.interface import LearningApi

P = ParamSpec("P")
R = TypeVar("R")

_NO_INTEGRATIONS = "the actions on external courses take group and provider"
_TAGS = "the operation updateSkill takes the courses and paths of a tag"


def only_v2(promised: Action[P, R], instead: str = "") -> Action[P, R]:
    """
    Return the form of an action that refuses all arguments.

    :param promised: The action.
    :param instead: What API v1 has instead, as a clause: ``create_user sets a password``; empty if it has nothing.
    """
    return not_available(promised, "only API v2 has it" + (f"; with API v1, {instead}" if instead else ""))


class ActionsOfV2(ApiAdapter):
    """Refuse the actions that only API v2 has, and name what API v1 has instead."""

    activate_user = only_v2(
        LearningApi.activate_user, "create_user with mode='create_active' creates an account that is active at once"
    )
    add_course_tags = only_v2(LearningApi.add_course_tags, _TAGS)
    add_path_tags = only_v2(LearningApi.add_path_tags, _TAGS)
    add_path_tokens = only_v2(LearningApi.add_path_tokens)
    add_to_waitlist = only_v2(LearningApi.add_to_waitlist)
    archive_course = only_v2(LearningApi.archive_course)
    archive_path = only_v2(LearningApi.archive_path)
    create_attendance_sheet = only_v2(LearningApi.create_attendance_sheet)
    create_certificate_outline = only_v2(LearningApi.create_certificate_outline)
    create_classroom = only_v2(LearningApi.create_classroom)
    create_elearning_course = only_v2(LearningApi.create_elearning_course)
    create_integration = only_v2(LearningApi.create_integration, _NO_INTEGRATIONS)
    delete_attendance_sheet = only_v2(LearningApi.delete_attendance_sheet)
    delete_certificate_outline = only_v2(LearningApi.delete_certificate_outline)
    delete_classroom_slot = only_v2(LearningApi.delete_classroom_slot)
    delete_integration = only_v2(LearningApi.delete_integration, _NO_INTEGRATIONS)
    delete_path = only_v2(LearningApi.delete_path, "delete_path_session deletes its sessions")
    delete_tag = only_v2(LearningApi.delete_tag)
    get_course_custom_fields = only_v2(LearningApi.get_course_custom_fields)
    get_library = only_v2(LearningApi.get_library)
    get_path_session_custom_fields = only_v2(LearningApi.get_path_session_custom_fields)
    import_user_certificate = only_v2(LearningApi.import_user_certificate)
    list_attendance_sheets = only_v2(LearningApi.list_attendance_sheets)
    list_attendances = only_v2(LearningApi.list_attendances)
    list_certificate_outlines = only_v2(LearningApi.list_certificate_outlines)
    list_classroom_slots = only_v2(LearningApi.list_classroom_slots)
    list_classrooms = only_v2(LearningApi.list_classrooms)
    list_integrations = only_v2(LearningApi.list_integrations, _NO_INTEGRATIONS)
    list_path_tags = only_v2(LearningApi.list_path_tags)
    list_registrations = only_v2(LearningApi.list_registrations)
    list_user_certificates = only_v2(LearningApi.list_user_certificates)
    list_waitlist = only_v2(LearningApi.list_waitlist)
    register_users = only_v2(LearningApi.register_users)
    remove_course_custom_field = only_v2(LearningApi.remove_course_custom_field)
    remove_course_tags = only_v2(LearningApi.remove_course_tags, _TAGS)
    remove_from_waitlist = only_v2(LearningApi.remove_from_waitlist)
    remove_path_session_custom_field = only_v2(LearningApi.remove_path_session_custom_field)
    remove_path_tags = only_v2(LearningApi.remove_path_tags, _TAGS)
    replace_course_tags = only_v2(LearningApi.replace_course_tags, _TAGS)
    replace_path_courses = only_v2(LearningApi.replace_path_courses, "create_path sets the courses of a new path")
    replace_path_session_audience = only_v2(
        LearningApi.replace_path_session_audience,
        "enroll_users, enroll_groups, unenroll_users and unenroll_groups change who is enrolled",
    )
    replace_path_tags = only_v2(LearningApi.replace_path_tags, _TAGS)
    set_course_custom_field = only_v2(LearningApi.set_course_custom_field)
    set_group_branding = only_v2(LearningApi.set_group_branding)
    set_path_session_custom_field = only_v2(LearningApi.set_path_session_custom_field)
    set_profile_image = only_v2(LearningApi.set_profile_image)
    update_attendance_sheet = only_v2(LearningApi.update_attendance_sheet)
    update_certificate_outline = only_v2(LearningApi.update_certificate_outline)
    update_certificate_privacy = only_v2(LearningApi.update_certificate_privacy)
    update_classroom = only_v2(LearningApi.update_classroom)
    update_elearning_course = only_v2(LearningApi.update_elearning_course)
    update_integration = only_v2(LearningApi.update_integration, _NO_INTEGRATIONS)
    upload_group_media = only_v2(LearningApi.upload_group_media)
