"""
Compare our operators with requests and tenacity, and with HttpOperator: 60 creations, then 300 updates.

``python -m tests.benchmarks.side_by_side``: each contender writes to its own sandbox with 150 ms of latency, half of it
before the request is counted. Contenders in plain processes run in parallel, because they mostly sleep. Those that are
mapped tasks of real Airflow, with one task per write, run alone. All figures come from the sandboxes' journals, and so
does the chart for the docs: the rate over time, compared with the limit.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_ID
from tests.benchmarks.in_airflow import airflow, run_dag
from tests.benchmarks.support import (
    Entry,
    Server,
    Table,
    arguments,
    arrival_times,
    counted,
    in_processes,
    passed,
    rate,
    sandbox,
)

LATENCY = {"delay_before_ms": 75, "delay_after_ms": 75}
CHART = Path(__file__).parents[2] / "docs" / "rate-over-time.png"
PROCESSES = 4
#: The limit that each kind of write reaches first.
LIMIT_OF = {"creations": "createOrInviteUser", "updates": "company_writes"}
#: Standard deviation in seconds of the kernel that smooths the lines of the chart.
SMOOTHING = 2.0


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    kind: str
    numbers: range
    connection: str
    url: str
    home: str


def main() -> None:
    """Print a row per contender and kind of write, and draw the chart."""
    quick = arguments(__doc__).parse_args().quick
    counts = {"creations": 12, "updates": 30} if quick else {"creations": 60, "updates": 300}
    table = Table(
        {"By": 32, "writes": 9, "done": 4, "requests": 8, "429s": 4, "seconds": 7, "per second": 10, "of the limit": 12}
    )
    journals, shares = {}, {}
    for name, journal in journals_of(counts):
        for kind, limit in LIMIT_OF.items():
            entries = journals[name, kind] = counted(journal[kind], limit)
            done, calls = arrival_times(passed(entries)), API_V1.limits[limit].requests
            per_second = rate(done, calls)
            shares[name, kind] = per_second / calls
            table.row(
                *(name, kind, len(done), len(entries), len(entries) - len(done)),
                *(f"{done[-1] - entries[0]['arrived_at']:.1f}", f"{per_second:.2f}", f"{shares[name, kind]:.1%}"),
            )
    for pair in ((OURS, LOOPS), (OURS_MAPPED, HTTP_MAPPED)):
        ratios = (f"{shares[pair[0], kind] / shares[pair[1], kind]:.2f} ({kind})" for kind in LIMIT_OF)
        print(f"\nRate of {pair[0]} relative to {pair[1]}: {', '.join(ratios)}")
    if not quick:
        draw(journals)


def journals_of(counts: dict[str, int]) -> Iterator[tuple[str, dict[str, list[Entry]]]]:
    """Yield each contender and its sandbox's journals by kind of write."""

    def compete(name: str) -> dict[str, list[Entry]]:
        journal = {}
        with sandbox(**LATENCY) as server, CONTENDERS[name](server, counts) as write:
            for kind in LIMIT_OF:
                server.control.clear_journal()
                write(kind)
                journal[kind] = server.control.journal()
        return journal

    with ThreadPoolExecutor(len(IN_PROCESSES)) as pool:
        yield from zip(IN_PROCESSES, pool.map(compete, IN_PROCESSES), strict=True)
    yield from zip(MAPPED, map(compete, MAPPED), strict=True)


# Contenders: each is prepared with a sandbox, and then called with a kind of write.

Write = Callable[[str], object]
Contender = Callable[[Server, dict[str, int]], contextlib.AbstractContextManager[Write]]


def plain_processes(work: Callable[[Plan], None], processes: int) -> Contender:
    """Return a contender that writes in several processes, each with an equal share of the work."""

    @contextlib.contextmanager
    def prepare(server: Server, counts: dict[str, int]) -> Iterator[Write]:
        def write(kind: str) -> None:
            shares = [range(first, counts[kind], processes) for first in range(processes)]
            in_processes(work, [Plan(kind, share, server.connection, server.url, home) for share in shares])

        with tempfile.TemporaryDirectory() as home:
            yield write

    return prepare


def mapped(dags: str) -> Contender:
    """Return a contender that writes in mapped tasks of a running Airflow."""

    @contextlib.contextmanager
    def prepare(server: Server, counts: dict[str, int]) -> Iterator[Write]:
        with airflow(server, **counts) as stack:
            yield lambda kind: run_dag(stack, f"{dags}_{kind}")

    return prepare


def run_operators(plan: Plan) -> None:
    """Execute operators as a task does."""
    os.environ |= {
        "AIRFLOW_HOME": plan.home,
        "AIRFLOW_CONN_LEARNING360_DEFAULT": plan.connection,
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": plan.home,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    from airflow_provider_360learning.operators.users import (
        Learning360CreateUserOperator,
        Learning360UpdateUserOperator,
    )

    for number in plan.numbers:
        if plan.kind == "creations":
            operator = Learning360CreateUserOperator(
                task_id="create", mail=f"ours-{number}@acme.test", mode="create_active"
            )
        else:
            operator = Learning360UpdateUserOperator(task_id="update", user=GRACE_ID, job=f"Rear Admiral {number}")
        operator.execute({})


def run_loop(plan: Plan) -> None:
    """Send in a loop and retry throttled requests, as in tenacity's documentation."""
    import requests
    import tenacity

    session = requests.Session()
    session.trust_env = False
    session.headers.update({"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(requests.HTTPError),
        wait=tenacity.wait_random_exponential(multiplier=1, max=60),
        stop=tenacity.stop_after_attempt(20),
    )
    def send(method: str, path: str, **body: Any) -> None:
        session.request(method, f"{plan.url}/api/v1{path}", timeout=30, **body).raise_for_status()

    for number in plan.numbers:
        if plan.kind == "creations":
            mail = f"loop-{number}@acme.test"
            send("POST", "/users", data={"mail": mail, "password": "correct horse", "sendCredentials": "false"})
        else:
            send("PUT", f"/users/{GRACE_ID}", json={"job": f"Rear Admiral {number}"})


OURS, OURS_MAPPED = f"operators, {PROCESSES} processes", "operators, mapped tasks"
LOOPS, HTTP_MAPPED = f"requests + tenacity, {PROCESSES} processes", "HttpOperator, mapped tasks"
IN_PROCESSES = {
    OURS: plain_processes(run_operators, PROCESSES),
    LOOPS: plain_processes(run_loop, PROCESSES),
    "requests + tenacity, 1 process": plain_processes(run_loop, 1),
}
MAPPED = {OURS_MAPPED: mapped("our"), HTTP_MAPPED: mapped("http")}
CONTENDERS = IN_PROCESSES | MAPPED


# The chart

COLORS = {OURS: "#0072b2", OURS_MAPPED: "#56b4e9", LOOPS: "#e69f00", HTTP_MAPPED: "#cc79a7"}


def draw(journals: dict[tuple[str, str], list[Entry]]) -> None:
    """Draw the rate of accepted requests over time, and the limit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(LIMIT_OF), figsize=(10, 3.8), layout="constrained")
    for panel, (kind, limit) in zip(panels, LIMIT_OF.items(), strict=True):
        calls = API_V1.limits[limit].requests
        panel.axhline(calls, color="#555555", linestyle="--", linewidth=1)
        panel.text(1, calls * 1.02, f"limit: {calls} per second", transform=panel.get_yaxis_transform(), ha="right")
        for name, color in COLORS.items():
            seconds, rates = rates_over_time(journals[name, kind])
            panel.plot(seconds, rates, color=color, label=name, marker="o", markevery=[-1])
        panel.set(title=f"{len(passed(journals[OURS, kind]))} {kind}", xlabel="seconds (dot: all done)")
        panel.set(xlim=(0, None), ylim=(0, calls * 1.25))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accepted requests per second")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize="small"
    )
    figure.savefig(CHART, dpi=120)
    print(f"\nDrawn: {CHART}")


def rates_over_time(entries: list[Entry]) -> tuple[list[float], list[float]]:
    """Return times in seconds and the accepted requests per second around each."""
    start = entries[0]["arrived_at"]
    done = [arrival - start for arrival in arrival_times(passed(entries))]
    kernel = NormalDist(0, SMOOTHING)

    def rate_at(second: float) -> float:
        # Near the ends, only a part of the kernel covers requests; each of them stands for the second around it.
        inside = kernel.cdf(second + 0.5) - kernel.cdf(second - done[-1] - 0.5)
        return sum(kernel.pdf(second - arrival) for arrival in done) / inside

    seconds = [half / 2 for half in range(int(2 * done[-1]) + 1)]
    return seconds, [rate_at(second) for second in seconds]


if __name__ == "__main__":
    main()
