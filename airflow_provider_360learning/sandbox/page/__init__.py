"""
The page of the sandbox at ``/``: static files, which every local user may read.

What the page shows comes from the control routes. Their token is in the fragment of the address that the sandbox
prints, which browsers send to no server.
"""

from __future__ import annotations

from importlib.resources import files

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

#: The files by the path that they are served at.
FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/page.svg": "page.svg"}

#: Nothing but these files is loaded, no text becomes markup, and no other page can frame or open this one.
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The page belongs to the sandbox that runs now, which may be another version.
    "Cache-Control": "no-store",
}


def serves(method: str, path: str) -> bool:
    """Return whether a request is for one of the files."""
    return method in ("GET", "HEAD") and path in FILES


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one of the files."""
    name = FILES[scope["path"]]
    content = files(__name__).joinpath(name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]
    await Response(content, headers=_HEADERS | {"Content-Type": media_type})(scope, receive, send)
