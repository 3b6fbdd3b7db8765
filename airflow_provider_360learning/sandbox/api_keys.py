"""The API keys of the company."""

from __future__ import annotations

import hmac
import secrets


class ApiKeys:
    """
    API keys, several of which can be valid at the same time (assumption). A revoked key never becomes valid again.

    :param first: the key at the start.
    """

    def __init__(self, first: str) -> None:
        self._issued = [first]
        self._revoked: set[int] = set()

    @property
    def issued(self) -> tuple[str, ...]:
        """All keys in the order of issue, also the revoked ones."""
        return tuple(self._issued)

    @property
    def revoked(self) -> frozenset[int]:
        """The numbers of the revoked keys, see :meth:`number_of`."""
        return frozenset(self._revoked)

    def add(self) -> str:
        """Issue a new key."""
        self._issued.append(secrets.token_hex(16))
        return self._issued[-1]

    def revoke(self, key: str) -> None:
        """
        Make a key invalid.

        :raises KeyError: if it is not a valid key.
        """
        number = self.number_of(key)
        if number is None:
            raise KeyError("not a valid API key")
        self._revoked.add(number)

    def number_of(self, key: str) -> int | None:
        """Return the number of a valid key, counted from 0 in the order of issue; ``None`` for any other key."""
        for number, issued in enumerate(self._issued):
            if number not in self._revoked and hmac.compare_digest(key.encode(), issued.encode()):
                return number
        return None
