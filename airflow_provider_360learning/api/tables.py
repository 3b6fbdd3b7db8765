"""The tables of operations, which ``make specs`` writes as JSON files beside the modules that read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


# Any, as of json.loads.
def read_table(package: str, name: str) -> Mapping[str, Any]:
    """
    Return a table, which is read each time.

    :param package: Package of the file.
    :param name: Name of the file.
    """
    table: Mapping[str, Any] = json.loads(files(package).joinpath(name).read_text(encoding="utf-8"))
    return table
