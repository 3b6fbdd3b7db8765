"""The functions behind the commands, imported when one runs; :class:`SystemExit` carries a command's exit status."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from airflow_provider_360learning.api.access import Access
from airflow_provider_360learning.connections.form import CONNECTION_TYPE, HOOK_NAME
from airflow_provider_360learning.log_text import escape_controls

#: Maximum number of characters that are read of the file with the control URL, which is shorter.
MAX_CONTROL_URL = 1000


def sandbox(args: argparse.Namespace) -> None:
    """
    Serve the sandbox until interrupted, or change the API keys of one that is running.

    :param args: ``host``, ``port``, ``url_file``, ``seed``, ``state`` and ``settings``; or ``url_file``,
        ``add_api_key`` and ``revoke_api_key``.
    """
    if args.add_api_key or args.revoke_api_key:
        _change_api_keys(args)
        return
    try:
        from airflow_provider_360learning.sandbox.server import serve

        serve(args.host, args.port, args.settings, args.seed, args.url_file, args.state)
    except (ImportError, OSError, ValueError) as error:
        advice = ""
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            advice = f": port {args.port} is in use; choose another one with --port, and use it in the connection"
        raise _exit(f"Sandbox failed: {error}{advice}") from None


def _change_api_keys(args: argparse.Namespace) -> None:
    from airflow_provider_360learning.sandbox.control import SandboxControl

    if not args.url_file:
        raise _exit("--url-file is missing: start the sandbox with --url-file FILE, and name the same file here")
    try:
        with Path(args.url_file).open() as file:
            control = SandboxControl(file.read(MAX_CONTROL_URL))
    except (OSError, ValueError) as error:
        raise _exit(f"No control URL can be read from {args.url_file}: {error}") from None
    try:
        if args.add_api_key:
            _print(f"New API key: {control.add_api_key()}")
        if args.revoke_api_key:
            control.revoke_api_key(args.revoke_api_key)
            _print("The API key is revoked.")
    except ValueError as error:
        raise _exit(str(error)) from None
    except OSError:
        raise _exit(f"No sandbox responds at {control.sandbox_url}, the address in {args.url_file}") from None


def pool(_: argparse.Namespace) -> None:
    """Create the pool if it is missing, and print its state."""
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_provider_360learning.pool import ensure_pool

    try:
        _print(str(ensure_pool()))
    except SQLAlchemyError as error:
        raise _exit(f"Pool not created: {_database_problem(error)}") from None
    except ValueError as error:  # of the configuration
        raise _exit(f"Pool not created: {error}") from None


def check(args: argparse.Namespace) -> None:
    """
    Print one line per part of the deployment that the provider needs; exit with status 1 if one of them fails.

    :param args: ``conn_id`` and ``scopes``.
    """
    # As `airflow connections test` does: without this, Airflow 3 reads no connections of its database here.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    failed = False
    for part, finding in _findings(args.conn_id, with_scopes=args.scopes):
        _print(f"{finding.status.value:<5} {part:<12} {finding.text}".rstrip())
        failed = failed or finding.status is Status.FAIL
    raise SystemExit(1 if failed else 0)


def migrate(args: argparse.Namespace) -> None:
    """
    List what API v2 refuses or needs in the tasks of DAGs; exit with status 1 if anything must change.

    :param args: ``dags_folder``.
    """
    from airflow_provider_360learning.cli.migration import examine_folder

    # As in `check`: connections of the database are read as well.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    folder = Path(args.dags_folder)
    if not folder.exists():
        raise _exit(f"DAGS_FOLDER {folder} does not exist")
    report = examine_folder(folder)
    for line in report.lines():
        _print(line)
    raise SystemExit(1 if report.must_change else 0)


def operations(args: argparse.Namespace) -> None:
    """
    List operations with their parameters; exit with status 1 if none has the word.

    :param args: ``word`` and ``api_version``, both may be ``None``.
    """
    from airflow_provider_360learning.api.versions import VERSIONS
    from airflow_provider_360learning.cli.operations import described, has_word

    found = False
    for name, version in VERSIONS.items():
        if args.api_version in (None, name):
            for operation in sorted(version.spec.endpoints):
                if has_word(version.spec, operation, args.word or ""):
                    found = True
                    _print(*described(version.spec, operation))
    if not found:
        raise _exit(f"No operation has {args.word!r} in its name, path or summary")


def _print(*lines: str) -> None:
    """Print lines; texts of servers, files and options neither start lines nor control the terminal."""
    for line in lines:
        print(escape_controls(line))


def _exit(message: str) -> SystemExit:
    """Return the failure of a command, with a message in one line."""
    return SystemExit(escape_controls(message))


class Status(Enum):
    """Result of one part of the check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"


class Finding(NamedTuple):
    """
    What the check found out about one part.

    :param status: The result.
    :param text: The reason, in one line.
    """

    status: Status
    text: str


def _findings(conn_id: str, *, with_scopes: bool) -> Iterator[tuple[str, Finding]]:
    connection = _guarded(lambda: _check_connection(conn_id))
    yield "connection", connection
    yield "pool", _guarded(_check_pool)
    yield "rate limiter", _guarded(_check_rate_limiter)
    if connection.status is Status.FAIL:
        yield "API", Finding(Status.FAIL, "not checked, because the connection cannot be used")
        return
    accesses: list[Access] = []
    yield "API", _guarded(lambda: _check_api(conn_id, accesses))
    if with_scopes:
        yield from _scopes(conn_id, accesses[0] if accesses else Access())


def _guarded(examine: Callable[[], Finding]) -> Finding:
    # Airflow 2 logs a traceback for each source of connections that cannot be read.
    logging.disable(logging.CRITICAL)
    try:
        return examine()
    except Exception as error:  # the other parts are still checked
        return Finding(Status.FAIL, _first_line(error))
    finally:
        logging.disable(logging.NOTSET)


def _first_line(error: Exception) -> str:
    return escape_controls(str(error).strip().partition("\n")[0]) or type(error).__name__


def _check_connection(conn_id: str) -> Finding:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_provider_360learning.connections.learning360 import CLIENT_ID_STANDS_IN
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook
    from airflow_provider_360learning.pool import inspect_pool

    hook = Learning360Hook(learning360_conn_id=conn_id)
    try:
        connection = hook.read_connection()  # sends nothing
    except AirflowNotFoundException:
        pass
    else:
        if connection.company_is_unknown:
            return Finding(Status.WARN, f"{conn_id!r} is valid, but {CLIENT_ID_STANDS_IN}")
        return Finding(Status.OK, f"{conn_id!r} is valid")
    try:
        inspect_pool()
    except SQLAlchemyError as error:  # the connection may be in the database
        return Finding(Status.FAIL, f"{conn_id!r} was not found, and {_database_problem(error)}")
    return Finding(Status.FAIL, _missing_connection(conn_id))


def _missing_connection(conn_id: str) -> str:
    example = json.dumps({"conn_type": CONNECTION_TYPE, "login": "<company ID>", "password": "<API key>"})
    return (
        f"{conn_id!r} is not defined: add it in Airflow's UI (Admin, Connections, type {HOOK_NAME}), "
        f"or set AIRFLOW_CONN_{conn_id.upper()}='{example}'"
    )


def _check_pool() -> Finding:
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_provider_360learning import config
    from airflow_provider_360learning.pool import inspect_pool

    try:
        report = inspect_pool()
    except SQLAlchemyError as error:
        return Finding(Status.WARN, f"not checked: {_database_problem(error)}")
    has_wrong_size = report.has_other_size and not report.reason
    if report.slots is None or (has_wrong_size and report.name != config.AIRFLOW_DEFAULT_POOL):
        return Finding(Status.FAIL, str(report))
    return Finding(Status.WARN if report.differs else Status.OK, str(report))


def _database_problem(error: Exception) -> str:
    return (
        f"Airflow's database cannot be used from here ({_first_line(error)}); "
        "if it is new or of an older version, run `airflow db migrate`"
    )


def _check_rate_limiter() -> Finding:
    from airflow_provider_360learning.hooks.rate_limiter import active_rate_limiter

    choice = active_rate_limiter()
    if choice.warning:
        return Finding(Status.WARN, f"backend {choice.backend}: {choice.warning}")
    return Finding(Status.OK, f"backend {choice.backend}: {choice.reason}")


def _check_api(conn_id: str, accesses: list[Access]) -> Finding:
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    works, result = Learning360Hook(learning360_conn_id=conn_id).try_access()
    if not isinstance(result, str):
        accesses.append(result)
    return Finding(Status.OK if works else Status.FAIL, str(result))


def _scopes(conn_id: str, access: Access) -> Iterator[tuple[str, Finding]]:
    """Yield each scope with the actions that need it, and each operator with the scopes that it needs."""
    from airflow_provider_360learning.cli.scopes import needs_of_actions, needs_of_operators
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    version = Learning360Hook(learning360_conn_id=conn_id).read_connection().version
    actions = needs_of_actions(version)
    scopes = sorted(frozenset[str]().union(*(one.scopes | one.for_names | one.for_rows for one in actions.values())))
    if not scopes:
        yield "scope", Finding(Status.OK, f"API {version.spec.name} has no scopes")
        return
    for scope in scopes:
        status, state = Status.INFO, "not tested"
        if scope in access.proven:
            status, state = Status.OK, "granted"
        elif scope in access.missing:
            status, state = Status.WARN, "not granted"
        users = ", ".join(name for name, one in actions.items() if scope in one.scopes | one.for_rows)
        yield "scope", Finding(status, f"{scope}: {state}; needed by {users}")
    for name, needed in needs_of_operators(version).items():
        lacking = sorted(needed.scopes & set(access.missing))
        text = f"{name}: {' '.join(sorted(needed.scopes)) or 'none'}"
        if needed.for_names:
            text += f"; with names in the place of ids also {' '.join(sorted(needed.for_names))}"
        if needed.for_rows - needed.scopes:
            text += f"; for many rows {' '.join(sorted(needed.for_rows))}"
        if lacking:
            text += f"; not granted: {' '.join(lacking)}"
        yield "operator", Finding(Status.WARN if lacking else Status.INFO, text)
