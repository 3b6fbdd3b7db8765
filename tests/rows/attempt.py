"""One attempt at many rows in a process of its own, which a test can kill: ``python -m tests.rows.attempt ORDER``."""

from __future__ import annotations

import json
import sys

from tests.rows.support import bulk

if __name__ == "__main__":
    bulk(**json.loads(sys.argv[1]))
