"""Steps and translations of paths, each replaced as a whole."""

from __future__ import annotations

from collections.abc import Container

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Path, PathStep
from airflow_provider_360learning.sandbox.v2.call import Call, Operations, is_id
from airflow_provider_360learning.sandbox.v2.errors import ApiError

operations = Operations()

_KINDS = ("assessment", "classroom", "course", "email", "path", "program", "slackMessage", "teamsMessage")
#: Options of steps that came through API v1 (assumption).
_DEFAULT_OPTIONS: dict[str, dict[str, object]] = {
    "course": {"optional": False, "showCorrection": "onCompletion", "showForum": "never"},
    "email": {"recipientType": "learner"},
    "assessment": {"isExamination": False},
}
_MAX_STEPS = 250
_MAX_TRANSLATIONS = 80
_TRANSLATION_KEYS = ("lang", "published", "translatorIds", "translatedFields")


@operations.add(
    "updateSteps",
    "PUT",
    "/paths/{pathId}/steps",
    scope="paths:write",
    bodies=("json",),
    assumes="Programs are templates; messages and assessments exist if a path has them already. Of the rules for the "
    "options of steps, only that not all steps may be optional is checked.",
)
def update_steps(call: Call) -> Response:
    """Replace the steps of a path."""
    path = call.learning_path(call.path["pathId"])
    steps = _steps(call)
    if path.archived:
        raise ApiError(400, "pathArchived")
    if len({(step.kind, step.id) for step in steps}) < len(steps):
        raise ApiError(400, "duplicatedStep")
    for step in steps:
        if not _exists(call, step):
            raise ApiError(404, f"{step.kind}StepNotFound")
        if step.kind == "path" and _leads_to(call, step.id, path):
            raise ApiError(400, "pathCycle")
    if all(step.options.get("optional") for step in steps):
        raise ApiError(400, "onlyOptionalSteps")
    path.steps = steps
    call.state.touch(path)
    return Response([step_object(each) for each in steps])


@operations.add(
    "replacePathTranslations",
    "PUT",
    "/paths/{pathId}/translations",
    scope="paths:write",
    bodies=("json",),
    assumes="A path without translations needs one for its default language, too.",
)
def replace_path_translations(call: Call) -> Response:
    """Replace the translations of a path, of which that of the default language must stay published."""
    path = call.learning_path(call.path["pathId"])
    translations = call.objects("translations")
    if translations is None or len(translations) > _MAX_TRANSLATIONS:
        raise call.malformed(f"translations must be a list of at most {_MAX_TRANSLATIONS} objects.")
    if not all(each.keys() >= set(_TRANSLATION_KEYS) and isinstance(each["lang"], str) for each in translations):
        raise call.malformed(f"A translation must have {', '.join(_TRANSLATION_KEYS)}.")
    published = {str(each["lang"]): bool(each["published"]) for each in translations}
    if len(published) < len(translations):
        raise ApiError(400, "nonUniqueLangEntries")
    if path.language not in published:
        raise ApiError(400, "removingDefaultLang")
    if not published[path.language]:
        raise ApiError(400, "unpublishingDefaultLang")
    path.translations = translations
    call.state.touch(path)
    return Response(translations)


def step_object(step: PathStep) -> dict[str, object]:
    """Return a step as responses show it."""
    return {"_id": step.id, "type": step.kind, "options": step.options or _DEFAULT_OPTIONS.get(step.kind, {})}


def _steps(call: Call) -> list[PathStep]:
    given = call.objects("steps")
    if not given or len(given) > _MAX_STEPS:
        raise call.malformed(f"steps must be a list of 1 to {_MAX_STEPS} steps.")
    steps = []
    for each in given:
        kind, id, options = each.get("type"), each.get("_id"), each.get("options")
        if not isinstance(kind, str) or kind not in _KINDS or not is_id(id) or not isinstance(options, dict):
            raise call.malformed(f"A step must have an id, options, and a type of {', '.join(_KINDS)}.")
        steps.append(PathStep(kind, str(id).lower(), options=options))
    return steps


def _exists(call: Call, step: PathStep) -> bool:
    if step.kind == "course":
        course = call.state.courses.get(step.id)
        return course is not None and course.status in ("published", "archived")
    known: dict[str, Container[str]] = {
        "path": call.state.paths,
        "classroom": call.state.classrooms.classrooms,
        "program": call.state.programs.templates,
    }
    if step.kind in known:
        return step.id in known[step.kind]
    return bool(call.state.paths_with(step.kind, step.id))


def _leads_to(call: Call, start: str, path: Path) -> bool:
    """Return whether a path is another one, or has it as a step of a step."""
    return start == path.id or any(
        _leads_to(call, step.id, path) for step in call.state.paths[start].steps if step.kind == "path"
    )
