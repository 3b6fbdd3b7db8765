"""Access tokens: JSON Web Tokens that expire by the sandbox's clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection
from typing import Any


class Tokens:
    """Issues and checks tokens. They are signed, so that no list of them is kept."""

    def __init__(self) -> None:
        self.revoke_all()

    def revoke_all(self) -> None:
        """Invalidate all tokens, which then have an ``invalid signature`` (assumption)."""
        self._secret = secrets.token_bytes(32)

    def issue(self, company: str, key: int, now: float, life: float, *, version: str = "v1") -> str:
        """
        Return a new token.

        :param company: id of the company.
        :param key: number of the API key, or of the client, that it is issued for.
        :param version: the API version that accepts it.
        :param now: time of issue.
        :param life: seconds until it expires.
        """
        claims = {
            "company": company,
            "version": version,
            "key": key,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_hex(8),
        }
        unsigned = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{unsigned}.{self._signature(unsigned)}"

    def problem(self, token: str, now: float, revoked: Collection[int], *, version: str = "v1") -> str | None:
        """
        Return why a token is invalid, in the documented words; ``None`` if it is valid.

        :param token: the token.
        :param now: the current time.
        :param revoked: numbers of API keys whose tokens have an ``invalid signature`` (assumption).
        :param version: the API version that is asked; a token of another one has an ``invalid signature`` (assumption).
        """
        unsigned, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(unsigned).encode()):
            return "invalid signature"
        claims = _decode(unsigned.split(".")[1])
        if claims["version"] != version or claims["key"] in revoked:
            return "invalid signature"
        return "jwt expired" if now >= claims["exp"] else None

    def key_of(self, token: str) -> int:
        """Return the number of the API key or client that a valid token was issued for."""
        key: int = _decode(token.split(".")[1])["key"]
        return key

    def _signature(self, unsigned: str) -> str:
        return _text(hmac.digest(self._secret, unsigned.encode(), hashlib.sha256))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _encode(claims: dict[str, object]) -> str:
    return _text(json.dumps(claims, separators=(",", ":")).encode())


def _decode(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
