"""
How close to each limit several processes come, and whether they pass it.

``python -m tests.benchmarks.at_the_limit``: each row has a sandbox of its own, with half of the latency before the
counting, and varies one thing of a base case: four processes that go on, 100 ms of latency, the budget ``host`` and a
margin of 50 ms. Figures are recomputed from the sandbox's journal, refused requests included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)
from tests.benchmarks.support import (
    Table,
    arguments,
    counted,
    in_processes,
    make_api,
    moments,
    open_store,
    passed,
    place_for,
    rate,
    sandbox,
    worst_second,
)
from tests.loopback_hosts import leave_from

#: More than any limit.
FREE = 1000
START = "2026-12-01T09:00:00Z"


@dataclass(frozen=True)
class Load:
    """
    Requests that one limit holds back before all others.

    :param send: Sends one request about a thing.
    :param prepare: Makes so many things to send requests about; by default, names that do not exist yet.
    :param addresses: Source addresses, each a host that leaves through an address of its own.
    :param lifted: Limits that the company would meet before this one, and has agreed to be without.
    """

    send: Callable[[ApiV1, str], object]
    prepare: Callable[[ApiV1, int], list[str]] = lambda api, count: [f"thing-{number}" for number in range(count)]
    addresses: int = 1
    lifted: tuple[str, ...] = ()


def create_user(api: ApiV1, name: str) -> str:
    return str(api.create_user(mail=f"{name}@acme.test", mode="create_active")["user_id"])


def create_users(api: ApiV1, count: int) -> list[str]:
    return [create_user(api, f"leaver-{number}") for number in range(count)]


def create_groups(api: ApiV1, count: int) -> list[str]:
    return [api.create_group(name=f"Project {number}")["group_id"] for number in range(count)]


def create_a_session(api: ApiV1, count: int) -> list[str]:
    session = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Spring", session_start=START, group_id=ROOT_GROUP_ID
    )
    return [session["session_id"]] * count


def update_session(api: ApiV1, session_id: str) -> None:
    body = {"sessionName": "Summer", "startDate": START, "sessionOwnerGroup": ROOT_GROUP_ID}
    api.client.call(Call("updatePathSession", {"session_id": session_id}, body=body))


def import_statistics(api: ApiV1, name: str) -> None:
    path = {"group_id": ROOT_GROUP_ID, "external_platform": "provider"}
    one = {"externalId": name, "mail": GRACE_MAIL, "progress": 100}
    api.client.call(Call("importExternalCoursesStats", path, body={"statistics": [one]}))


def update_user(api: ApiV1, name: str) -> None:
    api.update_user(user=GRACE_ID, job=name)


def get_user(api: ApiV1, name: str) -> None:
    api.get_user(user=GRACE_ID)


#: By the limit.
LOADS = {
    "createOrInviteUser": Load(create_user),
    "deleteUser": Load(lambda api, user: api.delete_user(user=user), create_users),
    "deleteGroup": Load(lambda api, group: api.delete_group(group_id=group), create_groups),
    "updatePathSession": Load(update_session, create_a_session),
    "importExternalCoursesStats": Load(import_statistics),
    "company_writes": Load(update_user),
    "ip_writes": Load(update_user, lifted=("company_writes",)),
    "ip_reads": Load(get_user),
    "company_reads": Load(get_user, addresses=5),
}


@dataclass(frozen=True)
class Row:
    """
    One measurement.

    :param limit: The limit to come close to.
    :param latency: Milliseconds there and back.
    :param jitter: Milliseconds by which the way there is shorter or longer.
    :param cold: Each request from a process of its own, with a client and a connection of its own.
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
    def calls(self) -> int:
        """Requests a second that the limit allows."""
        return API_V1.limits[self.limit].requests

    @property
    def aim(self) -> float:
        """The share to reach, without a 429."""
        return 0.94 if self.margin >= 50 else 0.97


def case(limit: str, **change: Any) -> Row:
    """Make the base case of a limit, or vary it."""
    return replace(Row(limit, processes=max(4, LOADS[limit].addresses)), **change)


ONE_CHANGE: list[dict[str, Any]] = [
    {"processes": 1},
    {"processes": 8},
    {"latency": 50},
    {"latency": 500},
    {"cold": True},
    {"rate_limiter": "redis"},
]
ROWS = [
    *(case(limit, **change) for limit, change in product(LOADS, ({}, {"jitter": 25}, {"margin": 20}))),
    *(case(limit, **change) for limit, change in product(("createOrInviteUser", "company_writes"), ONE_CHANGE)),
    case("createOrInviteUser", processes=8, latency=500, margin=20, cold=True),
    case("importExternalCoursesStats", processes=8, latency=500, jitter=25, rate_limiter="redis"),
    case("company_writes", processes=8, latency=50, jitter=25, cold=True, rate_limiter="redis"),
    case("ip_reads", processes=1, latency=500, jitter=25),
    case("company_reads", rate_limiter="redis"),
]
QUICK = [row for row in ROWS if row == case(row.limit, jitter=row.jitter)]
#: Requests a second of a limit from which on a row keeps the machine busy, and runs alone.
BUSY = 50


@dataclass(frozen=True)
class Figures:
    """What the journal says of a row."""

    requests: int
    share: float
    worst: int
    refused: int


@dataclass(frozen=True)
class Plan:
    """What one process has to do."""

    row: Row
    url: str
    place: str
    things: list[str] = field(repr=False)
    address: str = "127.0.0.1"


def main() -> None:
    """Print a row for each measurement, and whether the aims are met."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of a row")
    parser.add_argument("--at-once", type=int, default=4, help="rows that run at the same time, mostly asleep")
    asked = parser.parse_args()
    rows, seconds = (QUICK, 15) if asked.quick else (ROWS, asked.seconds)
    table = Table(
        {"Limit": 26, "a second": 8, "processes": 9, "latency": 7, "jitter": 6, "connections": 11, "rate limiter": 12}
        | {"margin": 5, "requests": 8, "of the limit": 12, "most in 1 s": 11, "429s": 4}
    )
    measured = {}
    for row, figures in measure_all(rows, seconds, asked.at_once):
        table.row(
            *(row.limit, row.calls, row.processes, f"{row.latency} ms", f"±{row.jitter} ms"),
            *("cold" if row.cold else "warm", row.rate_limiter, f"{row.margin} ms"),
            *(figures.requests, f"{figures.share:.1%}", figures.worst, figures.refused),
        )
        measured[row] = figures
    for aim in sorted({row.aim for row in rows}):
        conclude(aim, {row: figures for row, figures in measured.items() if row.aim == aim})


def measure_all(rows: list[Row], seconds: int, at_once: int) -> Iterator[tuple[Row, Figures]]:
    """Measure the rows that mostly sleep several at a time, then the busy ones."""
    sleepy, busy = ([row for row in rows if (row.calls >= BUSY) is is_busy] for is_busy in (False, True))
    for group, lanes in ((sleepy, at_once), (busy, 1)):
        with ThreadPoolExecutor(lanes) as pool:
            yield from zip(group, pool.map(partial(measure, seconds=seconds), group), strict=True)


def conclude(aim: float, measured: dict[Row, Figures]) -> None:
    """Compare with an aim."""
    lowest = min(figures.share for figures in measured.values())
    requests, refused = (sum(getattr(each, name) for each in measured.values()) for name in ("requests", "refused"))
    print(f"\nAim: {aim:.0%} and no 429. At least {lowest:.1%}; of {requests} requests, {refused} were answered 429.")
    for row, figures in measured.items():
        if figures.share < aim or figures.refused:
            print(f"  missed: {row} {figures}")


def measure(row: Row, seconds: int) -> Figures:
    """Send for so many seconds' worth of requests and count what arrived when."""
    load = LOADS[row.limit]
    # The statistics are of courses that nobody imported: reported, not refused.
    settings = {"limits_enabled": False, "limits": dict.fromkeys(load.lifted), "faulty_statistics": "report"}
    with sandbox(**settings) as server, place_for(row.rate_limiter) as place:
        api = free_api(server.url)
        warm_up(api)
        things = load.prepare(api, seconds * row.calls)
        server.control.clear_journal()
        server.control.settings(
            limits_enabled=True,
            delay_before_ms=row.latency / 2,
            delay_after_ms=row.latency / 2,
            jitter_ms=row.jitter,
        )
        run(Plan(row, server.url, place, things))
        entries = counted(server.control.journal(), row.limit)
    return Figures(
        requests=len(entries),
        share=rate(moments(passed(entries)), row.calls) / row.calls,
        worst=worst_second(moments(entries)),
        refused=len(entries) - len(passed(entries)),
    )


def warm_up(api: ApiV1) -> None:
    """Let the sandbox answer a while: the first requests of its life take it long enough to count them late."""
    with ThreadPoolExecutor(20) as lanes:
        list(lanes.map(partial(get_user, api), map(str, range(200))))


def run(plan: Plan) -> None:
    """Share the work between the processes."""
    row, addresses = plan.row, LOADS[plan.row.limit].addresses
    if row.cold:
        with ThreadPoolExecutor(row.processes) as lanes:
            list(lanes.map(lambda thing: in_processes(work, [replace(plan, things=[thing])]), plan.things))
        return
    in_processes(
        work,
        [
            replace(plan, things=plan.things[number :: row.processes], address=f"127.0.0.{number % addresses + 1}")
            for number in range(row.processes)
        ],
    )


def work(plan: Plan) -> None:
    """Send as one process, from enough threads that none of them is what the limit waits for."""
    row, load = plan.row, LOADS[plan.row.limit]
    if load.addresses > 1:
        leave_from(plan.address)
    api = make_api(
        plan.url,
        open_store(row.rate_limiter, plan.place),
        overrides=dict.fromkeys(load.lifted, FREE),
        margin=row.margin / 1000,
        ip_limit_scope=plan.address if load.addresses > 1 else "",
    )
    # Twice as many requests can be under way as there are when the limit is reached.
    under_way = row.calls * row.latency / 1000
    threads = math.ceil((1 + 2 * under_way) / row.processes)
    with ThreadPoolExecutor(threads) as lanes:
        list(lanes.map(partial(load.send, api), plan.things))


def free_api(url: str) -> ApiV1:
    """Make a client that never waits."""
    return make_api(url, SqliteStore(":memory:"), overrides=dict.fromkeys(API_V1.limits, FREE))


if __name__ == "__main__":
    main()
