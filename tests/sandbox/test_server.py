"""Start and stop on loopback, in the foreground and as a pytest fixture; and what is imported."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from airflow_provider_360learning.cli.definition import main
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
MODULE = [sys.executable, "-m", "airflow_provider_360learning.cli.definition", "sandbox"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "localhost", "::1", ""])
def test_hosts_outside_loopback_are_refused(host):
    with pytest.raises(ValueError, match="loopback only"):
        Sandbox(host=host)


def test_any_loopback_address_is_accepted():
    with Sandbox(host="127.0.0.5", seed="empty") as sandbox:
        assert sandbox.url.startswith("http://127.0.0.5:")
        assert len(sandbox.control.state()["users"]) == 1
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=1)


def test_command_names_the_port_that_is_in_use(sandbox):
    port = sandbox.url.rpartition(":")[2]
    with pytest.raises(SystemExit, match=f"port {port} is in use; choose another one with --port"):
        main(["sandbox", "--port", port])


def test_port_in_use_raises_immediately(sandbox):
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2]))


def test_invalid_settings_raise_immediately():
    with pytest.raises(ValueError, match=r"^settings are invalid: max_groups: .*; learner_secons: .* permitted$"):
        Sandbox(settings={"learner_secons": 1, "max_groups": "many"})
    with pytest.raises(ValueError, match="seed"):
        Sandbox(seed="other")


def test_connection_has_airflow_fields(sandbox):
    connection = json.loads(sandbox.connection_json(auth="api_key_query"))
    assert connection == {
        "conn_type": "learning360",
        "host": sandbox.url,
        "login": sandbox.company_id,
        "password": sandbox.api_key,
        "extra": {"auth": "api_key_query"},
    }
    assert sandbox.connection(api_version="v2") == {
        "conn_type": "learning360",
        "host": sandbox.url,
        "login": sandbox.client_id,
        "password": sandbox.client_secret,
        "extra": {"api_version": "v2", "company_id": sandbox.company_id},
    }


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_foreground_server_prints_its_connection_and_exits_cleanly(tmp_path, end):
    url_file = tmp_path / "url"
    started = time.monotonic()
    arguments = [
        "--port",
        "0",
        "--seed",
        "empty",
        "--settings",
        '{"learner_seconds": 7}',
        "--url-file",
        str(url_file),
    ]
    process = subprocess.Popen(
        MODULE + arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while not url_file.exists() and time.monotonic() < started + 180:
            time.sleep(0.01)
        print(f"ready after {time.monotonic() - started:.2f} s")
        assert stat.S_IMODE(url_file.stat().st_mode) == 0o600
        control = SandboxControl(url_file.read_text())
        assert control.settings()["learner_seconds"] == 7
        assert len(control.state()["users"]) == 1
    finally:
        process.send_signal(end)
        output, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")
    exported = [line for line in output.splitlines() if "export AIRFLOW_CONN_LEARNING360_DEFAULT=" in line]
    connections = [json.loads(line.partition("=")[2].strip("'")) for line in exported]
    assert [each["extra"].get("api_version", "v1") for each in connections] == ["v1", "v2"]
    assert {each["host"] for each in connections} == {control.sandbox_url}
    assert all(f" {each[name]}" in output for each in connections for name in ("login", "password"))
    assert f"{url_file.read_text()}/state" in output


def test_invalid_command_line_is_reported_without_traceback():
    ended = subprocess.run([*MODULE, "--host", "0.0.0.0"], env=ENVIRONMENT, capture_output=True, text=True, timeout=180)
    assert ended.returncode != 0
    assert "loopback only" in ended.stderr
    assert "Traceback" not in ended.stderr


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=180, check=True
    ).stdout


def test_sandbox_imports_neither_airflow_nor_the_client():
    loaded = run_python(
        "import sys, airflow_provider_360learning.sandbox.server\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'"
        " or name.startswith('airflow_provider_360learning.') and '.sandbox' not in name])"
    )
    assert loaded.strip() == "[]"


def test_control_needs_only_the_standard_library():
    loaded = run_python(
        "import sys, airflow_provider_360learning.sandbox.control\n"
        "print([name for name in ('fastapi', 'uvicorn', 'starlette', 'pydantic', 'requests') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


PLUGIN_TEST = """
import json, os, pytest, requests

pytest_plugins = ["airflow_provider_360learning.sandbox.pytest_plugin"]

def test_creates(learning360_sandbox):
    connection = json.loads(os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"])
    assert connection["host"] == learning360_sandbox.url
    headers = {"X-company-id": connection["login"], "X-apiKey": connection["password"]}
    url = connection["host"] + "/api/v1/groups"
    assert requests.post(url, json={"name": "Lab", "public": True}, headers=headers).status_code == 200

class TestV2:
    @pytest.fixture
    def learning360_api_version(self):
        return "v2"

    def test_connection(self, learning360_sandbox):
        connection = json.loads(os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"])
        assert connection["login"] == learning360_sandbox.client_id

def test_is_reset(learning360_sandbox):
    assert "Lab" not in [group["name"] for group in learning360_sandbox.control.state()["groups"]]
    assert learning360_sandbox.control.journal() == []
"""


def run_pytest(folder, *more):
    (folder / "test_it.py").write_text(PLUGIN_TEST)
    command = [sys.executable, *more, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "test_it.py")]
    environment = ENVIRONMENT | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=180)


def test_pytest_fixture_resets_the_sandbox_for_each_test(tmp_path):
    ended = run_pytest(tmp_path)
    assert "3 passed" in ended.stdout, ended.stdout


def test_pytest_fixture_reports_missing_packages(tmp_path):
    # A module that is set to None cannot be imported, as if it were missing.
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['fastapi'] = None\n")
    ended = run_pytest(tmp_path)
    assert "airflow-provider-360learning[sandbox]" in ended.stdout
    assert "3 error" in ended.stdout, ended.stdout
