"""Larger responses arrive in chunks, and compressed if the client accepts it."""

from __future__ import annotations

import gzip

import pytest
import requests

from airflow_provider_360learning.sandbox.compression import accepts_gzip


@pytest.fixture
def fetch(sandbox, client):
    """Return a function that requests the users, and returns headers and body as they arrive."""
    sandbox.control.add_users([f"user{number}@acme.test" for number in range(50)])

    def send(accept_encoding: str | None) -> tuple[requests.structures.CaseInsensitiveDict, bytes]:
        response = client("GET", "/users", headers={"Accept-Encoding": accept_encoding}, stream=True)
        assert response.status_code == 200
        return response.headers, response.raw.read(decode_content=False)

    return send


def test_a_larger_response_is_chunked_and_compressed(fetch):
    headers, plain = fetch("identity")
    assert (headers["Transfer-Encoding"], "Content-Length" in headers) == ("chunked", False)
    assert len(plain) > 1024
    assert "Content-Encoding" not in headers
    headers, compressed = fetch("gzip, deflate")
    assert (headers["Transfer-Encoding"], headers["Content-Encoding"]) == ("chunked", "gzip")
    assert len(compressed) < len(plain) / 2
    assert gzip.decompress(compressed) == plain


def test_a_small_response_is_sent_as_it_is(sandbox, client):
    response = client("GET", "/groups", headers={"Accept-Encoding": "gzip"})
    assert int(response.headers["Content-Length"]) == len(response.content) < 1024
    assert "Content-Encoding" not in response.headers


def test_compression_can_be_switched_off(sandbox, fetch):
    sandbox.control.settings(compressed_responses=False)
    headers, body = fetch("gzip")
    assert "Content-Encoding" not in headers
    assert body.startswith(b"[")


def test_a_compressed_response_that_is_dropped_midway_contains_its_beginning(sandbox, client):
    sandbox.control.add_users([f"user{number}@acme.test" for number in range(50)])
    sandbox.control.add_fault("getUsers", kind="drop_midway", sent_bytes=100)
    response = client("GET", "/users", headers={"Accept-Encoding": "gzip"}, stream=True)
    received: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        received.extend(response.iter_content(10))
    beginning = b"".join(received)
    assert (beginning[:2], len(beginning)) == (b"[{", 100)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0", False), ("br", False), ("", False)],
)
def test_accept_encoding_is_respected(header, accepted):
    assert accepts_gzip(header) is accepted
