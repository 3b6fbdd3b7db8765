"""URLs that one parser takes for this machine or for 360Learning, and the library that connects for another host."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

import pytest
import requests
from airflow.models import Connection
from requests.adapters import HTTPAdapter

from airflow_provider_360learning.api.urls import is_loopback, locate, origin
from airflow_provider_360learning.connections.learning360 import Learning360Connection
from airflow_provider_360learning.exceptions import InvalidConnectionError, RefusedError
from tests.attacks.hostile_server import hostile_server, response

#: URLs that lead elsewhere, or nowhere, although ``localhost`` or a loopback address is in them.
NOT_THIS_MACHINE = [
    r"http://evil.example\.localhost",
    r"http://evil.example\@localhost",
    r"http://evil.example\localhost",
    "http://localhost\\@evil.example",
    "http://evil.example\t.localhost",
    "http://evil.example\n.localhost",
    "http://evil.example\r@localhost",
    "http://evil.example .localhost",
    "http://evil.example\0.localhost",
    "http://evil.example#@localhost",
    "http://evil.example#.localhost",
    "http://evil.example?.localhost",
    "http://evil.example/.localhost",
    "http://localhost@evil.example",
    "http://localhost:80@evil.example",
    "http://localhost%2f@evil.example",
    "http://evil.example%2f.localhost",
    "http://evil.example%00.localhost",
    "http://evil.example;.localhost",
    "http://evil.example&.localhost",
    "http://evil.example,localhost",
    "http://evil.example|.localhost",
    "http://[evil.example].localhost",
    "http://[::1].evil.example",
    "http://[::1]evil.example",
    "http://[::1%25evil.example]",
    "http://[::1%evil]",
    "http://[::ffff:10.0.0.1]",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:80:evil.example",
    "http://127.0.0.1@evil.example",
    "http://localhost.evil.example",
    "http://evil-localhost",
    "http://localhost。evil.example",
    "http://evil.example。localhost",
    "http://evil.example．localhost",
    "http://evil.example\u2044.localhost",
    "http://evil.example\u00ad.localhost",
    "http://evil.example\u200b.localhost",
    "http://2130706433",
    "http://0x7f000001",
    "http://017700000001",
    "http://0177.0.0.1",
    "http://0x7f.1",
    "http://127.1",
    "http://0.0.0.0",
    "http://[::]",
    "http:/\\localhost",
    "http:///localhost",
    "http:localhost",
    "http//localhost",
    "//localhost",
    "http://",
    "http://:80",
    "http://localhost:0",
    "http://localhost:65536",
    "http://localhost:8o",
    "http://localhost:-1",
]

#: Other ways to write 360Learning's address, and this machine's.
SAME = [
    ("HTTPS://App.360Learning.COM", "https://app.360learning.com"),
    ("https://app.360learning.com:443/", "https://app.360learning.com"),
    ("https://app.360learning.com:0443", "https://app.360learning.com"),
    ("https://app.360learning.com:", "https://app.360learning.com"),
    ("https://app.360learning.com.", "https://app.360learning.com."),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
    ("http://LOCALHOST:3600", "http://localhost:3600"),
    ("http://[0:0:0:0:0:0:0:1]:3600", "http://[::1]:3600"),
    ("https://[FE80::0001]", "https://[fe80::1]"),
]


def base_url(host: str) -> str:
    connection = Connection(conn_id="acme", conn_type="learning360", login="c", password="k", host=host)
    return Learning360Connection.read(connection, {}).base_url


def target(url: str) -> str | None:
    """Return the host that the HTTP library would connect to."""
    try:
        request = requests.Request("GET", url).prepare()
        pool = HTTPAdapter().get_connection_with_tls_context(request, True)
    except (ValueError, requests.RequestException):
        return None
    try:
        return str(ipaddress.ip_address(pool.host))
    except ValueError:
        return str(pool.host)


@pytest.mark.parametrize("url", NOT_THIS_MACHINE, ids=ascii)
def test_plain_http_is_refused_unless_the_url_leads_to_this_machine(url):
    assert not is_loopback(url)
    with pytest.raises(InvalidConnectionError, match=r"field host \(Base URL\)"):
        base_url(url)


@pytest.mark.parametrize("url", [url.replace("http://", "https://") for url in NOT_THIS_MACHINE], ids=ascii)
def test_an_accepted_url_has_the_host_that_the_library_connects_to(url):
    try:
        accepted = base_url(url)
    except InvalidConnectionError:
        return
    assert target(accepted) == target(url) == urlsplit(accepted).hostname


@pytest.mark.parametrize(("url", "expected"), SAME)
def test_each_way_to_write_a_host_leads_to_the_same_one(url, expected):
    assert base_url(url) == expected
    assert target(url) == target(expected)


def test_names_of_one_host_share_its_rate_limits():
    assert {origin(base_url(url)) for url, _ in SAME[:5]} == {"app.360learning.com"}


@pytest.mark.parametrize(
    "url",
    ["https://user@app.360learning.com", "https://:@app.360learning.com", "https://app.360learning.com/\\evil.example"],
)
def test_nothing_but_a_host_is_accepted(url):
    with pytest.raises(InvalidConnectionError):
        base_url(url)


@pytest.mark.parametrize(
    "proxy",
    [
        r"http://proxy.example\.localhost",
        r"http://DOMAIN\user:password@proxy.example",
        "http://user:pass word@proxy.example",
        "http://proxy.example\n.localhost",
        "http://[::1",
        "http://proxy.example:0",
        "http://",
    ],
    ids=ascii,
)
def test_a_proxy_that_parsers_disagree_about_is_refused(proxy):
    connection = Connection(conn_id="acme", conn_type="learning360", login="c", password="k", host="")
    with pytest.raises(InvalidConnectionError, match=r"field extra\.proxy: must be a URL") as caught:
        Learning360Connection.read(connection, {"proxy": proxy})
    assert "DOMAIN" not in str(caught.value)
    assert "pass word" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["//evil.example/x", "/\\evil.example", "/x\\y", "/x#y", "/x?y", "/x y", "/x\ty", "/x\nHost: evil", "/ü", "x"],
)
def test_a_token_path_that_could_lead_elsewhere_is_refused(path):
    connection = Connection(conn_id="acme", conn_type="learning360", login="c", password="k", host="")
    with pytest.raises(InvalidConnectionError, match=r"field extra\.token_path: must be a path"):
        Learning360Connection.read(connection, {"token_path": path})


@pytest.mark.parametrize(
    "place",
    ["http://[", "http://evil.example\\.localhost", "//evil.example", "\\\\evil.example", "http://\udcff", "%", ""],
)
def test_the_target_of_a_redirect_is_not_even_parsed(make_api, place):
    line = b"Location: " + place.encode("utf-8", "surrogateescape")
    head = [b"HTTP/1.1 302 Found\r\n" + line + b"\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"]
    with hostile_server(lambda request: head) as server:
        api = make_api(server.url, auth="api_key_header")
        with pytest.raises(RefusedError, match="redirect, which is not followed"):
            api.list_groups()
    assert len(server.requests) == 1


def test_a_request_reaches_the_host_that_was_checked(make_api):
    """The name of this machine in capitals, in a URL that is rebuilt from its parts."""
    with hostile_server(lambda request: response(json.dumps([]).encode())) as server:
        url = base_url(server.url.replace("127.0.0.1", "LOCALHOST") + "/")
        assert make_api(url, auth="api_key_header").list_groups() == []
    assert b"Host: localhost:" in server.requests[0]
    location = locate(url)
    assert location is not None
    assert location.is_loopback
