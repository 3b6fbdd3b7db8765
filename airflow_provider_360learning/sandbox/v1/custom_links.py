"""Custom links, and their URLs of single users. The errors are assumptions."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.links import ICONS, CustomLink, UserLink
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations

operations = Operations()


@operations.add("getCustomLinks", "GET", "/customlinks")
def get_custom_links(call: Call) -> Response:
    """List all custom links."""
    return Response([_shown(call, link) for link in call.state.links.links.values()])


@operations.add(
    "createCustomLink",
    "POST",
    "/customlinks",
    bodies=("json",),
    evidence="assumed",
    assumes="The body and the response, by analogy with the links of users; without an order, a link is the last one.",
)
def create_custom_link(call: Call) -> Response:
    """Create a custom link."""
    for name in ("type", "name"):
        if name not in call.fields:
            raise ApiError(400, f"missing argument : {name}")
    link = CustomLink(call.state.new_id(), "", "", call.state.links.next_order())
    _change(call, link, call)
    return Response({"customLink": _shown(call, call.state.links.add(link)), "status": "custom_link_created"})


@operations.add(
    "updateCustomLink",
    "PUT",
    "/customlinks",
    bodies=("json",),
    evidence="assumed",
    assumes="The body and the response, by analogy with the links of users.",
)
def update_custom_link(call: Call) -> Response:
    """Change the given fields of a custom link."""
    _change(call, _link(call, _argument(call, "type")), _update(call))
    return Response({"status": "custom_link_updated"})


@operations.add(
    "deleteCustomLink",
    "DELETE",
    "/customlinks",
    assumes="The URLs of users are deleted, too.",
)
def delete_custom_link(call: Call) -> Response:
    """Delete a custom link."""
    call.state.links.delete(_link(call, _parameter(call, "type")))
    return Response({"status": "custom_link_deleted"})


@operations.add("getAllCustomUserLinks", "GET", "/customuserlinks")
def get_all_custom_user_links(call: Call) -> Response:
    """List the URLs of a user."""
    person, links = call.person(_parameter(call, "mail")), call.state.links
    return Response([_shown_url(links.links[url.link], url) for url in links.of_user(person.id)])


@operations.add(
    "createCustomUserLink",
    "POST",
    "/customuserlinks",
    bodies=("json",),
    assumes="A second URL of a user for a link is refused.",
)
def create_custom_user_link(call: Call) -> Response:
    """Set the URL of a user for a custom link."""
    person, url = call.person(_argument(call, "mail")), _argument(call, "url")
    link = _link(call, _argument(call, "type"))
    _refuse_second_url(call, person, link)
    made = call.state.links.add_url(UserLink(call.state.new_id(), person.id, link.id, url))
    shown = {"_id": made.id, "userId": person.id, "customLinkId": link.id, "url": url}
    return Response({"customUserLink": shown, "status": "custom_user_link_created"})


@operations.add("updateCustomUserLink", "PUT", "/customuserlinks", bodies=("json",))
def update_custom_user_link(call: Call) -> Response:
    """Change the URL of a user, or the custom link that it belongs to."""
    person = call.person(_argument(call, "mail"))
    link, update = _link(call, _argument(call, "type")), _update(call)
    found = _url(call, person, link)
    url = update.text("url", empty=False) if "url" in update.fields else found.url
    target = _link(call, update.text("type")) if "type" in update.fields else link
    if target is not link:
        _refuse_second_url(call, person, target)
    found.url, found.link = url, target.id
    return Response({"status": "custom_user_link_updated"})


@operations.add("deleteCustomUserLink", "DELETE", "/customuserlinks")
def delete_custom_user_link(call: Call) -> Response:
    """Delete the URL of a user for a custom link."""
    person, link = call.person(_parameter(call, "mail")), _link(call, _parameter(call, "type"))
    del call.state.links.user_links[_url(call, person, link).id]
    return Response({"status": "custom_user_link_deleted"})


def _argument(call: Call, name: str) -> str:
    if name not in call.fields:
        raise ApiError(400, f"missing argument : {name}")
    return call.text(name, empty=False)


def _parameter(call: Call, name: str) -> str:
    if not call.query.get(name):
        raise ApiError(400, f"missing argument : {name}")
    return call.query[name]


def _update(call: Call) -> Call:
    """Return the call with the new values as its fields."""
    update = call.fields.get("update")
    if not isinstance(update, dict) or not update:
        raise ApiError(400, "invalid argument : update")
    return replace(call, fields=update)


def _change(call: Call, link: CustomLink, update: Call) -> None:
    """Give a custom link the fields of a body, or refuse all of them."""
    fields = update.fields
    type = update.text("type", empty=False) if "type" in fields else link.type
    name = update.text("name", empty=False) if "name" in fields else link.name
    order, icon = fields.get("order", link.order), fields.get("iconName", link.icon)
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ApiError(400, "invalid argument : order")
    if icon is not None and icon not in ICONS:
        raise ApiError(400, "invalid argument : iconName")
    for other in call.state.links.links.values():
        if other is not link and (other.type == type or other.name == name or other.order == order):
            raise ApiError(400, "custom_link_already_exists")
    link.type, link.name, link.order, link.icon = type, name, order, None if icon is None else str(icon)


def _link(call: Call, type: str) -> CustomLink:
    link = call.state.links.of_type(type)
    if link is None:
        raise ApiError(404, "custom_link_not_found")
    return link


def _url(call: Call, person: Person, link: CustomLink) -> UserLink:
    url = call.state.links.url(person.id, link)
    if url is None:
        raise ApiError(404, "custom_user_link_not_found")
    return url


def _refuse_second_url(call: Call, person: Person, link: CustomLink) -> None:
    if call.state.links.url(person.id, link) is not None:
        raise ApiError(400, "custom_user_link_already_exists")


def _shown(call: Call, link: CustomLink) -> dict[str, object]:
    icon = {} if link.icon is None else {"iconName": link.icon}
    company = call.company.id
    return {"_id": link.id, "company": company, "name": link.name, "order": link.order, "type": link.type, **icon}


def _shown_url(link: CustomLink, url: UserLink) -> dict[str, object]:
    icon = {} if link.icon is None else {"iconName": link.icon}
    return {"url": url.url, **icon, "name": link.name, "type": link.type}
