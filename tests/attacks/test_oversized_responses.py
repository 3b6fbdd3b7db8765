"""Responses that are larger than they may be: plain, compressed, in chunks, as errors, and in few bytes of JSON."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest

from airflow_provider_360learning.api.operation_calls import Given, prepare
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1.course_attempts import read_course_stats
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    OutcomeUnknownError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.hooks.operation_files import write_response
from tests.api.factory import api_factory
from tests.attacks.hostile_server import hostile_server, response

MIB = 1 << 20
GZIP = ("Content-Encoding: gzip",)
CHUNKED = ("Transfer-Encoding: chunked",)
BLANKS = b" " * MIB
EMPTY_MEMBER = gzip.compress(b"")
NESTED = b'{"a":' * 90 + b"1" + b"}" * 90


def blanks(mib: int) -> Iterator[bytes]:
    return (BLANKS for _ in range(mib))


def bomb(mib: int, start: bytes = b"[") -> Iterator[bytes]:
    """Yield gzip of many blanks, each MiB in about a KiB."""
    first = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield first.compress(start) + first.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(BLANKS) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(mib):
        yield block


def empty_blocks(number: int) -> Iterator[bytes]:
    """Yield gzip in which thousands of blocks contain nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield packer.compress(b"[") + packer.flush(zlib.Z_FULL_FLUSH)
    yield from itertools.repeat(b"\0\0\0\xff\xff" * 4000, number)


def in_chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


@pytest.fixture
def client_of(make_api):
    """Return a function that returns a client of a server."""

    def make(server, max_attempts=1, **settings):
        return make_api(server.url, auth="api_key_header", client={"max_attempts": max_attempts}, **settings).client

    return make


FLOODS = {
    "plain": lambda: response(blanks(400)),
    "with its length": lambda: response(blanks(400), length=400 * MIB),
    "in chunks": lambda: response(in_chunks(blanks(400)), headers=CHUNKED),
    "one chunk": lambda: response(iter([b"7fffffff\r\n", *[BLANKS] * 80]), headers=CHUNKED),
    "gzip": lambda: response(bomb(2000), headers=GZIP),
    "gzip in chunks": lambda: response(in_chunks(bomb(2000)), headers=(*GZIP, *CHUNKED)),
    "gzip in many members": lambda: response(itertools.repeat(gzip.compress(BLANKS), 2000), headers=GZIP),
    "gzip of nothing": lambda: response(itertools.repeat(EMPTY_MEMBER * 50_000, 20), headers=GZIP),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
def test_stops_reading_at_the_maximum_size(client_of, flood):
    with hostile_server(lambda request: flood()) as server, pytest.raises(ResponseTooLargeError, match="2 MiB") as got:
        client_of(server, max_attempts=4, max_response_mib=2).call(Call("getGroups"))
    assert not got.value.transient
    assert (got.value.operation, got.value.status, len(server.requests)) == ("getGroups", 200, 1)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
def test_stops_writing_a_file_at_the_maximum_size(sandbox, tmp_path, flood):
    """A few hundred KB of gzip would fill the disk."""
    token = json.dumps({"access_token": "token-of-a-test", "expires_in": 3600}).encode()

    def respond(request):
        return response(token) if b"/oauth2/token" in request.partition(b"\r\n")[0] else flood()

    path, ids = tmp_path / "certificate.pdf", {"userId": "a" * 24, "certificateId": "b" * 24}
    call = prepare(API_V2, "getUserCertificateAsPdf", Given(path_params=ids))
    with hostile_server(respond) as server, api_factory(sandbox, "v2") as make:
        api = make(server.url, client={"max_attempts": 4}, max_response_mib=2)
        with pytest.raises(ResponseTooLargeError, match=r"2 MiB; .* max_response_mib"):
            write_response(api, call, path)
    assert len(server.requests) == 2  # a token, and one call
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flood", FLOODS.values(), ids=list(FLOODS))
@pytest.mark.parametrize(("status", "expected"), [("503 Down", ServerError), ("400 Bad", InvalidRequestError)])
def test_stops_reading_an_error_and_goes_by_its_status(client_of, flood, status, expected):
    def respond(request):
        head, *body = [next(parts := flood()), parts]
        yield head.replace(b"200 OK", status.encode())
        yield from body[0]

    with hostile_server(respond) as server, pytest.raises(expected) as got:
        client_of(server).call(Call("getGroups"))
    assert got.value.status == int(status[:3])


def test_reads_little_of_an_error(client_of):
    sent = []

    def respond(request):
        yield from response((sent.append(MIB) or BLANKS for _ in range(60)), "500 Down")

    with hostile_server(respond) as server, pytest.raises(ServerError):
        client_of(server).call(Call("getGroups"))
    assert len(sent) < 40  # what fits into the buffers of the sockets, too


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * 300_000 + b"{}]",
        b"[" + b"0," * 600_000 + b"0]",
        b'{"a":[' + b"[]," * 300_000 + b"[]]}",
        b"[" + (NESTED + b",") * 6_000 + NESTED + b"]",
    ],
    ids=["objects", "numbers", "arrays", "nested objects"],
)
def test_stops_reading_at_the_maximum_number_of_values(client_of, body):
    """They would take up to a hundred times the memory of the response."""
    with hostile_server(lambda request: response(body)) as server, pytest.raises(ResponseTooLargeError, match="values"):
        client_of(server, max_response_mib=4).call(Call("getGroups"))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([b'[{"_id":"', *[b"a" * MIB] * 100], "longer than 1 MiB"),
        ([b'[{"_id":"', b"\xf0\x9f\x98\x80" * MIB, b'"}]'], "longer than 1 MiB"),
        ([b'[{"_id":"1"},{"_id":"', b"a" * MIB, b'"}]'], "longer than 1 MiB"),
        ([b"[" * 100_000], "nested more than 250 levels"),
        ([b"[", b'{"a":' * 100_000], "nested more than 250 levels"),
        ([b'[{"_id":"1"},{"a":', b"[" * 250, b"]" * 250, b"}]"], "nested more than 250 levels"),
        ([b'[{"_id":"1"},{"a":', b"[" * 900, b"]" * 900, b"}]"], "nested more than 250 levels"),
    ],
    ids=["endless text", "wide text", "second text", "arrays", "objects", "251 levels", "901 levels"],
)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_limits_length_and_depth_of_a_value(make_api, body, problem, is_streamed):
    with hostile_server(lambda request: response(iter(body))) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        with pytest.raises(UnexpectedResponseError, match=problem) as got:
            api.read_users(list) if is_streamed else api.list_users()
    assert (got.value.operation, got.value.status) == ("getUsers", 200)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (lambda: response(blanks(10_000)), "MiB of white space"),
        (lambda: response(itertools.chain([b"[{"], blanks(10_000))), "MiB of white space"),
        (lambda: response(bomb(10**6), headers=GZIP), "MiB of white space"),
        (lambda: response(itertools.chain([b"[{"], itertools.repeat(b'"a":1,' * 1000, 10**6))), "10,000 names"),
        (lambda: response(itertools.chain([b"[{"], itertools.repeat(b'"a":1, ' * 1000, 10**6))), "10,000 names"),
        (lambda: response(itertools.repeat(EMPTY_MEMBER * 1000, 10**6), headers=GZIP), "compressed data without"),
        (lambda: response(empty_blocks(10**6), headers=GZIP), "compressed data without"),
    ],
    ids=[
        *("white space", "white space in an object", "compressed white space", "names", "spaced names"),
        *("empty members of gzip", "empty blocks of gzip"),
    ],
)
def test_a_streamed_response_without_end_that_has_no_rows_is_refused(make_api, parts, problem):
    """It arrives fast enough."""
    with hostile_server(lambda request: parts()) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        with pytest.raises(UnexpectedResponseError, match=problem):
            read_course_stats(api.client, list)


def test_accepts_what_is_just_within_the_limits(client_of):
    item = b'{"a":' + b"[" * 248 + b'"' + b"\\u00e9" * 10_000 + b'"' + b"]" * 248 + b"}"
    body = b"[" + item + (b"," + item) * 100 + b"]"
    with hostile_server(lambda request: response([gzip.compress(body)], headers=GZIP)) as server:
        assert len(client_of(server).call(Call("getGroups"))) == 101


HEADER = b"X-Flood: " + b"a" * 65_000 + b"\r\n"
HEADER_FLOODS = {
    "one line": lambda: [b"HTTP/1.1 200 OK\r\nX-Flood: ", *[BLANKS] * 3],
    "long headers": lambda: [b"HTTP/1.1 200 OK\r\n", *[HEADER] * 90, b"\r\n[]"],
    "many headers": lambda: [b"HTTP/1.1 200 OK\r\n", *[b"X-Flood: a\r\n" * 1000] * 100],
    "interim responses": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 400),
    "headers of interim responses": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n" + HEADER + b"\r\n", 400),
    "trailers": lambda: response(itertools.chain([b"0\r\n"], itertools.repeat(HEADER, 400)), headers=CHUNKED),
    "trailers of an error": lambda: response(
        itertools.chain([b"0\r\n"], itertools.repeat(HEADER, 400)), "500 Down", headers=CHUNKED
    ),
}


@pytest.mark.parametrize("flood", HEADER_FLOODS.values(), ids=list(HEADER_FLOODS))
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_stops_reading_headers(client_of, flood, is_streamed):
    read = (lambda body: list(iter(lambda: body.read(MIB), b""))) if is_streamed else None
    with (
        hostile_server(lambda request: flood()) as server,
        pytest.raises(TransportError, match=r"broke|1 MiB of headers"),
    ):
        client_of(server).call(Call("getGroups", read=read))


# Writes


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ("createGroup", {}, OutcomeUnknownError),
        ("updateGroup", {"group_id": "a" * 24}, UnexpectedResponseError),
    ],
)
@pytest.mark.parametrize(
    "flood", [lambda: response(blanks(2)), lambda: response(b"[" * 100_000)], ids=["size", "depth"]
)
def test_outcome_of_a_write_is_unknown(client_of, operation, path, expected, flood):
    """Permanent, it would count as refused, although a success status came."""
    with hostile_server(lambda request: flood()) as server, pytest.raises(expected) as got:
        client_of(server, max_response_mib=1).call(Call(operation, path=path, body={"name": "Lab"}))
    assert (type(got.value), got.value.transient, got.value.status) == (expected, True, 200)


@pytest.mark.parametrize("status", ["101 Switching", "102 Processing", "103 Early Hints", "199 What"])
def test_an_interim_status_is_no_success(make_api, status):
    """A deletion was reported as done."""
    interim = f"HTTP/1.1 {status}\r\n\r\n".encode()
    with hostile_server(lambda request: [interim], keep_open=True) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        with pytest.raises(UnexpectedResponseError, match="not a final response"):
            api.delete_group(group_id="a" * 24)


# The end of a response

SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + b'[{"a":1}]'


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 20\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 20\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 500 Down\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["length", "chunks", "both", "204", "304", "103", "500"],
)
def test_what_follows_a_response_is_not_that_of_the_next_request(client_of, first):
    responses = [[first + SMUGGLED], response(b"[]")]
    with hostile_server(lambda request: responses.pop(0), keep_open=True) as server:
        client = client_of(server)
        with suppress(Learning360Error):
            client.call(Call("getGroups"))
        assert client.call(Call("getGroups")) == []


@pytest.mark.parametrize(
    "parts",
    [
        response(b"[]", length=100),
        response(iter([b"2\r\n[]\r\n"]), headers=CHUNKED),
        response(iter([b"-5\r\n", b"[]"]), headers=CHUNKED),
        response(iter([b"zz\r\n", b"[]"]), headers=CHUNKED),
        response(iter([b"5;" + b"a" * 70_000]), headers=CHUNKED),
    ],
    ids=["length", "no last chunk", "negative chunk", "not a size", "long extension"],
)
def test_a_body_that_ends_early_is_a_broken_connection(client_of, parts):
    with hostile_server(lambda request: parts) as server, pytest.raises(TransportError, match="broke before") as got:
        client_of(server).call(Call("getGroups"))
    assert got.value.sent


# Encodings

DATA = gzip.compress(b"[]")


@pytest.mark.parametrize(
    "encoding", ["deflate", "br", "zstd", "gzip, gzip", ", ".join(["gzip"] * 9), "chunked", "\xff", "gzip;q=1"]
)
def test_refuses_encodings_that_were_not_asked_for(client_of, encoding):
    """Some are decompressed without a limit by what happens to be installed."""
    with (
        hostile_server(lambda request: response(DATA, headers=[f"Content-Encoding: {encoding}"])) as server,
        pytest.raises(UnexpectedResponseError, match="Content-Encoding is not gzip"),
    ):
        client_of(server).call(Call("getGroups"))
    assert b"\r\nAccept-Encoding: gzip\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "data",
    [b"[]", DATA[:-1], DATA[:5], DATA + b"more", DATA + DATA[:9], DATA[:-8] + bytes(8), b"\x1f\x8b\x08" + bytes(30)],
    # Named, because gzip contains the time: each worker of the tests would have tests of its own.
    ids=["plain", "cut", "cut header", "continued", "cut member", "wrong checksum", "wrong header"],
)
def test_refuses_broken_gzip(client_of, data):
    with (
        hostile_server(lambda request: response(data, headers=GZIP)) as server,
        pytest.raises(UnexpectedResponseError, match="not complete gzip"),
    ):
        client_of(server).call(Call("getGroups"))


@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip"])
@pytest.mark.parametrize(
    "data", [DATA, gzip.compress(b"[") + EMPTY_MEMBER + gzip.compress(b"]")], ids=["one", "members"]
)
def test_reads_gzip(client_of, data, encoding):
    with hostile_server(lambda request: response(data, headers=[f"Content-Encoding: {encoding}"])) as server:
        assert client_of(server).call(Call("getGroups")) == []


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_an_empty_body_has_any_encoding(make_api, status, encoding):
    with hostile_server(lambda request: response(b"", status, [f"Content-Encoding: {encoding}"])) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        assert api.delete_group(group_id="a" * 24)["outcome"] == "deleted"
