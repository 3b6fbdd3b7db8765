r"""
What a URL means to the HTTP library.

Parsers disagree about malformed URLs: to :func:`urllib.parse.urlsplit`, ``http://evil.example\.localhost`` leads to
this machine. The parser of the library that connects decides, and characters that no two parsers agree on are refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
#: A name in DNS, also in Punycode, or an IPv4 address.
_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


class Location(NamedTuple):
    """
    The parts of a URL.

    :param scheme: Scheme in lower case.
    :param host: Name in lower case and ASCII, or address; an IPv6 address is in brackets.
    :param port: Port, if there is one.
    :param has_more: Whether there is anything besides scheme, host and port.
    """

    scheme: str
    host: str
    port: int | None
    has_more: bool

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine itself."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")


def locate(url: str) -> Location | None:
    """
    Return the parts of a URL as the HTTP library sees them.

    :param url: The URL, with its scheme.
    :return: ``None`` if it has no scheme or no host that can be connected to, or if parsers disagree about it.
    """
    if _AMBIGUOUS.search(url) or "://" not in url:
        return None
    try:
        parts = parse_url(url)
    except LocationParseError:
        return None
    host = _normalized_host(parts.host or "")
    if not parts.scheme or not host or parts.port == 0:
        return None
    has_more = bool(parts.auth is not None or (parts.path or "/") != "/" or parts.query or parts.fragment)
    return Location(parts.scheme, host, parts.port, has_more)


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine itself."""
    location = locate(url)
    return location is not None and location.is_loopback


def origin(url: str) -> str:
    """
    Return host and port of a URL, the same for each way to write them.

    :param url: A base URL.
    """
    location = locate(url)
    if location is None:
        return url.lower()
    host = _host(location)
    return host if location.port is None else f"{host}:{location.port}"


def is_same_origin(url: str, base_url: str) -> bool:
    """
    Return whether a URL has the scheme, host and port of a base URL, and no credentials.

    :param url: The URL.
    :param base_url: The base URL.
    """
    parts, base = locate(url), locate(base_url)
    if parts is None or base is None or _has_credentials(url):
        return False
    return (parts.scheme, _host(parts), _port(parts)) == (base.scheme, _host(base), _port(base))


def _host(location: Location) -> str:
    return location.host.removesuffix(".")


def _port(location: Location) -> int | None:
    return location.port or {"https": 443, "http": 80}.get(location.scheme)


def _has_credentials(url: str) -> bool:
    return parse_url(url).auth is not None


def _normalized_host(host: str) -> str | None:
    """Return a host in the form in which it is compared; ``None`` if it cannot be one, or is an address with a zone."""
    host = host.lower()
    if host.startswith("["):
        return f"[{ipaddress.IPv6Address(host[1:-1])}]" if "%" not in host else None
    return host if _NAME.fullmatch(host) else None
