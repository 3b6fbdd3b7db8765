"""The first process of a pod: ``python -m tests.deployments.kubernetes_pod NAME ADDRESS FILE``."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.loopback_hosts import leave_from


def main() -> None:
    """Take the name and the address of a pod, and execute the workload of a file."""
    name, address, file = sys.argv[1:]
    leave_from(address)
    # Only root can give a process a host name of its own (unshare --uts); all code here reads it by this function.
    socket.gethostname = lambda: name
    os.umask(0o077)

    from airflow.sdk.execution_time import execute_workload

    sys.argv = ["execute_workload", "--json-path", str(Path(file))]
    execute_workload.main()


if __name__ == "__main__":
    main()
