"""
Airflow plugin that creates the shared pool when Airflow starts, if it is missing.

Airflow loads the plugin in every process, tasks and web server included: outside its hook it does nothing.
"""

from __future__ import annotations

import logging
import sys

from airflow.providers.common.compat.sdk import AirflowPlugin, hookimpl

from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

_COMPONENTS = ("scheduler", "dag-processor", "triggerer")


class PoolListener:
    """Create the pool once per process tree: forked children inherit that it was done."""

    def __init__(self) -> None:
        self._done = False

    @hookimpl
    def on_starting(self, component: object) -> None:
        """
        Create the pool if it is missing, and never raise: on Airflow 2.11 an error would end the scheduler.

        :param component: What starts: a ``Job``, or a marker for a task process.
        """
        if self._done or sys.argv[1:2] not in ([name] for name in _COMPONENTS):
            return
        self._done = True
        try:
            _ensure_pool(component)
        except Exception:
            log.exception("Pool of the 360Learning provider not checked; starting without it")


def _ensure_pool(component: object) -> None:
    from airflow.jobs.job import Job

    from airflow_provider_360learning import config
    from airflow_provider_360learning.pool import ensure_pool

    if not isinstance(component, Job) or not config.create_pool():
        return
    report = ensure_pool()
    log.log(logging.WARNING if report.differs else logging.INFO, "%s", report)


class Learning360Plugin(AirflowPlugin):
    """Register the listener (entry point ``airflow.plugins``)."""

    name = "learning360"
    listeners = [PoolListener()]  # noqa: RUF012 - Airflow's own declaration
