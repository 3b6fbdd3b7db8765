"""A wheel built from the checkout works in an environment without the checkout."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

import airflow_provider_360learning

CHECKOUT = Path(airflow_provider_360learning.__file__).parents[1]
AIRFLOW_VERSION = importlib.metadata.version("apache-airflow")
SANDBOX_REQUIREMENTS = ("fastapi", "uvicorn")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A copy, so that the build cannot include files of earlier builds.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    package = airflow_provider_360learning.__name__
    shutil.copytree(CHECKOUT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=source, check=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Create an environment with the wheel, and link its dependencies from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    site = Path(paths["purelib"])
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "airflow_provider_360learning" not in item.name and item.suffix != ".pth":
            (site / item.name).symlink_to(item)
    _install(wheel, folder / "bin" / "python")
    return folder


def _install(wheel, python):
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--offline", "--python", python]
    else:
        command = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-index"]
    subprocess.run([*command, "--no-deps", wheel], check=True)


def run(environment, *command):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [environment / "bin" / command[0], *command[1:]],
        env={**env, "COLUMNS": "400", "PYTHONWARNINGS": "ignore"},
        cwd=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_wheel_contains_the_package_only(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"airflow_provider_360learning"}
    assert "airflow_provider_360learning/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    expected = [*(CHECKOUT / "airflow_provider_360learning").rglob("*.py")]
    expected += (CHECKOUT / "airflow_provider_360learning").rglob("*.lua")
    assert {str(path.relative_to(CHECKOUT)) for path in expected} <= set(names)


def test_the_page_of_the_package_has_no_link_to_a_file_of_the_repository(wheel):
    (name,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    page = zipfile.ZipFile(wheel).read(name).decode()
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert "https://360learning.com" in links
    assert [link for link in links if not link.startswith("https://")] == []


def test_every_module_can_be_imported_from_the_wheel(environment):
    code = """
import importlib, importlib.metadata, json, pkgutil
import airflow_provider_360learning as package
found = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in found:
    if name.rpartition(".")[2] not in SKIPPED:
        importlib.import_module(name)
entry_points = [
    [point.group, point.name, point.load().__module__ if point.group != "pytest11" else point.load().__name__]
    for point in importlib.metadata.distribution("airflow-provider-360learning").entry_points
]
print(json.dumps([package.__file__, package.__version__, sorted(entry_points)]))
"""
    # Retry policies exist since Airflow 3.3.
    skipped = ["__main__"] if Version(AIRFLOW_VERSION) >= Version("3.3") else ["__main__", "retry_policy"]
    finished = run(environment, "python", "-c", f"SKIPPED = {skipped}\n{code}")
    assert finished.returncode == 0, finished.stderr
    file, version, entry_points = json.loads(finished.stdout.splitlines()[-1])
    assert Path(file).is_relative_to(environment)
    assert version == airflow_provider_360learning.__version__
    package = "airflow_provider_360learning"
    assert entry_points == [
        ["airflow.plugins", "learning360", f"{package}.plugin"],
        ["apache_airflow_provider", "provider_info", f"{package}.get_provider_info"],
        ["console_scripts", "airflow-learning360", f"{package}.cli.definition"],
        ["pytest11", "learning360_sandbox", f"{package}.sandbox.pytest_plugin"],
    ]


def test_airflow_finds_the_installed_provider(environment, airflow_db):
    listed = run(environment, "python", "-m", "airflow", "providers", "list", "--output", "plain")
    assert "airflow-provider-360learning" in listed.stdout, listed.stderr
    plugins = run(environment, "python", "-m", "airflow", "plugins", "--output", "plain")
    assert "learning360" in plugins.stdout, plugins.stderr


def test_the_console_script_is_installed(environment):
    printed = run(environment, "airflow-learning360", "--help")
    assert printed.returncode == 0, printed.stderr
    assert "sandbox" in printed.stdout


def test_the_sandbox_names_the_missing_extra(environment):
    (site,) = environment.glob("lib/python*/site-packages")
    links = [site / name for name in SANDBOX_REQUIREMENTS]
    for link in links:
        link.rename(link.with_suffix(".away"))
    try:
        refused = run(environment, "airflow-learning360", "sandbox", "--port", "0")
    finally:
        for link in links:
            link.with_suffix(".away").rename(link)
    assert refused.returncode == 1
    assert "pip install 'airflow-provider-360learning[sandbox]'" in refused.stderr
    assert "Traceback" not in refused.stderr
