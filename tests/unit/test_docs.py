"""The documentation: its snippets are tested code, its tables are generated, and its names and links exist."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import json
import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from airflow_provider_360learning import config, exceptions
from airflow_provider_360learning.api import (
    certificate_results,
    classroom_results,
    course_results,
    custom_field_results,
    path_results,
    results,
)
from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.limiter.usage import Usage, WaitTimes
from airflow_provider_360learning.cli.definition import COMMANDS
from airflow_provider_360learning.completion.course import CourseCompletionOfUsersResult, CourseCompletionResult
from airflow_provider_360learning.completion.course_publication import CoursePublicationResult
from airflow_provider_360learning.completion.event import CompletionEvent
from airflow_provider_360learning.completion.group_membership import GroupMembershipResult
from airflow_provider_360learning.completion.path_session import PathSessionCompletionResult
from airflow_provider_360learning.completion.path_session_statuses import PathSessionStatusResult
from airflow_provider_360learning.completion.slot_attendance import SlotAttendanceResult
from airflow_provider_360learning.completion.user_activation import UserActivationResult
from airflow_provider_360learning.connections.form import EXTRA_FIELDS
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.summary import (
    CourseStatisticsResult,
    ExportResult,
    PathSessionStatisticsResult,
)
from airflow_provider_360learning.files.records import REJECTED_COLUMNS
from airflow_provider_360learning.get_provider_info import CONFIG_OPTIONS, PACKAGE, get_provider_info
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.metrics import METRICS
from airflow_provider_360learning.rows.results import NOT_DONE, UNCHANGED, WOULD_SEND, Result, RunSummary
from airflow_provider_360learning.rows.schema import RowError
from airflow_provider_360learning.rows.summary import RUN_REPORT, RUN_SUMMARY
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import API_KEY, CLIENT_ID, CLIENT_SECRET, COMPANY_ID, SEEDS
from airflow_provider_360learning.sandbox.faults import Fault
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sync import options, people, plan
from airflow_provider_360learning.sync.results import GuardResult, SyncResult

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
EXAMPLES = sorted((ROOT / "dags_examples").glob("*.py"))

_spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
generate_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate_docs)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def _snippets():
    for page in PAGES:
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
            yield pytest.param(code, id=f"{page.name}-{number}")


@pytest.mark.parametrize("code", list(_snippets()))
def test_python_snippets_are_parts_of_code_that_tests_run(code):
    examples = ("fixture_example", "quoted_code", "version_example")
    tests = (*(f"operators/test_{name}.py" for name in examples), "sandbox/test_control_example.py")
    tested = [*EXAMPLES, *(ROOT / "tests" / test for test in tests)]
    assert code in "\n".join(path.read_text() for path in tested)


# Generated tables


@each_page
def test_generated_tables_are_up_to_date(page):
    assert page.read_text() == generate_docs.generate(page.read_text()), "run `make docs`"


def test_stale_generated_tables_are_replaced():
    stale = "before\n<!-- generated: limits of v1 -->\nold\n<!-- end -->\nafter"
    generated = generate_docs.generate(stale)
    assert "old" not in generated
    assert "| `company_writes` | 5 per second |" in generated
    assert generate_docs.generate(generated) == generated


def test_every_generated_table_is_on_a_page():
    found = {name for page in PAGES for name in generate_docs.SECTION.findall(page.read_text())}
    assert found >= set(generate_docs.SECTIONS)


# Links


def _anchors(page):
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_resolve(page):
    broken = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_linked_from_the_index():
    linked = {(DOCS / link).resolve() for link in re.findall(r"\]\(([^)#]+\.md)", (DOCS / "index.md").read_text())}
    assert {*PAGES, *DOCS.glob("*.md")} - linked == {DOCS / "index.md", ROOT / "README.md"}
    assert "docs/index.md" in (ROOT / "README.md").read_text()


# Names


def _classes():
    """Return the public operators and sensors by name."""
    info = get_provider_info()
    modules = [name for kind in ("operators", "sensors") for entry in info[kind] for name in entry["python-modules"]]
    found = {}
    for module in map(importlib.import_module, modules):
        found |= {
            name: one
            for name, one in vars(module).items()
            if inspect.isclass(one) and one.__module__ == module.__name__ and name.startswith("Learning360")
        }
    return found


CLASSES = _classes()


def _arguments(function):
    return {name for name, one in inspect.signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY}


RESULTS = (results, certificate_results, classroom_results, course_results, custom_field_results, path_results)


def _result_keys_and_outcomes():
    keys, outcomes = set(), set()
    for one in [one for module in RESULTS for one in vars(module).values()]:
        if inspect.isclass(one) and one.__module__ in {module.__name__ for module in RESULTS}:
            hints = get_type_hints(one)
            keys |= set(hints)
            outcome = hints.get("outcome")
            outcomes |= set(get_args(outcome)) if get_origin(outcome) is Literal else set()
    return keys, outcomes


EXPORT_RESULTS = (ExportResult, CourseStatisticsResult, PathSessionStatisticsResult)
SENSOR_RESULTS = (
    PathSessionCompletionResult,
    PathSessionStatusResult,
    SlotAttendanceResult,
    CourseCompletionResult,
    CourseCompletionOfUsersResult,
    CoursePublicationResult,
    GroupMembershipResult,
    UserActivationResult,
)
RESULT_KEYS, OUTCOMES = _result_keys_and_outcomes()


@functools.cache
def _package_names():
    """Return every public name of the package that is written in lower case."""
    names = {PACKAGE} | set(CONFIG_OPTIONS) | set(EXTRA_FIELDS) | set(COLUMNS) | RESULT_KEYS | OUTCOMES | NOT_DONE
    names |= {UNCHANGED, WOULD_SEND, *get_args(get_type_hints(CompletionEvent)["status"])}
    names |= {RUN_REPORT, RUN_SUMMARY, *REJECTED_COLUMNS}
    names |= {key for result in (RunSummary, *EXPORT_RESULTS, *SENSOR_RESULTS) for key in get_type_hints(result)}
    names |= {column.name for columns in COLUMNS.values() for column in columns}
    names |= {field.name for line in (Result, RowError) for field in dataclasses.fields(line)}
    names |= (
        set(Settings.model_fields)
        | set(Fault.model_fields)
        | {name for name in vars(SandboxControl) if not name.startswith("_")}
    )
    names |= (
        _arguments(Learning360Hook)
        | _arguments(exceptions.Learning360Error)
        | {"transient"}
        | set(generate_docs.actions())
    )
    names |= {name for name in vars(Sandbox) if not name.startswith("_")} | set(SEEDS)
    names |= {path.stem for path in (ROOT / PACKAGE).iterdir()} | {command.name for command in COMMANDS}
    names |= {*get_args(config.RateLimiterSetting), *get_args(config.IpLimitScope), *_choices(get_type_hints(Fault))}
    names |= (
        set(get_type_hints(SyncResult))
        | set(get_type_hints(GuardResult))
        | {*get_args(plan.Action), *get_args(plan.Finding)}
    )
    names |= _choices(get_type_hints(options.SyncOptions)) | {field.name for field in dataclasses.fields(people.Person)}
    names |= {choice for field in EXTRA_FIELDS.values() for choice in field["schema"].get("enum", ())}
    names |= {one.__module__.rpartition(".")[2] for one in CLASSES.values()}
    for one in CLASSES.values():
        ours = (kind for kind in one.__mro__ if kind.__module__.startswith(PACKAGE))
        names |= {argument for kind in ours if "__init__" in vars(kind) for argument in _arguments(kind)}
    names |= _arguments(Learning360Hook.call)
    for action in generate_docs.actions().values():
        names |= set(action.model.model_fields) if isinstance(action, Action) else set()
    for model in generate_docs.row_models().values():
        names |= set(model.model_fields) | _choices(get_type_hints(model))
    for version in generate_docs.VERSIONS.values():
        for operation in version.spec.endpoints.values():
            names |= {operation.operation, *(limit.name for limit in operation.limits)}
    return names


def _choices(hints):
    """Return the strings of all ``Literal`` types, those of unions included."""
    kinds = [one for hint in hints.values() for one in (hint, *get_args(hint))]
    return {choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)}


#: Words in code style that are not names in the package's own lists, by origin.
_AIRFLOW = """
    do_xcom_push all_done default_args default_pool doc_md email exception execute execution_timeout expand
    expand_kwargs extra from_email learning360 learning360_default login map map_index_template max_active_runs
    on_failure_callback on_success_callback outlets output partial poke_interval port reschedule retries retry_delay
    return_value run_as_user schedule smtp_default start_date strict test tojson trigger_rule
"""
_VENDOR = "draft email_already_used external late native owner user_not_found"
_REDIS = "db noeviction none optional select ssl ssl_ca_certs ssl_cert_reqs ssl_certfile ssl_check_hostname ssl_keyfile"
_POSTGRES = """
    default_transaction_isolation learning360_rate_limiter prefer require schema sslcert sslkey sslmode sslrootcert
    statement system transaction
"""
_CELERY = """
    broker_url_cmd broker_url_secret credential_provider extra_celery_config global_keyprefix
    maxclients sentinel_kwargs ssl_cacert ssl_cert ssl_key ssl_mutual_tls
"""
_FILES = "cfg csv dags_examples json jsonl md parquet parts rejected sep toml txt"
_VALUES = "arun false successful true"
_PYTHON = "http realtime requests timedelta unpublished_requests"
_SANDBOX = "control control_url learning360_sandbox localhost seed"
_SYNC = "active apply conflict inactive plan_and_apply row_error skipped stale"
_EXAMPLES = "apply_sync_people learning360_acme learning360_globex scheduled_statistics_import"
OTHER_NAMES = frozenset(
    " ".join(
        (_AIRFLOW, _VENDOR, _REDIS, _POSTGRES, _CELERY, _FILES, _VALUES, _PYTHON, _SANDBOX, _SYNC, _EXAMPLES)
    ).split()
)


@each_page
def test_names_in_code_style_exist(page):
    known = _package_names() | OTHER_NAMES
    assert sorted(_words(page) - known) == []


def test_list_of_other_names_is_minimal():
    used = set().union(*map(_words, PAGES))
    assert OTHER_NAMES & _package_names() == set()
    assert OTHER_NAMES - used == set()


def _words(page):
    """Return the lower-case names and the names of arguments in code style that a page has outside generated tables."""
    written = generate_docs.SECTION.sub("", page.read_text())
    text = re.sub(r"```.*?```", "", written, flags=re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", text)
    words = {
        span.rpartition(".")[2].partition("(")[0] for span in spans if re.fullmatch(r"[a-z][a-z0-9_.]*(\(.*\))?", span)
    }
    return words | {name for span in spans for name in re.findall(r"(?:^|[(, ])([a-z][a-z0-9_]*)=", span)}


@each_page
def test_classes_exist(page):
    named = set(re.findall(r"\bLearning360\w+|\b[A-Z]\w+Error\b", page.read_text())) - {"AttributeError", "KeyError"}
    rows = {name for path in (ROOT / PACKAGE / "rows").glob("*.py") for name in _errors_defined_in(path)}
    others = rows | {"Learning360Hook", "Learning360RetryPolicy", "Learning360CompletionTrigger"}
    assert sorted(name for name in named if name not in {**CLASSES, **vars(exceptions)} and name not in others) == []


def _errors_defined_in(path):
    return re.findall(r"^class (\w+Error)\b", path.read_text(), re.MULTILINE)


@each_page
def test_modules_and_files_exist(page):
    text = page.read_text()
    files = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|csv|md))`", text))
    places = (ROOT, ROOT / PACKAGE, DOCS, ROOT / "dags_examples")
    own = {"rejected.csv", "courses.csv", "statistics-2026-10.csv", "summary.md"}
    missing = [file for file in files - own if not any((place / file).exists() for place in places)]
    dotted = set(re.findall(rf"\b{PACKAGE}(?:\.\w+)+", text))
    missing += [name for name in dotted if not _is_importable(name)]
    assert missing == []


def test_architecture_lists_the_modules():
    tree = (DOCS / "architecture.md").read_text().split("```")[1]
    named = set(re.findall(r"[\w-]+\.py|[\w-]+(?=/)", tree))
    places = [ROOT, ROOT / PACKAGE, *(path for path in (ROOT / PACKAGE).rglob("*") if path.is_dir())]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    modules = {path.name for path in (ROOT / PACKAGE).iterdir() if not path.name.startswith("_")} - {"py.typed"}
    assert modules - named == set()


def _is_importable(name):
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.util.find_spec(name) is not None or hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:  # the parent is not a package
        return hasattr(importlib.import_module(module), attribute)


@each_page
def test_settings_exist(page):
    text = page.read_text()
    named = set(re.findall(r"`\[learning360\] (\w+)", text))
    named |= {name.lower() for name in re.findall(r"AIRFLOW__LEARNING360__(\w+)", text)}
    assert named - set(CONFIG_OPTIONS) == set()


def test_every_operator_and_sensor_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    public = {name for name, one in CLASSES.items() if not one.__subclasses__()}
    assert sorted(name for name in public if f"`{name}`" not in text) == []


def test_tables_of_operators_mark_the_actions_that_only_api_v2_has():
    rows = re.findall(r"^\| `Learning360\w+` \| `(\w+)` \| (.*) \|$", (DOCS / "operators.md").read_text(), re.MULTILINE)
    marked = {name for name, result in rows if result.endswith(" (only API v2)")}
    assert marked == {name for name, _ in rows if generate_docs.is_only_in_v2(name)}
    assert "delete_tag" in marked, "the tables were found"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_import_names_that_exist(path):
    imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [(node.module, alias.name) for node in imported if node.module.startswith(PACKAGE) for alias in node.names]
    assert ours
    assert [(module, name) for module, name in ours if not hasattr(importlib.import_module(module), name)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_call_actions_that_exist(path):
    assert set(re.findall(r"\.api\.(\w+)\(", path.read_text())) <= set(generate_docs.actions())


def test_no_example_or_snippet_maps_a_task_over_rows():
    snippets = [snippet.values[0] for snippet in _snippets()]
    code = [*(path.read_text() for path in EXAMPLES), *snippets]
    assert [text for text in code if re.search(r"\.expand(_kwargs)?\(", text)] == []


def test_tests_named_on_pages_exist():
    named = [found for page in PAGES for found in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())]
    defined = {file: set(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE)) for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if name not in defined[file]] == []


@pytest.mark.parametrize(("page", "at_least"), [("known-provider-bugs.md", 15), ("attacks.md", 13)])
def test_every_known_bug_and_attack_has_a_test(page, at_least):
    rows = re.findall(r"^\|(?!-)(?!.*\| Test \|$).*", (DOCS / page).read_text(), re.MULTILINE)
    assert len(rows) >= at_least
    assert [row for row in rows if "::test_" not in row] == []


def test_every_attack_states_what_happened_before_and_what_happens_now():
    rows = [line for line in (DOCS / "attacks.md").read_text().splitlines() if line.startswith("|")]
    assert "| Attack | Before | Now | Test |" in rows
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert [each for each in cells if "---" not in each[0] and not (len(each) == 4 and all(each))] == []


def test_every_module_of_attacks_is_in_their_table():
    listed = (DOCS / "attacks.md").read_text()
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "attacks").rglob("test_*.py")]
    assert modules
    assert [module for module in modules if f"`{module}::" not in listed] == []


# Tables that are written by hand


def table(page, heading):
    """Return the cells of the first table whose header begins with these columns."""
    text = (DOCS / page).read_text()
    lines = text[text.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("file", "line"), [("results.jsonl", Result), ("errors.jsonl", RowError)])
def test_columns_of_result_files_are_documented(file, line):
    documented = [name.strip("`") for name, _ in table("bulk.md", f"Column of `{file}`")]
    assert documented == [field.name for field in dataclasses.fields(line)]


def test_outcomes_of_actions_are_documented():
    documented = {name for cells in table("operators.md", "Outcome") for name in re.findall(r"`(\w+)`", cells[0])}
    assert documented == OUTCOMES | {"imported"}


def test_outcomes_of_rows_are_documented():
    documented = {
        name for cells in table("bulk.md", "`outcome` | Meaning") for name in re.findall(r"`(\w+)`", cells[0])
    }
    done = {outcome for outcome in OUTCOMES if not outcome.startswith("would_")}  # rows have no dry run of their own
    assert documented == done | NOT_DONE | {"imported", UNCHANGED, WOULD_SEND}


def test_keys_of_action_results_are_documented():
    text = (DOCS / "operators.md").read_text()
    for name, action in generate_docs.bulk().items():
        (row,) = re.findall(rf"^\| `Learning360\w+Operator` \| `{name}` \| (.*) \|$", text, re.MULTILINE)
        result = get_args(get_type_hints(action.function)["return"])[-1]
        assert set(re.findall(r"`(\w+)`", row)) == set(get_type_hints(result)), name


def test_keys_of_row_results_are_documented():
    found = re.findall(r"`(\w+)`", _flat("bulk.md").partition("It returns ")[2])
    assert found[: len(get_type_hints(RunSummary))] == list(get_type_hints(RunSummary))


def test_keys_of_export_results_are_documented():
    documented = [name for cells in table("exports.md", "Key") for name in re.findall(r"`(\w+)`", cells[0])]
    assert set(documented) == {key for result in EXPORT_RESULTS for key in get_type_hints(result)}


@pytest.mark.parametrize("result", SENSOR_RESULTS)
def test_keys_of_sensor_results_are_documented(result):
    sentences = re.findall(r"The result is (`.*?)\.", _flat("sensors.md"))
    assert list(get_type_hints(result)) in [re.findall(r"`(\w+)`", sentence) for sentence in sentences]


def test_events_of_the_trigger_are_documented():
    documented = {cells[0].strip("`") for cells in table("sensors.md", "`status` | Meaning")}
    assert documented == set(get_args(get_type_hints(CompletionEvent)["status"]))


def _flat(page):
    return " ".join((DOCS / page).read_text().split())


def test_quoted_log_lines_are_those_of_the_code():
    usage = Usage(requests=3, tokens=1, waits=WaitTimes(iter([0.0, 1.6]).__next__))
    with usage.waits.measure("createOrInviteUser"):
        pass
    assert f"\n360Learning API usage: {usage}\n" in (DOCS / "rate-limits.md").read_text()


def test_panels_and_alerts_name_metrics_that_exist():
    named = set(re.findall(r"airflow_(learning360_\w+)", (DOCS / "deploy.md").read_text()))
    known = {metric.name.replace(".", "_"): metric.kind for metric in METRICS}
    timers = {f"{name}_{part}" for name, kind in known.items() if kind == "timer" for part in ("sum", "count")}
    assert named == timers | {name for name, kind in known.items() if kind == "counter"}


def test_alerts_fire_before_each_series_of_their_sums_exists():
    """In PromQL, a sum with a series that does not exist yet has no value: nothing is done if all rows are rejected."""
    conditions = [condition for _, condition, _ in table("deploy.md", "Alert")]
    assert [condition for condition in conditions if re.search(r"[+-] sum\(", condition)] == []


def test_quoted_messages_of_the_connection_test_are_those_of_the_code():
    code = "\n".join(path.read_text() for path in (ROOT / PACKAGE).rglob("*.py"))
    quoted = [message for cells in table("connection.md", "Problem") for message in re.findall(r"\*(.+?)\*", cells[1])]
    assert len(quoted) > 5
    assert [message for message in quoted if message not in code] == []


def test_documented_errors_are_retried_as_documented():
    permanent, transient = (set(re.findall(r"`(\w+)`", names)) for names, _ in table("errors-and-retries.md", "Error"))
    base = exceptions.Learning360Error
    errors = {name: one for name, one in vars(exceptions).items() if inspect.isclass(one) and issubclass(one, base)}
    del errors[base.__name__]
    assert permanent == {name for name, one in errors.items() if not one.transient}
    assert transient == {name for name, one in errors.items() if one.transient}


def test_pages_named_in_the_code_exist():
    named = {
        page
        for folder in (PACKAGE, "tests", "demo", "dags_examples")
        for path in (ROOT / folder).rglob("*.py")
        for page in re.findall(r"docs/[\w-]+\.md", path.read_text())
    }
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md", "docs/examples.md"])
def test_quoted_connections_to_the_sandbox_are_its_own(page):
    quoted = re.findall(r"LEARNING360_\w+='(\{.*127\.0\.0\.1.*\})'", (ROOT / page).read_text())
    assert quoted
    for connection in map(json.loads, quoted):
        credentials = connection["login"], connection["password"]
        if extra := connection.get("extra"):
            assert extra == {"api_version": "v2", "company_id": COMPANY_ID}
            assert credentials == (CLIENT_ID, CLIENT_SECRET)
        else:
            assert credentials == (COMPANY_ID, API_KEY)
