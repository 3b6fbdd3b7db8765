"""Kill attempts at a sync in certain places, also in the middle of a request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_360learning.sandbox.server import Sandbox
from tests.conftest import BIN
from tests.contract.recorder import Recorder
from tests.rows.support import ROOT
from tests.sync.attempt import LOST, SENT
from tests.unlimited_sandbox import CONNECTION

#: Where an attempt is killed: when, and in which phase.
Place = tuple[str, str]


class KillingServer:
    """Wraps a sandbox, and kills an attempt at the first request of a phase that changes something."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._plans = Path()
        self._attempt: Future[int] = Future()

    @contextmanager
    def killing(self, place: Place | None, plans: Path) -> Iterator[Future[int]]:
        """
        Kill an attempt.

        :param place: Where.
        :param plans: Folder of the plans.
        :return: Takes the id of its process.
        """
        self._attempt = Future()
        self._place, self._plans = place, plans
        try:
            yield self._attempt
        finally:
            self._place = None

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application that kills an attempt."""

        async def killing(scope: Scope, receive: Receive, send: Send) -> None:
            when, phase = self._place or (None, None)
            is_due = when in (LOST, SENT) and is_write(scope) and self._phase() == phase
            if not is_due:
                await app(scope, receive, send)
                return

            async def sent(message: Message) -> None:
                self._kill()
                await send(message)

            if when == LOST:
                self._kill()
            else:
                await app(scope, receive, sent)

        return killing

    def _phase(self) -> str:
        """Return the phase whose rows were written last."""
        return max((path.stem for path in self._plans.glob("*/results/*.jsonl")), default="")

    def _kill(self) -> None:
        if self._place is not None:  # the requests of other threads are answered, too
            self._place = None
            os.kill(self._attempt.result(timeout=180), signal.SIGKILL)


def is_write(scope: Scope) -> bool:
    """Return whether a request may change something."""
    is_request = scope["type"] == "http" and scope["path"].startswith("/api/")
    return is_request and scope["method"] != "GET" and "oauth2" not in scope["path"]


class Attempts:
    """
    Makes attempts at a sync in processes of their own, while the context is entered.

    :param server: Kills them in the middle of a request.
    """

    def __init__(self, server: KillingServer) -> None:
        self._server = server
        self._process = subprocess.Popen(
            [str(BIN / "python"), "-m", "tests.sync.killed_attempts"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # ends it, because its input ends

    def kill(self, arguments: dict[str, Any], *places: Place) -> None:
        """
        Make an attempt after the other, each of which is killed.

        :param arguments: Those of the operator.
        :param places: Where.
        """
        for place in places:
            status, error = self.make(arguments, place)
            assert status == -signal.SIGKILL, f"was not killed at {place}: {error}"

    def make(self, arguments: dict[str, Any], kill_at: Place | None = None) -> tuple[int, str]:
        """
        Make an attempt, and return its exit status and its error.

        :param arguments: Those of the operator.
        :param kill_at: Where it is killed; ``None`` for an attempt that is not.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # What an attempt that was killed has reserved would be free only in time.
        limiter = tempfile.mkdtemp(dir=arguments["plan_path"].rpartition("/")[0])
        environment = {
            CONNECTION: os.environ[CONNECTION],
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": limiter,
        }
        order = {"arguments": arguments, "environment": environment, "kill_at": kill_at}
        with self._server.killing(kill_at, Path(arguments["plan_path"])) as attempt:
            print(json.dumps(order), file=self._process.stdin, flush=True)
            attempt.set_result(int(self._process.stdout.readline()))
            status, error = json.loads(self._process.stdout.readline())
        return status, error


@pytest.fixture(scope="module")
def killing_server() -> KillingServer:
    """Return what kills attempts in the middle of a request."""
    return KillingServer()


@pytest.fixture(scope="module")
def running_sandbox(killing_server: KillingServer, contract_recorder: Recorder) -> Iterator[Sandbox]:
    """Run a sandbox that kills attempts."""

    def wrap(app: ASGIApp) -> ASGIApp:
        return killing_server.wrap(contract_recorder.wrap(app))

    with Sandbox(settings={"limits_enabled": False}, middleware=wrap) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def attempts(killing_server: KillingServer) -> Iterator[Attempts]:
    """Make attempts that can be killed."""
    with Attempts(killing_server) as attempts:
        yield attempts
