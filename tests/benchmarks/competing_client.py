"""
Measure the rate of our requests while another client uses half of a rate limit without our rate limiter.

``python -m tests.benchmarks.competing_client``: the other client sends updates at half of the company's write limit,
evenly or at random, and ignores 429s. Four of our processes update as fast as the rate limiter allows. The first third
is not counted, because the rate limiter needs a few 429s to adapt. All figures come from the sandbox's journal.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import requests

from airflow_provider_360learning.exceptions import RateLimitedError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, API_KEY, COMPANY_ID, GRACE_MAIL
from tests.benchmarks.support import Table, arguments, in_processes, location_of, make_api, open_store, passed, sandbox

LIMIT = 5.0
OTHER_RATE = LIMIT / 2
PROCESSES = 4
PATTERNS = ("not at all", "evenly", "at random")


@dataclass(frozen=True)
class Plan:
    """The work of one of our processes."""

    url: str
    location: str
    end: float


def main() -> None:
    """Print a row per pattern of the other client."""
    seconds = 60.0 if arguments(__doc__).parse_args().quick else 180.0
    print(f"{PROCESSES} processes for {seconds:.0f} s; other client: {OTHER_RATE:g} of {LIMIT:g} writes per s\n")
    table = Table({"Other client sends": 18, "ours per second": 0, "of the rest": 0, "our 429s": 0, "of ours": 0})
    with ThreadPoolExecutor(len(PATTERNS)) as pool:
        for pattern, cells in zip(PATTERNS, pool.map(partial(measure, seconds=seconds), PATTERNS), strict=True):
            table.row(pattern, *cells)


def measure(pattern: str, seconds: float) -> tuple[str, ...]:
    """Write while the other client writes, and return the cells of a row."""
    with sandbox(delay_before_ms=50, delay_after_ms=50) as server, location_of("host") as location:
        end = time.monotonic() + seconds
        other = threading.Thread(target=send_regardless, args=(server.url, pattern, end))
        other.start()
        in_processes(update_until_the_end, [Plan(server.url, location, end)] * PROCESSES)
        other.join()
        journal = server.control.journal()
    since = end - seconds * 2 / 3
    counted = [entry for entry in journal if entry["arrived_at"] >= since]
    # Each client updates another user.
    ours, theirs = (
        [entry for entry in counted if quote(mail, safe="") in entry["path"]] for mail in (GRACE_MAIL, ADMIN_MAIL)
    )
    rate, taken = (len(passed(entries)) / (end - since) for entries in (ours, theirs))
    refused = len(ours) - len(passed(ours))
    return f"{rate:.2f}", f"{rate / (LIMIT - taken):.0%}", str(refused), f"{refused / len(ours):.1%}"


def send_regardless(url: str, pattern: str, end: float) -> None:
    """Send updates until ``end``, and ignore the responses."""
    key = {"company": COMPANY_ID, "apiKey": API_KEY}
    dice = random.Random(360)
    with requests.Session() as session:
        send_time = time.monotonic()
        while pattern != "not at all" and send_time < end:
            send_time += 1 / OTHER_RATE if pattern == "evenly" else dice.expovariate(OTHER_RATE)
            time.sleep(max(0.0, send_time - time.monotonic()))
            session.put(
                f"{url}/api/v1/users/{quote(ADMIN_MAIL, safe='')}", params=key, json={"job": "Admin"}, timeout=10
            )


def update_until_the_end(plan: Plan) -> None:
    """Update as fast as the rate limiter allows, as one of our processes."""
    api = make_api(plan.url, open_store("host", plan.location))
    while (left := plan.end - time.monotonic()) > 0:
        api.client.rate_limiter.max_wait = left
        try:
            api.update_user(user=GRACE_MAIL, job="Admiral")
        except RateLimitedError:
            return


if __name__ == "__main__":
    main()
