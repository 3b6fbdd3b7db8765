"""Groups."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Group
from airflow_provider_360learning.sandbox.v2.call import Call, Operations

operations = Operations()


@operations.add("getGroups", "GET", "/groups", scope="groups:read", page_size=500)
def get_groups(call: Call) -> Response:
    """List all groups."""
    return call.page(list(call.state.groups.values()), group)


def group(group: Group) -> dict[str, object]:
    """Return a group as responses show it. The root group has no ``parentId``; ``custom`` is absent if not given."""
    optional = {"parentId": group.parent, "custom": group.custom}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"_id": group.id, "name": group.name, "public": group.public, **given}
