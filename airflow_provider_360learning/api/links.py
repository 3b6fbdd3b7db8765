"""
Links in the headers of a response (``Link``, ``Location``): where they lead, and whether a request may go there.

A request carries the access token, so that a link is followed within the origin of the base URL only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.urls import is_same_origin

#: Maximum number of characters of a link: servers refuse longer request lines.
MAX_LINK = 32_768

#: Maximum number of characters of a header with links.
MAX_HEADER = 4 * MAX_LINK

#: Characters of a URL.
_URL = re.compile(r"[!-;=?-~]+")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#: The target of a link, and the parameters that follow it (RFC 8288).
_LINK = re.compile(r"<([^<>]*)>")
_SEPARATORS = re.compile(r"[\s,]*")
_END_OF_LINK = re.compile(r"\s*(?:,|\Z)")
_PARAMETER = re.compile(rf'\s*;\s*(?:({_TOKEN})\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))?)?)?')
_JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")


def next_link(header: str, url: str, base_url: str, prefix: str) -> str | None:
    """
    Return the link to the next page of a list.

    :param header: The ``Link`` header; empty if there is none.
    :param url: URL of the request, to which a relative link is relative.
    :param base_url: The base URL.
    :param prefix: Path of the API version under the base URL.
    :return: Path and query under the base URL; ``None`` if this is the last page.
    :raises UnexpectedResponseError: if the header is malformed, or leads to several pages or to another origin: a page
        that is left out would look like the end of the list.
    """
    targets = {resolve(target, url, base_url, prefix) for target in _targets(header, "next")}
    if len(targets) > 1:
        raise unusable("its Link header leads to several next pages")
    return targets.pop() if targets else None


def job_id(location: str, url: str, base_url: str, prefix: str, job_path: str) -> str:
    """
    Return the id of a bulk job.

    :param location: The ``Location`` header; empty if there is none.
    :param url: URL of the request.
    :param base_url: The base URL.
    :param prefix: Path of the API version under the base URL.
    :param job_path: Path below the prefix that precedes the id.
    :raises UnexpectedResponseError: if the header is missing, malformed, or leads elsewhere.
    """
    if not location.strip():
        raise unusable("it has no Location header, which names the job")
    path = resolve(location.strip(), url, base_url, prefix).partition("?")[0].rstrip("/")
    found = path.removeprefix(prefix + job_path)
    if found == path or not _JOB_ID.fullmatch(found):
        raise unusable(f"its Location header does not lead to {prefix}{job_path}")
    return found


def resolve(link: str, url: str, base_url: str, prefix: str) -> str:
    """
    Return path and query of a link.

    Whether links are absolute is not documented. A relative one is resolved against the URL of the request, as RFC 8288
    says; one that starts with the path of the API is resolved against the base URL (assumption).

    :param link: An absolute or relative link.
    :param url: URL of the request.
    :param base_url: The base URL.
    :param prefix: Path of the API version under the base URL.
    :raises UnexpectedResponseError: if it is malformed, or leads to another origin.
    """
    if len(link) > MAX_LINK or not _URL.fullmatch(link) or "\\" in link:
        raise unusable("a link in its headers is malformed")
    start = f"{base_url}/" if link.startswith(prefix.lstrip("/") + "/") else url
    try:
        absolute = urljoin(start, link)
        parts = urlsplit(absolute)
    except ValueError:
        raise unusable("a link in its headers is malformed") from None
    if not is_same_origin(absolute, base_url):
        raise unusable("a link in its headers leads to another host than the Base URL, and is not followed")
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _targets(header: str, relation: str) -> Iterator[str]:
    """Yield the targets of the links that have a relation."""
    if len(header) > MAX_HEADER:
        raise unusable(f"its Link header is longer than {MAX_HEADER:,} characters")
    at = 0
    while (at := _after(_SEPARATORS, header, at)) < len(header):
        link = _LINK.match(header, at)
        if link is None:
            raise unusable("its Link header is malformed")
        at, relations = link.end(), None
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            name, quoted, token = parameter.groups()
            if name and name.lower() == "rel" and relations is None:  # the first one counts
                relations = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token or ""
        if not _END_OF_LINK.match(header, at):
            raise unusable("its Link header is malformed")
        if relation in (relations or "").lower().split():
            yield link[1]


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return the position after a pattern that matches everywhere."""
    match = pattern.match(text, at)
    return match.end() if match else at
