"""A server, or a proxy, that sends secrets back in every form: none of them reaches a log, an error or a file."""

from __future__ import annotations

import base64
import contextlib
import html
import http.client
import io
import itertools
import json
import logging
import pickle
import re
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from airflow_provider_360learning.api.redaction import redact
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    TransportError,
    UnexpectedResponseError,
)
from tests.api.factory import api_factory
from tests.api.support import everything_about
from tests.attacks.hostile_server import hostile_server, response
from tests.rows.support import bulk, files_in, json_lines, people

#: Secrets whose encodings all differ.
KEY = 'k3y-"quoted"/with+odd&signs\\<tail>'
TOKEN = "t0ken/with+odd&signs=="
PASSWORD = 'pä"ss wörd/+&\\\n𝔘é'
SECRETS = [KEY, TOKEN, PASSWORD]
#: Parts of them that most encodings leave as they are.
FRAGMENTS = ["quoted", "signs", "t0ken", "wörd", "rd/+"]
ANA = {"mail": "ana@acme.test", "mode": "create_active", "first_name": "Ana", "last_name": "Lima"}
ONCE = {"max_attempts": 1}

every_method = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])

Encode = Callable[[str], str]


def twice(encode: Encode) -> Encode:
    return lambda text: encode(encode(text))


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def lower_percent(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), quote(text, safe=""))


def in_base64(before: str = "", after: str = "", encode: Callable[[bytes], bytes] = base64.b64encode) -> Encode:
    return lambda text: encode(f"{before}{text}{after}".encode()).decode()


ENCODINGS: dict[str, Encode] = {
    "as it is": str,
    "capitals": str.upper,
    "JSON": in_json,
    "JSON in JSON": twice(in_json),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: in_json(text).replace("/", "\\/"),
    "JSON with capital escapes": lambda text: re.sub(r"(?<=u)[0-9a-f]{4}", lambda four: four[0].upper(), in_json(text)),
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lower_percent,
    "URL in URL": twice(quote_plus),
    "form": quote_plus,
    "HTML": html.escape,
    "HTML in numbers": lambda text: "".join(one if one.isalnum() else f"&#{ord(one)};" for one in text),
    "JSON in a URL": lambda text: quote(in_json(text), safe=""),
    "JSON in HTML": lambda text: html.escape(in_json(text)),
    "Python string": lambda text: repr(text)[1:-1],
    "Python bytes": lambda text: repr(text.encode())[2:-1],
    "Base64": in_base64(),
    "Base64 of a part": in_base64(before="x", after="y"),
    "Base64 of credentials": in_base64(before="acme:"),
    "Base64 for URLs": in_base64(before="acme", encode=base64.urlsafe_b64encode),
    "Base64 of JSON": lambda text: in_base64('{"password": "', '"}')(in_json(text)),
    "Base64 in a URL": lambda text: quote(in_base64()(text), safe=""),
}
every_encoding = pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)


@every_encoding
def test_a_secret_is_found_in_every_encoding(encode):
    for secret in (*SECRETS, "plain-secret", "пароль", "密码密码"):
        redacted = redact(f"before {encode(secret)} after", [secret])
        # In Base64, what surrounds a secret remains, and the bits that it shares a character with.
        assert re.fullmatch(r"before ([\w+/-]{0,20})\*{3}([\w=%+/-]{0,8}) after", redacted)
        assert redact("before and after", [secret]) == "before and after"


@pytest.mark.parametrize("text", ["\\" * 65536, "%25" * 20000, "&amp;" * 13000, "k3y-" * 16000, 'k3y-"quoted"/' * 5000])
def test_a_long_text_is_searched_in_no_time(text):
    assert redact(text, SECRETS) == text


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("\\" * 30 + "x", "\\" * 60),
        ('\\"' * 30 + "x", ("\\" * 9 + '"') * 30),
        ("\\" * 30 + "x", "%5c" * 60),
        ("%5c" * 30 + "x", "%255c" * 60),
        ("%" * 30 + "x", "%25" * 200),
        ("&amp;" * 30 + "x", "&amp;" * 200),
    ],
)
def test_a_secret_that_its_text_resembles_is_searched_in_no_time(secret, text):
    """The server chooses the token and the text. Trying all ways to read the one as the other would have no end."""
    before = time.process_time()
    assert redact(text, [secret]) == text
    assert time.process_time() - before < 5


@pytest.mark.parametrize("secret", ["\\", "a\\\\b", '\\"', "%5c", "100%25", "&amp;", "a\nb"])
def test_a_secret_that_looks_encoded_is_found(secret):
    for text in (secret, in_json(secret), quote(secret)):
        assert re.fullmatch(r"<\*{3}(25)?>", redact(f"<{text}>", [secret]))
    assert redact("<anb>", [secret]) == "<anb>"


@pytest.mark.parametrize("secret", ["/" * 16384, "é" * 1_000_000], ids=["token", "password of a row"])
def test_a_long_secret_costs_no_more_than_a_short_one(secret):
    before = time.process_time()
    assert redact(f"before {secret} after", [secret]) == "before ***"
    assert time.process_time() - before < 5


@every_encoding
def test_nothing_of_a_long_secret_is_shown(encode):
    secret = PASSWORD * 100
    assert re.fullmatch(r"before ([\w+/-]{0,20})\*{3}", redact(f"before {encode(secret)} after", [secret]))


@pytest.fixture
def output(caplog):
    """Return all that was logged so far, tracebacks included."""
    caplog.set_level(logging.DEBUG)
    formatter = logging.Formatter("%(name)s %(message)s")
    return lambda: "\n".join(map(formatter.format, caplog.records))


def shown_by(error: BaseException) -> str:
    """Return all that logs and stored errors show of an error, and of those that it comes from."""
    stored = pickle.dumps(error)
    parts = [everything_about(error), *traceback.format_exception(error)]
    return "\n".join([*parts, repr(stored), everything_about(pickle.loads(stored))])


def variables_of(error: BaseException) -> str:
    """Return the local variables of our functions that led to an error, but for the caller's own arguments."""
    return "\n".join(
        f"{name}={value!r}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if "airflow_provider_360learning" in frame.f_code.co_filename
        for name, value in frame.f_locals.items()
        if name != "kwargs"
    )


def leaked(text: str) -> list[str]:
    """Return the parts of secrets that a text has."""
    return [fragment for fragment in FRAGMENTS if fragment in text]


def token_or(respond: Callable[[bytes], Iterable[bytes]]) -> Callable[[bytes], Iterable[bytes]]:
    """Issue a token, and respond to other requests."""
    token = json.dumps({"access_token": TOKEN, "expires_in": "3600"}).encode()

    def issue_or_respond(request: bytes) -> Iterable[bytes]:
        if b"/oauth2/token HTTP" in request:
            return response(token, headers=["Connection: close"])  # the next request is not sent while it is closed
        return respond(request)

    return issue_or_respond


def echo(encode: Encode, status: str, place: str) -> Callable[[bytes], Iterable[bytes]]:
    """Respond with the secrets of a request, encoded."""

    def respond(request: bytes) -> Iterable[bytes]:
        password = parse_qs(request.partition(b"\r\n\r\n")[2].decode()).get("password", [""])[0]
        text = " ".join(encode(secret) for secret in (KEY, TOKEN, password) if secret)
        bodies: dict[str, Any] = {
            "code": {"error": text},
            "description": {"error": "bad", "error_description": text},
            "message": {"message": text},
            "elsewhere": {"error": "bad", "received": text},
        }
        return response(json.dumps(bodies[place]).encode(), status)

    return token_or(respond)


# Errors that a response reports


@pytest.mark.parametrize(
    ("encode", "status", "place"),
    [
        *((encode, "400 No", "message") for encode in ENCODINGS.values()),
        *((in_json, status, "code") for status in ("200 OK", "401 No", "404 No", "429 No", "500 No")),
        (in_json, "403 No", "description"),
        (in_json, "403 No", "elsewhere"),
    ],
)
def test_an_error_shows_no_secret_that_the_server_sent_back(make_api, output, encode, status, place):
    with hostile_server(echo(encode, status, place)) as server:
        api = make_api(server.url, api_key=KEY, client=ONCE)
        with pytest.raises(Learning360Error) as caught:
            api.create_user(**ANA, password=PASSWORD)
    assert leaked(shown_by(caught.value) + output()) == []
    assert "***" in str(caught.value) or place == "elsewhere" or status == "401 No"


def test_a_password_that_is_a_word_of_an_error_code_is_not_revealed_by_what_is_missing(make_api):
    body = b'{"error": "user_already_exists", "message": "mail of user is in use"}'
    with hostile_server(lambda request: response(body, "400 No")) as server:
        api = make_api(server.url, auth="api_key_header")
        with pytest.raises(AlreadyExistsError) as caught:
            api.create_user(**ANA, password="user", if_exists="fail")
    assert caught.value.code == "user_already_exists"
    assert str(caught.value).startswith("Already exists (user_already_exists: mail of *** is in use)")


def test_a_long_password_that_the_server_refuses_is_neither_shown_nor_slow(make_api):
    before = time.process_time()
    with hostile_server(echo(str, "400 No", "message")) as server:
        api = make_api(server.url, api_key=KEY, client=ONCE)
        with pytest.raises(InvalidRequestError) as caught:
            api.create_user(**ANA, password=PASSWORD * 5000)
    assert leaked(shown_by(caught.value)) == []
    assert time.process_time() - before < 5


def test_a_quoted_text_has_at_most_300_characters(make_api):
    body = json.dumps({"error": "c" * 5000, "message": f"{KEY} " * 1000}).encode()
    with hostile_server(lambda request: response(body, "400 No")) as server:
        api = make_api(server.url, auth="api_key_header", api_key=KEY)
        with pytest.raises(InvalidRequestError) as caught:
            api.list_groups()
    assert len(str(caught.value)) < 420
    assert len(caught.value.code) == 300


# Errors inside a successful response

ID, OTHER_ID = "a" * 24, "b" * 24
some_encodings = pytest.mark.parametrize("encode", [str, ENCODINGS["Base64 of credentials"]], ids=["plain", "Base64"])


def responding(bodies: dict[str, Any]) -> Callable[[bytes], Iterable[bytes]]:
    """Issue tokens, accept bulk jobs, and respond to other requests with the body whose key their target contains."""
    accepted = [f"Location: /api/v2/bulk/operations/{ID}", "Connection: close"]

    def respond(request: bytes) -> Iterable[bytes]:
        if request.startswith((b"POST /api/v2/bulk", b"DELETE /api/v2/bulk")):
            return response(b"", "202 Accepted", headers=accepted)
        target = request.split()[1].decode()
        body = next((body for part, body in bodies.items() if part in target), {})
        return response(json.dumps(body).encode())

    return token_or(respond)


def job(rows: Iterable[Any] = (), **fields: Any) -> dict[str, Any]:
    """Make a bulk job that has ended, and its results."""
    state = {"_id": ID, "type": "deleteGroups", "status": "error", "createdAt": "2026-01-01T12:00:00.000Z", **fields}
    return {f"/bulk/operations/{ID}/results": list(rows), f"/bulk/operations/{ID}": state}


def text_with_secrets(encode: Encode) -> str:
    return " ".join(encode(secret) for secret in (KEY, TOKEN))


@pytest.fixture
def make_api_v2(sandbox):
    with api_factory(sandbox, "v2") as make:
        yield make


def test_the_results_of_a_bulk_job_show_no_secret_that_the_server_sent_back(monkeypatch, tmp_path, output):
    """Neither do those of its rows, of which each has another encoding."""
    texts = [text_with_secrets(encode) for encode in ENCODINGS.values()]
    groups = [f"{number:024x}" for number in range(1, len(texts) + 2)]
    rows = [
        {"input": {"groupId": group}, "status": "error", "errorMessage": text}
        for group, text in zip(groups, texts, strict=False)
    ]
    context: dict[str, Any] = {}
    with hostile_server(responding(job(rows, errorMessage=texts[0]) | {"/groups/": {"_id": ID}})) as server:
        extra = {"api_version": "v2", "company_id": "d" * 24}
        fields = {"conn_type": "learning360", "host": server.url, "login": "c" * 24, "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", json.dumps(fields))
        with pytest.raises(Exception, match="24 of 24 rows are refused, failed or unknown") as caught:
            bulk("delete_group", [{"group_id": group} for group in groups], results_path=tmp_path, context=context)
    written = "".join(data.decode() for data in files_in(tmp_path).values())
    assert written.count("***") > 2 * len(texts)
    assert leaked(output() + str(caught.value) + repr(context) + written) == []


@some_encodings
def test_the_action_that_waits_for_a_bulk_job_shows_no_secret(make_api_v2, output, encode):
    text = text_with_secrets(encode)
    row = {"input": {"groupId": ID, "contentId": ID, "contentType": "course"}, "status": "error", "errorMessage": text}
    with hostile_server(responding(job([row], status="completed"))) as server:
        api = make_api_v2(server.url, api_key=KEY, client={**ONCE, "sleep": lambda seconds: None})
        with pytest.raises(Learning360Error) as caught:
            api.add_to_catalog(group_id=ID, course_ids=[ID])
        assert "***" in str(caught.value)
        state = api.client.run(api.jobs.status(ID))
    assert leaked(shown_by(caught.value) + output() + repr(state)) == []


@pytest.mark.parametrize(
    "fields", [{"status": KEY}, {"createdAt": KEY}, {"errorMessage": KEY}, {"errorMessage": [KEY]}, {"_id": {KEY: KEY}}]
)
def test_a_malformed_bulk_job_shows_no_secret(make_api_v2, output, fields):
    with hostile_server(responding(job(**fields))) as server:
        api = make_api_v2(server.url, api_key=KEY, client=ONCE)
        shown = ""
        try:
            shown = repr(api.client.run(api.jobs.status(ID)))
        except Learning360Error as error:
            shown = shown_by(error)
    assert leaked(shown + output()) == []


def test_a_secret_in_pieces_that_invisible_characters_separate_is_not_put_together(make_api_v2, output):
    text = "\u200b".join(KEY)
    with hostile_server(responding(job(errorMessage=text))) as server:
        state = (api := make_api_v2(server.url, api_key=KEY, client=ONCE)).client.run(api.jobs.status(ID))
    assert state.error == "***"


@some_encodings
@pytest.mark.parametrize("place", ["error", "status", "error in an object"])
def test_a_refused_item_shows_no_secret(make_api, output, encode, place):
    text = f"{text_with_secrets(encode)} failed"
    item = {"error": {"error": {"text": [text]}}} if place == "error in an object" else {place: text}
    course = {"external_id": "1", "title": "One", "launch_url": "https://learn.example/1", "language": "en"}
    with hostile_server(responding({"externalContents": {"externalCourses": [item]}})) as server:
        api = make_api(server.url, api_key=KEY, client=ONCE)
        refused = api.import_external_courses(group_id=ID, external_platform="p", author_id=ID, courses=[course])
    assert "***" in refused[0]
    assert leaked(repr(refused) + output()) == []


@some_encodings
def test_the_type_of_a_filter_of_an_audience_shows_no_secret(make_api_v2, output, encode):
    session = {"_id": OTHER_ID, "pathId": ID, "isAudienceBuilder": True, "endDate": "2099-01-01T12:00:00.000Z"}
    audience = {"mode": "manual", "filters": [{"type": text_with_secrets(encode), "ids": []}]}
    with hostile_server(responding({"audience": audience, "sessions": session})) as server:
        api = make_api_v2(server.url, api_key=KEY, client=ONCE)
        with pytest.raises(UnexpectedResponseError, match=r"a filter of the type '.*\*\*\*") as caught:
            api.enroll_groups(path_id=ID, session_id=OTHER_ID, group_ids=[ID])
    assert leaked(shown_by(caught.value) + output()) == []


def test_the_error_about_an_id_in_a_response_shows_no_secret(make_api_v2, output):
    tags = [{"_id": KEY, "name": "One"}, {"_id": TOKEN, "name": "One"}]
    with hostile_server(responding({"tags": tags})) as server:
        api = make_api_v2(server.url, api_key=KEY, client=ONCE)
        with pytest.raises(Learning360Error, match=r"\*\*\*") as caught:
            api.create_tag(name="One")
    assert leaked(shown_by(caught.value) + output()) == []


def test_a_password_that_a_later_response_sends_back_is_not_shown(make_api, output):
    """The server knows it from an earlier request."""

    def respond(request: bytes) -> Iterable[bytes]:
        if request.startswith(b"POST"):
            return response(json.dumps({"status": "user_created"}).encode(), headers=["Connection: close"])
        if request.startswith(b"GET /api/v1/users/"):
            return response(json.dumps({"_id": ID}).encode(), headers=["Connection: close"])
        return response(json.dumps({"error": "bad", "message": PASSWORD}).encode(), "400 No")

    with hostile_server(token_or(respond)) as server:
        api = make_api(server.url, api_key=KEY, client=ONCE)
        api.create_user(**ANA, password=PASSWORD)
        with pytest.raises(Learning360Error, match=r"\*\*\*") as caught:
            api.list_groups()
    assert leaked(shown_by(caught.value) + output()) == []


# Logs of the HTTP libraries


@every_method
def test_malformed_headers_are_logged_without_the_credentials_in_the_url_or_in_them(make_api, output, auth):
    """urllib3 warns of them with the URL, the bytes that it could not read, and a traceback."""

    def respond(request: bytes) -> Iterable[bytes]:
        received = request.decode().replace("\r\n", " ")
        return response(b"[]", headers=[f"no colon here {received}", "X-After: 1"])

    with hostile_server(token_or(respond)) as server:
        make_api(server.url, auth=auth, api_key=KEY).list_groups()
    assert "Failed to parse headers" in output()
    assert leaked(output()) == []


def test_other_users_of_the_http_libraries_keep_their_log_lines(make_api, output):
    make_api(api_key=KEY)
    logging.getLogger("urllib3.connectionpool").warning("Retrying %r", {"a": 1}, exc_info=ValueError("as it is"))
    assert "Retrying {'a': 1}" in output()
    assert "ValueError: as it is" in output()


@every_method
def test_the_debug_output_of_http_client_stays_off(make_api, monkeypatch, auth):
    """``http.client.HTTPConnection.debuglevel = 1`` prints each header; recipes for other hosts set it for all."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    printed = io.StringIO()
    with hostile_server(echo(str, "400 No", "code")) as server, contextlib.redirect_stdout(printed):
        api = make_api(server.url, auth=auth, api_key=KEY)
        with pytest.raises(InvalidRequestError):
            api.list_groups()
    assert printed.getvalue() == ""


# Credentials that no header can carry

INVALID_TOKENS = [
    *("tok\nen-planted", "tok\r\nX-Evil: planted", "tok\0planted", "tøken-planted", "…planted", "planted" * 9999),
    *(["planted"], {"a": "planted"}, 5),
]


@pytest.mark.parametrize("token", INVALID_TOKENS, ids=lambda token: repr(token)[:30])
def test_an_invalid_token_is_reported_without_its_value(make_api, output, token):
    body = json.dumps({"access_token": token, "expires_in": 3600}).encode()
    with hostile_server(lambda request: response(body)) as server:
        api = make_api(server.url, api_key=KEY, client=ONCE)
        with pytest.raises(UnexpectedResponseError) as caught:
            api.list_groups()
    assert re.search("is not a string of at most 16,384 printable ASCII|an object with access_token", str(caught.value))
    assert "planted" not in shown_by(caught.value) + output()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "invalid", [{"api_key": "k\nplanted"}, {"api_key": "k…planted"}, {"company_id": "c\r\nX: planted"}], ids=repr
)
def test_invalid_credentials_are_reported_without_their_value(make_api, output, invalid):
    with hostile_server(lambda request: response(b"[]")) as server:
        api = make_api(server.url, auth="api_key_header", **invalid)
        with pytest.raises(InvalidConnectionError) as caught:
            api.list_groups()
    assert "planted" not in shown_by(caught.value) + output()
    assert server.requests == []


# Responses that cannot be read


@every_method
@pytest.mark.parametrize(
    "broken",
    [
        lambda received: [b"HTTP/1.1 " + received],
        lambda received: response(b"<html>" + received),
        lambda received: response([b"zz" + received], headers=["Transfer-Encoding: chunked"]),
        lambda received: response(b"\x1f\x8b" + received, headers=["Content-Encoding: gzip"]),
        lambda received: response(b"", "302 Found", headers=["Location: http://[" + received.split()[1].decode()]),
        lambda received: response(b"{}", headers=["Content-Type: " + received.split()[1].decode()], length=5000),
    ],
    ids=["status line", "HTML", "chunk size", "gzip", "Location", "cut off"],
)
def test_the_error_of_a_broken_response_shows_nothing_of_it(make_api, output, auth, broken):
    with hostile_server(token_or(lambda request: broken(request.replace(b"\r\n", b" ")))) as server:
        api = make_api(server.url, auth=auth, api_key=KEY, client=ONCE)
        with pytest.raises(Learning360Error) as caught:
            api.list_groups()
    assert leaked(shown_by(caught.value) + output()) == []


@every_method
@pytest.mark.parametrize("with_token", [False, True])
def test_no_variable_of_ours_shows_a_credential(make_api, auth, with_token):
    """Tools that report errors collect the variables of all functions."""

    def respond(request: bytes) -> Iterable[bytes]:
        return response(b'{"error": "invalid_client"}', "401 No")

    with hostile_server(token_or(respond) if with_token else respond) as server:
        api = make_api(server.url, auth=auth, api_key=KEY)
        with pytest.raises(AuthenticationError) as caught:
            api.create_user(**ANA, password=PASSWORD)
    assert "call=Call(operation='createOrInviteUser'" in variables_of(caught.value)
    assert leaked(variables_of(caught.value)) == []


@pytest.mark.parametrize("place", ["connection", "environment"])
def test_the_error_of_a_proxy_shows_no_password(make_api, output, monkeypatch, place):
    """The proxy gets its password in Base64, and sends it back."""
    credentials = base64.b64encode(f"user:{TOKEN}".encode()).decode()

    def respond(request: bytes) -> Iterable[bytes]:
        received = request.decode().replace("\r\n", " ")
        return response(received.encode(), f"407 {received}", headers=[f"no colon {received}"])

    with hostile_server(respond) as proxy:
        url = proxy.url.replace("http://", f"http://user:{quote(TOKEN, safe='')}@")
        monkeypatch.setenv("HTTPS_PROXY", url if place == "environment" else "")
        settings = {"proxy": url} if place == "connection" else {}
        api = make_api("https://learning.invalid", api_key=KEY, client=ONCE, **settings)
        with pytest.raises(TransportError, match="The proxy did not connect") as caught:
            api.list_groups()
    assert credentials.encode() in proxy.requests[0]
    assert leaked(shown_by(caught.value) + output()) == []
    assert credentials not in shown_by(caught.value) + output()


def test_the_error_of_an_invalid_proxy_in_the_environment_shows_no_password(make_api, output, monkeypatch):
    """Without a scheme, the user is taken for one."""
    monkeypatch.setenv("HTTPS_PROXY", f"user:{quote(TOKEN, safe='')}@proxy.invalid:3128")
    api = make_api("https://learning.invalid", api_key=KEY, client=ONCE)
    with pytest.raises(TransportError, match="The proxy cannot be used") as caught:
        api.list_groups()
    assert leaked(shown_by(caught.value) + output()) == []


# Cookies


@every_method
def test_a_cookie_is_never_sent_back(make_api, auth):
    def respond(request: bytes) -> Iterable[bytes]:
        body = json.dumps({"access_token": TOKEN}).encode() if b"/oauth2/token HTTP" in request else b"[]"
        return response(body, headers=["Set-Cookie: session=planted; Path=/; Domain=127.0.0.1", "Set-Cookie: b=c"])

    with hostile_server(respond, keep_open=True) as server:
        api = make_api(server.url, auth=auth)
        for _ in range(3):
            api.list_groups()
        make_api(server.url, auth=auth).list_groups()
    assert len(server.requests) >= 4
    assert [request for request in server.requests if b"cookie" in request.lower()] == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cookie", ["a=b; expires=\x1b[31m", "a=b; expires=" + "9" * 5000, "a=b; expires=Wed, x"])
def test_a_malformed_cookie_is_not_parsed(make_api, output, cookie):
    """Python reports what it cannot parse in several lines, as an error of its own."""
    with hostile_server(lambda request: response(b"[]", headers=[f"Set-Cookie: {cookie}"])) as server:
        assert make_api(server.url, auth="api_key_header").list_groups() == []
    assert "cookie" not in output()


# Rows


def test_no_file_of_a_run_has_a_password_that_the_server_sent_back(monkeypatch, tmp_path, output):
    encodings = itertools.cycle([in_json, lower_percent, in_base64("acme:"), html.escape])
    context: dict[str, Any] = {}

    def respond(request: bytes) -> Iterable[bytes]:
        return echo(next(encodings), "400 No", "message")(request)

    with hostile_server(respond, keep_open=True) as server:
        connection = {"conn_type": "learning360", "host": server.url, "login": "acme", "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", json.dumps(connection))
        with pytest.raises(Exception, match="4 of 4 rows are refused") as caught:
            bulk(
                "create_user",
                people(4, password=PASSWORD, mode="create_active"),
                results_path=tmp_path,
                context=context,
            )
    assert len(json_lines(tmp_path / "results.jsonl")) == 4
    # Rejected rows are those of the source, to be sent again.
    written = "".join(data.decode() for name, data in files_in(tmp_path).items() if "rejected" not in name)
    assert leaked(output() + str(caught.value) + repr(context) + written) == []
