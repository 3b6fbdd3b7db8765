"""
Integrations: what connects a group with an external platform, and the courses that come through them.

The words of error messages are assumptions.
"""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import ExternalCourse, Integration
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import strings

operations = Operations()

_INTEGRATION = "/integrations/{integrationId}"


@operations.add("createIntegration", "POST", "/integrations", scope="integrations:write", bodies=("json",))
def create_integration(call: Call) -> Response:
    """Connect a group with an external platform."""
    call.require("externalPlatform", "authorId", "groupId")
    options = _options(call)
    author, group = call.person(call.id("authorId") or ""), call.group(call.id("groupId") or "")
    platform = call.text("externalPlatform") or ""
    _refuse_reserved(call, platform)
    _refuse_duplicate(call, platform, group.id, None)
    maximum = call.settings.max_integrations
    if maximum is not None and len(call.state.external.integrations) >= maximum:
        raise ApiError(400, "integrationsLimitReached")
    return Response(_shown(call.state.external.add_integration(platform, group.id, author.id, options)), 201)


@operations.add(
    "getIntegrations",
    "GET",
    "/integrations",
    scope="integrations:read",
    page_size=100,
    filters=(strings("externalPlatform"),),
)
def get_integrations(call: Call) -> Response:
    """List integrations."""
    integrations = call.state.external.integrations.values()
    found = [each for each in integrations if call.conditions.hold(externalPlatform=each.platform)]
    return call.page(found, _shown)


@operations.add(
    "editIntegration",
    "PATCH",
    _INTEGRATION,
    scope="integrations:write",
    bodies=("json",),
    assumes="The courses of an integration follow it to another platform or group.",
)
def edit_integration(call: Call) -> Response:
    """Change the given fields of an integration."""
    integration = integration_of(call)
    options = _options(call)
    platform = call.text("externalPlatform") or integration.platform
    group = call.group(call.id("groupId") or integration.group).id
    author = call.person(call.id("authorId") or integration.author).id
    _refuse_reserved(call, integration.platform)
    _refuse_reserved(call, platform)
    _refuse_duplicate(call, platform, group, integration)
    call.state.external.move_integration(integration, platform, group)
    integration.author = author
    integration.options.update(options)
    return Response({name: value for name, value in _shown(integration).items() if name != "_id"})


@operations.add("deleteIntegration", "DELETE", _INTEGRATION, scope="integrations:write")
def delete_integration(call: Call) -> Response:
    """Delete an integration and archive its courses."""
    integration = integration_of(call)
    _refuse_reserved(call, integration.platform)
    call.state.external.delete_integration(integration)
    return NO_CONTENT


@operations.add(
    "getExternalCourse",
    "GET",
    f"{_INTEGRATION}/courses/{{externalId}}",
    scope="integrations:read",
    assumes="An unknown course is refused as one of another integration.",
)
def get_external_course(call: Call) -> Response:
    """Return one external course."""
    integration = integration_of(call)
    key = integration.group, integration.platform, call.path["externalId"]
    external = call.state.external.courses.get(key)
    if external is None:
        raise ApiError(400, "courseNotBelongToIntegration")
    return Response(_shown_course(external))


def integration_of(call: Call) -> Integration:
    """Return the integration of this route, or refuse."""
    integration = call.state.external.integrations.get(call.path["integrationId"])
    if integration is None:
        raise ApiError(404, "integrationNotFound")
    return integration


def importing(call: Call) -> Integration:
    """Return the integration of this route, or refuse it or the reserved name of its platform."""
    integration = integration_of(call)
    _refuse_reserved(call, integration.platform)
    return integration


def _refuse_reserved(call: Call, platform: str) -> None:
    if platform in call.settings.reserved_platforms:
        raise ApiError(400, "reservedPlatformName")


def _refuse_duplicate(call: Call, platform: str, group: str, this: Integration | None) -> None:
    for other in call.state.external.integrations.values():
        if other is not this and (other.platform, other.group) == (platform, group):
            raise ApiError(400, "duplicateExternalPlatform")


def _options(call: Call) -> dict[str, object]:
    values: dict[str, object] = {
        "defaultCompletion": call.boolean("defaultCompletion"),
        "defaultProgress": call.number("defaultProgress", minimum=0, maximum=100),
        "noGroupPropagation": call.boolean("noGroupPropagation"),
        "externalPlatformLogoUrl": call.text("externalPlatformLogoUrl"),
        "externalPlatformUnicolorLogoUrl": call.text("externalPlatformUnicolorLogoUrl"),
    }
    return {name: value for name, value in values.items() if value is not None}


def _shown(integration: Integration) -> dict[str, object]:
    return {
        "_id": integration.id,
        "externalPlatform": integration.platform,
        "groupId": integration.group,
        "authorId": integration.author,
        **integration.options,
    }


def _shown_course(external: ExternalCourse) -> dict[str, object]:
    """Return a course, also one that came through API v1, with the fields that API v2 has."""
    details, more = external.details, external.more
    duration = details.get("course_duration")
    optional = {
        "description": details.get("description"),
        "mobileLaunchUrl": details.get("mobile_launch_url"),
        "imageUrl": details.get("thumbnail_url"),
        "difficultyLevel": details.get("difficulty_level"),
        "contentType": details.get("content_type"),
        "duration": int(duration) if isinstance(duration, int | float) and duration >= 1 else None,
    }
    authors, others = details.get("authors") or [], details.get("alternative_languages") or []
    assert isinstance(authors, list)
    assert isinstance(others, list)
    return {
        "courseId": external.course.id,
        "authorId": external.author,
        "externalId": external.external_id,
        "name": external.course.name,
        "defaultLang": details["language"],
        "launchUrl": details["launch_url"],
        "subjects": details.get("skills") or [],
        "sources": more.get("sources", [{"name": name} for name in authors]),
        "translations": more.get("translations", [{"lang": lang, "translatedFields": {}} for lang in others]),
        **{name: value for name, value in optional.items() if value is not None},
    }
