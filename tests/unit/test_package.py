"""The description of the package for Airflow: consistent, and valid for the schema of the installed Airflow."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import airflow_provider_360learning
from airflow_provider_360learning import get_provider_info as provider_info
from airflow_provider_360learning.connections import form as connection_form

INFO = provider_info.get_provider_info()


def _import(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_version_equals_that_of_the_distribution():
    installed = importlib.metadata.version(provider_info.DISTRIBUTION)
    assert installed == airflow_provider_360learning.__version__


def test_the_provider_info_is_valid_for_the_runtime_schema_of_airflow():
    import airflow

    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(INFO, json.loads(schema.read_text()))


def test_the_provider_info_is_serializable_and_a_new_object():
    assert json.loads(json.dumps(INFO)) == INFO
    assert provider_info.get_provider_info() is not INFO


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_listed_module_exists(kind):
    for entry in INFO[kind]:
        for module in entry["python-modules"]:
            importlib.import_module(module)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("operators", "providers.common.compat.sdk.BaseOperator"),
        ("sensors", "providers.common.compat.sdk.BaseSensorOperator"),
        ("triggers", "triggers.base.BaseTrigger"),
    ],
)
def test_every_module_with_classes_for_dags_is_listed(kind, base):
    """``base`` and ``user_lists`` contain only base classes."""
    base_class = _import(f"airflow.{base}")
    listed = {module for entry in INFO[kind] for module in entry["python-modules"]}
    package = importlib.import_module(f"{provider_info.PACKAGE}.{kind}")
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        classes = vars(importlib.import_module(found.name)).values()
        own = [c for c in classes if isinstance(c, type) and c.__module__ == found.name]
        if any(issubclass(c, base_class) for c in own) and not found.name.endswith((".base", ".user_lists")):
            assert found.name in listed


def test_the_hook_class_and_the_form_agree():
    (listed,) = INFO["connection-types"]
    hook = _import(listed["hook-class-name"])
    assert hook.conn_type == listed["connection-type"] == "learning360"
    assert hook.hook_name == listed["hook-name"]
    assert hook.get_ui_field_behaviour()["relabeling"] == listed["ui-field-behaviour"]["relabeling"]


def test_defaults_of_the_form_are_valid_for_their_schema():
    for name, field in connection_form.EXTRA_FIELDS.items():
        default = connection_form.default_of(name)
        jsonschema.validate(default, {"type": field["schema"]["type"]})
        assert default is None or default in field["schema"].get("enum", [default])


def test_secrets_are_hidden_in_the_form():
    fields = connection_form.EXTRA_FIELDS
    assert [name for name, f in fields.items() if f["schema"].get("format") == "password"] == ["proxy"]


@pytest.mark.parametrize("module", ["get_provider_info", "connections.form", "cli.definition"])
def test_modules_that_airflow_imports_at_every_start_import_no_library(module):
    """Every command imports them, so they import neither Airflow nor a library."""
    code = (
        f"import sys, {provider_info.PACKAGE}.{module}\n"
        "print([m for m in ('airflow', 'requests', 'pydantic', 'fastapi', 'wtforms') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.slow
def test_the_plugin_imports_no_database_and_no_client():
    code = (
        "import sys, importlib.abc\n"
        "from airflow.providers.common.compat.sdk import AirflowPlugin, hookimpl\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        refused = ('airflow.models', 'airflow.jobs', 'sqlalchemy', 'requests', 'tenacity')\n"
        "        if name.startswith(refused + ('airflow_provider_360learning.api',)): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "for name in [n for n in sys.modules if n.partition('.')[0] in ('requests', 'sqlalchemy')]:\n"
        "    del sys.modules[name]\n"
        "import airflow_provider_360learning.plugin as plugin\n"
        "plugin.PoolListener().on_starting(component=object())\n"
        "print('imported')"
    )
    assert subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True).strip() == "imported"
