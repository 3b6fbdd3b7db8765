"""Servers and proxies that keep a request busy: each attack ends at a deadline."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import OutcomeUnknownError, TransportError
from tests.api.support import self_signed
from tests.attacks.hostile_server import hostile_server, response

pytestmark = pytest.mark.realtime

#: Seconds: the total timeout, far more between two bytes, and far more than an attack may take.
TOTAL, TIMEOUT, MAX_TIME = 0.1, 20.0, 2.0
#: The total timeout of attacks that follow a TLS handshake.
TOTAL_WITH_TLS = 0.4
#: Seconds between two bytes of an attack.
PAUSE = 0.02
GROUPS = json.dumps([{"_id": "0" * 24, "name": "Lab"}] * 50).encode()
LIST_GROUPS = Call("getGroups")
CREATE_GROUP = Call("createGroup", body={"name": "Lab", "public": False})
#: A host that does not exist: what is sent to it directly fails.
ELSEWHERE = "learning.invalid"


def drip(data):
    """Yield the bytes of a response one by one, and never end: the last byte is repeated."""
    for byte in itertools.chain(data, itertools.repeat(data[-1])):
        time.sleep(PAUSE)
        yield bytes([byte])


def flood(data):
    """Yield the same bytes without end, at a pace that reaches no maximum size before the deadline."""
    while True:
        time.sleep(0.001)
        yield data * 50


def chunked(*parts, status="200 OK"):
    return response(itertools.chain.from_iterable(parts), status, headers=["Transfer-Encoding: chunked"])


@pytest.fixture
def call(make_api):
    """Send a request once and return the seconds until it failed, and its error."""

    def call(url, request=LIST_GROUPS, error=TransportError, **settings):
        settings = {"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT, "total_timeout": TOTAL, **settings}
        client = make_api(url, **{"auth": "api_key_header", "client": {"max_attempts": 1}, **settings}).client
        started = time.monotonic()
        with pytest.raises(error) as caught:
            client.call(request)
        return time.monotonic() - started, caught.value

    return call


def assert_ended_by_total_timeout(found, *, sent=True, total=TOTAL):
    seconds, error = found
    assert total * 0.9 <= seconds < MAX_TIME
    assert f"within total_timeout ({total:g} s): retry later, or increase the connection's total_timeout" in str(error)
    assert error.transient
    assert error.sent == sent


#: Attacks on the headers and on error bodies, which end streamed responses as well.
HEAD_ATTACKS = {
    "no response": lambda: drip(b"") if time.sleep(5) else (),
    "dripped status line": lambda: drip(b"HTTP/1.1 200 OK"),
    "dripped header": lambda: drip(b"HTTP/1.1 200 OK\r\nX-Long: "),
    "dripped interim responses": lambda: drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "flood of interim responses": lambda: flood(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "flood of trailers": lambda: chunked([b"0\r\n"], flood(b"X-Trailer: 1\r\n")),
    "dripped error body": lambda: response(drip(b'{"error": "'), "500 Internal Server Error"),
    "dripped body of a refusal": lambda: response(drip(b" "), "400 Bad Request", length=1000),
    "dripped body of a redirect": lambda: response(drip(b" "), "302 Found", ["Location: /"]),
    "dripped chunked error body": lambda: chunked(drip(b"1\r\n \r\n" * 1000), status="503 Unavailable"),
    "dripped trailers": lambda: chunked([b"0\r\n"], drip(b"X-Trailer: 1\r\n" * 1000)),
}
BODY_ATTACKS = {
    "dripped body": lambda: response(drip(GROUPS), length=len(GROUPS)),
    "dripped body without a length": lambda: response(drip(b"[ ")),
    "dripped chunks": lambda: chunked(drip(b"1\r\n \r\n" * 1000)),
    "dripped chunk extension": lambda: chunked([b"1"], drip(b"; x")),
    "dripped chunk size": lambda: chunked(drip(b"0")),
    "dripped gzip": lambda: response(drip(gzip.compress(GROUPS)), headers=["Content-Encoding: gzip"]),
}


@pytest.mark.parametrize("attack", [*HEAD_ATTACKS, *BODY_ATTACKS])
def test_a_request_ends_at_its_deadline(call, attack):
    with hostile_server(lambda request: (HEAD_ATTACKS | BODY_ATTACKS)[attack]()) as server:
        assert_ended_by_total_timeout(call(server.url))


@pytest.mark.parametrize("attack", HEAD_ATTACKS)
def test_a_streamed_response_has_the_deadline_for_all_but_its_body(call, attack):
    with hostile_server(lambda request: HEAD_ATTACKS[attack]()) as server:
        request = Call("getCoursesStats", read=lambda body: body.read(10**6))
        assert_ended_by_total_timeout(call(server.url, request))


@pytest.mark.parametrize("attack", BODY_ATTACKS)
def test_a_streamed_response_that_arrives_too_slowly_ends(call, attack):
    with hostile_server(lambda request: BODY_ATTACKS[attack]()) as server:
        request = Call("getCoursesStats", read=lambda body: body.read(10**6))
        seconds, error = call(server.url, request, read_timeout=0.1)
    assert seconds < MAX_TIME
    assert "too slowly: after total_timeout (0.1 s), fewer than 100 bytes per second within read_timeout" in str(error)
    assert error.transient


def test_a_streamed_response_may_take_longer_than_the_deadline(make_api):
    """The deadline is that of the headers; neither a slow server nor a slow reader is an attack."""

    def parts():
        for _ in range(6):
            time.sleep(0.1)
            yield b"x" * 100

    def read(body):
        parts = [body.read(100)]
        time.sleep(0.8)
        while part := body.read(100):
            parts.append(part)
        return b"".join(parts)

    settings = {"auth": "api_key_header", "read_timeout": 0.3, "total_timeout": 0.25}
    with hostile_server(lambda request: response(parts())) as server:
        assert make_api(server.url, **settings).client.call(Call("getCoursesStats", read=read)) == b"x" * 600


def test_a_streamed_response_may_be_slow_until_the_deadline(make_api):
    """The server works on each part of a small response for longer than its bytes are worth."""

    def parts():
        for _ in range(5):
            time.sleep(0.1)
            yield b"x"

    settings = {"auth": "api_key_header", "read_timeout": 0.2, "total_timeout": 2, "client": {"max_attempts": 1}}
    with hostile_server(lambda request: response(parts())) as server:
        call = Call("getCoursesStats", read=lambda body: body.read(100))
        assert make_api(server.url, **settings).client.call(call) == b"xxxxx"


def test_the_time_of_a_slow_reader_is_not_that_of_the_server(make_api):
    def respond(request):
        yield from response([])
        time.sleep(0.1)
        yield b"x" * 10
        time.sleep(0.5)
        yield b"x" * 10

    def read(body):
        received = body.read(10)
        time.sleep(0.6)
        return received + body.read(100)

    settings = {"auth": "api_key_header", "read_timeout": 0.3, "total_timeout": 0.2, "client": {"max_attempts": 1}}
    with hostile_server(respond) as server:
        assert make_api(server.url, **settings).client.call(Call("getCoursesStats", read=read)) == b"x" * 20


def test_slow_headers_do_not_shorten_the_wait_for_the_body(make_api):
    """The last reads of the headers have less time than those of the body."""

    def respond(request):
        time.sleep(0.3)
        yield b"HTTP/1.1 200 OK\r\n"
        time.sleep(0.05)
        yield b"\r\n["
        time.sleep(0.3)
        yield b"]" * 100

    settings = {"auth": "api_key_header", "read_timeout": 0.5, "total_timeout": 0.5, "client": {"max_attempts": 1}}
    with hostile_server(respond) as server:
        call = Call("getCoursesStats", read=lambda body: body.read(1000))
        assert make_api(server.url, **settings).client.call(call) == b"[" + b"]" * 100


def test_the_deadline_counts_from_each_request(make_api):
    """The next request through the same connection has the whole time."""

    def respond(request):
        time.sleep(0.2)
        return response(b"[]")

    with hostile_server(respond, keep_open=True) as server:
        api = make_api(server.url, auth="api_key_header", total_timeout=0.4, client={"max_attempts": 1})
        for _ in range(4):
            assert api.list_groups() == []


def test_a_write_that_ends_at_its_deadline_has_an_unknown_outcome(call):
    with hostile_server(lambda request: drip(b"HTTP/1.1 200 OK\r\nX-Long: ")) as server:
        seconds, error = call(server.url, CREATE_GROUP, OutcomeUnknownError)
    assert seconds < MAX_TIME
    assert "total_timeout" in str(error)


def test_the_token_request_has_the_deadline(call):
    with hostile_server(lambda request: response(drip(b'{"access_token": "'))) as server:
        found = call(server.url, auth="oauth2")
        assert len(server.requests) == 1
    assert_ended_by_total_timeout(found)
    assert found[1].operation == "generateToken"


def test_threads_that_wait_for_one_token_fail_together(make_api):
    """One after the other, each would have the whole time."""
    with hostile_server(lambda request: response(drip(b'{"access_token": "'))) as server:
        settings = {"read_timeout": TIMEOUT, "total_timeout": TOTAL, "client": {"max_attempts": 1}}
        client = make_api(server.url, **settings).client
        with ThreadPoolExecutor(8) as threads:
            errors = [call.exception() for call in [threads.submit(client.call, LIST_GROUPS) for _ in range(8)]]
        assert {type(error) for error in errors} == {TransportError}
        assert all("total_timeout" in str(error) for error in errors)
        assert len(server.requests) <= 2
        with pytest.raises(TransportError):
            client.call(LIST_GROUPS)
        assert len(server.requests) <= 3, "a later call tries again"


# Servers that do not read, and what comes before the request


@contextmanager
def raw_server(serve):
    """Run a server of raw bytes on loopback; yield its address."""
    open_sockets = []

    def listen():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_sockets.append(connection)
                threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in [listener, *open_sockets]:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


def _quietly(serve, connection):
    with suppress(OSError):
        serve(connection)


def drip_to(connection, data=b"\0"):
    for byte in drip(data):
        connection.sendall(byte)


def read_head(connection):
    received = b""
    while b"\r\n\r\n" not in received and (part := connection.recv(1)):
        received += part
    return received


LARGE = Call("createGroup", body={"name": "x" * 20_000_000, "public": False})


@pytest.mark.parametrize("reads", [False, True], ids=["never", "slowly"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_sending_to_a_server_that_does_not_read_ends_at_the_deadline(call, tmp_path, tls, reads):
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection):
        if tls:
            connection = context.wrap_socket(connection, server_side=True)
        while reads and connection.recv(20_000):
            time.sleep(PAUSE)
        time.sleep(MAX_TIME)

    with raw_server(serve) as address:
        url = f"{'https' if tls else 'http'}://{address}"
        settings = {"ca_bundle": str(certificate), "total_timeout": TOTAL_WITH_TLS}
        seconds, error = call(url, LARGE, OutcomeUnknownError, **settings)
    assert TOTAL_WITH_TLS * 0.9 <= seconds < MAX_TIME
    assert "total_timeout" in str(error)


def test_a_tls_handshake_ends_at_the_deadline(call):
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"\x03\x03" + bytes(100)
    with raw_server(lambda connection: drip_to(connection, record)) as address:
        assert_ended_by_total_timeout(call(f"https://{address}", CREATE_GROUP), sent=False)


CONNECT_ATTACKS = {
    "no response": lambda connection: time.sleep(5),
    "dripped status line": lambda connection: drip_to(connection, b"HTTP/1.1 200 OK"),
    "dripped headers": lambda connection: drip_to(connection, b"HTTP/1.1 200 OK\r\nVia: "),
    "flood of headers": lambda connection: (
        [connection.sendall(b"HTTP/1.1 200 OK\r\n")] + [connection.sendall(part) for part in flood(b"Via: proxy\r\n")]
    ),
    "dripped handshake": lambda connection: (
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n"),
        drip_to(connection, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"),
    ),
}


@pytest.mark.parametrize("attack", CONNECT_ATTACKS)
def test_connecting_through_a_proxy_ends_at_the_deadline(call, attack):
    """Nothing of the request is sent yet, and the proxy gets no second time."""

    def serve(connection):
        heads.append(read_head(connection))
        CONNECT_ATTACKS[attack](connection)

    heads = []
    with raw_server(serve) as address:
        found = call(f"https://{ELSEWHERE}", CREATE_GROUP, proxy=f"http://{address}")
    if attack == "flood of headers":  # Python limits their number, depending on its version
        assert found[0] < MAX_TIME
        return
    assert_ended_by_total_timeout(found, sent=False)
    assert len(heads) == 1


@pytest.mark.parametrize("part", ["handshake", "response"])
def test_tls_within_the_tls_of_a_proxy_ends_at_the_deadline(call, tmp_path, part):
    certificate = self_signed(tmp_path, ELSEWHERE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as outer:
            read_head(outer)
            outer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if part == "handshake":
                drip_to(outer, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
            serve_within(outer)

    def serve_within(outer):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner = context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(act, *arguments):
            while True:
                try:
                    return act(*arguments)
                except ssl.SSLWantReadError:
                    outer.sendall(outgoing.read())
                    if not (received := outer.recv(65536)):
                        raise OSError("the connection is closed") from None
                    incoming.write(received)

        until_done(inner.do_handshake)
        until_done(inner.read, 65536)
        inner.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)
        drip_to(outer, outgoing.read())  # one record: nothing of it can be decrypted before its end

    with raw_server(serve) as address:
        settings = {"ca_bundle": str(certificate), "total_timeout": TOTAL_WITH_TLS}
        found = call(f"https://{ELSEWHERE}", proxy=f"https://{address}", **settings)
    assert_ended_by_total_timeout(found, sent=part == "response", total=TOTAL_WITH_TLS)
