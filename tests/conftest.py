"""
Fixtures for all tests: an Airflow home, its database, the sandbox, servers; and the marker for Airflow versions.

Airflow reads its environment when it is imported, so that this module sets it at import time. Tests must not depend on
the machine: all ``AIRFLOW_`` variables and proxies of the caller are removed.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from airflow_provider_360learning.sandbox.server import Sandbox
    from tests.contract.recorder import Recorder
    from tests.postgres_server import PostgresServer
    from tests.redis_server import RedisServer
    from tests.s3_server import S3Server

AIRFLOW_VERSION = importlib.metadata.version("apache-airflow")
#: Modules of Airflow's secrets masker, whatever the version.
SECRETS_MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)
#: Files whose tests share the running Airflow (the fixture ``stack``), and therefore run on the same worker.
STACK_TESTS = ("bulk_in_airflow", "connection_form", "rotated_keys", "scheduled", "stack", "sync_example")
STACK_FILES = {f"tests/airflow/test_{name}.py" for name in STACK_TESTS}
BIN = Path(sys.executable).parent
HOME = Path(tempfile.mkdtemp(prefix="learning360-tests-"))


def _own_environment() -> None:
    for name in list(os.environ):
        if name.startswith("AIRFLOW_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]
    # Else each of several hundred processes would compile the package again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    (HOME / "dags").mkdir()
    os.environ.update(
        AIRFLOW_HOME=str(HOME),
        AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(HOME / "state"),
    )


_own_environment()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a file on one worker, and all tests of the running Airflow on the same one."""
    from xdist.scheduler import LoadScopeScheduling

    class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "stack" if file in STACK_FILES else file

    return FileScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the version marker. Its reason is shown for skipped tests."""
    config.addinivalue_line(
        "markers",
        "airflow(versions, reason): run with these Airflow versions only, e.g. "
        "airflow('>=3.2', reason='the declarative form came with 3.2')",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that measure time in files where the Makefile does not find them."""
    for file in {item.path for item in items if item.get_closest_marker("realtime")}:
        if not re.search(r"\brealtime\b", file.read_text(encoding="utf-8")):
            raise pytest.UsageError(f"{file} has tests that measure time: name the marker realtime in it")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose version marker does not match the installed Airflow, and forget the requests of the last one."""
    if contract := sys.modules.get("tests.contract.recorder"):
        contract.RECORDER.clear()
    for marker in item.iter_markers("airflow"):
        if not SpecifierSet(marker.args[0]).contains(AIRFLOW_VERSION, prereleases=True):
            pytest.skip(f"Airflow {AIRFLOW_VERSION} is not {marker.args[0]}: {marker.kwargs['reason']}")


def pytest_unconfigure() -> None:
    """Remove the Airflow home."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _clear_secrets_masker() -> Iterator[None]:
    """Clear Airflow's secrets masker after each test, because each new secret makes it compile all earlier ones."""
    yield
    for name in SECRETS_MASKERS:
        get_masker = getattr(sys.modules.get(name), "_secrets_masker", None)
        if get_masker is not None:
            masker = get_masker()
            masker.patterns, masker.replacer = set(), None


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Return the AIRFLOW_HOME of this test session."""
    return HOME


AirflowCommand = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def airflow_command() -> AirflowCommand:
    """
    Return a function that runs a program of this environment, by default ``airflow``.

    ``airflow_command("pools", "list", env={"AIRFLOW_HOME": …})`` returns the finished process.
    """

    def run(
        *arguments: str, env: dict[str, str] | None = None, program: str = "airflow", timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / program), *arguments],
            env={**os.environ, "COLUMNS": "400", "PYTHONWARNINGS": "ignore", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def migrated_db(tmp_path_factory: pytest.TempPathFactory, airflow_command: AirflowCommand) -> Path:
    """
    Migrate a metadata database (SQLite), once for all workers, and return its file, which is to be copied only.

    A database in use must not be copied: its last writes may be in another file, and closing the file in a process
    drops this process's locks on it, after which other processes delete its write-ahead log.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (database := folder / "migrated.db").exists():
            home = tmp_path_factory.mktemp("migrated")
            migrated = airflow_command("db", "migrate", env={"AIRFLOW_HOME": str(home)})
            assert migrated.returncode == 0, migrated.stderr
            (home / "airflow.db").rename(database)
    return database


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path, migrated_db: Path) -> Path:
    """
    Provide the metadata database of this test process and return its file.

    A test that looked for a connection may have opened an empty one: its connections are closed, and its write-ahead
    log would hide what is copied.
    """
    settings = sys.modules.get("airflow.settings")
    for engine in filter(None, (getattr(settings, "engine", None), getattr(settings, "async_engine", None))):
        getattr(engine, "sync_engine", engine).dispose()
    for file in airflow_home.glob("airflow.db*"):
        file.unlink()
    return Path(shutil.copy(migrated_db, airflow_home / "airflow.db"))


@pytest.fixture
def fresh_db(migrated_db: Path, tmp_path: Path) -> dict[str, str]:
    """Return the environment variables of an Airflow home with a migrated database, for one test."""
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    shutil.copy(migrated_db, home / "airflow.db")
    return {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}


@pytest.fixture(scope="session")
def contract_recorder() -> Recorder:
    """Return what records the requests to the sandboxes that it wraps, and validates those of API v2."""
    from tests.contract.recorder import RECORDER

    return RECORDER


@pytest.fixture(scope="session")
def running_sandbox(contract_recorder: Recorder) -> Iterator[Sandbox]:
    """Run the server of :func:`sandbox`."""
    from airflow_provider_360learning.sandbox.server import Sandbox

    with Sandbox(settings={"limits_enabled": False}, middleware=contract_recorder.wrap) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """Provide a fresh demo company without rate limits."""
    running_sandbox.control.reset()
    return running_sandbox


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """
    Fail a test whose requests to a sandbox, or the responses, differ from the published documents of API v2.

    Those of its fixtures belong to it.
    """
    recorder: Recorder | None = pyfuncitem.funcargs.get("contract_recorder")
    if recorder is None or pyfuncitem.get_closest_marker("unpublished_requests"):
        return (yield)
    try:
        result = yield
    except Exception as error:
        for violation in recorder.take_violations():
            error.add_note(f"Not as published: {violation}")
        raise
    if violations := recorder.take_violations():
        pytest.fail("\n".join(["Not as published (tests/contract/openapi):", *violations]), pytrace=False)
    return result


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Return a function that starts a ``tests.redis_server.RedisServer``, which stops at the end of the test."""
    from tests.redis_server import RedisServer, RedisServerError

    with ExitStack() as running:

        def start(**options: object) -> RedisServer:
            folder = Path(tempfile.mkdtemp(prefix="redis-", dir=tmp_path))
            try:
                return running.enter_context(RedisServer(folder, **options))  # type: ignore[arg-type]
            except RedisServerError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None

        yield start


@pytest.fixture
def redis_server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """Run an empty Redis server for one test."""
    return start_redis()


@pytest.fixture
def start_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """Return a function that starts a ``tests.postgres_server.PostgresServer``, which stops at the end of the test."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(_postgres(**options))


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[PostgresServer]:
    """Run the server of :func:`postgres_server`."""
    with _postgres() as server:
        yield server


@pytest.fixture
def postgres_server(running_postgres: PostgresServer) -> PostgresServer:
    """Provide a PostgreSQL server with an empty database. A test that stops it uses ``start_postgres`` instead."""
    running_postgres.empty()
    return running_postgres


@contextmanager
def _postgres(**options: object) -> Iterator[PostgresServer]:
    from tests.postgres_server import PostgresServer, PostgresServerError

    server = PostgresServer(**options)  # type: ignore[arg-type]
    try:
        server.__enter__()
    except PostgresServerError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    with ExitStack() as running:
        running.push(server)
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run an S3 server, once per test session."""
    from tests.s3_server import S3Server

    with S3Server(tmp_path_factory.mktemp("s3") / "server.log") as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of an empty bucket; the connection ``aws_default`` may do anything with it."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.connection())
    return f"s3://aws_default@{s3_server.new_bucket()}"
