"""The client of a running sandbox's control routes, for tests. It needs nothing but the standard library."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow_provider_360learning.sandbox.demo_company import Seed
    from airflow_provider_360learning.sandbox.faults import FaultKind

#: Path of the control routes; the token and the route follow.
CONTROL_PATH = "/_sandbox"

#: Maximum size of a response, in bytes: another program may listen where a sandbox has ended.
MAX_RESPONSE = 64 << 20
#: Maximum number of values in a response, by what separates them: a value of three bytes takes a hundred in memory.
MAX_VALUES = 4_000_000
#: Maximum number of bytes of an error that are read, and of characters that are quoted.
MAX_ERROR, MAX_QUOTE = 64 << 10, 2000
#: Maximum number of seconds for a call in all, by default.
TOTAL_TIMEOUT = 120.0

#: A JSON object, whose values have the types that the test expects.
JsonObject = dict[str, Any]


class SandboxControl:
    """
    Control a sandbox from a test, past its API.

    :param control_url: the URL that the sandbox printed when it started. It contains a token, and gives control of the
        sandbox to each client that knows it.
    :param timeout: maximum number of seconds for one call, its response included.
    """

    def __init__(self, control_url: str, timeout: float = TOTAL_TIMEOUT) -> None:
        url = control_url.strip().rstrip("/")
        #: Where the sandbox listens: the host of a connection to it.
        self.sandbox_url, separator, token = url.partition(f"{CONTROL_PATH}/")
        self._path = f"{separator}{token}"
        self._address = _address_of(self.sandbox_url)
        self._timeout = timeout
        if not (token and self._address and self._path.isascii() and self._path.isprintable()):
            raise ValueError(  # without the text, which may be another secret
                "The text is not a control URL, which the sandbox prints when it starts: "
                f"http://127.0.0.1:<port>{CONTROL_PATH}/<token>"
            )

    def journal(self, after: int = 0) -> list[JsonObject]:
        """
        Return one entry per API request, in order of arrival (fields: :class:`.journal.Entry`).

        :param after: only entries with a greater id.
        """
        entries: list[JsonObject] = self._call("GET", f"/journal?after={after}")
        return entries

    def clear_journal(self) -> None:
        """Remove all entries of the journal."""
        self._call("DELETE", "/journal")

    def state(self) -> dict[str, list[JsonObject]]:
        """
        Return everything that exists in the company, and the emails that were sent.

        Keys: ``users``, ``invitations``, ``groups``, ``memberships``, ``courses``, ``paths``, ``sessions``,
        ``enrollments``, ``classrooms``, ``slots``, ``registrations``, ``program_templates``, ``program_sessions``,
        ``skills``, ``skill_jobs``, ``skill_libraries``, ``powers``, ``user_jobs``, ``webhooks``, ``integrations``,
        ``external_courses``, ``external_attempts``, ``bulk_jobs`` and ``mails_sent``, each with a list.
        """
        state: dict[str, list[JsonObject]] = self._call("GET", "/state")
        return state

    def settings(self, **changes: object) -> JsonObject:
        """Change settings (see :class:`.settings.Settings`), and return all of them."""
        settings: JsonObject = self._call("PATCH", "/settings", changes)
        return settings

    def advance(self, seconds: float) -> float:
        """Move the sandbox's clock, which tokens and learners follow, and return its time."""
        now: float = self._call("POST", "/clock", {"seconds": seconds})
        return now

    def add_fault(self, operation: str | None = None, *, kind: FaultKind, **how: object) -> None:
        """
        Make the next matching request fail.

        :param operation: the operation; ``None`` for any.
        :param kind: what happens, see :class:`.faults.Fault`.
        :param how: the other fields of :class:`.faults.Fault`.
        """
        self._call("POST", "/faults", {"operation": operation, "kind": kind, **how})

    def clear_faults(self) -> None:
        """Remove all faults that have not happened yet."""
        self._call("DELETE", "/faults")

    def add_api_key(self) -> str:
        """Issue a new API key, which is valid besides the others, and return it."""
        api_key: str = self._call("POST", "/api-keys")
        return api_key

    def revoke_api_key(self, api_key: str) -> None:
        """Make an API key invalid, and its tokens as well, unless the setting ``tokens_outlive_keys`` is on."""
        self._call("POST", "/api-keys/revoked", {"api_key": api_key})

    def add_client(self, scopes: Iterable[str] | None = None) -> JsonObject:
        """
        Create a client of API v2, which is valid besides the others, and return ``client_id`` and ``client_secret``.

        :param scopes: for example ``["users:read"]``; ``None`` for all.
        """
        client: JsonObject = self._call("POST", "/clients", {"scopes": None if scopes is None else list(scopes)})
        return client

    def set_scopes(self, scopes: Iterable[str] | None, client_id: str | None = None) -> None:
        """
        Replace the scopes of a client of API v2, at once also for its tokens.

        :param scopes: for example ``["users:read"]``; ``None`` for all.
        :param client_id: which client; the newest one by default.
        """
        body = {"scopes": None if scopes is None else list(scopes), "client_id": client_id}
        self._call("POST", "/clients/scopes", body)

    def revoke_client(self, client_id: str) -> None:
        """Make a client of API v2 invalid, and its tokens as well, unless ``tokens_outlive_keys`` is on."""
        self._call("POST", "/clients/revoked", {"client_id": client_id})

    def revoke_tokens(self) -> None:
        """Make all tokens issued so far invalid."""
        self._call("DELETE", "/tokens")

    def add_users(self, mails: Iterable[str]) -> None:
        """Create users with these email addresses in the root group, past the rate limits."""
        self._call("POST", "/users", {"mails": list(mails)})

    def self_enroll(self, session_id: str, mail: str) -> None:
        """Enroll an active user in a session without adding the user to its audience, as learners do."""
        self._call("POST", f"/sessions/{session_id}/self-enrollments", {"mail": mail})

    def change_session(self, session_id: str, **changes: object) -> None:
        """
        Change what no API can change in a session.

        :param changes: ``has_audience_builder``, ``has_other_filters``, ``root``, ``end``: see
            :class:`.state.model.Session`.
        """
        self._call("PATCH", f"/sessions/{session_id}", changes)

    def change_path(self, path_id: str, **changes: object) -> None:
        """
        Change a path.

        :param changes: ``archived`` and ``uses_tokens``: see :class:`.state.model.Path`.
        """
        self._call("PATCH", f"/paths/{path_id}", changes)

    def accept_invitation(self, mail: str) -> None:
        """Accept an invitation, which becomes an account."""
        self._call("POST", "/invitations/accepted", {"mail": mail})

    def log_in(self, mail: str) -> None:
        """Record a login of a user."""
        self._call("POST", "/logins", {"mail": mail})

    def has_password(self, mail: str, password: str) -> bool:
        """Return whether a user has this password. No other way leads to a password."""
        same: bool = self._call("POST", "/passwords/checks", {"mail": mail, "password": password})
        return same

    def evidence(self) -> list[dict[str, str]]:
        """Return how each route, limit and setting is known (keys: :class:`.company.Fact`)."""
        facts: list[dict[str, str]] = self._call("GET", "/evidence")
        return facts

    def reset(self, seed: Seed | None = None) -> None:
        """
        Start over, with the initial settings and, by default, the company of the start.

        :param seed: ``demo`` or ``empty`` for another company.
        """
        self._call("POST", "/reset", {"seed": seed})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        try:
            status, content = self._exchange(method, path, None if body is None else json.dumps(body).encode())
        except OSError:  # also a connection that was closed, which is an error of http.client as well
            raise
        except (http.client.HTTPException, ValueError) as error:
            raise ValueError(
                f"The response to {method} {path} is not one of a sandbox: {type(error).__name__}"
            ) from None
        if not 200 <= status < 300:
            detail = content.decode(errors="replace").strip()
            raise ValueError(f"The sandbox refused {method} {path}: {detail[:MAX_QUOTE]}")
        if (
            len(content) > MAX_RESPONSE
            or sum(content.count(separator) for separator in (b",", b"[", b"{")) > MAX_VALUES
        ):
            raise ValueError(
                f"The response to {method} {path} is larger than {MAX_RESPONSE >> 20} MiB, or has more than "
                f"{MAX_VALUES:,} values: ask for a part of the journal, or clear it"
            )
        try:
            return json.loads(content) if content else None
        except (ValueError, RecursionError):
            raise ValueError(f"The response to {method} {path} is not JSON") from None

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Send a request, and return the status and body of its response; what is too large is not read to its end."""
        # Neither a proxy, which cannot reach loopback, nor a redirect, which no sandbox sends.
        assert self._address is not None
        deadline = time.monotonic() + self._timeout
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout)
        connection.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request(method, self._path + path, body, headers)
            with connection.getresponse() as response:
                return response.status, response.read(MAX_RESPONSE + 1 if response.status < 300 else MAX_ERROR)
        finally:
            connection.close()


def _address_of(url: str) -> tuple[str, int] | None:
    """Return host and port of an ``http`` URL without anything else, or ``None`` for other texts."""
    try:
        parts = urlsplit(url)
        port = parts.port or http.client.HTTP_PORT
    except ValueError:
        return None
    if parts.scheme != "http" or not parts.hostname or "@" in parts.netloc or parts.path:
        return None
    return parts.hostname, port


class _Response(http.client.HTTPResponse):
    """
    A response that ends at a deadline, however little of it arrives at a time.

    :param deadline: On the monotonic clock.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, deadline))

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:  # to a file, -1 means everything
            raise ValueError("the size of a chunk is negative")
        return size


class _Reader(io.RawIOBase):
    """Reads a socket until a deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived; wait for it if nothing has."""
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError("The sandbox did not respond in time")
        self._sock.settimeout(left)
        received: int | None = self._raw.readinto(buffer)
        return received

    def close(self) -> None:
        """Release the socket."""
        super().close()
        self._raw.close()
