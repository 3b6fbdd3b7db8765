"""What credentials give access to, as far as requests that change nothing can show it."""

from __future__ import annotations

from dataclasses import dataclass

#: An email address that no user can have: ``.invalid`` is reserved for that (RFC 2606).
UNUSED_MAIL = "connection-test@unused.invalid"


@dataclass(frozen=True, slots=True)
class Access:
    """
    What credentials were seen to give access to.

    :param proven: OAuth scopes that they have; empty in versions without scopes.
    :param missing: OAuth scopes that they lack.
    """

    proven: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = "360Learning accepts the credentials"
        if self.proven:
            text += f", which have the scopes {', '.join(self.proven)}"
        if self.missing:
            text += f" and lack {', '.join(self.missing)}"
        if self.proven or self.missing:
            text += "; other scopes cannot be tested without changing anything"
        return text
