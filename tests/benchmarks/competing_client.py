"""
Beside a competing_client: what our requests do when somebody else, who shares no budget with us, takes a part of a limit.

``python -m tests.benchmarks.competing_client``: the competing_client sends updates at half of the company's writes, evenly or at
random, whatever the answer is; four processes of ours update as fast as they may. The first third is not counted:
it takes some refusals to find the pace. Figures are recomputed from the sandbox's journal.
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
from tests.benchmarks.support import Table, arguments, in_processes, make_api, open_store, passed, place_for, sandbox

LIMIT = 5.0
THEIRS = LIMIT / 2
PROCESSES = 4
MANNERS = ("not at all", "evenly", "at random")


@dataclass(frozen=True)
class Plan:
    """What a process of ours is to do."""

    url: str
    place: str
    end: float


def main() -> None:
    """Print a row for each kind of competing_client."""
    seconds = 60.0 if arguments(__doc__).parse_args().quick else 180.0
    print(
        f"{PROCESSES} processes, {seconds:.0f} s each, a competing_client takes {THEIRS:g} of {LIMIT:g} writes a second\n"
    )
    table = Table(
        {"The competing_client sends": 19, "ours a second": 0, "of what is left": 0, "our 429s": 0, "of ours": 0}
    )
    with ThreadPoolExecutor(len(MANNERS)) as pool:
        for manner, cells in zip(MANNERS, pool.map(partial(measure, seconds=seconds), MANNERS), strict=True):
            table.row(manner, *cells)


def measure(manner: str, seconds: float) -> tuple[str, ...]:
    """WriteSpec beside a competing_client for a while, and count in the journal."""
    with sandbox(delay_before_ms=50, delay_after_ms=50) as server, place_for("host") as place:
        end = time.monotonic() + seconds
        competing_client = threading.Thread(target=send_regardless, args=(server.url, manner, end))
        competing_client.start()
        in_processes(update_until_the_end, [Plan(server.url, place, end)] * PROCESSES)
        competing_client.join()
        journal = server.control.journal()
    since = end - seconds * 2 / 3
    counted = [entry for entry in journal if entry["arrived_at"] >= since]
    # Told apart by whom they are about.
    ours, theirs = (
        [entry for entry in counted if quote(mail, safe="") in entry["path"]] for mail in (GRACE_MAIL, ADMIN_MAIL)
    )
    rate, taken = (len(passed(entries)) / (end - since) for entries in (ours, theirs))
    refused = len(ours) - len(passed(ours))
    return f"{rate:.2f}", f"{rate / (LIMIT - taken):.0%}", str(refused), f"{refused / len(ours):.1%}"


def send_regardless(url: str, manner: str, end: float) -> None:
    """Send updates as somebody who knows nothing of us, and does not listen to answers."""
    key = {"company": COMPANY_ID, "apiKey": API_KEY}
    chance = random.Random(360)
    with requests.Session() as session:
        moment = time.monotonic()
        while manner != "not at all" and moment < end:
            moment += 1 / THEIRS if manner == "evenly" else chance.expovariate(THEIRS)
            time.sleep(max(0.0, moment - time.monotonic()))
            session.put(
                f"{url}/api/v1/users/{quote(ADMIN_MAIL, safe='')}", params=key, json={"job": "Admin"}, timeout=10
            )


def update_until_the_end(plan: Plan) -> None:
    """Update as fast as the budget allows, as one process of ours."""
    api = make_api(plan.url, open_store("host", plan.place))
    while (left := plan.end - time.monotonic()) > 0:
        api.client.rate_limiter.max_wait = left
        try:
            api.update_user(user=GRACE_MAIL, job="Admiral")
        except RateLimitedError:
            return


if __name__ == "__main__":
    main()
