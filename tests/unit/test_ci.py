"""The scripts and files of ``.ci`` and ``requirements``: what is installed, what is left behind, what is reported."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MATRIX = runpy.run_path(str(ROOT / ".ci/matrix.py"))
LINES = tuple(MATRIX["PYTHONS"])

#: What is added to the environment of requirements/airflow-3.txt.
ADDED = ("bench", "mysql")
FILES = (*LINES, *ADDED, "fuzz", "tools")

each_file = pytest.mark.parametrize("name", FILES)
on_unix = pytest.mark.skipif(os.name != "posix", reason="the scripts are for a POSIX shell")


# Requirements


def pins(name):
    """Return the requirements of a file, each with its number of hashes."""
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    found = re.findall(r"^([^#\s][^\\\n]*?) \\\n((?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    return {Requirement(requirement): hashes.count("--hash") for requirement, hashes in found}


@each_file
def test_requirements_state_versions_and_hashes_but_no_addresses(name):
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("#", "    --hash=sha256:"))]
    assert len(lines) == len(pins(name)) > (4 if name in ADDED else 20)
    assert "://" not in text
    assert {spec.operator for requirement in pins(name) for spec in requirement.specifier} == {"=="}


@pytest.mark.parametrize("name", ADDED)
def test_what_is_added_to_an_environment_replaces_nothing_of_it(name):
    assert {pin.name for pin in pins(name)} & {pin.name for pin in pins("airflow-3")} == set(), "make requirements"


def installations():
    """Return the commands that install packages, with the lines that continue them."""
    files = (ROOT / "Makefile", *(ROOT / ".ci").iterdir(), *(ROOT / ".github/workflows").iterdir())
    for file in filter(Path.is_file, files):
        text = re.sub(r"\\\n\s*|#.*", " ", file.read_text())
        for line in text.splitlines():
            if re.search(r"\bpip(-install|3?\W+install)\b", line):
                yield file.name, line.strip()


def test_all_that_is_installed_has_hashes():
    # .ci/pip-install passes the arguments of its caller on; the checkout has no dependencies that are installed.
    names = [name for name, line in installations() if "$@" not in line]
    unhashed = [
        (name, line)
        for name, line in installations()
        if "$@" not in line and "--require-hashes" not in line and not ("--no-deps" in line and "--editable" in line)
    ]
    assert unhashed == []
    assert sorted(names) == ["Makefile", "Makefile", "install-mysql", "make-env", "matrix.py"]


def test_what_is_built_from_source_for_tests_fetches_nothing():
    # Requirements of a build have no hashes.
    assert any(pin.name == "setuptools" for pin in pins("airflow-3"))
    assert "--no-build-isolation" in (ROOT / ".ci/install-mysql").read_text()


def requirements(*, sandbox=True):
    """Return the dependencies of the package and of its extras."""
    extras = PROJECT["project"]["optional-dependencies"]
    chosen = (one for extra, needed in extras.items() if sandbox or extra != "sandbox" for one in needed)
    return [Requirement(one) for one in (*PROJECT["project"]["dependencies"], *chosen)]


@pytest.mark.parametrize("name", LINES)
def test_requirements_contain_what_the_package_allows(name):
    # Airflow 3.1 requires a FastAPI with published vulnerabilities, which the extra "sandbox" excludes.
    needed = requirements(sandbox=name != "airflow-3.1")
    for requirement in (*needed, *map(Requirement, PROJECT["dependency-groups"]["test"])):
        versions = [next(iter(pin.specifier)).version for pin in pins(name) if pin.name == requirement.name]
        assert versions, requirement
        assert all(requirement.specifier.contains(version) for version in versions), (requirement, "make requirements")


def lower_bound(requirement):
    return next(Version(one.version) for one in requirement.specifier if one.operator == ">=")


def test_the_lowest_versions_are_the_lower_bounds():
    versions = {pin.name: Version(next(iter(pin.specifier)).version) for pin in pins("lowest-2")}
    assert [one for one in requirements() if versions[one.name] != lower_bound(one)] == [], "make requirements"


def test_with_airflow_3_only_what_airflow_excludes_is_higher_than_the_lower_bounds():
    versions = {pin.name: Version(next(iter(pin.specifier)).version) for pin in pins("lowest-3")}
    higher = {one.name for one in requirements() if versions[one.name] != lower_bound(one)}
    assert higher == {
        "apache-airflow",
        "pendulum",
        "psutil",
        "pydantic",
        "uvicorn",
    }


# .ci/matrix.py, its results, and the workflows


def python_versions():
    """Return the versions of Python in the classifiers of the package."""
    prefix = "Programming Language :: Python :: "
    return [one.removeprefix(prefix) for one in PROJECT["project"]["classifiers"] if one.startswith(prefix)]


def test_the_package_allows_the_versions_of_python_that_are_tested():
    tested = {python for pythons in MATRIX["PYTHONS"].values() for python in pythons}
    assert tested == set(python_versions())
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [f"3.{minor}" for minor in range(20) if allowed.contains(f"3.{minor}")] == python_versions()


def test_results_of_the_matrix_are_those_of_its_cells_and_none_has_a_failure():
    results = json.loads(MATRIX["RESULTS"].read_text())
    assert list(results) == [cell for cell in MATRIX["CELLS"] if cell in results], "make test-matrix"
    for cell, result in results.items():
        name, python = cell.split(":")
        (pinned,) = (next(iter(pin.specifier)).version for pin in pins(name) if pin.name == "apache-airflow")
        assert Version(result["airflow"]).release[:2] == Version(pinned).release[:2], (cell, "make test-matrix")
        assert result["python"].startswith(f"{python}.")
        assert all(suite["passed"] and not suite["failed"] for suite in result["suites"].values()), cell


def test_outcomes_of_a_report_are_counted(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>')
    assert MATRIX["outcomes"](report) == {"passed": 3, "failed": 3, "skipped": 3}


def test_a_cell_that_the_matrix_does_not_have_is_refused():
    command = [sys.executable, ROOT / ".ci/matrix.py", "airflow-2.11:3.13"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert (ended.returncode, "airflow-2.11:3.13." in ended.stderr) == (1, True)


def test_the_workflow_runs_all_files_of_requirements_and_all_versions_of_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["all"]["strategy"]["matrix"]["python"] == python_versions()
    cells = jobs["matrix"]["strategy"]["matrix"]["cell"]
    assert set(cells) <= set(MATRIX["CELLS"])
    # The job "all" runs these two.
    assert {cell.partition(":")[0] for cell in cells} == set(LINES) - {"airflow-3", "airflow-2.11"}


def test_the_workflow_runs_attacks_that_need_root_as_root_after_the_environment_was_made():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["all"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands[0] == ".ci/run"
    assert re.fullmatch("sudo --non-interactive env .* make test-root", commands[-1])


@on_unix
def test_attacks_that_need_root_cannot_be_skipped_without_notice(tmp_path):
    # Another user: a folder with an `id` that says so.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    command = ["make", "--silent", "--old-file=.venv/.ready", "test-root"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert (ended.returncode, "run them as root" in ended.stderr) == (2, True)


TOOLS = (
    "cat",
    "chmod",
    "dirname",
    "find",
    "mkdir",
    "mv",
    "paste",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sleep",
    "sort",
    "touch",
)

# .ci/install-server: programs stand in for those of Debian, so that nothing is downloaded

APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$LOG"
touch "$TMPDIR/apt.sig.0" || exit 1
[ "$(cat "$3")" = "#clear APT::Update;" ] || { echo "hooks of the machine run" >&2 && exit 1; }
case "$*" in
*" update") [ -z "$HANGS" ] || { echo $$ >"$LOG.pid"; exec sleep 60; } ;;
*"--simulate"*) printf 'Inst server (7)\\nInst tools (7)\\nConf server (7)\\n' ;;
*" download "*) touch server.deb tools.deb ;;
esac
"""
DPKG_DEB = """#!/bin/sh
echo "dpkg-deb $*" >>"$LOG"
bin="$3/usr/lib/version 7/bin"
mkdir -p "$bin"
for program in redis-server initdb postgres mariadbd; do
    printf '#!/bin/sh\\necho %s "$@"\\n' "$program" >"$bin/$program"
    chmod 755 "$bin/$program"
done
"""
PROGRAMS = {"redis": {"redis-server"}, "postgres": {"initdb", "postgres"}, "mariadb": {"mariadbd"}}
#: Signals that end the script.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
each_server = pytest.mark.parametrize("server", PROGRAMS)


def restore_signals():
    """Undo what the caller of the tests ignores: the shell of a background job SIGINT, and nohup SIGHUP."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


class Machine:
    """A machine with the tools that the script needs, and with a checkout that contains nothing else."""

    def __init__(self, folder, server="postgres", *, debian=True):
        self.server = server
        self.checkout, self.bin, self.log = folder / "checkout", folder / "bin", folder / "log"
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        (self.checkout / ".ci").mkdir(parents=True)
        self.lib = folder / "lib"
        script = (ROOT / ".ci/install-server").read_text().replace("/usr/lib/postgresql/", f"{self.lib}/postgresql/")
        self.add("install-server", script, self.checkout / ".ci")
        self.bin.mkdir()
        self.log.touch()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        if debian:
            self.add("apt-get", APT_GET)
            self.add("dpkg-deb", DPKG_DEB)

    def add(self, program, script, folder=None):
        folder = folder or self.bin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / program).write_text(script)
        (folder / program).chmod(0o755)

    def start(self, hangs=""):
        environment = {"PATH": str(self.bin), "LOG": str(self.log), "HANGS": hangs, "TMPDIR": str(self.tmp)}
        return subprocess.Popen(
            [self.checkout / ".ci/install-server", self.server],
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=restore_signals,
        )

    def start_hanging(self):
        """Start the script, and return it while it downloads."""
        script = self.start(hangs="yes")
        while not self.log.with_suffix(".pid").exists():
            assert script.poll() is None
        return script

    def run(self):
        script = self.start()
        _, errors = script.communicate(timeout=180)
        return script.returncode, errors

    def commands(self):
        return self.log.read_text().splitlines()

    def files(self):
        """Return the names of new files, in the checkout and where temporary files are."""
        return {path.name for folder in (self.checkout, self.tmp) for path in folder.iterdir()} - {".ci"}


@on_unix
@each_server
def test_a_server_is_unpacked_once_and_not_installed(tmp_path, server):
    machine = Machine(tmp_path, server)
    assert machine.run() == (0, "")
    assert [command for command in machine.commands() if " install " in command and "--simulate" not in command] == []
    own = f"{machine.checkout}/.{server}/apt"
    options = [f"-c {own}/conf", f"Dir::State::lists={own}/", f"Dir::Cache={own}/", f"Dir::Log={own}/"]
    assert [option for line in machine.commands()[:3] for option in options if option not in line] == []
    for program in PROGRAMS[server]:
        command = [machine.checkout / f".{server}" / program, "--port", "0"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{program} --port 0\n"
    before = machine.commands()
    assert machine.run() == (0, "")
    assert machine.commands() == before


@pytest.fixture
def ignored_by_the_caller(number):
    """Ignore a signal, as processes do that ``nohup`` or a shell has started in the background."""
    before = signal.signal(number, signal.SIG_IGN)
    yield
    signal.signal(number, before)


@on_unix
@pytest.mark.parametrize("number", STOPS)
def test_a_run_that_is_stopped_leaves_nothing(tmp_path, number, ignored_by_the_caller):
    machine = Machine(tmp_path)
    script = machine.start_hanging()
    os.killpg(script.pid, number)
    script.communicate(timeout=180)
    assert script.returncode == 1
    assert machine.files() == set()


@on_unix
def test_a_run_that_fails_leaves_nothing(tmp_path):
    machine = Machine(tmp_path)
    machine.add("dpkg-deb", "#!/bin/sh\nexit 1\n")
    assert machine.run()[0] == 1
    assert machine.files() == set()


@on_unix
def test_a_killed_run_leaves_nothing_outside_of_its_folder(tmp_path):
    machine = Machine(tmp_path)
    script = machine.start_hanging()
    os.killpg(script.pid, signal.SIGKILL)
    script.communicate(timeout=180)
    assert machine.files() == {f".{machine.server}"}
    folder = machine.checkout / f".{machine.server}"
    assert PROGRAMS[machine.server].isdisjoint(path.name for path in folder.iterdir())
    assert machine.run() == (0, "")
    assert machine.files() == {f".{machine.server}"}
    assert {path.name for path in folder.iterdir()} == {*PROGRAMS[machine.server], "root"}


@on_unix
@pytest.mark.parametrize(
    ("server", "folder"), [("redis", "bin"), ("postgres", "bin"), ("postgres", "lib/postgresql/7/bin")]
)
def test_nothing_is_unpacked_where_the_server_is_installed(tmp_path, server, folder):
    machine = Machine(tmp_path, server)
    for program in PROGRAMS[server]:
        machine.add(program, "#!/bin/sh\n", tmp_path / folder)
    assert machine.run() == (0, "")
    assert (machine.files(), machine.commands()) == (set(), [])


@on_unix
def test_a_server_is_unpacked_where_only_its_client_is_installed(tmp_path):
    machine = Machine(tmp_path)
    machine.add("psql", "#!/bin/sh\n", machine.lib / "postgresql/7/bin")
    assert machine.run() == (0, "")
    assert machine.files() == {".postgres"}


@on_unix
def test_other_systems_are_told_what_is_missing(tmp_path):
    machine = Machine(tmp_path, debian=False)
    status, errors = machine.run()
    assert status == 1
    assert "Install it, or put it on the PATH, and run this again" in errors
    assert machine.files() == set()


# .ci/audit.py: a module stands in for pip-audit, whose database is on the network

PIP_AUDIT = """
import json, sys
sys.stderr.write("first line\\nConnectionError: no route\\n")
report = REPORT
if report is not None:
    with open(sys.argv[sys.argv.index("--output") + 1], "w") as file:
        json.dump({"dependencies": report}, file)
sys.exit(1)
"""
KNOWN = {"name": "safe", "version": "1", "vulns": []}
VULNERABLE = {"name": "requests", "version": "2.31.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.33.0"]}]}
UNKNOWN = {"name": "other", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("report", "status", "text"),
    [
        (None, 0, "NOT AUDITED, because no database of vulnerabilities responds: ConnectionError: no route"),
        ([UNKNOWN, UNKNOWN], 0, "NOT AUDITED, because the package index has no database"),
        ([KNOWN, UNKNOWN], 0, "0 of 1 versions have published vulnerabilities; 1 could not be looked up"),
        ([KNOWN, VULNERABLE], 1, "  requests 2.31.0: CVE-1, fixed in 2.33.0"),
    ],
)
def test_audit_reports_vulnerabilities_and_what_it_could_not_check(tmp_path, report, status, text):
    (tmp_path / "pip_audit.py").write_text(PIP_AUDIT.replace("REPORT", repr(report)))
    ended = subprocess.run(
        [sys.executable, ROOT / ".ci/audit.py"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert (ended.returncode, ended.stderr) == (status, "")
    assert ended.stdout.count(text) == len(list(REQUIREMENTS.iterdir())) == len(FILES)
