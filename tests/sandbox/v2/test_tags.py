"""Tags in API v2."""

from __future__ import annotations

import pytest

UNKNOWN = "0" * 24
TAG = {"name": "Onboarding", "isMain": True, "externalId": "1743_ab"}


@pytest.fixture
def tag_id(client):
    return client("POST", "/tags", TAG).json["_id"]


def test_a_new_tag_is_returned_and_listed(client):
    created = client("POST", "/tags", TAG)
    assert (created.status, created.json) == (201, {"_id": created.json["_id"], **TAG})
    listed = {**created.json, "source": "native"}
    assert client("GET", "/tags").json[-1] == listed
    assert client("GET", f"/tags/{created.json['_id']}").json == listed
    assert listed in client("GET", "/tags?isMain[eq]=true").json
    assert listed not in client("GET", "/tags?isMain[eq]=false").json


def test_a_tag_is_replaced(client, tag_id):
    replaced = client("PUT", f"/tags/{tag_id}", {"name": "Welcome", "isMain": False})
    assert (replaced.status, replaced.json) == (200, {"_id": tag_id, "name": "Welcome", "isMain": False})


def test_a_tag_is_deleted(client, tag_id):
    assert client("DELETE", f"/tags/{tag_id}").status == 204
    assert tag_id not in client("GET", "/tags").ids


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_tag_is_not_found(client, method):
    response = client(method, f"/tags/{UNKNOWN}", TAG if method == "PUT" else None)
    assert (response.status, response.code) == (404, "tagNotFound")


def test_a_name_belongs_to_one_tag(client, tag_id):
    other = client("POST", "/tags", {"name": "Welcome", "isMain": False}).json["_id"]
    assert client("PUT", f"/tags/{tag_id}", TAG).status == 200
    for method, path in (("POST", "/tags"), ("PUT", f"/tags/{other}")):
        response = client(method, path, TAG)
        assert (response.status, response.code) == (400, "tagNameNotAvailable")


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("body", [{"name": "x"}, {"isMain": True}, {"name": "", "isMain": True}])
def test_malformed_requests_are_refused(client, tag_id, body):
    assert client("POST", "/tags", body).status == 400
    assert client("PUT", f"/tags/{tag_id}", body).status == 400
