"""The sandbox as a server on loopback: in a thread of this process, or in the foreground."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType

try:
    import uvicorn
    from starlette.types import ASGIApp
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from airflow_provider_360learning.sandbox.app import create_app
except ImportError as error:
    raise ImportError(
        "The sandbox needs FastAPI and uvicorn: pip install 'airflow-provider-360learning[sandbox]'"
    ) from error

from airflow_provider_360learning.sandbox import saved_state
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.control import CONTROL_PATH, SandboxControl
from airflow_provider_360learning.sandbox.demo_company import SEEDS, Seed
from airflow_provider_360learning.sandbox.seed_file import SeedFile, read_seed
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v1.version import V1
from airflow_provider_360learning.sandbox.v2.version import V2

#: Maximum number of open connections.
MAX_CONNECTIONS = 500
#: Maximum size of a request's line and headers, in bytes.
MAX_HEADER_BYTES = 64 * 1024

_START_SECONDS = 10.0

_log = logging.getLogger(__name__)

VERSIONS = (V1, V2)


class _Connections(dict[tuple[str, int] | None, asyncio.Transport]):
    """The open connections by client address, so that one can be dropped in the middle of a request."""

    def close(self, client: tuple[str, int]) -> None:
        """Close a connection as soon as everything is sent."""
        if transport := self.get(client):
            transport.close()

    def unread_bytes(self) -> int:
        """Return the size of what was sent to clients that have not read it yet."""
        return sum(transport.get_write_buffer_size() for transport in self.values())

    def protocol(self) -> type[asyncio.Protocol]:
        """Return uvicorn's protocol, extended to register its connections here."""
        connections = self

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if len(connections) >= MAX_CONNECTIONS:
                    _log.warning("More than %d connections are open; closing a new one", MAX_CONNECTIONS)
                    transport.abort()
                    return
                connections[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.client, None)
                super().connection_lost(exc)

        return Protocol


class Sandbox:
    """
    A sandbox in a thread of its own, which runs while the context is entered.

    :param port: port to listen on; 0 for a free one.
    :param host: an address of 127.0.0.0/8.
    :param settings: values that differ from the defaults of :class:`.settings.Settings`.
    :param seed: ``demo`` for a small company, ``empty`` for one with a root group and an administrator only; or a YAML
        or JSON file that describes a company.
    :param state_file: file that the company is loaded from, if it exists, and saved to when the sandbox stops.
    :param monotonic: the clock of the rate limits, in seconds.
    :param middleware: wraps the ASGI application, for example to record what passes. The journal's entry of a request
        is in its scope, under ``sandbox.entry``, as soon as there is one.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        settings: Mapping[str, object] | None = None,
        seed: str | Path = "demo",
        state_file: str | Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        middleware: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> None:
        self._company = Company(Settings().changed(settings or {}), _seed(seed), monotonic)
        #: File that the company is saved to when the sandbox stops.
        self.state_file = None if state_file is None else Path(state_file)
        if self.state_file and self.state_file.exists():
            saved_state.read(self._company, self.state_file)
        self._save_state()  # fails now rather than at the end if the file cannot be written
        self._socket = _listen(_loopback(host), port)
        address = self._socket.getsockname()
        token = secrets.token_urlsafe(32)
        self.url = "http://{}:{}".format(*address)
        self.control_url = f"{self.url}{CONTROL_PATH}/{token}"
        #: The page, with the token in the fragment, which browsers send to no server.
        self.page_url = f"{self.url}/#{token}"
        self.control = SandboxControl(self.control_url)
        connections = _Connections()
        app = create_app(
            self._company,
            VERSIONS,
            address=address,
            token=token,
            close=connections.close,
            unread_bytes=connections.unread_bytes,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                middleware(app),
                http=connections.protocol(),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                log_level="warning",
                server_header=False,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                # The source address is the connection's, whatever a header claims.
                proxy_headers=False,
                # Idle connections stay open, because closing them would be a fault that was not requested.
                timeout_keep_alive=300,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="learning360-sandbox", daemon=True)

    @property
    def company_id(self) -> str:
        """The company's id: the login."""
        return self._company.id

    @property
    def api_key(self) -> str:
        """The newest API key of the company: the password."""
        return self._company.api_keys.issued[-1]

    @property
    def client_id(self) -> str:
        """The client ID of the newest client of API v2: the login of its connections."""
        return self._company.clients.newest.id

    @property
    def client_secret(self) -> str:
        """The client secret of that client: the password of its connections."""
        return self._company.clients.newest.secret

    def connection(self, **extra: object) -> dict[str, object]:
        """
        Return the fields of an Airflow connection to this sandbox.

        :param extra: fields of the connection's extra; with ``api_version="v2"``, the connection is for API v2.
        """
        by_name = {version.name: version.credentials for version in VERSIONS}
        name = str(extra.get("api_version", VERSIONS[0].name))
        login, password, needed = by_name[name](self._company)
        return {
            "conn_type": "learning360",
            "host": self.url,
            "login": login,
            "password": password,
            "extra": needed | extra,
        }

    def connection_json(self, **extra: object) -> str:
        """Return the connection in the JSON format of an ``AIRFLOW_CONN_…`` variable."""
        return json.dumps(self.connection(**extra), separators=(",", ":"))

    def __enter__(self) -> Sandbox:
        """Start the sandbox, which is ready on return."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"The sandbox did not start within {_START_SECONDS:g} s.")
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox with all requests in progress, and save its company if there is a file for it."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._save_state()

    def _save_state(self) -> None:
        if self.state_file:
            _write_secret(self.state_file, saved_state.dump(self._company))

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def serve(
    host: str = "127.0.0.1",
    port: int = 3600,
    settings: Mapping[str, object] | None = None,
    seed: str = "demo",
    url_file: str | None = None,
    state_file: str | None = None,
) -> None:
    """
    Run a sandbox in the foreground until Ctrl-C or SIGTERM (parameters: see :class:`Sandbox`).

    :param url_file: file to write the control URL to when ready, for this user only.
    """
    stop = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(port, host, settings, seed, state_file) as sandbox:
            # A garbage collection over everything that was imported takes up to 30 ms, a delay of requests.
            gc.freeze()
            print(_banner(sandbox), flush=True)
            if url_file:
                _write_secret(Path(url_file), sandbox.control_url)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _banner(sandbox: Sandbox) -> str:
    return f"""The 360Learning sandbox listens on {sandbox.url} (nothing leaves this machine).

  company id     {sandbox.company_id}
  API key        {sandbox.api_key} (API v1)
  client ID      {sandbox.client_id} (API v2)
  client secret  {sandbox.client_secret} (API v2)
  page           {sandbox.page_url}
  control URL    {sandbox.control_url}
  journal        {sandbox.control_url}/journal
  state          {sandbox.control_url}/state

Connect Airflow through API v1:

  export AIRFLOW_CONN_LEARNING360_DEFAULT='{sandbox.connection_json()}'

or through API v2:

  export AIRFLOW_CONN_LEARNING360_DEFAULT='{sandbox.connection_json(api_version="v2")}'

Ctrl-C stops it. {_what_is_kept(sandbox)}"""


def _what_is_kept(sandbox: Sandbox) -> str:
    return f"The company is saved to {sandbox.state_file} then." if sandbox.state_file else "Nothing is kept."


def _seed(given: str | Path) -> Seed | SeedFile:
    for name in SEEDS:
        if given == name:
            return name
    file = Path(given)
    if not file.is_file():
        raise ValueError(f"seed is {str(given)!r}, but must be {', '.join(SEEDS)}, or a file that exists.")
    return read_seed(file)


def _write_secret(path: Path, text: str) -> None:
    """Write a file that other users cannot read, and that no process sees half written."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _loopback(host: str) -> str:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ValueError(f"host is {host!r}, but the sandbox listens on loopback only: use an address of 127.0.0.0/8.")
    return str(address)


def _listen(host: str, port: int) -> socket.socket:
    # With an explicit protocol, asyncio sends small responses at once (TCP_NODELAY) instead of 40 ms later.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(1024)
    return listener
