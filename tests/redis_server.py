"""A real Redis server for tests and benchmarks, and a sentinel: on free loopback ports, without persistence."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from demo.ports import unused_port
from tests.api.support import end_process, self_signed

HOST = "127.0.0.1"
#: Where `.ci/install-server` puts it if it is not on the PATH.
UNPACKED = Path(__file__).parents[1] / ".redis" / "redis-server"
#: Seconds to wait for the server to start; it takes about 0.1 s.
STARTUP_TIMEOUT = 180


class RedisServerError(Exception):
    """Redis is not installed or did not start; the message says what to do."""


class RedisServer:
    """
    A Redis server that runs inside a ``with`` block, where it can be stopped, started and paused.

    :param folder: Folder of its configuration, log and certificate.
    :param password: Password of the default user.
    :param user: A line of Redis' ACL, such as ``ana on >secret ~learning360:* +@all``. Disables the default user.
    :param tls: Whether to accept TLS only, with the self-signed certificate ``certificate``.
    :param client_certificates: Whether to require a certificate of clients (the same one is accepted).
    """

    _options: tuple[str, ...] = ()
    _is_ready = b"Ready to accept connections"

    def __init__(
        self,
        folder: Path,
        *,
        password: str | None = None,
        user: str | None = None,
        tls: bool = False,
        client_certificates: bool = False,
    ) -> None:
        self.host, self.port = HOST, unused_port()
        self.certificate = self_signed(folder) if tls else None
        self._password = password
        self._log = folder / "redis.log"
        self._configuration = folder / "redis.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = ["save ''", "appendonly no", f"dir {json.dumps(str(folder))}", f"bind {HOST}", "protected-mode no"]
        lines += [f"requirepass {json.dumps(password)}"] if password else []
        lines += ["user default off", f"user {user}"] if user else []
        lines += [f"tls-port {self.port}", "port 0"] if tls else [f"port {self.port}"]
        lines += [f"tls-{kind}-file {json.dumps(str(self.certificate))}" for kind in ("cert", "key", "ca-cert") if tls]
        lines += [f"tls-auth-clients {'yes' if client_certificates else 'no'}"] if tls else []
        self._configuration.write_text("\n".join(lines))

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not stopped."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Its URL, without TLS and password."""
        return f"redis://{self.host}:{self.port}"

    def connection(self, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection to it."""
        tls = {"ssl": True, "ssl_ca_certs": str(self.certificate)} if self.certificate else {}
        fields = {"conn_type": "redis", "host": self.host, "port": self.port, "password": self._password}
        return {**fields, "extra": {**tls, **extra}}

    def start(self) -> None:
        """
        Start it without data, on the same port each time.

        :raises RedisServerError: If it is not installed or did not start.
        """
        program = shutil.which("redis-server") or shutil.which(UNPACKED)
        if not program:
            raise RedisServerError("redis-server is not installed on this machine: run `make redis-server`")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, str(self._configuration), *self._options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while self._is_ready not in self._log.read_bytes():
            if not self.is_running or time.monotonic() > deadline:
                self.stop()
                raise RedisServerError(f"redis-server did not start:\n{self._log.read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it, which discards its data."""
        if self._process and self.is_running:
            self._process.send_signal(signal.SIGCONT)  # a paused process does not handle SIGTERM
            end_process(self._process)

    def pause(self) -> None:
        """Accept connections without responding."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)


class SentinelServer(RedisServer):
    """
    A sentinel that watches one server.

    :param folder: Folder of its configuration and log.
    :param primary: The server.
    :param name: Its name.
    :param password: Password of the sentinel.
    :param failover_after: Milliseconds without a response of the server after which a replica takes its place.
    """

    _options = ("--sentinel",)
    _is_ready = b"+monitor master"

    def __init__(
        self,
        folder: Path,
        primary: RedisServer,
        name: str,
        *,
        password: str | None = None,
        failover_after: int = 600_000,
    ) -> None:
        super().__init__(folder, password=password)
        lines = [f"port {self.port}", f"bind {HOST}", "protected-mode no"]
        lines += [f"requirepass {json.dumps(password)}"] if password else []
        lines += [f"sentinel monitor {name} {primary.host} {primary.port} 1"]
        lines += [f"sentinel down-after-milliseconds {name} {failover_after}", f"sentinel failover-timeout {name} 1000"]
        self._configuration.write_text("\n".join(lines))
