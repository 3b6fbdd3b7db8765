"""Files in other encodings than UTF-8: never garbled, never guessed, and the same in every attempt."""

from __future__ import annotations

import codecs

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import open_binary, write_atomic
from tests.rows.support import bulk, outcomes_in, people, put_json_lines, put_parquet, writes
from tests.unlimited_sandbox import operations

ROWS = [("ana@acme.test", "Müller"), ("bo@acme.test", "Zoë"), ("cy", "Groß")]
CSV = "mail,last_name,mode\n" + "".join(f"{mail},{name},create_active\n" for mail, name in ROWS)
JSON_LINES = "".join(f'{{"mail": "{mail}", "last_name": "{name}", "mode": "create_active"}}\n' for mail, name in ROWS)
TEXTS = {"in.csv": CSV, "in.jsonl": JSON_LINES}


@pytest.fixture(params=TEXTS)
def name(request):
    return request.param


@pytest.fixture
def put(place, name):
    """Return a function that writes the file in an encoding and returns its path."""

    def put(encoding, mark=b""):
        write_atomic(f"{place}/{name}", mark + TEXTS[name].encode(encoding))
        return f"{place}/{name}"

    return put


def last_names(sandbox):
    return sorted(entry["body"]["lastName"] for entry in writes(sandbox))


@pytest.mark.parametrize(
    ("encoding", "mark", "argument"),
    [
        ("cp1252", b"", "cp1252"),
        ("utf-8", b"", None),
        ("utf-8", codecs.BOM_UTF8, None),
        ("utf-16-le", codecs.BOM_UTF16_LE, None),
        ("utf-16-be", codecs.BOM_UTF16_BE, "cp1252"),
    ],
)
def test_sends_names_as_they_are_and_reads_rejected_rows_with_the_same_arguments(
    sandbox, results, put, encoding, mark, argument
):
    arguments = {"encoding": argument, "on_invalid": "skip"}
    done = bulk("create_user", put(encoding, mark), results_path=results, **arguments)
    assert last_names(sandbox) == ["Müller", "Zoë"]
    with open_binary(done["rejected_path"]) as file:
        data = file.read()
    assert data.startswith(codecs.BOM_UTF8) == (encoding != "utf-8" or mark != b"")
    assert "Groß" in data.decode("utf-8-sig")

    corrected = done["rejected_path"].replace("rejected.", "corrected.")
    write_atomic(corrected, data.replace(b"cy", b"cy@acme.test", 1))
    again = bulk("create_user", corrected, results_path=f"{results}/again", **arguments)
    assert again["outcomes"] == {"created": 1}
    assert last_names(sandbox) == ["Groß", "Müller", "Zoë"]


def test_another_encoding_fails_before_anything_is_sent_even_if_invalid_rows_are_skipped(sandbox, results, put, name):
    line = 2 if name.endswith("csv") else 1
    shown = rf'not text in UTF-8: the byte at offset \d+, in line {line}, cannot be decoded.* encoding="cp1252"'
    with pytest.raises(AirflowFailException, match=shown):
        bulk("create_user", put("cp1252"), results_path=results, on_invalid="skip")
    assert operations(sandbox) == []


def test_a_retry_reads_the_file_in_the_same_encoding(sandbox, tmp_path):
    lines = "".join(f"person{number}@acme.test,Müller,create_active\n" for number in range(12))
    (tmp_path / "in.csv").write_bytes(f"mail,last_name,mode\n{lines}".encode("cp1252"))
    arguments = {"results_path": tmp_path / "r", "encoding": "cp1252"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, count=100)
    with pytest.raises(Exception, match="consecutive requests failed"):
        bulk("create_user", tmp_path / "in.csv", impatient=True, **arguments)
    sandbox.control.reset()
    bulk("create_user", tmp_path / "in.csv", **arguments)
    assert outcomes_in(tmp_path / "r") == ["created"] * 12
    assert set(last_names(sandbox)) == {"Müller"}


def test_another_encoding_argument_in_a_retry_is_another_input(sandbox, tmp_path):
    (tmp_path / "in.csv").write_bytes("mail,last_name\nana@acme.test,Müller\n".encode("cp1252"))
    arguments = {"results_path": tmp_path / "r", "impatient": True}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=503, count=100)
    with pytest.raises(AirflowFailException):
        bulk("create_user", tmp_path / "in.csv", encoding="cp1252", **arguments)
    with pytest.raises(AirflowFailException, match="has no results of these rows"):
        bulk("create_user", tmp_path / "in.csv", encoding="cp437", retry_failed_only=True, **arguments)


@pytest.mark.parametrize("kind", ["list", "parquet"])
def test_refuses_an_encoding_for_what_is_not_text(sandbox, tmp_path, kind):
    rows = people(1) if kind == "list" else put_parquet(tmp_path / "in.parquet", people(1))
    with pytest.raises(AirflowFailException, match=r"encoding is given, but .* has none"):
        bulk("create_user", rows, results_path=tmp_path / "r", encoding="utf-8")
    assert operations(sandbox) == []


@pytest.mark.parametrize("encoding", ["utf-9", "base64"])
def test_refuses_an_unknown_encoding(sandbox, tmp_path, encoding):
    with pytest.raises(AirflowFailException, match=f"encoding is '{encoding}', but must be an encoding"):
        bulk("create_user", put_json_lines(tmp_path / "in.jsonl", people(1)), results_path=tmp_path, encoding=encoding)
    assert operations(sandbox) == []
