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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Audit the files of requirements/; return the exit status."""
    found = False
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted((ROOT / "requirements").glob("*.txt")):
            found |= audit(file, Path(folder, "report.json"))
    return int(found)


def audit(file: Path, report: Path) -> bool:
    """Print what is known of the versions in a file, and return whether one has a vulnerability."""
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", file]
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
