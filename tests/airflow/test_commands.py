"""The command lines: Airflow's own ones know the package, and its own commands say what they did."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from packaging.version import Version

from airflow_provider_360learning.cli.definition import COMMANDS

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent

AIRFLOW_GROUP = ["airflow", "learning360"]
CONSOLE_SCRIPT = ["airflow-learning360"]
# Before 3.2, Airflow takes no commands from providers.
IN_AIRFLOW = Version(importlib.metadata.version("apache-airflow")) >= Version("3.2")

CONNECTION = {
    "conn_type": "learning360",
    "host": "http://127.0.0.1:9",
    "login": "company",
    "password": "not-a-real-key",
}


def test_airflow_shows_the_provider_with_all_it_brings(airflow_command, airflow_db):
    shown = airflow_command("providers", "get", "airflow-provider-360learning", "--full", "--output", "json")
    assert shown.returncode == 0, shown.stderr
    text = re.sub(r"\s+", " ", shown.stdout)
    for part in ("360Learning", "operators.users", "sensors.", "triggers.", "Company ID", "max_rate_limit_wait"):
        assert part in text


def test_airflow_shows_the_hook(airflow_command, airflow_db):
    hooks = json.loads(_json(airflow_command("providers", "hooks", "--output", "json")))
    (hook,) = [h for h in hooks if h["connection_type"] == "learning360"]
    assert hook["class"] == "airflow_provider_360learning.hooks.learning360.Learning360Hook"
    assert hook["hook_name"] == "360Learning"
    assert hook["conn_id_attribute_name"] == "learning360_conn_id"


def test_airflow_shows_the_form_fields(airflow_command, airflow_db):
    widgets = airflow_command("providers", "widgets", "--output", "plain").stdout
    assert "extra__learning360__token_path" in widgets
    behaviours = airflow_command("providers", "behaviours", "--output", "plain").stdout
    assert "learning360" in behaviours


def test_airflow_shows_the_plugin_with_its_listener(airflow_command, airflow_db):
    plugins = json.loads(_json(airflow_command("plugins", "--output", "json")))
    (plugin,) = [p for p in plugins if p["name"] == "learning360"]
    assert "PoolListener" in str(plugin["listeners"])


def test_airflow_shows_the_configuration(airflow_command, airflow_db):
    assert airflow_command("config", "get-value", "learning360", "max_rate_limit_wait").stdout.strip() == "600"
    assert "AIRFLOW__LEARNING360__RATE_LIMIT_MARGIN_MS" in airflow_command("config", "list", "--defaults").stdout


@pytest.fixture
def learning360(airflow_command, fresh_db):
    """Run a command the way that this Airflow has for it, by default with a database and without the pool."""
    program, *group = AIRFLOW_GROUP if IN_AIRFLOW else CONSOLE_SCRIPT

    def run(*arguments, **env):
        return airflow_command(*group, *arguments, program=program, env={**fresh_db, **env})

    return run


def test_the_console_script_names_every_command(airflow_command):
    shown = airflow_command("--help", program="airflow-learning360")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert command.name in shown.stdout


@pytest.mark.airflow(">=3.2", reason="Airflow takes commands from providers since 3.2")
def test_airflow_names_every_command(airflow_command, airflow_db):
    shown = airflow_command("learning360", "--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert command.name in shown.stdout


def test_pool_creates_the_pool_and_then_says_that_it_is_there(learning360):
    first = learning360("pool")
    assert "Pool 'learning360' created with 5 slots" in first.stdout
    assert first.returncode == 0
    second = learning360("pool")
    assert "Pool 'learning360' exists with 5 slots" in second.stdout


def test_check_fails_with_a_line_for_each_point(learning360):
    checked = learning360("check", "--conn-id", "mine", AIRFLOW_CONN_MINE=json.dumps(CONNECTION))
    assert checked.returncode == 1
    assert _points(checked.stdout) == {"connection": "ok", "pool": "fail", "rate limiter": "ok", "API": "fail"}
    assert "Pool 'learning360' does not exist" in checked.stdout
    assert CONNECTION["password"] not in checked.stdout + checked.stderr


def test_check_passes_where_all_is_well(learning360, learning360_sandbox):
    learning360("pool")
    checked = learning360("check")
    assert _points(checked.stdout) == {"connection": "ok", "pool": "ok", "rate limiter": "ok", "API": "ok"}
    assert checked.returncode == 0
    assert learning360_sandbox.api_key not in checked.stdout + checked.stderr


def test_sandbox_serves_until_it_is_told_to_stop(tmp_path):
    program, *group = AIRFLOW_GROUP if IN_AIRFLOW else CONSOLE_SCRIPT
    port_file = tmp_path / "port"
    server = subprocess.Popen(
        [BIN / program, *group, "sandbox", "--port", "0", "--port-file", port_file, "--seed", "empty"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with urllib.request.urlopen(f"http://127.0.0.1:{port_file.read_text()}/_sandbox/state") as answer:
            assert answer.status == 200
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "AIRFLOW_CONN_LEARNING360_DEFAULT=" in said


@pytest.mark.parametrize(
    ("option", "value"), [("--host", "0.0.0.0"), ("--settings", '{"unheard_of": 1}'), ("--seed", "none")]
)
def test_sandbox_refuses_what_it_cannot_do_in_one_message(airflow_command, option, value):
    refused = airflow_command("sandbox", "--port", "0", option, value, program="airflow-learning360")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert value.strip('{"')[:7] in refused.stderr


def test_check_fails_on_a_pool_of_another_size(airflow_command, fresh_db):
    airflow_command("pools", "set", "learning360", "3", "of another size", env=fresh_db)
    checked = _check(airflow_command, fresh_db)
    assert _points(checked.stdout)["pool"] == "fail"
    assert "3 slots, but [learning360] pool_slots is 5" in checked.stdout


def test_check_says_where_the_database_cannot_be_read(airflow_command, tmp_path):
    checked = _check(airflow_command, {"AIRFLOW_HOME": str(tmp_path)})
    assert _points(checked.stdout)["pool"] == "warn"
    assert "cannot be read from here" in checked.stdout


def _check(airflow_command, env):
    return airflow_command("check", "--conn-id", "mine", program="airflow-learning360", env=env)


def _points(text):
    """What the check says of each point; Airflow itself may print other lines around."""
    found = re.findall(r"^(ok|warn|fail) +(connection|pool|rate limiter|API) ", text, re.MULTILINE)
    return {point: verdict for verdict, point in found}


def _json(done):
    assert done.returncode == 0, done.stderr
    return done.stdout[done.stdout.index("[") :]
