"""What the page of the sandbox shows: the newest objects, the last requests, and the use of the limits."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, get_args

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.faults import FaultKind
from airflow_provider_360learning.sandbox.journal import Entry
from airflow_provider_360learning.sandbox.limits import Limit
from airflow_provider_360learning.sandbox.routing import TOKEN_PATH, Version
from airflow_provider_360learning.sandbox.state.jobs import BulkJob
from airflow_provider_360learning.sandbox.state.model import Group, Person, Session

Item = TypeVar("Item")

#: Maximum number of objects of a kind, of requests, and of characters of a text.
MAX_ITEMS, MAX_REQUESTS, MAX_CHARACTERS = 50, 40, 200
#: Seconds for which the use of the limits is shown.
SECONDS = 60

#: The settings that the page switches, with their labels.
_SWITCHES = {
    "limits_enabled": "Rate limits apply",
    "bulk_api_enabled": "Bulk jobs are accepted",
    "bulk_jobs_end": "Bulk jobs end",
}


class Overview:
    """
    What the page shows.

    :param company: the company.
    :param versions: the API versions in front of it.
    """

    def __init__(self, company: Company, versions: tuple[Version, ...]) -> None:
        self._company = company
        self._versions = versions
        self._token_operations = {
            (version.name, route.operation)
            for version in versions
            for route in version.routes
            if route.path == TOKEN_PATH
        }
        self._operations = sorted({route.operation for version in versions for route in version.routes})

    def as_dict(self, find: str = "") -> dict[str, object]:
        """
        Return it as JSON values, the newest of everything first.

        :param find: only people, groups and sessions with this text in their names or email addresses.
        """
        company, state, find = self._company, self._company.state, find.lower()
        state.advance()
        return {
            "company": _short(state.root.name),
            "clock": {"now": company.clock.now(), "ahead": company.clock.ahead},
            "operations": self._operations,
            "fault_kinds": get_args(FaultKind),
            "faults": [
                {"kind": fault.kind, "operation": fault.operation and _short(fault.operation), "count": fault.count}
                for fault in company.faults.pending
            ],
            "switches": [
                {"name": name, "label": label, "on": getattr(company.settings, name)}
                for name, label in _SWITCHES.items()
            ],
            "delay_ms": company.settings.delay_after_ms,
            "requests": _list(company.journal.newest(MAX_REQUESTS), _request, total=len(company.journal)),
            "limits": list(self._limits()),
            "people": self._people(find),
            "groups": _list(_newest(state.groups.values(), find, lambda group: group.name), self._group),
            "sessions": _list(_newest(state.sessions.values(), find, lambda session: session.name), self._session),
            "jobs": _list(_newest(state.jobs.jobs.values()), self._job),
        }

    def _people(self, find: str) -> dict[str, object]:
        state = self._company.state
        people = _newest(state.people.values(), find, lambda person: f"{person.mail} {_name(person)}")
        shown = {person.id for person in people[:MAX_ITEMS]}
        groups: dict[str, list[str]] = {id: [] for id in shown}
        for group in state.groups.values():
            for id in shown.intersection(group.members):
                groups[id].append(group.name)
        return _list(
            people,
            lambda person: {
                "mail": _short(person.mail),
                "name": _short(_name(person)),
                "status": person.status,
                "groups": _short(", ".join(groups[person.id])),
            },
        )

    def _group(self, group: Group) -> dict[str, object]:
        parent = self._company.state.groups.get(group.parent or "")
        return {
            "name": _short(group.name),
            "parent": _short(parent.name) if parent else "",
            "members": len(group.members),
            "public": group.public,
        }

    def _session(self, session: Session) -> dict[str, object]:
        state, learners = self._company.state, self._company.learners
        path = state.paths.get(session.path)
        completed = sum(learners.completed_at(session, state.people[id]) is not None for id in session.enrolled)
        return {
            "name": _short(session.name),
            "path": _short(path.name) if path else "",
            "start": session.start,
            "enrolled": len(session.enrolled),
            "completed": completed,
        }

    def _job(self, job: BulkJob) -> dict[str, object]:
        return {
            "type": job.type,
            "state": job.state(self._company.clock.now()),
            "rows": len(job.inputs),
            "refused": sum(result.error is not None for result in job.results or ()),
            "created_at": job.created_at,
            "error": job.error and _short(job.error),
        }

    def _limits(self) -> Iterator[dict[str, object]]:
        """Yield the use of each limit over the last minute, in whole seconds."""
        company = self._company
        first = math.floor(company.monotonic()) - SECONDS + 1
        recent = [entry for entry in company.journal.since(first) if self._is_counted(entry)]
        for version in self._versions:
            entries = [entry for entry in recent if entry.version == version.name]
            for limit in version.limits:
                counted = [entry for entry in entries if limit.counts(entry.method, entry.operation)]
                yield {
                    "version": version.name,
                    "name": limit.name,
                    "maximum": limit.maximum(version.name, company.settings.limits),
                    "seconds": limit.seconds,
                    **_use(limit, counted, first, refused_count=company.settings.refused_requests_count),
                }

    def _is_counted(self, entry: Entry) -> bool:
        issues_token = (entry.version, entry.operation) in self._token_operations
        return not issues_token or self._company.settings.token_requests_count


def _use(limit: Limit, entries: list[Entry], first: int, *, refused_count: bool) -> dict[str, object]:
    """
    Return the use of a limit, of several addresses that of the one with the most requests.

    :param first: the first second, on the clock of the rate limits.
    :param refused_count: whether refused requests count against the limit.
    """
    arrivals: dict[str, list[float]] = {}
    refused = Counter(int(entry.arrived_at) - first for entry in entries if limit.name in entry.refused_by)
    for entry in entries:
        if refused_count or not entry.refused_by:
            arrivals.setdefault(entry.ip if limit.per_address else "", []).append(entry.arrived_at)
    busiest = max(arrivals.values(), key=len, default=[])
    used = Counter(int(time) - first for time in busiest)
    return {
        "requests": len(busiest),
        "peak": max((_peak(times, limit.seconds) for times in arrivals.values()), default=0),
        "used": [used[second] for second in range(SECONDS)],
        "refused": [refused[second] for second in range(SECONDS)],
    }


def _peak(times: list[float], seconds: float) -> int:
    """Return the maximum number of times within a rolling window."""
    window: deque[float] = deque()
    peak = 0
    for time in sorted(times):
        window.append(time)
        while window[0] <= time - seconds:
            window.popleft()
        peak = max(peak, len(window))
    return peak


def _newest(items: Iterable[Item], find: str = "", text: Callable[[Item], str] = str) -> list[Item]:
    return [item for item in reversed(list(items)) if not find or find in text(item).lower()]


def _list(items: list[Item], shown: Callable[[Item], dict[str, object]], total: int | None = None) -> dict[str, object]:
    """Return the first items, and how many there are."""
    return {"total": len(items) if total is None else total, "items": [shown(item) for item in items[:MAX_ITEMS]]}


def _request(entry: Entry) -> dict[str, object]:
    """Return a request without its query and its body, which may contain anything."""
    return {
        "wall_time": entry.wall_time,
        "version": entry.version,
        "method": _short(entry.method),
        "operation": entry.operation,
        "path": _short(entry.path),
        "status": entry.status,
        "seconds": entry.seconds,
        "error": entry.error and _short(entry.error),
        "user": entry.user and _short(entry.user),
        "fault": entry.fault,
        "refused_by": entry.refused_by,
    }


def _name(person: Person) -> str:
    return f"{person.profile.get('first_name', '')} {person.profile.get('last_name', '')}".strip()


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
