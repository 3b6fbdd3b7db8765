"""A real PostgreSQL server for tests and benchmarks: a cluster of its own on a free loopback port."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2
import psycopg2.extensions

from demo.ports import unused_port
from tests.api.support import end_process, self_signed

HOST = "127.0.0.1"
USER = "learning360"
PASSWORD = "p@ss/word of a test"  # must be quoted in a URL
DATABASE = "test"
ROOT = Path(__file__).parents[1]
#: Where `.ci/install-server` puts it if it is not on the PATH.
UNPACKED = ROOT / ".postgres"
#: Seconds to wait for the server to start; it takes about 0.1 s.
STARTUP_TIMEOUT = 180
#: Who runs the server if the tests run as root, whom PostgreSQL refuses.
UNPRIVILEGED_USER = "nobody"

#: A machine that loses power loses a cluster of the tests.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServerError(Exception):
    """PostgreSQL is not installed or did not start; the message says what to do."""


class PostgresServer:
    """
    A PostgreSQL server that runs inside a ``with`` block, where it can be stopped, started and paused.

    Its data survives a stop, and is deleted at the end of the block. Clients need the password.

    :param tls: Whether to accept TLS only, with the self-signed certificate ``certificate``.
    :param durable: Whether a transaction is on disk when it ends, as on a server in production. Slower.
    :param settings: Further settings of ``postgresql.conf``.
    """

    def __init__(self, *, tls: bool = False, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self.host, self.port = HOST, unused_port()
        self.user, self.password, self.database = USER, PASSWORD, DATABASE
        self.certificate: Path | None = None
        self._tls = tls
        self._settings = {**({} if durable else _FAST), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PostgresServer:
        # Not in a folder of pytest, which the unprivileged user cannot enter.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._create()
            self.start()
            self.empty()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not stopped."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Its URL for SQLAlchemy and psycopg2, with the password."""
        tls = f"?sslmode=verify-full&sslrootcert={quote(str(self.certificate))}" if self.certificate else ""
        return f"postgresql://{self.user}:{quote(self.password, '')}@{self.host}:{self.port}/{self.database}{tls}"

    def connect(self, database: str | None = None) -> psycopg2.extensions.connection:
        """Return a connection of psycopg2 to its database or to another one, without transactions."""
        connection = psycopg2.connect(self.url, dbname=database or self.database)
        connection.autocommit = True
        return connection

    def empty(self) -> None:
        """Replace its database by an empty one, which takes 20 ms, and end the connections to it."""
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {self.database}")

    def connection(self, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection to it."""
        tls = {"sslmode": "verify-full", "sslrootcert": str(self.certificate)} if self.certificate else {}
        fields = {"conn_type": "postgres", "host": self.host, "port": self.port, "schema": self.database}
        return {**fields, "login": self.user, "password": self.password, "extra": {**tls, **extra}}

    def start(self, *, as_replica: bool = False) -> None:
        """
        Start it, on the same port each time.

        :param as_replica: Whether it waits for a primary server, until it is promoted.
        :raises PostgresServerError: If it did not start.
        """
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "16MB",
            "min_wal_size": "2MB",
            **self._settings,
        }
        if as_replica:
            (self._folder / "data" / "standby.signal").touch()
        command = [_program("postgres"), "-D", str(self._folder / "data")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = {"stdin": subprocess.DEVNULL, **_unprivileged()}
        log_file = self._folder / "log"
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **process)
        deadline = time.monotonic() + STARTUP_TIMEOUT
        ready = b"ready to accept read-only connections" if as_replica else b"ready to accept connections"
        while ready not in log_file.read_bytes():
            if not self.is_running or time.monotonic() > deadline:
                self.stop()
                raise PostgresServerError(f"postgres did not start:\n{self.log}")
            time.sleep(0.01)

    @property
    def log(self) -> str:
        """What it has logged since it started."""
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop it. Its connections end; its data is kept."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop it as a crash does: the next start recovers the data, and empties tables that are not logged."""
        self._end(signal.SIGQUIT)

    def pause(self) -> None:
        """Accept connections without responding."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause."""
        self._signal(signal.SIGCONT)

    def _create(self) -> None:
        data = self._folder / "data"
        shutil.copytree(_template(), data)
        kind = "hostssl" if self._tls else "host"
        (data / "pg_hba.conf").write_text(f"{kind} all all {HOST}/32 scram-sha-256\n")
        if self._tls:
            certificate = self_signed(data)
            certificate.chmod(0o600)
            self.certificate = Path(shutil.copy(certificate, self._folder))
            self._settings |= {"ssl": "on", "ssl_cert_file": certificate.name, "ssl_key_file": certificate.name}
        _give_away(self._folder)

    def _end(self, number: signal.Signals) -> None:
        if self._process and self.is_running:
            self.resume()  # a paused process handles no other signal
            end_process(self._process, number)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the server and the processes of its connections, which have process groups of their own."""
        if self._process and self.is_running:
            server = psutil.Process(self._process.pid)
            for process in (server, *server.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


def _program(name: str) -> str:
    """Return the path of a program of PostgreSQL. Debian has them in a folder per version that is not on the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or shutil.which(UNPACKED / name) or (str(installed[-1]) if installed else None)
    if not found:
        raise PostgresServerError("PostgreSQL is not installed on this machine: run `make postgres-server`")
    return found


@cache
def _template() -> Path:
    """Create an empty cluster once per process, which takes a second, and return its folder."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-template-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    (password_file := folder / "password").write_text(PASSWORD)
    _give_away(folder)
    command = [_program("initdb"), "-D", str(folder / "data"), "-U", USER, "--pwfile", str(password_file)]
    command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **_unprivileged())
    if ended.returncode:
        raise PostgresServerError(f"initdb failed:\n{ended.stdout}{ended.stderr}")
    return folder / "data"


def _unprivileged() -> dict[str, Any]:
    """Return arguments of a process of PostgreSQL: its environment, and a user if this process is root's."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    user = {"user": UNPRIVILEGED_USER, "group": _group(), "extra_groups": []} if os.geteuid() == 0 else {}
    return {"env": environment, "cwd": "/", **user}


def _group() -> int:
    return pwd.getpwnam(UNPRIVILEGED_USER).pw_gid


def _give_away(folder: Path) -> None:
    """Make a folder that of the user who runs the server."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, UNPRIVILEGED_USER, _group())
