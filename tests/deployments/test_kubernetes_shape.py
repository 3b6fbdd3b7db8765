"""
Pods of a KubernetesExecutor, simulated: they share pool and limits, and a task resumes exactly in another pod.

What is real: Airflow's scheduler and API server, the command of each pod, signals, Redis, PostgreSQL, and an S3 server.
What is simulated is described in ``tests/deployments/kubernetes_executor.py``.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from demo.airflow_stack import AirflowStack
from tests.airflow.conftest import EARLY_DETECTION
from tests.deployments.kubernetes_dags.pods import TASKS
from tests.deployments.kubernetes_executor import ENVIRONMENT, FOLDER, ROOT, Pod, delete_pod, kill_pod, pods
from tests.deployments.tables import add_row
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.s3_server import S3Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow(">=3", reason="pods of Airflow 2 need a metadata database that they can reach"),
]

CREATE = "createOrInviteUser"
FASTER = 4
LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}
#: Seconds.
TIMEOUT = 300.0

Entry = dict[str, Any]


@dataclass
class Cluster:
    """
    An Airflow whose tasks run in pods, and the servers that these share.

    :param stack: The Airflow.
    :param folder: The folder of all pods.
    :param s3: The object store.
    :param bucket: A bucket in it.
    :param servers: Airflow connections to the servers of the rate limiter by backend.
    """

    stack: AirflowStack
    folder: Path
    s3: S3Server
    bucket: str
    servers: dict[str, dict[str, Any]]

    def use(self, backend: str, sandbox: Sandbox, **connection: Any) -> None:
        """Set the environment of the pods that start from now on."""
        environment = {
            "AIRFLOW_CONN_SANDBOX": sandbox.connection_json(**connection),
            "AIRFLOW_CONN_STORE": self.s3.connection(),
            "AIRFLOW__LEARNING360__RATE_LIMITER": backend,
            **{key: value for key, value in EARLY_DETECTION.items() if "SCHEDULER" not in key},
        }
        if server := self.servers.get(backend):
            environment["AIRFLOW_CONN_LIMITER"] = json.dumps(server)
            environment["AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID"] = "limiter"
        (self.folder / ENVIRONMENT).write_text(json.dumps(environment))

    def start(self, dag_id: str, folder: str = "") -> str:
        """Start a DAG run whose files are in a folder of the bucket, and return its id."""
        return self.stack.trigger(dag_id, {"connection": "sandbox", "folder": f"s3://store@{self.bucket}/{folder}"})

    def wait(self, dag_id: str, run_id: str) -> None:
        """Wait until a DAG run has succeeded."""
        state = self.stack.wait(dag_id, run_id, TIMEOUT)
        logs = [file.read_text(errors="replace")[-3000:] for file in sorted((self.folder / "logs").glob("*.log"))]
        assert state == "success", "\n".join(logs)

    def put_people(self, key: str, mails: list[str]) -> None:
        """Write a file of people to the bucket."""
        text = io.StringIO()
        csv.writer(text).writerows([["mail", "first_name"], *([mail, "Ana"] for mail in mails)])
        self.s3.client().put_object(Bucket=self.bucket, Key=key, Body=text.getvalue().encode())

    def results(self, key: str) -> list[dict[str, Any]]:
        """Return the results of a run in the bucket."""
        body = self.s3.client().get_object(Bucket=self.bucket, Key=f"{key}/results.jsonl")["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def pods_of(self, dag_id: str) -> list[Pod]:
        """Return the pods of the tasks of a DAG."""
        return [pod for pod in pods(self.folder) if pod.dag_id == dag_id]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("cluster")
    folder = home / "pods"
    folder.mkdir()
    with ExitStack() as running:
        redis = running.enter_context(RedisServer(tmp_path_factory.mktemp("redis")))
        postgres = running.enter_context(PostgresServer())
        s3 = running.enter_context(S3Server(home / "s3.log"))
        running.callback(_kill_pods, folder)  # which a scheduler leaves that is killed
        env = {
            **EARLY_DETECTION,
            FOLDER: str(folder),
            "PYTHONPATH": str(ROOT),
            "AIRFLOW__CORE__PARALLELISM": "16",
        }
        stack = running.enter_context(
            AirflowStack(
                home,
                Path(__file__).parent / "kubernetes_dags",
                env,
                executor="tests.deployments.kubernetes_executor.PodExecutor",
                components=["api-server", "scheduler", "dag-processor"],
            )
        )
        servers = {"redis": redis.connection(), "postgres": postgres.connection()}
        yield Cluster(stack, folder, s3, s3.new_bucket(), servers)


def _kill_pods(folder: Path) -> None:
    for pod in pods(folder):
        if pod.ended is None:
            kill_pod(pod)


@pytest.mark.realtime
@pytest.mark.parametrize("backend", ["redis", "postgres", "pool_slots"])
def test_pods_share_the_limit(cluster: Cluster, backend: str) -> None:
    people = {number: [f"person-{number}-{row}@{backend}.test" for row in range(16)] for number in range(TASKS)}
    for number, mails in people.items():
        cluster.put_people(f"{backend}/people-{number}.csv", mails)
    with Sandbox(settings=LATENCY) as sandbox:
        cluster.use(backend, sandbox)
        cluster.wait("pods_at_the_limit", cluster.start("pods_at_the_limit", backend))
        journal, state = sandbox.control.journal(), sandbox.control.state()
    created = Counter(user["mail"] for user in state["users"])
    assert [mail for mails in people.values() for mail in mails if created[mail] != 1] == []
    sent = [entry for entry in journal if entry["operation"] == CREATE]
    assert len({entry["ip"] for entry in sent}) == TASKS, "each pod has an address"
    throttled = sum(entry["status"] == 429 for entry in journal)
    add_row(
        {
            "3 pods, `rate_limiter`": backend,
            "requests": len(sent),
            f"share of {DOCUMENTED_LIMITS[CREATE]} per second": f"{_share(sent):.0%}",
            "429s": throttled,
        }
    )
    assert throttled <= 0.05 * len(sent)


def test_the_pool_bounds_how_many_pods_run(cluster: Cluster) -> None:
    with Sandbox() as sandbox:
        cluster.use("redis", sandbox)
        run_id = cluster.start("pods_in_pool")
        cluster.wait("pods_in_pool", run_id)
        journal = sandbox.control.journal()
    tasks = cluster.stack.task_instances("pods_in_pool", run_id)
    assert {task["pool"] for task in tasks} == {"learning360"}
    spans = [(task["start_date"], task["end_date"]) for task in tasks]
    assert max(sum(start <= other < end for start, end in spans) for other, _ in spans) <= 5
    addresses = {entry["ip"] for entry in journal if entry["operation"] == "updateUser"}
    assert len(addresses) == len(tasks) == len(cluster.pods_of("pods_in_pool"))
    assert sum(entry["status"] == 429 for entry in journal) == 0


@pytest.mark.parametrize("end", [delete_pod, kill_pod], ids=["deleted", "killed"])
def test_a_task_resumes_in_another_pod(cluster: Cluster, end: Callable[[Pod], None]) -> None:
    """The first pod takes its file system with it: rows, checkpoint and results are in the bucket."""
    folder = end.__name__
    mails = [f"person-{row}@acme.test" for row in range(60)]
    cluster.put_people(f"{folder}/people.csv", mails)
    limits = {name: FASTER * limit for name, limit in DOCUMENTED_LIMITS.items()}
    before = len(cluster.pods_of("pods_killed"))
    with Sandbox(settings={**LATENCY, "limits": limits}) as sandbox:
        cluster.use("redis", sandbox, limits=limits)
        run_id = cluster.start("pods_killed", folder)
        cluster.stack.wait_until(lambda: _count(sandbox) >= 20, TIMEOUT, "no pod sends")
        end(cluster.pods_of("pods_killed")[before])
        cluster.wait("pods_killed", run_id)
        journal, state = sandbox.control.journal(), sandbox.control.state()
    first, second = cluster.pods_of("pods_killed")[before:]
    assert (first.attempt, second.attempt) == (1, 2)
    _check_rows(mails, state, cluster.results(f"{folder}/results"))
    sent = [entry for entry in journal if entry["operation"] == CREATE]
    sent_before = [entry["ip"] for entry in sent].index(second.address)
    assert {entry["ip"] for entry in sent[:sent_before]} == {first.address}
    assert {entry["ip"] for entry in sent[sent_before:]} == {second.address}, "the first pod has not ended"
    again = sum(count - 1 for count in Counter(entry["user"] for entry in sent if entry["status"] != 429).values())
    add_row(
        {
            "Pod": {"delete_pod": "deleted (SIGTERM)", "kill_pod": "killed (SIGKILL)"}[end.__name__],
            "rows": len(mails),
            "sent by the first": sent_before,
            "sent twice": again,
        }
    )


def _check_rows(mails: list[str], state: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Check that each user exists once, got one email, and has one result."""
    users = Counter(user["mail"] for user in state["users"])
    received = Counter(mail["to"] for mail in state["mails_sent"])
    assert [mail for mail in mails if (users[mail], received[mail]) != (1, 1)] == []
    assert [(result["row"], result["key"]) for result in results] == list(enumerate(mails, 1))
    assert {result["outcome"] for result in results} <= {"created", "already_exists"}


def _count(sandbox: Sandbox) -> int:
    return sum(entry["operation"] == CREATE for entry in sandbox.control.journal())


def _share(sent: list[Entry]) -> float:
    """Return the rate of the requests while all pods send, as a share of the limit."""
    by_pod: dict[str, list[float]] = {}
    for entry in sent:
        by_pod.setdefault(entry["ip"], []).append(entry["wall_time"])
    start, end = max(times[0] for times in by_pod.values()), min(times[-1] for times in by_pod.values())
    accepted = sum(start < entry["wall_time"] <= end and entry["status"] < 400 for entry in sent)
    return accepted / (end - start) / DOCUMENTED_LIMITS[CREATE]
