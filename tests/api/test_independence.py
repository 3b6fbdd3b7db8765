"""The API layer needs neither Airflow nor the sandbox, nor any other part of the package but its exceptions and log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LOAD_ALL = """
import importlib, pkgutil, sys
from airflow_provider_360learning import api
for module in pkgutil.walk_packages(api.__path__, api.__name__ + "."):
    importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("airflow", "airflow_provider_360learning")))
"""


def test_imports_nothing_but_itself():
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD_ALL],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    ).stdout.split()
    assert "airflow_provider_360learning.api.v1.users" in loaded
    outside = [name for name in loaded if not name.startswith("airflow_provider_360learning.api")]
    package = "airflow_provider_360learning"
    assert outside == [package, f"{package}.exceptions", f"{package}.log_text", f"{package}.ordered_executor"]
