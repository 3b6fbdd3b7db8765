"""Custom links, and their URLs of single users."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.links import ICONS, CustomLink, UserLink
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError

operations = Operations()

_LINK = "/custom-links/{customLinkId}"
_URLS = "/users/{userId}/custom-links"
_URL = f"{_URLS}/{{customUserLinkId}}"


@operations.add("getCustomLinksByCompany", "GET", "/custom-links", scope="customLinks:read", page_size=1_000)
def get_custom_links_by_company(call: Call) -> Response:
    """List all custom links."""
    return call.page(list(call.state.links.links.values()), _shown)


@operations.add("createCustomLink", "POST", "/custom-links", scope="customLinks:write", bodies=("json",))
def create_custom_link(call: Call) -> Response:
    """Create a custom link."""
    link = CustomLink(call.state.new_id(), "", "", -1)
    _replace(call, link)
    return Response(_shown(call.state.links.add(link)), 201)


@operations.add("replaceCustomLink", "PUT", _LINK, scope="customLinks:write", bodies=("json",))
def replace_custom_link(call: Call) -> Response:
    """Replace a custom link."""
    link = _link(call, call.path["customLinkId"])
    _replace(call, link)
    return Response(_shown(link))


@operations.add(
    "deleteCustomLink",
    "DELETE",
    _LINK,
    scope="customLinks:write",
    assumes="The URLs of users are deleted, too; the status.",
)
def delete_custom_link(call: Call) -> Response:
    """Delete a custom link."""
    call.state.links.delete(_link(call, call.path["customLinkId"]))
    return NO_CONTENT


@operations.add("getCustomUserLinks", "GET", _URLS, scope="users:read", page_size=1_000)
def get_custom_user_links(call: Call) -> Response:
    """List the URLs of a user."""
    return call.page(call.state.links.of_user(_person(call).id), _shown_url)


@operations.add(
    "createCustomUserLink", "POST", _URLS, scope="users:write", bodies=("json",), assumes="The status and the response."
)
def create_custom_user_link(call: Call) -> Response:
    """Set the URL of a user for a custom link."""
    person, link, url = _person(call), *_target(call)
    _refuse_second_url(call, person, link)
    made = call.state.links.add_url(UserLink(call.state.new_id(), person.id, link.id, url))
    return Response(_shown_url(made), 201)


@operations.add(
    "updateCustomUserLink", "PUT", _URL, scope="users:write", bodies=("json",), assumes="The status and the response."
)
def update_custom_user_link(call: Call) -> Response:
    """Replace the URL of a user, and the custom link that it belongs to."""
    person, found = _person(call), _url(call)
    link, url = _target(call)
    if link.id != found.link:
        _refuse_second_url(call, person, link)
    found.link, found.url = link.id, url
    return Response(_shown_url(found))


@operations.add("deleteCustomUserLink", "DELETE", _URL, scope="users:write")
def delete_custom_user_link(call: Call) -> Response:
    """Delete the URL of a user for a custom link."""
    _person(call)
    del call.state.links.user_links[_url(call).id]
    return NO_CONTENT


def _person(call: Call) -> Person:
    person = call.person(call.path["userId"])
    if person.status == "deleted":
        raise ApiError(404, "userNotFound")
    return person


def _link(call: Call, link_id: str) -> CustomLink:
    link = call.state.links.links.get(link_id)
    if link is None:
        raise ApiError(404, "customLinkNotFound")
    return link


def _url(call: Call) -> UserLink:
    url = call.state.links.user_links.get(call.path["customUserLinkId"])
    if url is None or url.user != call.path["userId"]:
        raise ApiError(404, "customUserLinkNotFound")
    return url


def _target(call: Call) -> tuple[CustomLink, str]:
    """Return the custom link and the URL of the body, or refuse."""
    call.require("customLinkId", "url")
    url = call.text("url") or ""
    return _link(call, call.id("customLinkId") or ""), url


def _replace(call: Call, link: CustomLink) -> None:
    """Give a custom link the fields of the body, or refuse all of them."""
    call.require("type", "name", "order")
    type, name = call.text("type", empty=True) or "", call.text("name", empty=True) or ""
    order, icon = call.integer("order", minimum=0) or 0, call.choice("iconName", ICONS)
    for other in call.state.links.links.values():
        for is_used, code in (
            (other.name == name, "nameAlreadyUsed"),
            (other.order == order, "orderAlreadyUsed"),
            (other.type == type, "typeAlreadyUsed"),
        ):
            if other is not link and is_used:
                raise ApiError(400, code)
    link.type, link.name, link.order, link.icon = type, name, order, icon


def _refuse_second_url(call: Call, person: Person, link: CustomLink) -> None:
    if call.state.links.url(person.id, link) is not None:
        raise ApiError(409, "customLinkAlreadyUsed")


def _shown(link: CustomLink) -> dict[str, object]:
    icon = {} if link.icon is None else {"iconName": link.icon}
    return {"_id": link.id, "name": link.name, "order": link.order, "type": link.type, **icon}


def _shown_url(url: UserLink) -> dict[str, object]:
    return {"_id": url.id, "customLinkId": url.link, "url": url.url}
