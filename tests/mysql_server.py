"""A real MariaDB server, which speaks the protocol of MySQL, on a free loopback port and with data of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from demo.ports import unused_port
from tests.api.support import end_process

HOST = "127.0.0.1"
USER = "learning360"
PASSWORD = "password-of-a-test"
DATABASE = "test"
#: Where `.ci/install-server` puts it if it is not on the PATH.
UNPACKED = Path(__file__).parents[1] / ".mariadb"
#: Seconds to wait for the server to start; it takes less than a second.
STARTUP_TIMEOUT = 180
#: Who runs the server if the tests run as root.
UNPRIVILEGED_USER = "nobody"


class MysqlServerError(Exception):
    """MariaDB is not installed or did not start; the message says what to do."""


class MysqlServer:
    """A MariaDB server that runs inside a ``with`` block. Its data is deleted at the end."""

    def __init__(self) -> None:
        self.host, self.port = HOST, unused_port()
        self.user, self.password, self.database = USER, PASSWORD, DATABASE
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MysqlServer:
        # Not in a folder of pytest, which the unprivileged user cannot enter.
        self._folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        try:
            self._create()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._process and self._process.poll() is None:
            end_process(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``connect`` of any driver."""
        fields = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        return {**fields, "database": self.database}

    def connection(self, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection to it."""
        fields = {"conn_type": "mysql", "host": self.host, "port": self.port, "schema": self.database}
        return {**fields, "login": self.user, "password": self.password, "extra": extra}

    def _create(self) -> None:
        """Create the tables of the system and the user, which takes two seconds."""
        (self._folder / "data").mkdir()
        if os.geteuid() == 0:
            for path in (self._folder, self._folder / "data"):
                shutil.chown(path, UNPRIVILEGED_USER, pwd.getpwnam(UNPRIVILEGED_USER).pw_gid)
        system = [next(_share().glob(f"*_system_tables{part}.sql")).read_text() for part in ("", "_data")]
        statements = ["CREATE DATABASE mysql;", "USE mysql;", *system, f"CREATE DATABASE {DATABASE};"]
        statements += ["FLUSH PRIVILEGES;", f"CREATE USER {USER}@'{HOST}' IDENTIFIED BY '{PASSWORD}';"]
        statements += [f"GRANT ALL ON *.* TO {USER}@'{HOST}';", ""]
        ended = subprocess.run(
            [*self._command(), "--bootstrap"], input="\n".join(statements), capture_output=True, text=True
        )
        if ended.returncode:
            raise MysqlServerError(f"mariadbd did not create its tables:\n{ended.stderr}")

    def _start(self) -> None:
        log_file = self._folder / "log"
        options = [f"--bind-address={HOST}", f"--port={self.port}", f"--socket={self._folder}/socket"]
        options += [f"--pid-file={self._folder}/pid", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command(), *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while b"ready for connections" not in log_file.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise MysqlServerError(f"mariadbd did not start:\n{log_file.read_text(errors='replace')}")
            time.sleep(0.01)

    def _command(self) -> list[str]:
        program = shutil.which("mariadbd") or shutil.which(UNPACKED / "mariadbd")
        if not program:
            raise MysqlServerError("MariaDB is not installed on this machine: run `make mysql`")
        share = _share()
        command = [program, "--no-defaults", f"--datadir={self._folder}/data", f"--lc-messages-dir={share}"]
        command += [f"--character-sets-dir={share}/charsets", f"--plugin-dir={self._folder}"]
        command += ["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"]
        return [*command, *([f"--user={UNPRIVILEGED_USER}"] if os.geteuid() == 0 else [])]


def _share() -> Path:
    """Return the folder of the server's files, whose name depends on its version."""
    for root in (UNPACKED / "root", Path("/")):
        for found in root.glob("usr/share/m*/*_system_tables.sql"):
            return found.parent
    raise MysqlServerError("The files of MariaDB are missing: run `make mysql`")
