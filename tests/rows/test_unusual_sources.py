"""Sources as templates, spreadsheets and warehouses make them: read, or an error that shows no value."""

from __future__ import annotations

import json
import sys

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL
from tests.rows.support import bulk, json_lines, outcomes_in, people, put, rejected_in, writes

SECRET = "planted-secret-1"
PEOPLE = people(2, first_name="Ana", password=SECRET)


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def rendered(sandbox, results):
    """Return a function that runs an operator whose rows are a template, with PEOPLE as its variable."""

    def run(template):
        operator = Learning360BulkOperator(
            task_id="bulk", action="create_user", rows=template, results_path=str(results)
        )
        operator.render_template_fields({"people": PEOPLE})
        return operator.execute({})

    return run


def test_template_may_render_to_a_json_list(sandbox, rendered):
    assert rendered("{{ people | tojson }}")["outcomes"] == {"created": 2}
    assert [entry["body"]["firstName"] for entry in writes(sandbox)] == ["Ana", "Ana"]


@pytest.mark.parametrize(
    "template",
    ["{{ people }}", "{{ people[0] }}", "{{ (people | tojson)[:-1] }}", "mail,password\n{{ people[0].password }}"],
)
def test_template_that_renders_to_other_text_is_an_error_without_the_text(sandbox, rendered, caplog, template):
    caplog.set_level("DEBUG")
    with pytest.raises(AirflowFailException, match="render_template_as_native_obj=True") as failed:
        rendered(template)
    assert SECRET not in str(failed.value) + caplog.text
    assert "acme.test" not in str(failed.value) + caplog.text
    assert writes(sandbox) == []


def test_reads_csv_as_excel_saves_it(sandbox, tmp_path, results):
    """A separator line, blanks and empty columns in the header, and rows of separators."""
    lines = ["sep=;", "mail ; first_name;;", "ana@acme.test;Ana;;", ";;;", "bo@acme.test;Bo", ";;;", ";;;"]
    file = put(tmp_path / "in.csv", "\ufeff" + "".join(f"{line}\r\n" for line in lines))
    result = bulk("create_user", file, results_path=results)
    assert (result["rows"], result["rejected_path"]) == (2, None)
    sent = [(entry["body"]["mail"], entry["body"]["firstName"]) for entry in writes(sandbox)]
    assert sorted(sent) == [("ana@acme.test", "Ana"), ("bo@acme.test", "Bo")]


@pytest.fixture
def timestamps(tmp_path, monkeypatch):
    """Return a function that writes a Parquet file of updates with timestamps of a unit; pandas is not installed."""
    monkeypatch.setitem(sys.modules, "pandas", None)

    def write(unit, *values):
        columns = {
            "user": [GRACE_MAIL, ADMIN_MAIL][: len(values)],
            "to_be_deactivated_at": pyarrow.array(values, pyarrow.timestamp(unit, "UTC")),
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
        return str(tmp_path / "in.parquet")

    return write


def test_truncates_nanoseconds_of_parquet(sandbox, results, timestamps):
    bulk("update_user", timestamps("ns", 1_830_297_600_123_456_789), results_path=results)
    assert [entry["body"]["toDeactivateAt"] for entry in writes(sandbox)] == ["2028-01-01T00:00:00.123Z"]


def test_leaves_out_a_row_whose_value_python_cannot_hold(sandbox, results, timestamps):
    file = timestamps("us", 2**63 - 1, 1_830_297_600_000_000)
    with pytest.raises(AirflowFailException, match=r"row 1.*to_be_deactivated_at \(timestamp"):
        bulk("update_user", file, results_path=results)
    assert writes(sandbox) == []
    bulk("update_user", file, results_path=results, on_invalid="skip")
    assert outcomes_in(results) == ["invalid", "updated"]
    (error,) = json_lines(results / "rejected" / "errors.jsonl")
    assert error["row"] == 1
    assert rejected_in(results / "rejected" / "rejected.jsonl") == [{"user": GRACE_MAIL, "to_be_deactivated_at": None}]


def test_list_with_anything_but_objects_names_the_rows(sandbox, results):
    rows = [{"mail": "ana@acme.test"}, SECRET, [SECRET], json.loads("NaN"), None]
    bulk("create_user", rows, results_path=results, on_invalid="skip")
    assert outcomes_in(results)[1:] == ["invalid"] * 4
    errors = json_lines(results / "rejected" / "errors.jsonl")
    assert [error["row"] for error in errors] == [2, 3, 4, 5]
    assert SECRET not in json.dumps(errors)
