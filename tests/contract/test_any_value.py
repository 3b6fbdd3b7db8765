"""Whatever valid values an operation is called with, the sandbox decodes what was given, on both API versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.parsers import parse_mail, parse_text
from airflow_provider_360learning.api.operation_calls import Given, prepare
from airflow_provider_360learning.api.spec import ApiSpec, BodyFormat
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.sandbox.journal import SECRET_KEYS
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import api_factory
from tests.api.test_every_operation import path_of

#: The examples of a property; the first failing one is the smallest that was found.
EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)

#: Text that can be sent as UTF-8.
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
IDS = st.text("0123456789abcdefABCDEF", min_size=24, max_size=24)
DATES = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.strftime("%Y-%m-%dT%H:%M:%S.000Z")
)
DAYS = DATES.map(lambda time: time[:10])
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 3))
INTEGERS = st.integers(-(2**53), 2**53)
ANY = st.one_of(TEXT, IDS, DATES, INTEGERS, NUMBERS, st.booleans())

#: The schema of a path parameter of which nothing else is known.
SEGMENT = {"type": "string", "minLength": 1}
#: Values by the pattern that they must have.
BY_PATTERN = {
    "^[a-fA-F0-9]{24}$": IDS,
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$": DATES,
    r"^\d{4}-\d\d-\d\d$": DAYS,
}


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return the values that a schema allows."""
    if alternatives := schema.get("anyOf"):
        return st.one_of([values(each) for each in alternatives])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string" if schema.get("pattern"):
            return BY_PATTERN.get(schema["pattern"], st.from_regex(schema["pattern"], fullmatch=True))
        case "string":
            size = schema.get("minLength", 0), min(schema.get("maxLength", 30), 30)
            return st.text(st.characters(codec="utf-8"), min_size=size[0], max_size=max(size))
        case "integer":
            return st.integers(int(schema.get("minimum", -(2**53))), int(schema.get("maximum", 2**53)))
        case "number":
            return st.integers(int(schema.get("minimum", -(2**53))), int(schema.get("maximum", 2**53)))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(values(schema.get("items", {})), min_size=least, max_size=max(least, 3))
        case "object":
            properties = {name: values(each) for name, each in schema.get("properties", {}).items()}
            required = set(schema.get("required", ()))
            optional = {name: each for name, each in properties.items() if name not in required}
            return st.fixed_dictionaries({name: properties.get(name, ANY) for name in required}, optional=optional)
    return ANY


def is_secret(value: object) -> bool:
    """Return whether a value has a key whose value the journal masks."""
    if isinstance(value, dict):
        return any(str(key).lower() in SECRET_KEYS or is_secret(each) for key, each in value.items())
    return isinstance(value, list) and any(map(is_secret, value))


def as_form(value: object) -> object:
    """Return what is left of a value in a form: texts, and no empty lists and objects."""
    if isinstance(value, dict):
        return {key: as_form(each) for key, each in value.items() if each not in ([], {}, None)}
    if isinstance(value, list):
        return [as_form(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


class Probe:
    """Calls operations, and returns what the sandbox has recorded of their requests."""

    def __init__(self, api: LearningApi, sandbox: Sandbox) -> None:
        self.api = api
        self.spec: ApiSpec = api.client.spec
        self.control = sandbox.control

    def call(self, name: str, given: Given) -> Mapping[str, Any]:
        """Call an operation, which exists for none of the objects that the values name."""
        prepared = prepare(self.spec, name, given)
        self.control.clear_journal()
        with suppress(Learning360Error):
            if prepared.returns_file:
                self.api.client.run(prepared.file_steps(lambda body: body.read(1000)))
            else:
                self.api.client.run(prepared.steps(self.api.jobs))
        entries = [entry for entry in self.control.journal() if entry["operation"] != "generateToken"]
        return entries[0]


@pytest.fixture(scope="module", params=list(VERSIONS))
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    """Return a probe of a sandbox whose state does not matter."""
    relaxed = {"limits_enabled": False, "bulk_job_seconds": 0, "max_state_mb": 1000}
    with Sandbox(settings=relaxed) as sandbox, api_factory(sandbox, request.param) as make:
        yield Probe(make(client={"sleep": lambda seconds: None}), sandbox)


def operations(spec: ApiSpec) -> list[str]:
    """Return the operations whose parameters are no secrets and no files."""
    return sorted(
        name
        for name, each in spec.endpoints.items()
        if each.body is not BodyFormat.MULTIPART and name != "generateToken"
    )


@pytest.mark.slow
@EXAMPLES
@given(data=st.data())
def test_an_operation_arrives_as_it_was_called(probe, data):
    name = data.draw(st.sampled_from(operations(probe.spec)), "operation")
    endpoint, accepted = probe.spec.endpoints[name], probe.spec.parameters(name)
    path = {
        each: data.draw(values({**SEGMENT, **schema}).filter(is_segment), each)
        for each, schema in accepted.path.items()
    }
    parameters = {each: values(schema) for each, schema in accepted.query.items()}
    required = {each: parameters.pop(each) for each in accepted.required_query}
    query = data.draw(st.fixed_dictionaries(required, optional=parameters), "query")
    assume([] not in query.values())  # such a filter is refused before anything is sent
    body = None if accepted.body is None else data.draw(values(accepted.body), "body")
    assume(not is_secret(body))
    try:
        entry = probe.call(name, Given(path, query, body))
    except InvalidRequestError:
        assume(False)  # a value that the schema allows, but not the operation as a whole

    assert entry["method"] == endpoint.method
    sent, expected = segments(entry["path"]), segments(path_of(endpoint.path, path))
    assert sent[-len(expected) :] == expected
    assert entry["query"] == in_query(query)
    if endpoint.body is BodyFormat.JSON:
        assert entry["body"] == body
    elif body is not None:
        assert (entry["body"] or {}) == as_form(body)  # an empty form is no body


def in_query(query: Mapping[str, object]) -> dict[str, str]:
    """Return a query as it is sent: lists have indices."""
    found = {}
    for name, value in query.items():
        if isinstance(value, list):
            found |= {f"{name}[{index}]": str(as_form(each)) for index, each in enumerate(value)}
        else:
            found[name] = str(as_form(value))
    return found


def is_segment(text: str) -> bool:
    """Return whether the client sends a value of a path as it is: it removes blanks, and refuses only dots."""
    return text == text.strip() and text.strip(".") != ""


def segments(path: str) -> list[str]:
    """Return the decoded segments of a path."""
    return [unquote(each) for each in path.strip("/").split("/")]


def accepted(parse: Callable[[object], str]) -> Callable[[str], bool]:
    """Return whether the arguments of actions accept a text as it is."""

    def accepts(text: str) -> bool:
        with suppress(ValueError):
            return parse(text) == text
        return False

    return accepts


@pytest.mark.slow
@EXAMPLES
@given(
    mail=st.builds("{}@acme.test".format, TEXT).filter(accepted(parse_mail)),
    first_name=TEXT.filter(accepted(parse_text)),
)
def test_any_user_is_found_by_any_email_address(probe, mail, first_name):
    created = probe.api.create_user(mail=mail, mode="create_active", first_name=first_name, if_exists="update")
    found = probe.api.get_user(user=mail)
    assert (found["user_id"], found["first_name"]) == (created["user_id"], first_name)
    assert found["mail"].lower() == mail.lower()


@pytest.mark.slow
@EXAMPLES
@given(name=TEXT.filter(accepted(parse_text)))
def test_any_group_has_the_name_that_it_was_given(probe, name):
    created = probe.api.create_group(name=name, public=True, if_exists="skip")
    assert probe.api.get_group(group_id=created["group_id"])["name"] == name
