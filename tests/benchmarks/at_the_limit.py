"""
How close to the limit several processes of one host come, and that they never pass it.

``python -m tests.benchmarks.at_the_limit [--seconds 30] [--processes 4]``: writes from several processes at a
sandbox with 100 ms of latency, half of it before the counting; then the same with a process for each call. The
figures are recomputed from the sandbox's journal, refused requests included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_provider_360learning.api.budget import Budget, Share
from airflow_provider_360learning.api.client import Client, Settings
from airflow_provider_360learning.api.errors import RateLimitedError
from airflow_provider_360learning.api.stores import host_store
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_ID

LIMITS = {"creations": 2.0, "updates": 5.0, "writes": 5.0}
NETWORK = {"delay_before_ms": 50, "delay_after_ms": 50}


def main() -> None:
    """Print a table for each mix of writes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--processes", type=int, default=4)
    arguments.add_argument("--worker", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.worker:
        work(json.loads(asked.worker))
        return
    print(f"{asked.processes} processes, {asked.seconds:g} s, 100 ms latency (50 before the counting), guard 50 ms")
    print(f"{'mix':10}{'each call':>14}{'requests':>10}{'a second':>10}{'of limit':>10}{'worst 1 s':>11}{'429s':>6}")
    for a_process_each in (False, True):
        for mix in ("creations", "updates", "both"):
            with sandbox() as url:
                measure(url, mix, asked.processes, asked.seconds, a_process_each)


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """Run a sandbox in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, "-m", "airflow_provider_360learning.cli", "sandbox", "--port", "0"]
        command += ["--port-file", str(port_file), "--settings", json.dumps(NETWORK)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                url = _url_of(port_file)
                yield url
            finally:
                server.terminate()


def _url_of(port_file: Path) -> str:
    for _ in range(200):
        with contextlib.suppress(OSError, ValueError):
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            with urllib.request.urlopen(f"{url}/_sandbox/settings", timeout=2):
                return url
        time.sleep(0.05)
    raise SystemExit("The sandbox did not start")


def measure(url: str, mix: str, processes: int, seconds: float, a_process_each: bool) -> None:
    """Write for a while and print what the journal says of it."""
    control = SandboxControl(url)
    with tempfile.TemporaryDirectory() as state:
        plan = {"url": url, "state": state, "mix": mix, "one_call": a_process_each}
        begin = time.monotonic() + 3.0
        plan |= {"begin": begin, "end": begin + seconds}
        if a_process_each:
            run_in_turns(plan, processes)
        else:
            run_together(plan, processes)
    arrivals = {"creations": [], "updates": [], "writes": []}
    refused = 0
    for entry in control.journal():
        kind = {"createOrInviteUser": "creations", "updateUser": "updates"}.get(entry["operation"] or "")
        if kind:
            arrivals[kind].append(entry["arrived_at"])
            arrivals["writes"].append(entry["arrived_at"])
            refused += entry["status"] == 429
    for kind in {"creations": ["creations"], "updates": ["updates"], "both": ["creations", "writes"]}[mix]:
        moments = sorted(arrivals[kind])
        rate = len(moments) / seconds
        label = mix if mix == kind else f"{mix}: {kind}"
        print(
            f"{label:17}{'new process' if a_process_each else 'warm':>12}{len(moments):>7}{rate:>10.2f}"
            f"{rate / LIMITS[kind]:>10.1%}{worst_second(moments):>8} /{LIMITS[kind]:g}{refused:>6}",
            flush=True,
        )


def worst_second(moments: list[float]) -> int:
    """Count the most arrivals in any rolling second."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def run_together(plan: dict[str, Any], processes: int) -> None:
    """Let each process write until the end."""
    command = [sys.executable, "-m", "tests.benchmarks.at_the_limit", "--worker"]
    running = [subprocess.Popen([*command, json.dumps({**plan, "name": f"p{index}"})]) for index in range(processes)]
    for process in running:
        process.wait()


def run_in_turns(plan: dict[str, Any], processes: int) -> None:
    """Keep enough processes in flight that make one call each and end."""

    def starter(index: int, kind: str) -> None:
        for turn in range(10_000):
            if time.monotonic() > plan["end"]:
                return
            one = {**plan, "name": f"p{index}-{turn}", "mix": kind}
            command = [sys.executable, "-m", "tests.benchmarks.at_the_limit", "--worker", json.dumps(one)]
            subprocess.run(command, check=True)

    # A process takes long to start on a busy machine, so more are in flight than write at a time.
    kinds = {"creations": ["creations"], "updates": ["updates"], "both": ["creations", "updates"]}[plan["mix"]]
    threads = [threading.Thread(target=starter, args=(i, kind)) for i in range(2 * processes) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def work(plan: dict[str, Any]) -> None:
    """Write as one process: with a thread of creations, a thread of updates, or both."""
    api = make_api(plan)
    if not plan["one_call"]:
        api.get_user(GRACE_ID)  # as warm as a task is that has made a call
    time.sleep(max(0.0, plan["begin"] - time.monotonic()))
    kinds = {"creations": ["creations"], "updates": ["updates"], "both": ["creations", "updates"]}
    threads = [
        threading.Thread(target=write, args=(api, plan, kind, index)) for index, kind in enumerate(kinds[plan["mix"]])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write(api: ApiV1, plan: dict[str, Any], kind: str, index: int) -> None:
    """Write one after the other until the end."""
    for turn in range(10_000):
        left = plan["end"] - time.monotonic()
        if left <= 0:
            return
        api.client.budget.longest_wait = left  # what would be sent after the end is not sent at all
        try:
            if kind == "creations":
                api.create_user(f"{plan['name']}-{index}-{turn}@acme.test", mode="create_active")
            else:
                api.update_user(GRACE_ID, job=f"{plan['name']}-{turn}")
        except RateLimitedError:
            return
        if plan["one_call"]:
            return


def make_api(plan: dict[str, Any]) -> ApiV1:
    """Make a client as the hook makes it, without Airflow, which would take seconds to import for each call."""
    settings = Settings(plan["url"], COMPANY_ID, API_KEY, auth="api_key_header")
    budget = Budget(
        host_store(plan["state"]), base_url=plan["url"], company_id=COMPANY_ID, fallback=Share(0.2, time.monotonic())
    )
    return ApiV1(Client(settings, budget))


if __name__ == "__main__":
    main()
