"""The clients of the company: the credentials of API v2."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

#: Maximum number of valid clients of a company (documented).
MAX_CLIENTS = 10

_SCOPE = re.compile(r"[a-zA-Z]+:(read|write|bulk)")


@dataclass
class ApiClient:
    """
    A client of API v2.

    :param number: counts from 0 in the order of creation.
    :param scopes: what it may do; ``None`` for all scopes.
    """

    number: int
    id: str
    secret: str
    scopes: frozenset[str] | None = None
    revoked: bool = False

    def may(self, scope: str) -> bool:
        """Return whether the client has a scope."""
        return self.scopes is None or scope in self.scopes


class Clients:
    """
    The clients in the order of creation, also the revoked ones.

    :param id: client ID of the first one.
    :param secret: its client secret.
    """

    def __init__(self, id: str, secret: str) -> None:
        self._clients = [ApiClient(0, id, secret)]

    @property
    def newest(self) -> ApiClient:
        """The client that was added last."""
        return self._clients[-1]

    @property
    def secrets(self) -> tuple[str, ...]:
        """All client secrets."""
        return tuple(client.secret for client in self._clients)

    @property
    def revoked(self) -> frozenset[int]:
        """The numbers of the revoked clients."""
        return frozenset(client.number for client in self._clients if client.revoked)

    def __getitem__(self, number: int) -> ApiClient:
        """Return a client by its number."""
        return self._clients[number]

    def add(self, scopes: Iterable[str] | None) -> ApiClient:
        """
        Create a client.

        :param scopes: see :class:`ApiClient`.
        :raises ValueError: if there are too many clients, or a scope is malformed.
        """
        if len(self._clients) - len(self.revoked) >= MAX_CLIENTS:
            raise ValueError(f"a company has {MAX_CLIENTS} clients at most; revoke one first")
        client = ApiClient(len(self._clients), f"client-{secrets.token_hex(12)}", secrets.token_hex(32), _set(scopes))
        self._clients.append(client)
        return client

    def find(self, client_id: str) -> ApiClient | None:
        """Return the valid client with this client ID."""
        return next((each for each in self._clients if each.id == client_id and not each.revoked), None)

    def authenticate(self, client_id: str, secret: str) -> ApiClient | None:
        """Return the valid client with these credentials."""
        client = self.find(client_id)
        return client if client and hmac.compare_digest(secret.encode(), client.secret.encode()) else None

    def change_scopes(self, client: ApiClient, scopes: Iterable[str] | None) -> None:
        """
        Replace the scopes of a client, at once also for its tokens (documented).

        :raises ValueError: if a scope is malformed.
        """
        client.scopes = _set(scopes)


def _set(scopes: Iterable[str] | None) -> frozenset[str] | None:
    if scopes is None:
        return None
    unique = frozenset(scopes)
    if malformed := sorted(scope for scope in unique if not _SCOPE.fullmatch(scope)):
        raise ValueError(f"not a scope such as users:read: {', '.join(malformed)}")
    return unique
