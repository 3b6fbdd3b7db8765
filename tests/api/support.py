"""Tiny servers on loopback for behavior that the sandbox does not have, and the search for leaked secrets."""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_360learning.api.course_attempts import AttemptSink
from airflow_provider_360learning.api.v1.spec import API_V1

#: Limits that are never reached.
FREE = dict.fromkeys(API_V1.limits, 1000)


class Sink(AttemptSink):
    """Takes attempts, and keeps none."""


class FakeClock:
    """A clock that only moves when a test advances it."""

    def __init__(self) -> None:
        self._now = 1000.0

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


@dataclass
class Request:
    """A request that a tiny server received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Response:
    """A response of a tiny server."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Responder = Callable[[Request], Response]

TOKEN = "eyJhbGciOiJIUzI1NiJ9.planted-for-tests.c2lnbmF0dXJl"


def with_token(responder: Responder) -> Responder:
    """Let a server issue tokens as well."""

    def respond(request: Request) -> Response:
        if request.target.endswith("/oauth2/token"):
            return Response({"access_token": TOKEN, "expires_in": "3600"})
        return responder(request)

    return respond


class TinyServer:
    """A server that sends the responses of its responder and keeps the requests."""

    def __init__(self, responder: Responder, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(responder))
        self._server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> TinyServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connected(self) -> None:
        """Count a new connection."""
        self.connections += 1

    def _handler(server, responder: Responder) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                server.connected()
                super().setup()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, dict(self.headers), body)
                server.requests.append(request)
                response = responder(request)
                content = response.content()
                self.send_response(response.status)
                for name, value in {"Content-Length": str(len(content)), **response.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


class TinyProxy(TinyServer):
    """
    A proxy that keeps its requests and lets nothing leave this machine.

    It answers plain requests itself, and leads every tunnel to one port of this machine.
    """

    def __init__(self, responder: Responder, tunnel_to: int | None = None) -> None:
        self._tunnel_to = tunnel_to
        super().__init__(responder)

    def _handler(server, responder: Responder) -> type[BaseHTTPRequestHandler]:
        class Handler(super()._handler(responder)):  # type: ignore[misc]
            def do_CONNECT(self) -> None:
                server.requests.append(Request("CONNECT", self.path, dict(self.headers)))
                if server._tunnel_to is None:
                    self.send_error(502)
                    return
                self.send_response(200)
                self.end_headers()
                with socket.create_connection(("127.0.0.1", server._tunnel_to)) as target:
                    _relay(self.connection, target)
                self.close_connection = True

        return Handler


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either side ends."""
    with suppress(ConnectionError):
        while True:
            for source in select.select([one, other], [], [])[0]:
                if not (data := source.recv(65536)):
                    return
                (other if source is one else one).sendall(data)


@contextmanager
def silent_server() -> Iterator[str]:
    """Yield the address of a server that accepts connections and sends nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def recording_listener() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that keeps the first bytes of each connection and closes it."""
    received: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(60)
                    received.append(connection.recv(65536))

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", received
        listener.shutdown(socket.SHUT_RDWR)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a server has noticed what a client did, or has done its work."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end_process(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal to a process, and wait until it has ended; kill it if that takes long."""
    process.send_signal(number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def self_signed(folder: Path, *names: str) -> Path:
    """Create a self-signed certificate with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@contextmanager
def when_a_call_waits(act: Callable[[], object]) -> Iterator[None]:
    """Act as soon as the log reports that a call waits for the rate limiter."""
    logger = logging.getLogger("airflow_provider_360learning.api.limiter.limiter")
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: act()  # type: ignore[assignment,method-assign]
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def secrets_in(text: str, secrets: list[str]) -> list[str]:
    """Return the secrets that a text contains, as they are or percent-encoded."""
    return [secret for secret in secrets if any(form(secret) in text for form in (str, _quoted, quote_plus))]


def _quoted(secret: str) -> str:
    return quote(secret, safe="")


def everything_about(error: BaseException) -> str:
    """Return all that a traceback of an error could show: texts and attributes of the whole chain."""
    texts, seen = [], set()
    todo: list[BaseException | None] = [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [str(current), repr(current), repr(current.args), repr(vars(current))]
        todo += [current.__cause__, current.__context__]
    return "\n".join(texts)
