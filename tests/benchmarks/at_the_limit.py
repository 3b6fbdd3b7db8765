"""
Measure the share of each rate limit that several processes reach, and whether they exceed it.

``python -m tests.benchmarks.at_the_limit``: each row has a sandbox, which counts a request after half of the latency,
and changes one parameter of the base case: four processes with warm connections, 100 ms of latency, the rate limiter
``host`` and a margin of 50 ms. All figures come from the sandbox's journal and include throttled requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)
from tests.benchmarks.support import (
    Table,
    arguments,
    arrival_times,
    counted,
    in_processes,
    location_of,
    make_api,
    max_per_second,
    open_store,
    passed,
    rate,
    sandbox,
)
from tests.loopback_hosts import leave_from

#: Requests per second; more than any limit.
UNLIMITED = 1000
START = "2026-12-01T09:00:00Z"


@dataclass(frozen=True)
class Load:
    """
    Requests that reach one limit before all others.

    :param send: Sends one request about an object.
    :param prepare: Creates this number of objects; by default, returns names that do not exist yet.
    :param addresses: Number of source addresses, one per simulated host.
    :param lifted: Limits that would be reached earlier, and that this company does not have.
    """

    send: Callable[[LearningApi, str], object]
    prepare: Callable[[LearningApi, int], list[str]] = lambda api, count: [
        f"object-{number}" for number in range(count)
    ]
    addresses: int = 1
    lifted: tuple[str, ...] = ()


def create_user(api: LearningApi, name: str) -> str:
    return str(api.create_user(mail=f"{name}@acme.test", mode="create_active")["user_id"])


def create_users(api: LearningApi, count: int) -> list[str]:
    return [create_user(api, f"leaver-{number}") for number in range(count)]


def create_groups(api: LearningApi, count: int) -> list[str]:
    return [api.create_group(name=f"Project {number}")["group_id"] for number in range(count)]


def create_session(api: LearningApi, count: int) -> list[str]:
    session = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Spring", session_start=START, group_id=ROOT_GROUP_ID
    )
    return [session["session_id"]] * count


def update_session(api: LearningApi, session_id: str) -> None:
    body = {"sessionName": "Summer", "startDate": START, "sessionOwnerGroup": ROOT_GROUP_ID}
    api.client.call(Call("updatePathSession", {"session_id": session_id}, body=body))


def import_statistics(api: LearningApi, name: str) -> None:
    path = {"group_id": ROOT_GROUP_ID, "external_platform": "provider"}
    one = {"externalId": name, "mail": GRACE_MAIL, "progress": 100}
    api.client.call(Call("importExternalCoursesStats", path, body={"statistics": [one]}))


def update_user(api: LearningApi, name: str) -> None:
    api.update_user(user=GRACE_ID, job=name)


def get_user(api: LearningApi, name: str) -> None:
    api.get_user(user=GRACE_ID)


#: Loads by limit. A limit of API v2 has its version before its name.
LOADS = {
    "createOrInviteUser": Load(create_user),
    "deleteUser": Load(lambda api, user: api.delete_user(user=user), create_users),
    "deleteGroup": Load(lambda api, group: api.delete_group(group_id=group), create_groups),
    "updatePathSession": Load(update_session, create_session),
    "importExternalCoursesStats": Load(import_statistics),
    "company_writes": Load(update_user),
    "ip_writes": Load(update_user, lifted=("company_writes",)),
    "ip_reads": Load(get_user),
    "company_reads": Load(get_user, addresses=5),
    "v2 company_writes": Load(update_user),
    "v2 company_reads": Load(lambda api, name: api.client.call(Call("getUser", {"userId": GRACE_ID}))),
}


@dataclass(frozen=True)
class Row:
    """
    One measurement.

    :param limit: A key of :data:`LOADS`.
    :param latency: Milliseconds of a round trip.
    :param jitter: Milliseconds by which a request may arrive earlier or later.
    :param cold: Whether each request has a new process, client and connection.
    :param margin: Milliseconds.
    """

    limit: str
    processes: int
    latency: int = 100
    jitter: int = 0
    cold: bool = False
    rate_limiter: str = "host"
    margin: int = 50

    @property
    def version(self) -> str:
        """Return the API version of the limit."""
        return "v2" if self.limit.startswith("v2 ") else "v1"

    @property
    def name(self) -> str:
        """Return the name of the limit within its version."""
        return self.limit.removeprefix("v2 ")

    @property
    def calls(self) -> int:
        """Return the requests per second that the limit allows."""
        return VERSIONS[self.version].spec.limits[self.name].requests

    @property
    def aim(self) -> float:
        """Return the minimum share of the limit, without a 429."""
        return 0.94 if self.margin >= 50 else 0.97


def case(limit: str, **change: Any) -> Row:
    """Return the base case of a limit, with changes."""
    return replace(Row(limit, processes=max(4, LOADS[limit].addresses)), **change)


ONE_CHANGE: list[dict[str, Any]] = [
    {"processes": 1},
    {"processes": 8},
    {"latency": 50},
    {"latency": 500},
    {"cold": True},
    {"rate_limiter": "redis"},
]
#: Limits that are measured with every change of one parameter.
VARIED = ("createOrInviteUser", "company_writes", "v2 company_writes")
ROWS = [
    *(case(limit, **change) for limit, change in product(LOADS, ({}, {"jitter": 25}, {"margin": 20}))),
    *(
        case(limit, **change)
        for limit, change in product(("createOrInviteUser", "company_writes", "v2 company_writes"), ONE_CHANGE)
    ),
    case("createOrInviteUser", processes=8, latency=500, margin=20, cold=True),
    case("importExternalCoursesStats", processes=8, latency=500, jitter=25, rate_limiter="redis"),
    case("company_writes", processes=8, latency=50, jitter=25, cold=True, rate_limiter="redis"),
    case("ip_reads", processes=1, latency=500, jitter=25),
    case("company_reads", rate_limiter="redis"),
    case("createOrInviteUser", rate_limiter="postgres"),
    case("company_writes", rate_limiter="postgres"),
    case("company_reads", rate_limiter="postgres"),
]
QUICK = [row for row in ROWS if row == case(row.limit, jitter=row.jitter)]
#: Limits from this number of requests per second keep the machine busy: their rows run alone.
BUSY = 50


@dataclass(frozen=True)
class Figures:
    """The figures of a row, from the journal."""

    requests: int
    share: float
    maximum: int
    throttled: int


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    row: Row
    url: str
    location: str
    objects: list[str] = field(repr=False)
    address: str = "127.0.0.1"


def main() -> None:
    """Print a row per measurement, and whether the aims are met."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="duration of a row")
    parser.add_argument("--limit", choices=LOADS, help="only rows of this limit")
    parser.add_argument("--at-once", type=int, default=4, help="rows that run in parallel")
    options = parser.parse_args()
    rows, seconds = (QUICK, 15) if options.quick else (ROWS, options.seconds)
    rows = [row for row in rows if options.limit in (None, row.limit)]
    table = Table(
        {"Limit": 26, "per second": 10, "processes": 9, "latency": 7, "jitter": 6, "connections": 11, "backend": 7}
        | {"margin": 6, "requests": 8, "of the limit": 12, "max in 1 s": 10, "429s": 4}
    )
    measured = {}
    for row, figures in measure_all(rows, seconds, options.at_once):
        table.row(
            *(row.limit, row.calls, row.processes, f"{row.latency} ms", f"±{row.jitter} ms"),
            *("cold" if row.cold else "warm", row.rate_limiter, f"{row.margin} ms"),
            *(figures.requests, f"{figures.share:.1%}", figures.maximum, figures.throttled),
        )
        measured[row] = figures
    for aim in sorted({row.aim for row in rows}):
        conclude(aim, {row: figures for row, figures in measured.items() if row.aim == aim})


def measure_all(rows: list[Row], seconds: int, at_once: int) -> Iterator[tuple[Row, Figures]]:
    """Yield the rows with low limits, several in parallel, and then the busy ones, one at a time."""
    idle, busy = ([row for row in rows if (row.calls >= BUSY) is is_busy] for is_busy in (False, True))
    for group, threads in ((idle, at_once), (busy, 1)):
        with ThreadPoolExecutor(threads) as pool:
            yield from zip(group, pool.map(partial(measure, seconds=seconds), group), strict=True)


def conclude(aim: float, measured: dict[Row, Figures]) -> None:
    """Compare rows with their aim."""
    lowest = min(figures.share for figures in measured.values())
    requests, throttled = (sum(getattr(each, name) for each in measured.values()) for name in ("requests", "throttled"))
    print(f"\nAim: {aim:.0%} and no 429. Minimum: {lowest:.1%}; of {requests} requests, {throttled} were throttled.")
    for row, figures in measured.items():
        if figures.share < aim or figures.throttled:
            print(f"  missed: {row} {figures}")


def measure(row: Row, seconds: int) -> Figures:
    """Send as many requests as the limit allows in this time and count their arrivals."""
    load = LOADS[row.limit]
    # The statistics name courses that do not exist: the sandbox reports them instead of refusing the request.
    settings = {"limits_enabled": False, "limits": dict.fromkeys(load.lifted), "faulty_statistics": "report"}
    with sandbox(**settings) as server, location_of(row.rate_limiter) as location:
        api = unlimited_api(server.url, row.version)
        warm_up(api)
        objects = load.prepare(api, seconds * row.calls)
        server.control.clear_journal()
        server.control.settings(
            limits_enabled=True,
            delay_before_ms=row.latency / 2,
            delay_after_ms=row.latency / 2,
            jitter_ms=row.jitter,
        )
        run(Plan(row, server.url, location, objects))
        entries = counted(server.control.journal(), row.name)
    return Figures(
        requests=len(entries),
        share=rate(arrival_times(passed(entries)), row.calls) / row.calls,
        maximum=max_per_second(arrival_times(entries)),
        throttled=len(entries) - len(passed(entries)),
    )


def warm_up(api: LearningApi) -> None:
    """Send requests before the measurement, because the sandbox counts its first requests late."""
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(partial(get_user, api), map(str, range(200))))


def run(plan: Plan) -> None:
    """Distribute the work over the processes."""
    row, addresses = plan.row, LOADS[plan.row.limit].addresses
    if row.cold:
        with ThreadPoolExecutor(row.processes) as pool:
            list(pool.map(lambda name: in_processes(work, [replace(plan, objects=[name])]), plan.objects))
        return
    in_processes(
        work,
        [
            replace(plan, objects=plan.objects[number :: row.processes], address=f"127.0.0.{number % addresses + 1}")
            for number in range(row.processes)
        ],
    )


def work(plan: Plan) -> None:
    """Send as one process, with enough threads to reach the limit."""
    row, load = plan.row, LOADS[plan.row.limit]
    if load.addresses > 1:
        leave_from(plan.address)
    api = make_api(
        plan.url,
        open_store(row.rate_limiter, plan.location),
        row.version,
        overrides=dict.fromkeys(load.lifted, UNLIMITED),
        margin=row.margin / 1000,
        ip_limit_scope=plan.address if load.addresses > 1 else "",
    )
    # Allows twice as many concurrent requests as the limit requires.
    concurrent = row.calls * row.latency / 1000
    threads = math.ceil((1 + 2 * concurrent) / row.processes)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(load.send, api), plan.objects))


def unlimited_api(url: str, version: str) -> LearningApi:
    """Return an API whose rate limiter never waits."""
    limits = dict.fromkeys(VERSIONS[version].spec.limits, UNLIMITED)
    return make_api(url, SqliteStore(":memory:"), version, overrides=limits)


if __name__ == "__main__":
    main()
