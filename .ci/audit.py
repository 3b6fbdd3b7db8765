"""
Print published vulnerabilities of the versions that CI installs, and of the lowest ones that the package allows.

Needs pip-audit and a database of vulnerabilities. Exits with 1 if it finds some; with 0 if it finds none, or if no
database can be reached, which it says. The versions that it could not look up are counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOWEST = "lowest versions"


def main() -> int:
    """Audit the files of requirements/ and the lower bounds; return the exit status."""
    found = False
    with tempfile.TemporaryDirectory() as folder:
        lowest = Path(folder, LOWEST)
        lowest.write_text("\n".join(lower_bounds()))
        for file, options in [(file, ["--require-hashes"]) for file in locked()] + [(lowest, ["--no-deps"])]:
            found |= audit(file, options, Path(folder, "report.json"))
    return int(found)


def locked() -> list[Path]:
    """Return the files with the versions that CI installs."""
    return sorted((ROOT / "requirements").glob("*.txt"))


def lower_bounds() -> list[str]:
    """Return the lowest version of each dependency and each extra of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    requirements = map(Requirement, [*project["dependencies"], *extras])
    return [
        f"{requirement.name}=={bound.version}"
        for requirement in requirements
        for bound in requirement.specifier
        if bound.operator == ">="
    ]


def audit(file: Path, options: list[str], report: Path) -> bool:
    """Print what is known of the versions in a file, and return whether one has a vulnerability."""
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--requirement", file, *options]
    command += ["--format", "json", "--output", report, "--progress-spinner", "off"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not report.exists():
        reason = ended.stderr.strip().rpartition("\n")[2]
        print(f"{file.name}: NOT AUDITED, because no database of vulnerabilities responds: {reason}")
        return False
    dependencies: list[dict[str, Any]] = json.loads(report.read_text())["dependencies"]
    # pip-audit reports success for versions that the database does not know.
    known = [one for one in dependencies if "vulns" in one]
    if not known:
        print(f"{file.name}: NOT AUDITED, because the package index has no database of vulnerabilities")
        return False
    vulnerable = [one for one in known if one["vulns"]]
    print(f"{file.name}: {len(vulnerable)} of {len(known)} versions have published vulnerabilities", end="")
    print(f"; {len(dependencies) - len(known)} could not be looked up")
    for one in vulnerable:
        for each in one["vulns"]:
            fixed = ", ".join(each["fix_versions"]) or "no version yet"
            print(f"  {one['name']} {one['version']}: {each['id']}, fixed in {fixed}")
    return bool(vulnerable)


if __name__ == "__main__":
    sys.exit(main())
