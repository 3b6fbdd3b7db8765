"""
Take pictures of the pages that users of the provider see, in a real browser, and check what can be checked.

::

    .venv/bin/python -m tests.screenshots /tmp/pictures                    # all of them: several minutes
    .venv/bin/python -m tests.screenshots /tmp/pictures form_3 form_2      # some of them
    .venv/bin/python -m tests.screenshots docs sandbox_page                # the one of the documentation

Installs Debian's packages chromium and chromium-driver if they are missing. Look at each picture.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import requests

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.ports import unused_port
from tests.airflow.form_values import DAG_ID, fields_of_v2
from tests.screenshots import pages_2, pages_3
from tests.screenshots.browser import Browser, install_browser
from tests.screenshots.sandbox_page import sandbox_page

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "tests/screenshots/dags", ROOT / "tests/airflow/dags"
EXAMPLES = ROOT / "dags_examples"
#: The example whose grid is shown.
EXAMPLE = "onboarding_new_hires"
RUN_TIMEOUT = 300


class Scene:
    """
    A running Airflow, a sandbox and a browser.

    :param airflow: The Airflow.
    :param url: Address of its web interface.
    :param sandbox: The sandbox.
    :param browser: The browser.
    :param folder: Where pictures are written to.
    """

    def __init__(self, airflow: AirflowStack, url: str, sandbox: Sandbox, browser: Browser, folder: Path) -> None:
        self.airflow = airflow
        self.url = url
        self.sandbox = sandbox
        self.browser = browser
        self._folder = folder

    def take(self, name: str) -> None:
        """Write a picture and print its path."""
        file = self._folder / f"{name}.png"
        self.browser.take_picture(file)
        print(file, flush=True)

    def run(self, dag_id: str, **conf: str) -> tuple[str, str]:
        """Run a DAG, and return the id and the state of the run."""
        run_id = self.airflow.trigger(dag_id, conf)
        state = self.airflow.wait(dag_id, run_id, RUN_TIMEOUT)
        print(f"{dag_id} {conf or ''}: {state}", flush=True)
        return run_id, state

    def run_with(self, conn_id: str) -> None:
        """Run a DAG with a connection, which must succeed."""
        run_id, state = self.run(DAG_ID, connection=conn_id)
        if state != "success":
            raise RuntimeError(self.airflow.logs(DAG_ID, run_id))


def form_3(scene: Scene) -> None:
    """Show the form of Airflow 3: empty, filled in, tested, edited. Each time it is saved, run a DAG."""
    web = pages_3.Connections(scene.browser, scene.url)
    company = {"host": scene.sandbox.url, "login": scene.sandbox.company_id, "password": scene.sandbox.api_key}
    scene.browser.resize(1400, 1900)
    web.open_empty_form("acme")
    scene.take("form-3-standard-fields")
    web.fill_in(**company)
    web.show_extra_fields()
    scene.take("form-3-extra-fields")
    web.fill_in_extra()
    scene.take("form-3-filled-in")
    web.save()
    scene.run_with("acme")
    scene.browser.resize(1400, 700)
    web.press_test("acme")
    scene.take("form-3-tested-without-port")
    scene.browser.resize(1400, 1900)
    web.open_edit_form("acme")
    web.fill_in(description="Edited in a browser", port="443")
    scene.take("form-3-edited-standard-fields")
    web.show_extra_fields()
    scene.take("form-3-edited-extra-fields")
    web.save()
    scene.run_with("acme")
    scene.browser.resize(1400, 700)
    web.press_test("acme")
    scene.browser.wait_for_text("360Learning accepts the credentials")
    scene.take("form-3-tested")


def form_3_v2(scene: Scene) -> None:
    """Show the form of Airflow 3 with a connection to API v2, and test it."""
    web = pages_3.Connections(scene.browser, scene.url)
    standard, extra = fields_of_v2(scene.sandbox)
    scene.browser.resize(1400, 1900)
    web.open_empty_form("acme_v2")
    web.fill_in(**standard, port="443")
    scene.take("form-3-v2-standard-fields")
    web.show_extra_fields()
    web.fill_in_v2(extra["company_id"])
    scene.take("form-3-v2-extra-fields")
    web.save()
    scene.run_with("acme_v2")
    scene.browser.resize(1400, 700)
    web.press_test("acme_v2")
    scene.browser.wait_for_text("360Learning accepts the credentials")
    scene.take("form-3-v2-tested")


def form_2_v2(scene: Scene) -> None:
    """Show the form of Airflow 2 with a connection to API v2, and test it."""
    web = pages_2.Connections(scene.browser, scene.url)
    standard, extra = fields_of_v2(scene.sandbox)
    scene.browser.resize(1400, 1900)
    web.open_empty_form("acme_v2")
    web.fill_in_v2(**standard, company_id=extra["company_id"])
    web.press_test()
    scene.browser.wait_for_text("360Learning accepts the credentials")
    scene.take("form-2-v2-tested")
    web.save()
    scene.run_with("acme_v2")


def form_2(scene: Scene) -> None:
    """Show the form of Airflow 2: empty, tested, edited. Each time it is saved, run a DAG."""
    web = pages_2.Connections(scene.browser, scene.url)
    scene.browser.resize(1400, 1900)
    web.open_empty_form("acme")
    scene.take("form-2-empty")
    web.fill_in(scene.sandbox.url, scene.sandbox.company_id, scene.sandbox.api_key)
    web.press_test()
    scene.browser.wait_for_text("360Learning accepts the credentials")
    scene.take("form-2-tested")
    web.save()
    scene.run_with("acme")
    web.open_edit_form("acme")
    scene.take("form-2-edited")
    web.edit(description="Edited in a browser")
    web.save()
    scene.run_with("acme")


def logs_3(scene: Scene) -> None:
    """Show the log of each operator."""
    dag_id = "every_operator"
    run_id, state = scene.run(dag_id)
    scene.browser.resize(1600, 900)
    for task in scene.airflow.task_instances(dag_id, run_id):
        if task["state"] == "upstream_failed":
            continue
        pages_3.show_log(scene.browser, scene.url, dag_id, run_id, task["task_id"])
        scene.take(f"log-3-{task['task_id']}")
    if state != "success":
        raise RuntimeError(f"{dag_id}: {state}")


def grid_3(scene: Scene) -> None:
    """Show the grid of the example: a run that fails because a row is invalid, and one with the corrected file."""
    _, first = scene.run(EXAMPLE)
    file = scene.airflow.home / "dags/new_hires.csv"
    file.write_text(file.read_text().replace("katherine.johnson.acme.test", "katherine.johnson@acme.test"))
    run_id, second = scene.run(EXAMPLE)
    scene.browser.resize(1600, 900)
    pages_3.show_run(scene.browser, scene.url, EXAMPLE, run_id)
    scene.take("grid-3")
    if (first, second) != ("failed", "success"):
        raise RuntimeError(f"{EXAMPLE}: {first}, {second}")


#: The pictures by the Airflow line that they are taken of.
PICTURES: dict[int, tuple[Callable[[Scene], None], ...]] = {
    3: (form_3, form_3_v2, logs_3, grid_3),
    2: (form_2, form_2_v2),
}

#: The pictures without Airflow.
OTHER_PICTURES: tuple[Callable[[Path], None], ...] = (sandbox_page,)


def main(argv: Sequence[str] | None = None) -> None:
    """Take the pictures."""
    names = [one.__name__ for functions in (*PICTURES.values(), OTHER_PICTURES) for one in functions]
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Take pictures in a real browser.")
    parser.add_argument("folder", type=Path, help="Where the pictures are written to")
    parser.add_argument("names", nargs="*", metavar="name", help=f"What to show, by default all: {', '.join(names)}")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    install_browser()
    args.folder.mkdir(parents=True, exist_ok=True)
    for take in OTHER_PICTURES:
        if not args.names or take.__name__ in args.names:
            take(args.folder)
    for line, functions in PICTURES.items():
        if chosen := [one for one in functions if not args.names or one.__name__ in args.names]:
            with _scene(line, args.folder) as scene:
                for show in chosen:
                    show(scene)


@contextlib.contextmanager
def _scene(line: int, folder: Path) -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as home,
        Sandbox(settings={"learner_seconds": 3}) as sandbox,
        _airflow(line, Path(home), sandbox) as (airflow, url),
        Browser() as browser,
    ):
        yield Scene(airflow, url, sandbox, browser, folder)


@contextlib.contextmanager
def _airflow(line: int, home: Path, sandbox: Sandbox) -> Iterator[tuple[AirflowStack, str]]:
    """Run an Airflow with the DAGs, and without a login; return it and the address of its web interface."""
    dags = home / "dags"
    shutil.copytree(EXAMPLES, dags, symlinks=True)
    for file in (file for source in DAGS for file in source.glob("*.py")):
        (dags / file.name).symlink_to(file)
    env = {
        "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
        "ONBOARDING_POKE_SECONDS": "2",
        "PYTHONPATH": str(ROOT),
    }
    if line == 3:
        with AirflowStack(home, dags, env, bin_dir=ROOT / ".venv/bin") as airflow:
            yield airflow, airflow.url
        return
    port = unused_port()
    env |= {
        "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
        "AIRFLOW__WEBSERVER__WORKERS": "1",
    }
    (home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
    components = ["webserver", "scheduler"]
    with AirflowStack(home, dags, env, bin_dir=ROOT / ".venv-2.11/bin", components=components) as airflow:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url)
        yield airflow, url


def _wait_until_healthy(url: str, timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/health", timeout=10).ok:
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not respond within {timeout:g} s")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
