"""
Run the quick tests and the example DAGs with each Airflow line and Python version.

Usage: python3 .ci/matrix.py [--record] [REQUIREMENTS:PYTHON ...]

Without a cell such as ``airflow-3.2:3.12``, all cells are run, one after the other, each in an environment of its own
with the versions of ``requirements/``. With ``--record``, their results are written to ``docs/matrix.json``, from which
``make docs`` writes the table. Exits with 1 if a test failed. PYTEST_ARGS are more arguments for pytest.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs/matrix.json"
#: Each file of requirements/ that tests are run with, and versions of Python that its Airflow supports.
PYTHONS = {
    "airflow-3": ("3.11", "3.13", "3.14"),
    "airflow-3.2": ("3.12",),
    "airflow-3.1": ("3.13",),
    "airflow-2.11": ("3.12",),
    # The lowest versions of the others have wheels for the lowest version of Python.
    "lowest-3": ("3.11",),
    "lowest-2": ("3.11",),
}
CELLS = [f"{requirements}:{python}" for requirements, pythons in PYTHONS.items() for python in pythons]
EXAMPLES = [f"tests/airflow/test_{name}.py" for name in ("examples", "statistics_dags")]
SUITES = {
    "quick": ["-m", "not slow and not realtime"],
    "examples": ["-m", "not realtime", *EXAMPLES],
}


def main(arguments: list[str]) -> int:
    """Run cells; return the exit status."""
    record = "--record" in arguments
    cells = [one for one in arguments if one != "--record"] or CELLS
    if unknown := [cell for cell in cells if cell not in CELLS]:
        sys.exit(f"Not one of {', '.join(CELLS)}: {', '.join(unknown)}.")
    results = {}
    try:
        for cell in cells:
            results[cell] = run_cell(cell)
            print(f"{cell}: {json.dumps(results[cell])}", flush=True)
    finally:
        if record:  # not between two cells, whose tests compare the table with the results
            write(results)
    return int(any(suite["failed"] for result in results.values() for suite in result["suites"].values()))


def run_cell(cell: str) -> dict[str, Any]:
    """Run the suites in a cell; return its versions, and the numbers of tests by suite and outcome."""
    environment = make_environment(*cell.split(":"))
    return {**versions(environment), "suites": {name: run_suite(environment, name) for name in SUITES}}


def make_environment(requirements: str, python: str) -> Path:
    """Install the requirements and the checkout for a version of Python; return the folder."""
    folder = Path(f".venv-matrix/{requirements}-{python}")
    file, minor = f"requirements/{requirements}.txt", python.partition(".")[2]
    install = [".ci/make-env", folder, file, minor, f"python{python}"]
    install_checkout = [".ci/pip-install", folder, "--no-deps", "--no-build-isolation", "--editable", "."]
    for command in (install, install_checkout):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(f"{folder} could not be installed.")  # the command has printed why
    return folder


def versions(environment: Path) -> dict[str, str]:
    """Return the versions of Airflow and Python in an environment."""
    code = "import importlib.metadata as m, platform; print(m.version('apache-airflow'), platform.python_version())"
    command = [ROOT / environment / "bin/python", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(("airflow", "python"), found, strict=True))


def run_suite(environment: Path, name: str) -> dict[str, int]:
    """Run the tests of a suite; return the numbers of tests by outcome."""
    report = ROOT / environment / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [ROOT / environment / "bin/python", "-m", "pytest", "-q", f"--junit-xml={report}"]
    command += ["-n", "2", "--no-loadscope-reorder", "-o", f"cache_dir={environment}/.pytest_cache", *SUITES[name]]
    ended = subprocess.run([*command, *shlex.split(os.environ.get("PYTEST_ARGS", ""))], cwd=ROOT, check=False)
    # 1: tests failed. Other statuses: pytest itself did, and there are no numbers.
    if ended.returncode not in (0, 1):
        sys.exit(f"pytest ended with status {ended.returncode} in {environment}.")
    return outcomes(report)


def outcomes(report: Path) -> dict[str, int]:
    """Return the numbers of tests by outcome in a JUnit report."""
    suite = ElementTree.parse(report).getroot()[0]
    tests, failures, errors, skipped = (int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    return {"passed": tests - failed - skipped, "failed": failed, "skipped": skipped}


def write(results: dict[str, dict[str, Any]]) -> None:
    """Replace the results of cells in the file, which has all cells in the order of the matrix."""
    known = json.loads(RESULTS.read_text()) | results if RESULTS.exists() else results
    lines = (f"{json.dumps(cell)}: {json.dumps(known[cell])}" for cell in CELLS if cell in known)
    RESULTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
