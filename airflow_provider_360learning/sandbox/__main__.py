"""``python -m airflow_provider_360learning.sandbox``: the sandbox in the foreground."""

from __future__ import annotations

import argparse
import json

from .server import serve


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_360learning.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="an address of 127.0.0.0/8")
    parser.add_argument("--port", type=int, default=3600, help="0 for a free one")
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="settings to change")
    parser.add_argument("--seed", choices=["demo", "empty"], default="demo")
    parser.add_argument("--port-file", help="file to write the port to when ready")
    given = parser.parse_args(arguments)
    try:
        serve(given.host, given.port, given.settings, given.seed, given.port_file)
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
