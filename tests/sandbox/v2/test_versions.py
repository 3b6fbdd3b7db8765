"""API v2 beside API v1: one state, and routes as published."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.v2 import errors
from airflow_provider_360learning.sandbox.v2.version import V2
from tests.contract.specs import describe, published

PUBLISHED = {one.name: describe(one) for one in published()}


def test_a_user_of_one_version_is_there_for_the_other(sandbox, client):
    body = {"mail": "new@acme.test", "password": "secret-1", "sendCredentials": False}
    keys = {"X-company-id": sandbox.company_id, "X-apiKey": sandbox.api_key}
    created = client("POST", "/api/v1/users", body, keys).json["_id"]
    (user,) = client("GET", "/users?mail[eq]=new@acme.test").json
    assert (user["_id"], user["status"]) == (created, "active")


@pytest.mark.parametrize("route", V2.routes, ids=lambda route: route.operation)
def test_every_route_is_as_published(route):
    facts = PUBLISHED[route.operation]
    assert (route.method, route.path.replace("{token_path}", "/oauth2/token")) == (facts["method"], facts["path"])
    assert route.scope == facts.get("scope", "")
    assert route.page_size == facts.get("page_size")
    assert route.bodies == ((facts["body"]["format"],) if "body" in facts else ())
    assert set(route.parameters) == set(facts.get("query", ()))
    assert {each.field: each.operators for each in route.filters} == {
        name: tuple(each["operators"]) for name, each in facts.get("filters", {}).items()
    }


def test_every_error_code_is_published():
    """Errors that are not published are assumptions, which are raised in one place."""
    codes = {code for facts in PUBLISHED.values() for code in facts.get("errors", ())}
    raised = {
        (path.name, node.args[1].value)
        for path in Path(errors.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ApiError"
        if len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    }
    assert len(raised) > 10
    assert {(module, code) for module, code in raised if code not in codes} == {
        ("errors.py", "badRequest"),
        ("errors.py", "invalid_scope"),
    }
