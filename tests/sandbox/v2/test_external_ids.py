"""Ids in other platforms, of API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, ONBOARDING_PATH_ID, SALES_GROUP_ID

NO_ID = "64b1f0c2a9d3e40012acffff"


def mapping(target=GRACE_ID, value="E-17", platform="BambooHR", target_type="user"):
    return {"platform": platform, "targetId": target, "targetType": target_type, "value": value}


def test_creates_lists_replaces_and_deletes(client):
    created = client("POST", "/external-ids", mapping())
    assert created.status == 201
    id = created.json["_id"]
    assert created.json == {"_id": id, **mapping()}
    group = client("POST", "/external-ids", mapping(SALES_GROUP_ID, target_type="group")).json
    assert client("GET", "/external-ids").json == [created.json, group]
    for query in ("type[eq]=user", "value[eq]=E-17&type[ne]=group", f"targetId[in][0]={GRACE_ID}"):
        assert client("GET", f"/external-ids?{query}").ids == [id]
    replaced = client("PUT", f"/external-ids/{id}", mapping(value="E-18"))
    assert (replaced.status, replaced.json) == (200, {"_id": id, **mapping(value="E-18")})
    assert client("DELETE", f"/external-ids/{id}").status == 204
    assert client("GET", "/external-ids").json == [group]
    assert (client("DELETE", f"/external-ids/{id}")).code == "mappingIdNotFound"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (mapping(value="other"), 400, "mappingAlreadyExists"),
        (mapping(ADMIN_ID), 400, "valueAlreadyUsed"),
        (mapping(ADMIN_ID, platform="internal"), 400, "reservedPlatformName"),
        (mapping(NO_ID), 404, "resourceNotFound"),
        (mapping(ONBOARDING_PATH_ID), 404, "resourceNotFound"),
    ],
)
def test_refuses_a_creation(sandbox, client, body, status, code):
    sandbox.control.settings(reserved_platforms=["internal"])
    client("POST", "/external-ids", mapping())
    refused = client("POST", "/external-ids", body)
    assert (refused.status, refused.code) == (status, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [(mapping(value="A-1"), "valueAlreadyUsed"), (mapping(ADMIN_ID, "new"), "targetAlreadyMapped")],
)
def test_refuses_a_replacement(client, body, code):
    id = client("POST", "/external-ids", mapping()).json["_id"]
    client("POST", "/external-ids", mapping(ADMIN_ID, "A-1"))
    assert client("PUT", f"/external-ids/{id}", body).code == code
    assert client("PUT", f"/external-ids/{NO_ID}", body).code == "mappingIdNotFound"


def test_the_ids_of_an_object_of_any_known_type_are_stored(client):
    assert client("POST", "/external-ids", mapping(ONBOARDING_PATH_ID, target_type="path")).status == 201
