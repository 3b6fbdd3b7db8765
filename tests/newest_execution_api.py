"""Makes DAG runs in a process cheaper to start: of Airflow's execution API, only the newest version is built."""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache
from typing import Any

from packaging.version import Version

#: What marks a route that older versions have only (cadwyn.route_generation).
_OLDER_VERSIONS_ONLY = "_CADWYN_DELETED_ROUTE"


@cache
def serve_newest_version_only() -> None:
    """
    Remove the older versions of the execution API from this process, before its first DAG run.

    Tasks of this process ask for the newest one, but the first request of ``dag.test()`` builds the routes of all,
    which takes 8 s of processor time on Airflow 3.3. Earlier lines have fewer versions, and keep them.
    """
    if Version(importlib.metadata.version("apache-airflow")) < Version("3.3"):
        return
    router: Any = importlib.import_module("airflow.api_fastapi.execution_api.routes").execution_api_router
    bundle: Any = importlib.import_module("airflow.api_fastapi.execution_api.versions").bundle
    newest = bundle.versions[0].value
    router.routes[:] = [route for route in router.routes if _OLDER_VERSIONS_ONLY not in getattr(route, "tags", ())]
    # In place, because other modules have imported it. Without changes, there is no older version.
    bundle.__init__(bundle.head_version, importlib.import_module("cadwyn").Version(newest))
