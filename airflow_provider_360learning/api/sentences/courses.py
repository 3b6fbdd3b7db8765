"""What the actions on courses did."""

from __future__ import annotations

from airflow_provider_360learning.api.course_results import ArchivedCourse, ChangedCatalog, CreatedCourse, UpdatedCourse
from airflow_provider_360learning.api.models.courses import AddToCatalog, ArchiveCourse, RemoveFromCatalog
from airflow_provider_360learning.api.models.elearning import CreateElearningCourse, UpdateElearningCourse
from airflow_provider_360learning.api.sentences.parts import changed, contents, label, outcome_sentence


@outcome_sentence.register
def _archived_course(arguments: ArchiveCourse, result: ArchivedCourse) -> str:
    course = label(arguments.course or result["name"], result["course_id"])
    return f"{result['outcome'].replace('_', ' ').capitalize()} course {course}"


@outcome_sentence.register
def _created_course(arguments: CreateElearningCourse, result: CreatedCourse) -> str:
    course = label(result["name"], result["course_id"])
    if result["outcome"] == "already_exists":
        return f"Course {course} already exists; unchanged"
    return f"{result['outcome'].capitalize()} course {course}"


@outcome_sentence.register
def _updated_course(arguments: UpdateElearningCourse, result: UpdatedCourse) -> str:
    fields = changed(arguments, {"course_id", "course"})
    return f"Updated {fields} of course {label(arguments.course, result['course_id'])}"


@outcome_sentence.register
def _added_to_catalog(arguments: AddToCatalog, result: ChangedCatalog) -> str:
    return f"Added {contents(arguments)} to the catalog of group {label(arguments.group, result['group_id'])}"


@outcome_sentence.register
def _removed_from_catalog(arguments: RemoveFromCatalog, result: ChangedCatalog) -> str:
    return f"Removed {contents(arguments)} from the catalog of group {label(arguments.group, result['group_id'])}"
