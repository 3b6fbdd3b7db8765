"""Reading the people of a source: what a row may have, and who is left out because of what is invalid or ambiguous."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.sources import make_source
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People, Person, WantedMembership, read_people
from tests.sync.companies import options

ANA = {"key": "1", "mail": "ana@acme.test"}
BO = {"key": "2", "mail": "bo@acme.test"}


def read(*rows: Any, timezone: Any = UTC, mapping: Mapping[str, str | None] | None = None, **given: Any) -> People:
    """Return the people of some rows."""
    return read_people(make_source(list(rows), column_mapping=mapping), options(**given), timezone=timezone)


def one(*rows: Any, **given: Any) -> Person:
    """Return the only person of valid rows."""
    found = read(*rows, **given)
    assert found.errors == ()
    [person] = found.people
    return person


def error(*rows: Any, **given: Any) -> str:
    """Return the only error."""
    [(_, text)] = read(*rows, **given).errors
    return text


def keys(found: People) -> list[str]:
    """Return the keys of the people who are not left out."""
    return [person.key for person in found.people]


# One row


def test_row_gives_a_person():
    row = {
        "key": 4711,
        "mail": "Ana.Diaz@Acme.Test",
        "first_name": " Ana  María ",
        "last_name": "Di\u0301az",
        "job": "Engineer",
        "organization": "Acme",
        "phone": 4930123,
        "lang": "es",
        "manager": "4700",
        "groups": "Acme/Engineering:coach; Sales",
        "status": "Active",
        "leaves_at": "2026-12-31T17:00:00+01:00",
        "custom_fields.Cost center": 12.50,
        "custom_fields.5f5f5f5f5f5f5f5f5f5f5f5f": date(2026, 1, 2),
    }
    assert one(row) == Person(
        key="4711",
        mail="ana.diaz@acme.test",
        fields={
            "first_name": "Ana María",
            "last_name": "Díaz",
            "job": "Engineer",
            "organization": "Acme",
            "phone": "4930123",
            "lang": "es",
        },
        custom_fields={"Cost center": "12.5", "5f5f5f5f5f5f5f5f5f5f5f5f": "2026-01-02"},
        manager="4700",
        memberships=(WantedMembership("Acme/Engineering", "coach"), WantedMembership("Sales")),
        leaves_at=datetime(2026, 12, 31, 16, tzinfo=UTC),
        rows=(1,),
    )


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_empty_cells_say_nothing(empty):
    names = ("first_name", "phone", "manager", "groups", "status", "leaves_at", "custom_fields.Cost center")
    assert one(ANA | dict.fromkeys(names, empty)) == one(ANA)
    assert one(ANA).memberships is None


def test_empty_cell_clears_a_field_that_may_be_cleared():
    clear = frozenset({"phone", "job", "groups"})
    person = one(ANA | {"phone": None, "job": "Engineer", "organization": "", "groups": ""}, clear=clear)
    assert person.fields == {"phone": None, "job": "Engineer"}
    assert person.memberships == ()


def test_column_that_a_row_does_not_have_clears_nothing():
    found = read(ANA, BO | {"phone": None}, clear=frozenset({"phone"}))
    assert [person.fields for person in found.people] == [{}, {"phone": None}]


def test_empty_cell_of_a_renamed_column_of_csv_clears(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("key,mail,Telefon\n1,ana@acme.test,\n")
    source = make_source(str(path), column_mapping={"Telefon": "phone"})
    [person] = read_people(source, options(clear=frozenset({"phone"}))).people
    assert person.fields == {"phone": None}


def test_empty_cells_of_managers_and_custom_fields_clear():
    clear = frozenset({"manager", "custom_fields.Site"})
    person = one(ANA | {"manager": "", "custom_fields.Site": None, "custom_fields.Grade": "A"}, clear=clear)
    assert (person.manager, person.custom_fields) == ("", {"Site": None, "Grade": "A"})
    person = one(ANA | {"custom_fields.Grade": "A"}, clear=clear)
    assert (person.manager, person.custom_fields) == (None, {"Grade": "A"})


@pytest.mark.parametrize(
    ("first", "second", "manager"), [("", "", ""), ("bo", "", "bo"), ("", "bo", "bo"), (None, "", ""), ("", None, "")]
)
def test_rows_of_a_person_have_the_manager_of_any_of_them(first, second, manager):
    rows = [ANA | ({} if each is None else {"manager": each}) for each in (first, second)]
    [ana] = read(*rows, merge_groups=True, clear=frozenset({"manager"})).people
    assert ana.manager == manager


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2026-06-30", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        (date(2026, 12, 31), datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2026-12-31T00:00:00Z", datetime(2026, 12, 31, tzinfo=UTC)),
        (1798675200, datetime(2026, 12, 31, tzinfo=UTC)),
        ("9999-12-31", None),
        (date(9999, 12, 31), None),
        ("9999-12-31T23:59:59Z", None),
    ],
)
def test_person_leaves_at_the_end_of_a_date(value, expected):
    assert one(ANA | {"leaves_at": value}, timezone=ZoneInfo("Europe/Paris")).leaves_at == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-31T00:00:00",
        "31.12.2026",
        "20261231",
        20261231,
        "2026-13-01",
        "2026-W53-4",
        True,
        datetime(2026, 12, 31),
        "2026-1-1\u0661",
    ],
)
def test_refuses_an_unclear_time(value):
    text = error(ANA | {"leaves_at": value}, timezone=ZoneInfo("Asia/Tokyo"))
    assert text.startswith("1: leaves_at is ")
    assert "2026-12-31T17:00:00Z" in text


@pytest.mark.parametrize("value", ["0001-01-01", "1900-01-01", date(1970, 1, 1), "1970-01-01T00:00:00Z"])
def test_date_that_stands_for_none_is_refused(value):
    assert "must be a date after 1970, or empty for a person who stays" in error(ANA | {"leaves_at": value})


# Groups


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Sales", [("Sales", "learner")]),
        ("Sales;;Sales ; Sales:learner", [("Sales", "learner")]),
        ("Sales:coach;Sales", [("Sales", "coach"), ("Sales", "learner")]),
        ("Acme/R&D: Paris:learner", [("Acme/R&D: Paris", "learner")]),
        ('["Sales; Europe", "Board:user-admin"]', [("Sales; Europe", "learner"), ("Board", "user-admin")]),
        (["Sales", "", "Board : admin"], [("Sales", "learner"), ("Board", "admin")]),
        (("D1=Sales:coach",), [("D1=Sales", "coach")]),
        ("[]", []),
    ],
)
def test_reads_groups_with_roles(cell, expected):
    memberships = one(ANA | {"groups": cell}).memberships
    assert [(each.group, each.role, each.name) for each in memberships or ()] == [(*each, None) for each in expected]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("D1", ("D1", "learner", None)),
        ("D1 = Sales: Europe:coach", ("D1", "coach", "Sales: Europe")),
        ("D1=a=b", ("D1", "learner", "a=b")),
    ],
)
def test_reads_groups_by_custom_with_their_names(cell, expected):
    [membership] = one(ANA | {"groups": cell}, group_key="custom").memberships or ()
    assert (membership.group, membership.role, membership.name) == expected


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("Sales;Board:caoch", "groups[1] is 'Board:caoch', but the text after the last colon must be a role"),
        ("Site: Paris", "as in 'Site: Paris:learner'"),
        ("Sales:owner", "must be a role"),
        ("Sales:", "must be a role"),
        (":coach", "must have a group before the role"),
        ([["Sales"]], "groups[0] is ['Sales'], but must be a string"),
        ({"Sales": "coach"}, "must be a list"),
        (7, "must be a list"),
        ("Sa\u200bles", "ZERO WIDTH SPACE"),
        (["x"] * 3 + [f"g{number}" for number in range(10_001)], "at most 10,000 are allowed"),
    ],
)
def test_refuses_unclear_groups(cell, problem):
    found = read(ANA | {"groups": cell})
    assert found.people == ()
    [(row, text)] = found.errors
    assert row == 1
    assert problem in text


@pytest.mark.parametrize("cell", ["D1=", "=Sales"])
def test_refuses_a_group_without_custom_or_name(cell):
    assert "must have " in error(ANA | {"groups": cell}, group_key="custom")


# Invalid values


class Hostile:
    """A value whose class raises errors of its own."""

    def __str__(self) -> str:
        raise RuntimeError("planted")

    __repr__ = __eq__ = __hash__ = __iter__ = __len__ = __bool__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["key", "mail", "first_name", "manager", "groups", "status", "leaves_at"])
@pytest.mark.parametrize(
    "value",
    [
        Hostile(),
        True,
        float("nan"),
        b"bytes",
        [[[]]],
        {"a": 1},
        10**5000,
        "a\x00b",
        "\ud800",
        "\u202eevil",
        "e" + "\u0301" * 50,
        "x\ny",
    ],
    ids=lambda value: type(value).__name__,
)
def test_invalid_value_is_an_error_of_its_row(name, value):
    found = read(BO, ANA | {name: value})
    assert keys(found) == ["2"]
    assert found.rows == 2
    assert {row for row, _ in found.errors} == {2}
    assert all(len(text) < 1200 for _, text in found.errors)
    assert found.invalid == {None if name == "key" else "1"}


def test_custom_field_of_a_hostile_value_is_an_error_of_its_row():
    assert error(ANA | {"custom_fields.Size": Hostile()}).startswith("1: custom_fields.Size is a value of type Hostile")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "{{ 7 * 7 }}", "${jndi:x}", "'; drop table--", "<b>x</b>", "null"])
def test_text_is_data(text):
    person = one(ANA | {"first_name": text, "custom_fields.Note": text})
    assert (person.fields["first_name"], person.custom_fields["Note"]) == (text, text)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"mail": "ana@acme.test"}, "key is missing or empty"),
        ({"key": "1"}, "1: mail is missing or empty"),
        ({"key": "1", "mail": "ana"}, "1: mail is 'ana', but must be an email address"),
        (ANA | {"key": "hr:1"}, "key is 'hr:1', but must be without 'hr:', which key_namespace adds"),
        (ANA | {"key": "1" * 251}, "key has 251 characters, but at most 250 are allowed"),
        (ANA | {"status": "gone"}, "1: status is 'gone', but must be one of active, inactive"),
        (ANA | {"custom_fields.A  B": 1, "custom_fields.A B": 2}, "1: custom_fields.A B is the same custom field as"),
        ("ana@acme.test", "a str is not a row"),
    ],
)
def test_error_names_the_key_and_the_column(row, text):
    assert text in error(row)


def test_all_errors_of_a_row_are_reported():
    found = read(ANA | {"mail": "x", "status": "x", "phones": 1})
    assert [text.partition(" is ")[0] for _, text in found.errors] == ["1: 'phones'", "1: mail", "1: status"]


def test_number_of_errors_of_a_row_is_limited():
    found = read(ANA | {f"column_{number}": 1 for number in range(1000)})
    assert len(found.errors) == 21
    assert any("980 more of its values are invalid" in text for _, text in found.errors)


def test_error_does_not_show_an_address_as_the_key():
    found = read({"key": "ana@acme.test", "mail": "ana@acme.test", "status": "x"})
    assert [text for _, text in found.errors] == ["status is 'x', but must be one of active, inactive"]


# Ambiguous rows


def test_rows_with_one_key_are_errors():
    found = read(ANA, BO, ANA | {"mail": "other@acme.test"})
    assert keys(found) == ["2"]
    text = "1: rows 1 and 3 have the same key: remove all but one"
    assert found.errors == ((1, text), (3, text))
    assert found.invalid == {"1"}


def test_rows_with_one_key_are_merged_if_wanted():
    rows = (
        ANA | {"groups": "Sales", "job": "Seller", "phone": None},
        BO,
        ANA | {"groups": "Sales;Board:coach", "phone": "12", "manager": "2"},
    )
    [ana, _] = read(*rows, merge_groups=True, clear=frozenset({"phone"})).people
    assert ana.memberships == (WantedMembership("Sales"), WantedMembership("Board", "coach"))
    assert ana.fields == {"job": "Seller", "phone": "12"}
    assert ana.manager == "2"
    assert ana.rows == (1, 3)


@pytest.mark.parametrize(
    "other",
    [
        {"mail": "other@acme.test"},
        {"status": "inactive"},
        {"leaves_at": "2026-12-31"},
        {"job": "Baker"},
        {"manager": "3"},
        {"custom_fields.Size": "L"},
    ],
)
def test_rows_that_contradict_each_other_are_not_merged(other):
    first = ANA | {"job": "Seller", "manager": "2", "custom_fields.Size": "M"}
    found = read(first, ANA | other, merge_groups=True)
    assert found.people == ()
    text = f"1: rows 1 and 2 have the same key, with different values of {next(iter(other))}: correct them"
    assert found.errors == ((1, text), (2, text))


def test_person_with_an_invalid_row_is_left_out_whatever_the_other_rows_say():
    found = read(ANA | {"groups": "Sales"}, ANA | {"groups": "Board:x"}, BO, merge_groups=True)
    assert keys(found) == ["2"]
    assert found.errors[0] == (1, "1: row 2 of this person cannot be used: correct this first")
    assert found.invalid == {"1"}


def test_rows_with_one_address_are_errors():
    found = read(ANA, {"key": "3", "mail": "ANA@acme.test"}, BO)
    assert keys(found) == ["2"]
    text = "rows 1 and 2 have the same email address: correct them"
    assert found.errors == ((1, f"1: {text}"), (2, f"3: {text}"))
    assert found.invalid == {"1", "3"}


@pytest.mark.parametrize("other", [{"key": "3", "status": "x"}, {"key": None}, {"key": "hr:3"}])
def test_address_of_an_invalid_row_is_not_given_to_another_person(other):
    assert read(ANA, ANA | other).people == ()


def test_address_that_many_rows_share_is_reported_in_short():
    found = read(*({"key": number, "mail": "nobody@acme.test"} for number in range(3000)))
    assert found.people == ()
    assert len(found.errors) == 3000
    assert all(len(text) < 400 for _, text in found.errors)


def test_addresses_are_the_keys_if_the_options_say_so():
    found = read({"mail": "Ana@acme.test", "manager": "bo@acme.test"}, {"mail": "bo@acme.test"}, key="mail")
    assert [(person.key, person.mail) for person in found.people] == [("ana@acme.test",) * 2, ("bo@acme.test",) * 2]
    assert "'key' is not a column of people" in error(ANA, key="mail")
    assert len(read({"mail": "a@acme.test"}, {"mail": "A@acme.test"}, key="mail").errors) == 2


# Whole sources


@pytest.mark.parametrize("content", ["", "key,mail\n"])
def test_empty_file_is_an_error(tmp_path, content):
    path = tmp_path / "people.csv"
    path.write_text(content)
    with pytest.raises(InvalidRequestError, match="has no rows"):
        read_people(make_source(str(path)), options())


def test_empty_list_is_an_error():
    with pytest.raises(InvalidRequestError, match="the list has no rows"):
        read()


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("key,name", "has the columns 'name'"),
        ("key,job", "has no column mail"),
        ("key,mail,custom_fields.", "has the columns 'custom_fields.'"),
        ("Ana,secret", "Is its first line a header"),
    ],
)
def test_header_is_checked_before_any_row(tmp_path, header, problem):
    path = tmp_path / "people.csv"
    path.write_text(f"{header}\n1,x\n")
    with pytest.raises(InvalidRequestError, match=problem) as refused:
        read_people(make_source(str(path)), options())
    assert "secret" not in str(refused.value)


def test_half_a_file_is_an_error_or_fewer_rows(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text('key,mail,first_name\n1,ana@acme.test,"Ana"\n2,bo@acme.test,"B')
    found = read_people(make_source(str(path)), options())
    assert (keys(found), found.rows) == (["1"], 2)
    assert [row for row, _ in found.errors] == [2]


def _csv(rows: Sequence[Mapping[str, Any]], path: Any) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


def _jsonl(rows: Sequence[Mapping[str, Any]], path: Any) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _parquet(rows: Sequence[Mapping[str, Any]], path: Any) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


@pytest.mark.parametrize(("write", "name"), [(_csv, "p.csv"), (_jsonl, "p.jsonl"), (_parquet, "p.parquet")])
def test_all_formats_give_the_same_people_and_digest(tmp_path, write, name):
    rows = [ANA | {"groups": "Sales;Board:coach", "phone": "0123", "leaves_at": ""}, BO | {"groups": "", "phone": ""}]
    rows = [{**row, "leaves_at": "2026-12-31"} for row in rows]
    write(rows, tmp_path / name)
    found = read_people(make_source(str(tmp_path / name)), options(clear=frozenset({"phone"})))
    assert found == read(*rows, clear=frozenset({"phone"}))


def test_digest_depends_on_every_value():
    sources = [(ANA, BO), (BO, ANA), (ANA | {"phone": "1"}, BO), (ANA, BO | {"status": "x"}), (ANA, BO, {}), (ANA,)]
    digests = [read(*rows).digest for rows in sources]
    assert len(set(digests)) == len(digests)
    assert read(ANA, BO).digest == digests[0]


def test_columns_are_renamed_and_ignored():
    person = one(
        {"Personalnummer": 7, "E-Mail": "a@acme.test", "IBAN": "x"},
        mapping={"Personalnummer": "key", "E-Mail": "mail", "IBAN": None},
    )
    assert (person.key, person.mail) == ("7", "a@acme.test")


def test_memory_is_that_of_the_people(tmp_path):
    path = tmp_path / "people.csv"
    with path.open("w") as file:
        file.write("key,mail,job,groups,phone\n")
        file.writelines(f"{n},p{n}@acme.test,Engineer,Sales;Europe/Board:coach,{n}\n" for n in range(1000))
    tracemalloc.start()
    try:
        found = read_people(make_source(str(path)), SyncOptions(key="custom"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.people) == 1000
    assert peak < 1000 * 2000
