"""The DAGs of the example of a sync, unchanged. Airflow looks for the word dag in this file."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "dags_examples" / "sync_people.py"

globals().update({name: value for name, value in runpy.run_path(str(EXAMPLE)).items() if not name.startswith("__")})
