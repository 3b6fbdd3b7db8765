"""The asset events in Airflow's metadata database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any


def events_of(database: Path, uri: str) -> list[dict[str, Any]]:
    """Return the extras of the events of an asset, the first one first."""
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        kind = "asset" if "asset_event" in tables else "dataset"  # Airflow 2
        rows = connection.execute(
            f"SELECT {kind}_event.extra FROM {kind}_event JOIN {kind} ON {kind}.id = {kind}_id "
            f"WHERE uri = ? ORDER BY {kind}_event.id",
            [uri],
        )
        return [json.loads(extra) for (extra,) in rows]
