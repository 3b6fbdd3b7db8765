"""What the actions on external courses and integrations did."""

from __future__ import annotations

from airflow_provider_360learning.api.models.external import ArchiveExternalCourses
from airflow_provider_360learning.api.models.integrations import CreateIntegration, DeleteIntegration, UpdateIntegration
from airflow_provider_360learning.api.results import (
    ArchivedCourses,
    CreatedIntegration,
    DeletedIntegration,
    UpdatedIntegration,
)
from airflow_provider_360learning.api.sentences.parts import changed, creation, deletion, outcome_sentence, quoted
from airflow_provider_360learning.api.text import counted, listed


@outcome_sentence.register
def _archived_external_courses(arguments: ArchiveExternalCourses, result: ArchivedCourses) -> str:
    library = f"{quoted(arguments.external_platform)} in group {quoted(arguments.group or arguments.group_id)}"
    courses = f"{counted(result['courses'], 'course')} of {library}"
    if result["outcome"] == "archived":
        return f"Archived {courses}"
    missing = result.get("missing")
    return f"Would archive {courses}" + (f"; not found: {listed(missing)}" if missing else "")


@outcome_sentence.register
def _created_integration(arguments: CreateIntegration, result: CreatedIntegration) -> str:
    group = quoted(arguments.group or arguments.group_id)
    integration = f"{quoted(result['integration_id'])} of group {group} with {quoted(arguments.external_platform)}"
    return creation("integration", integration, result["outcome"])


@outcome_sentence.register
def _updated_integration(arguments: UpdateIntegration, result: UpdatedIntegration) -> str:
    return f"Updated {changed(arguments, {'integration_id'})} of integration {quoted(result['integration_id'])}"


@outcome_sentence.register
def _deleted_integration(arguments: DeleteIntegration, result: DeletedIntegration) -> str:
    integration = quoted(result["integration_id"])
    if found := result.get("integration"):
        group, platform = (quoted(found[key] or "unknown") for key in ("group_id", "external_platform"))
        return f"Would delete integration {integration} of group {group} with {platform}, and archive its courses"
    return deletion("integration", integration, result["outcome"] == "deleted", " and archived its courses")
