"""The remote control of a running sandbox, for tests. Needs nothing but the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class SandboxControl:
    """What tests can ask of a sandbox behind the API's back.

    :param url: where the sandbox listens.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/_sandbox"
        # The sandbox is on loopback: never through a proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """Return one entry for each API request, in order of arrival (fields: :class:`.journal.Entry`).

        :param after: only those with a greater id: what is new since the last look.
        """
        entries: list[dict[str, Any]] = self._call("GET", f"/journal?after={after}")
        return entries

    def clear_journal(self) -> None:
        """Forget all entries."""
        self._call("DELETE", "/journal")

    def state(self) -> dict[str, Any]:
        """Return all that exists in the company, and the mails that went out.

        Keys: ``users``, ``invitations``, ``groups``, ``memberships``, ``courses``, ``paths``, ``sessions``,
        ``enrollments``, ``external_courses``, ``external_attempts`` and ``mails_sent``, each with a list.
        """
        state: dict[str, Any] = self._call("GET", "/state")
        return state

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (see :class:`.settings.Settings`), and return all of them."""
        settings: dict[str, Any] = self._call("PATCH", "/settings", changes)
        return settings

    def advance(self, seconds: float) -> float:
        """Move the sandbox's clock, by which tokens and learners live; return its time."""
        now: float = self._call("POST", "/clock", {"seconds": seconds})
        return now

    def add_fault(self, operation: str | None = None, *, kind: str, **how: Any) -> None:
        """Make the next matching request fail (arguments: see :class:`.faults.Fault`)."""
        self._call("POST", "/faults", {"operation": operation, "kind": kind, **how})

    def clear_faults(self) -> None:
        """Take back all faults that have not happened yet."""
        self._call("DELETE", "/faults")

    def revoke_tokens(self) -> None:
        """Make all tokens issued so far invalid."""
        self._call("DELETE", "/tokens")

    def accept_invitation(self, mail: str) -> None:
        """Let an invited person accept: from now on, there is an account."""
        self._call("POST", "/invitations/accepted", {"mail": mail})

    def reset(self, seed: str = "demo") -> None:
        """Start afresh, with the settings of the start."""
        self._call("POST", "/reset", {"seed": seed})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")
            raise ValueError(f"The sandbox refused {method} /_sandbox{path}: {detail}") from None
        return json.loads(content) if content else None
