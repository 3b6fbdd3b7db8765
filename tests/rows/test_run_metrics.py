"""The metrics of rows, bulk jobs and exports, as Airflow's backend of metrics gets them."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.rows.run_metrics import RunMetrics
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, SALES_GROUP_ID
from tests.rows.support import bulk, people
from tests.unlimited_sandbox import CONNECTION


class Backend:
    """A backend of Airflow's metrics that keeps them."""

    def __init__(self):
        self.counters = Counter()
        self.timers = []

    def incr(self, stat, count=1, rate=1, *, tags=None):
        self.counters[_text(stat, tags)] += count

    def timing(self, stat, dt, *, tags=None):
        self.timers.append(_text(stat, tags))


class FailingBackend:
    """Such as a client class of the user that does not work."""

    def incr(self, *arguments, **options):
        raise ZeroDivisionError("no metrics")

    timing = incr


def _text(stat, tags):
    assert (tags.pop("conn_id"), tags.pop("api_version")) in {
        ("learning360_default", "v1"),
        ("learning360_default", "v2"),
    }
    return " ".join([stat.removeprefix("learning360."), *tags.values()])


def _use(backend):
    if not hasattr(Stats, "initialize"):  # Airflow 2
        Stats.instance = backend and backend()
    elif "export_legacy_names" in inspect.signature(Stats.initialize).parameters:
        Stats.initialize(factory=backend, export_legacy_names=False)
    else:  # Airflow 3.2
        Stats.initialize(factory=backend)


@pytest.fixture
def use_backend():
    """Return a function that makes an object the backend of this process."""
    yield lambda backend: _use(lambda: backend)
    _use(None)


@pytest.fixture
def backend(use_backend):
    backend = Backend()
    use_backend(backend)
    return backend


def test_counts_rows_by_outcome(sandbox, backend, tmp_path):
    rows = [*people(3), {"mail": "no mail"}, *people(1, start=9, group_id="64b1f0c2a9d3e40012ff0001")]
    bulk("create_user", rows, on_invalid="skip", max_failures=1, results_path=tmp_path)
    assert {text: count for text, count in backend.counters.items() if text.startswith("rows.")} == {
        "rows.done create_user created": 3,
        "rows.rejected create_user invalid": 1,
        "rows.rejected create_user refused": 1,
    }
    assert backend.counters["requests createOrInviteUser"] == 4


def test_counts_rows_with_an_unknown_outcome_apart_from_rejected_ones(backend):
    metrics = RunMetrics("learning360_default", "v1", "create_group")
    metrics.count_rows(Result(number, "", outcome) for number, outcome in enumerate(["unknown", "failed", "unknown"]))
    assert backend.counters == {"rows.unconfirmed create_group unknown": 2, "rows.rejected create_group failed": 1}


def test_a_dry_run_counts_no_rows(sandbox, backend, tmp_path):
    bulk("create_user", people(2), dry_run=True, results_path=tmp_path)
    assert [text for text in backend.counters if text.startswith("rows.")] == []


def test_counts_and_measures_bulk_jobs(sandbox, backend, tmp_path, monkeypatch):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
    sandbox.control.settings(bulk_job_seconds=0)
    rows = [{"user": GRACE_MAIL, "group_id": SALES_GROUP_ID, "role": "coach"}]
    bulk("add_user_to_group", rows, results_path=tmp_path)
    assert backend.counters["bulk_jobs.submitted add_user_to_group"] == 1
    assert "bulk_jobs.duration add_user_to_group completed" in backend.timers
    assert backend.counters["rows.done add_user_to_group added"] == 1


def test_counts_exported_rows(sandbox, backend, tmp_path):
    result = Learning360ExportUsersOperator(task_id="export", output_path=str(tmp_path / "users.csv")).execute({})
    assert backend.counters["exported_rows Learning360ExportUsersOperator"] == result["rows"] > 0


def test_a_failing_backend_fails_no_task_and_is_logged_once(sandbox, use_backend, tmp_path, caplog):
    use_backend(FailingBackend())
    assert bulk("create_user", people(3), results_path=tmp_path)["outcomes"] == {"created": 3}
    assert [message for message in caplog.messages if "Metrics" in message] == [
        "Metrics are not sent (ZeroDivisionError): check the section [metrics] of airflow.cfg"
    ]
