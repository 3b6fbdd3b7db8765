"""Airflow plugin that makes sure of the shared pool when Airflow starts.

Airflow loads it in every process, tasks and web server included: it does nothing outside of its hook.
"""

from __future__ import annotations

import logging
import sys

from airflow.providers.common.compat.sdk import AirflowPlugin, hookimpl

log = logging.getLogger(__name__)

_COMPONENTS = ("scheduler", "dag-processor", "triggerer")


class PoolListener:
    """Creates the pool once in a process tree: forked children inherit that it was done."""

    def __init__(self) -> None:
        self._done = False

    @hookimpl
    def on_starting(self, component: object) -> None:
        """Make sure of the pool, and raise nothing: on Airflow 2.11 that would end the scheduler.

        :param component: what starts: a ``Job``, or a marker for a task process
        """
        if self._done or sys.argv[1:2] not in ([name] for name in _COMPONENTS):
            return
        self._done = True
        try:
            _make_sure_of_pool(component)
        except Exception:
            log.exception("Could not make sure of the pool of the 360Learning provider; going on without")


def _make_sure_of_pool(component: object) -> None:
    from airflow.jobs.job import Job

    from airflow_provider_360learning import config
    from airflow_provider_360learning.pool import ensure_pool

    if not isinstance(component, Job) or not config.create_pool():
        return
    report = ensure_pool()
    log.log(logging.WARNING if report.differs else logging.INFO, "%s", report)


class Learning360Plugin(AirflowPlugin):
    """Registers the listener (entry point ``airflow.plugins``)."""

    name = "learning360"
    listeners = [PoolListener()]  # noqa: RUF012 - Airflow's own declaration
