"""Command lines: those of Airflow show the provider, and those of the provider report what they did."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from packaging.version import Version

from airflow_provider_360learning.cli.definition import COMMANDS
from tests.airflow.conftest import execute_sql, insert_pool

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent

AIRFLOW_GROUP = ["airflow", "learning360"]
CONSOLE_SCRIPT = ["airflow-learning360"]
# Airflow takes no commands from providers before 3.2.
IN_AIRFLOW = Version(importlib.metadata.version("apache-airflow")) >= Version("3.2")

CONNECTION = {
    "conn_type": "learning360",
    "host": "http://127.0.0.1:9",
    "login": "company",
    "password": "not-a-real-key",
}

PROVIDER = ("providers", "get", "airflow-provider-360learning", "--full", "--output", "json")
HOOKS = ("providers", "hooks", "--output", "json")
WIDGETS = ("providers", "widgets", "--output", "plain")
BEHAVIORS = ("providers", "behaviours", "--output", "plain")
PLUGINS = ("plugins", "--output", "json")
OPTION = ("config", "get-value", "learning360", "max_rate_limit_wait")
OPTIONS = ("config", "list", "--defaults")

#: Runs several command lines of Airflow in one process, because each new one would import Airflow again.
RUN_ALL = """
import contextlib, io, json, sys

printed = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["airflow", *command]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        from airflow.__main__ import main
        main()
    printed.append(output.getvalue())
print("\\n" + json.dumps(printed))
"""


@pytest.fixture(scope="module")
def shown(airflow_db):
    """Return the output of Airflow's command lines about the provider."""
    commands = [PROVIDER, HOOKS, WIDGETS, BEHAVIORS, PLUGINS, OPTION, OPTIONS]
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN_ALL, json.dumps(commands)],
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return dict(zip(commands, json.loads(finished.stdout.splitlines()[-1]), strict=True))


def test_airflow_shows_all_parts_of_the_provider(shown):
    text = re.sub(r"\s+", " ", shown[PROVIDER])
    for part in ("360Learning", "operators.users", "sensors.", "triggers.", "Company ID", "max_rate_limit_wait"):
        assert part in text


def test_airflow_shows_the_hook(shown):
    (hook,) = [hook for hook in _json(shown[HOOKS]) if hook["connection_type"] == "learning360"]
    assert hook["class"] == "airflow_provider_360learning.hooks.learning360.Learning360Hook"
    assert hook["hook_name"] == "360Learning"
    assert hook["conn_id_attribute_name"] == "learning360_conn_id"


def test_airflow_shows_the_form_fields(shown):
    assert "extra__learning360__token_path" in shown[WIDGETS]
    assert "learning360" in shown[BEHAVIORS]


def test_airflow_shows_the_plugin_with_its_listener(shown):
    (plugin,) = [plugin for plugin in _json(shown[PLUGINS]) if plugin["name"] == "learning360"]
    assert "PoolListener" in str(plugin["listeners"])


def test_airflow_shows_the_configuration(shown):
    assert shown[OPTION].strip() == "600"
    assert "AIRFLOW__LEARNING360__RATE_LIMIT_MARGIN_MS" in shown[OPTIONS]


#: Runs each program in a fork, because each new process would import Airflow and configure its models again.
RUN_EACH = """
import json, os, runpy, sys
import airflow.cli.cli_parser, airflow_provider_360learning.cli.commands, airflow_provider_360learning.hooks.learning360
from airflow.models import import_all_models
from sqlalchemy.orm import configure_mappers
import_all_models()
configure_mappers()
for line in sys.stdin:
    files, command, env = json.loads(line)
    if not (child := os.fork()):
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Commands:
    """
    A process that runs programs of this environment with an Airflow home that has a database.

    :param db: Environment variables of the home.
    """

    def __init__(self, db: dict[str, str]) -> None:
        self.db = db
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RUN_EACH],
            env={**os.environ, **db},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the environment of this process, and more variables."""
        env = {**os.environ, "COLUMNS": "400", **self.db, **env}
        files = [Path(self.db["AIRFLOW_HOME"], name) for name in ("stdout", "stderr")]
        command = (str(BIN / command[0]), *command[1:])
        print(json.dumps([list(map(str, files)), command, env]), file=self._process.stdin, flush=True)
        return subprocess.CompletedProcess(command, int(self._process.stdout.readline()), *map(Path.read_text, files))

    def reset(self) -> None:
        """Remove all pools and connections but those that Airflow creates."""
        execute_sql(self.db, "DELETE FROM slot_pool WHERE pool <> 'default_pool'")
        execute_sql(self.db, "DELETE FROM connection")

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=180)


@pytest.fixture(scope="module")
def running_commands(migrated_db, tmp_path_factory):
    home = tmp_path_factory.mktemp("commands")
    shutil.copy(migrated_db, home / "airflow.db")
    key = base64.urlsafe_b64encode(bytes(32)).decode()  # on Airflow 2, the first program generates one
    commands = Commands({"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__FERNET_KEY": key})
    yield commands
    commands.stop()


@pytest.fixture
def commands(running_commands):
    """Return the process, without pools and connections."""
    running_commands.reset()
    return running_commands


@pytest.fixture
def learning360(commands):
    """Return a function that runs a command of the provider, by default without the pool."""
    return partial(commands.run, *(AIRFLOW_GROUP if IN_AIRFLOW else CONSOLE_SCRIPT))


def test_the_console_script_lists_every_command(airflow_command):
    listed = airflow_command("--help", program="airflow-learning360")
    assert listed.returncode == 0
    for command in COMMANDS:
        assert command.name in listed.stdout


@pytest.mark.airflow(">=3.2", reason="Airflow takes commands from providers since 3.2")
def test_airflow_lists_every_command(airflow_command, airflow_db):
    listed = airflow_command("learning360", "--help")
    assert listed.returncode == 0
    for command in COMMANDS:
        assert command.name in listed.stdout


def test_pool_creates_the_pool_and_check_passes(airflow_command, commands, learning360, learning360_sandbox):
    program, *group = AIRFLOW_GROUP if IN_AIRFLOW else CONSOLE_SCRIPT
    created = airflow_command(*group, "pool", program=program, env=commands.db)
    assert "Pool 'learning360' created with 5 slots" in created.stdout
    assert created.returncode == 0
    assert "Pool 'learning360' exists with 5 slots" in learning360("pool").stdout

    checked = learning360("check")
    assert _statuses(checked.stdout) == {"connection": "ok", "pool": "ok", "rate limiter": "ok", "API": "ok"}
    assert checked.returncode == 0
    assert learning360_sandbox.api_key not in checked.stdout + checked.stderr


def test_check_fails_with_a_line_per_check(learning360):
    checked = learning360("check", "--conn-id", "mine", AIRFLOW_CONN_MINE=json.dumps(CONNECTION))
    assert checked.returncode == 1
    assert _statuses(checked.stdout) == {"connection": "ok", "pool": "fail", "rate limiter": "ok", "API": "fail"}
    assert "Pool 'learning360' does not exist" in checked.stdout
    assert CONNECTION["password"] not in checked.stdout + checked.stderr


def test_sandbox_serves_until_it_is_terminated(tmp_path):
    program, *group = AIRFLOW_GROUP if IN_AIRFLOW else CONSOLE_SCRIPT
    url_file = tmp_path / "url"
    server = subprocess.Popen(
        [BIN / program, *group, "sandbox", "--port", "0", "--url-file", url_file, "--seed", "empty"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 180
        while not url_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with urllib.request.urlopen(f"{url_file.read_text()}/state") as response:
            assert response.status == 200
    finally:
        server.terminate()
        printed, _ = server.communicate(timeout=180)
    assert server.returncode == 0
    assert "AIRFLOW_CONN_LEARNING360_DEFAULT=" in printed


@pytest.mark.parametrize(
    ("option", "value"), [("--host", "0.0.0.0"), ("--settings", '{"unheard_of": 1}'), ("--seed", "none")]
)
def test_sandbox_refuses_invalid_options_in_one_message(airflow_command, option, value):
    refused = airflow_command("sandbox", "--port", "0", option, value, program="airflow-learning360")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert value.strip('{"')[:7] in refused.stderr


@pytest.mark.parametrize(
    ("configured", "status", "problem"),
    [("4", "fail", "[learning360] pool_slots is 4"), ("", "warn", "5 fit the connections")],
)
def test_check_reports_a_pool_of_another_size(commands, configured, status, problem):
    insert_pool(commands.db, slots=3)
    command = ("airflow-learning360", "check", "--conn-id", "mine")
    checked = commands.run(*command, AIRFLOW__LEARNING360__POOL_SLOTS=configured)
    assert _statuses(checked.stdout)["pool"] == status
    assert f"3 slots, but {problem}" in checked.stdout


def test_a_fresh_home_is_reported_in_one_line_that_says_what_to_do(airflow_command, tmp_path):
    home = {"AIRFLOW_HOME": str(tmp_path)}
    refused = airflow_command("pool", program="airflow-learning360", env=home)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stdout + refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "Pool not created" in line]
    assert "run `airflow db migrate`" in line

    checked = airflow_command("check", "--conn-id", "mine", program="airflow-learning360", env=home)
    assert "Traceback" not in checked.stdout + checked.stderr
    assert _statuses(checked.stdout)["pool"] == "warn"
    assert "'mine' was not found, and Airflow's database cannot be used" in checked.stdout
    assert "run `airflow db migrate`" in checked.stdout


def test_check_finds_a_connection_of_the_database(commands, learning360, learning360_sandbox):
    fields = json.dumps(learning360_sandbox.connection())
    added = commands.run("airflow", "connections", "add", "mine", "--conn-json", fields)
    assert added.returncode == 0, added.stderr
    checked = learning360("check", "--conn-id", "mine")
    assert _statuses(checked.stdout)["connection"] == "ok"
    assert _statuses(checked.stdout)["API"] == "ok"


def _statuses(text):
    """Return the status per check. Airflow itself may print other lines before and after."""
    found = re.findall(r"^(ok|warn|fail) +(connection|pool|rate limiter|API) ", text, re.MULTILINE)
    return {check: status for status, check in found}


def _json(text):
    return json.loads(text[text.index("[") :])
