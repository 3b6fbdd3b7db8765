"""Invalid and unusual values in rows: each is refused by name before the first request, or normalized."""

from __future__ import annotations

import datetime
import unicodedata
from decimal import Decimal
from math import inf, nan

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    DEPARTMENT_FIELD_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.rows.support import bulk, bulk_failing, json_lines, outcomes_in, put, results_in, writes

ANA = "ana@acme.test"
PLATFORM = "Courses & More"
STATISTIC = {
    "external_id": "c1",
    "mail": GRACE_MAIL,
    "progress": 40,
    "time_spent_seconds": 60,
    "first_activity": "2026-03-05T10:00:00Z",
    "last_activity": "2026-03-06T10:00:00Z",
}
#: One time, as sources write it.
SAME_TIME = [
    "2026-03-05T10:00:00Z",
    "2026-03-05T10:00:00.000Z",
    "2026-03-05T12:00:00+02:00",
    1772704800,
    "1772704800000",
    datetime.datetime(2026, 3, 5, 10, tzinfo=datetime.UTC),
]


class NaTType(datetime.datetime):
    """Stands in for the class of ``pandas.NaT``, which is a datetime, too."""

    def __new__(cls):
        return super().__new__(cls, 1, 1, 1)


class float64(float):  # named as numpy's
    """Stands in for a number of numpy: a float with a representation of its own."""

    def __repr__(self):
        return f"np.float64({float(self)!r})"


class ndarray:
    """Stands in for a numpy array: iterable, and without a truth value."""

    def __init__(self, *values):
        self._values = values

    def __iter__(self):
        return iter(self._values)

    def __repr__(self):
        return f"ndarray{self._values}"

    def __bool__(self):
        raise ValueError("The truth value of an array is ambiguous")


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def errors_of(sandbox, results):
    """Return the row errors of rows that are refused before anything is sent."""

    def errors_of(action, *rows, **arguments):
        with pytest.raises(AirflowFailException, match="Nothing was sent"):
            bulk(action, list(rows), results_path=results, **arguments)
        assert writes(sandbox) == []
        return json_lines(results / "rejected" / "errors.jsonl")

    return errors_of


@pytest.fixture
def body_of(sandbox, results):
    """Return the body of the request that one row leads to."""

    def body_of(action, row, **arguments):
        bulk(action, [row], results_path=results, **arguments)
        return writes(sandbox)[-1]["body"]

    return body_of


@pytest.fixture
def import_statistics(sandbox, results):
    """Import statistics of a course that the sandbox knows, and return the result of the task."""
    course = {"external_id": "c1", "title": "One", "launch_url": "https://courses.test/1", "language": "en"}
    Learning360Hook().api.import_external_courses(
        group_id=ROOT_GROUP_ID, external_platform=PLATFORM, author_id=ADMIN_ID, courses=[course]
    )

    def import_statistics(*rows, **arguments):
        operator = Learning360ImportStatisticsOperator(
            task_id="import",
            rows=list(rows),
            group_id=ROOT_GROUP_ID,
            external_platform=PLATFORM,
            results_path=str(results),
            **arguments,
        )
        return operator.execute({})

    return import_statistics


def external_ids(sandbox):
    imports = [entry for entry in writes(sandbox) if entry["operation"] == "importExternalCoursesStats"]
    return {one["externalId"] for entry in imports for one in entry["body"]["statistics"]}


# Text


INVISIBLE = [
    ("\u200b", "U+200B ZERO WIDTH SPACE"),
    ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    ("\u200e", "U+200E LEFT-TO-RIGHT MARK"),
    ("\u202a", "U+202A LEFT-TO-RIGHT EMBEDDING"),
    ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("\u2060", "U+2060 WORD JOINER"),
    ("\u00ad", "U+00AD SOFT HYPHEN"),
    ("\ufffd", "U+FFFD REPLACEMENT CHARACTER"),
    ("\u2028", "U+2028 LINE SEPARATOR"),
    ("\u2029", "U+2029 PARAGRAPH SEPARATOR"),
    ("\u3164", "U+3164 HANGUL FILLER"),
    ("\u17b4", "U+17B4 KHMER VOWEL INHERENT AQ"),
    ("\u17b5", "U+17B5 KHMER VOWEL INHERENT AA"),
    ("\u180b", "U+180B MONGOLIAN FREE VARIATION SELECTOR ONE"),
    ("\u180e", "U+180E MONGOLIAN VOWEL SEPARATOR"),
    ("\u180f", "U+180F MONGOLIAN FREE VARIATION SELECTOR FOUR"),
    ("\ufe00", "U+FE00 VARIATION SELECTOR-1"),
    ("\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
    ("\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
    ("\U000e01ef", "U+E01EF VARIATION SELECTOR-256"),
    ("\ue000", "U+E000"),
    ("\ud800", "U+D800"),
    ("\0", "U+0000"),
    ("\x1b", "U+001B"),
    ("\x1c", "U+001C"),
    ("\x1f", "U+001F"),
    ("\x85", "U+0085"),
    ("\t", "U+0009"),
    ("\n", "U+000A"),
    ("\r", "U+000D"),
]


@pytest.mark.parametrize(("character", "name"), INVISIBLE, ids=[name for _, name in INVISIBLE])
def test_refuses_invisible_characters_by_name(errors_of, character, name):
    rows = [
        {"mail": f"a{character}na@acme.test", "first_name": f"A{character}na"},
        {"mail": f"{character}ana@acme.test", "first_name": f"{character}Ana"},
        {"mail": f"ana@acme.test{character}", "first_name": f"Ana{character}"},
    ]
    errors = errors_of("create_user", *rows)
    assert [error["field"] for error in errors] == ["mail", "first_name"] * 3
    for error in errors:
        assert name in error["problem"]


@pytest.mark.parametrize("character", ["\u200c", "\u200d"])
def test_accepts_joiners_between_letters_of_a_name_and_refuses_them_in_an_address(body_of, errors_of, character):
    name = f"\u0645\u06cc{character}\u062e\u0648\u0627\u0647\u0645"  # a Persian word
    (error,) = errors_of("create_user", {"mail": f"\u0645{character}\u062e@acme.test"})
    assert error["field"] == "mail"
    (error,) = errors_of("create_user", {"mail": ANA, "first_name": f"{character}Ana"})
    assert error["field"] == "first_name"
    assert body_of("create_user", {"mail": ANA, "first_name": name})["firstName"] == name


@pytest.mark.parametrize("selector", ["\ufe00", "\U000e0100"])
def test_accepts_a_variation_selector_after_a_chinese_character_of_a_name(body_of, errors_of, selector):
    (error,) = errors_of("create_user", {"mail": f"\u845b{selector}@acme.test"})
    assert error["field"] == "mail"
    name = f"\u845b{selector}\u57ce"  # Katsuragi
    assert body_of("create_user", {"mail": ANA, "last_name": name})["lastName"] == name


@pytest.mark.parametrize("name", ["\u2764\ufe0f Team", "\U0001f469\u200d\U0001f4bb Engineering", "1\ufe0f\u20e3 First"])
def test_accepts_emoji_in_a_name(body_of, name):
    assert body_of("create_group", {"name": name})["name"] == name


@pytest.mark.parametrize("name", ["\ufe0fTeam", "Team\ufe0f", "\u2764\u200dTeam", "\u2764\u200d"])
def test_refuses_selectors_and_joiners_beside_emoji(errors_of, name):
    (error,) = errors_of("create_group", {"name": name})
    assert error["field"] == "name"


@pytest.mark.parametrize(
    "written",
    ["  Zo\u00e9  Le\u00a0Roy ", "Zoe\u0301 Le Roy", "Zo\u00e9\u2003Le\u202fRoy", "\u3000Zo\u00e9 Le Roy\u2009"],
)
def test_writes_a_name_in_one_way(body_of, written):
    assert body_of("create_user", {"mail": ANA, "first_name": written})["firstName"] == "Zo\u00e9 Le Roy"


def test_finds_a_group_however_its_name_is_written(sandbox, results):
    rows = [{"name": "Équipe Lyon"}]
    bulk("create_group", rows, results_path=results)
    for written in (" Équipe  Lyon", unicodedata.normalize("NFD", "Équipe Lyon"), "Équipe\u00a0Lyon"):
        bulk("create_group", [{"name": written}], results_path=results)
        assert outcomes_in(results) == ["already_exists"]


@pytest.mark.parametrize("written", [" ana@acme.test ", "ana@acme.test\u00a0", "\u3000ana@acme.test\u2009"])
def test_trims_an_address(body_of, written):
    assert body_of("create_user", {"mail": written})["mail"] == ANA


def test_normalizes_an_address(body_of):
    assert body_of("create_user", {"mail": "zoe\u0301@acme.test"})["mail"] == "zo\u00e9@acme.test"


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\t", None, NaTType()], ids=repr)
def test_a_blank_cell_changes_nothing(sandbox, results, blank):
    bulk("update_user", [{"user": GRACE_MAIL, "first_name": blank, "job": "Admiral"}], results_path=results)
    (request,) = writes(sandbox)
    assert request["body"] == {"job": "Admiral"}


def test_a_blank_cell_of_a_file_takes_the_default(sandbox, tmp_path, results):
    put(tmp_path / "in.csv", f"mail,lang\n{ANA},  \n")
    bulk("create_user", tmp_path / "in.csv", results_path=results, defaults={"lang": "fr"})
    assert writes(sandbox)[0]["body"]["lang"] == "fr"


@pytest.mark.parametrize("password", ["  s3cret  ", "e\u0301\u00a0\u200b", "\ufeffx"])
def test_never_changes_a_password(sandbox, results, password):
    row = {"mail": ANA, "mode": "create_active_and_mail_password", "password": password}
    bulk("create_user", [row], results_path=results)
    assert sandbox.control.has_password(ANA, password)


@pytest.mark.parametrize("password", [" ", "   ", "\u00a0\u3000", "\n"])
def test_refuses_a_password_of_blanks(errors_of, password):
    row = {"mail": ANA, "mode": "create_active", "password": password}
    for errors in (
        errors_of("create_user", row),
        errors_of("create_user", {"mail": ANA, "mode": "create_active"}, defaults={"password": password}),
        errors_of("update_user", {"user": GRACE_MAIL, "password": password}),
    ):
        assert [(error["field"], error["value"]) for error in errors] == [("password", None)]
        assert "consists of blanks only" in errors[0]["problem"]


def test_refuses_a_cell_of_blanks_in_a_password_column(sandbox, tmp_path, results):
    file = put(tmp_path / "in.csv", f"mail,mode,password\n{ANA},create_active,   \nbo@acme.test,create_active,\n")
    bulk("create_user", file, results_path=results, on_invalid="skip")
    assert outcomes_in(results) == ["invalid", "created"]


def test_never_shows_a_password(errors_of):
    row = {"mail": "ana", "password": "planted-secret", "mode": "invite"}
    assert "planted-secret" not in str(errors_of("create_user", row))
    for invalid in (["planted-secret"], "planted-secret\ud800", {"planted-secret": 1}):
        (error,) = errors_of("create_user", {"mail": ANA, "mode": "create_active", "password": invalid})
        assert (error["field"], error["value"]) == ("password", None)
        assert "planted-secret" not in str(error)


def test_shows_at_most_200_characters_of_a_value(errors_of):
    (error,) = errors_of("create_user", {"mail": "x" * 10_000})
    assert len(error["value"]) == 200
    assert len(error["problem"]) < 300


def test_shows_at_most_200_characters_of_a_duplicate(errors_of):
    row = {"session_id": "c" * 24, "users": [f"person{number}@acme.test" for number in range(1000)]}
    (error,) = errors_of("enroll_users", row, row)
    assert len(error["value"]) == 200
    assert len(error["problem"]) < 300


def test_addresses_that_differ_in_one_letter_are_two_people(sandbox, results):
    rows = [{"mail": "hans.groß@acme.test"}, {"mail": "hans.gross@acme.test"}]
    bulk("create_user", rows, results_path=results)
    assert outcomes_in(results) == ["invited", "invited"]


def test_addresses_that_differ_in_case_only_are_duplicates(errors_of):
    (error,) = errors_of("create_user", {"mail": "zoé@acme.test"}, {"mail": "ZOE\u0301@acme.test"})
    assert (error["row"], error["field"]) == (2, "mail")


def test_ids_that_differ_in_case_only_are_duplicates(errors_of):
    (error,) = errors_of("delete_group", {"group_id": SALES_GROUP_ID}, {"group_id": SALES_GROUP_ID.upper()})
    assert (error["row"], error["field"]) == (2, "group_id")


def test_group_names_that_differ_in_case_are_two_groups(sandbox, results):
    bulk("create_group", [{"name": "Team"}, {"name": "team"}], results_path=results)
    assert outcomes_in(results) == ["created", "created"]


# Custom fields


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("red", "red"),
        (7, "7"),
        (7.0, "7"),
        (-0.0, "0"),
        (0.25, "0.25"),
        (float64(0.25), "0.25"),
        (Decimal("1E+3"), "1000"),
        (datetime.date(2026, 10, 1), "2026-10-01"),
        (datetime.datetime(2026, 10, 1), "2026-10-01"),
    ],
    ids=repr,
)
def test_writes_the_value_of_a_custom_field(body_of, value, sent):
    body = body_of("update_user", {"user": GRACE_MAIL, "custom_fields": {DEPARTMENT_FIELD_ID: value}})
    assert body["values"] == [{"customFieldId": DEPARTMENT_FIELD_ID, "value": sent}]


@pytest.mark.parametrize(
    "value",
    [None, True, ["red"], {"a": 1}, " ", NaTType(), ndarray("red"), nan, inf, b"red", datetime.datetime(2026, 1, 1, 9)],
    ids=repr,
)
def test_refuses_a_custom_field_that_cannot_be_written(errors_of, value):
    (error,) = errors_of("update_user", {"user": GRACE_MAIL, "custom_fields": {DEPARTMENT_FIELD_ID: value}})
    assert error["field"] == "custom_fields"
    assert DEPARTMENT_FIELD_ID in error["problem"]
    assert "must be a string," not in error["problem"].replace("a string, a number or a date", "")


def test_names_the_types_that_a_custom_field_takes(errors_of):
    (error,) = errors_of("update_user", {"user": GRACE_MAIL, "custom_fields": {DEPARTMENT_FIELD_ID: True}})
    assert "is True, but must be a string, a number or a date" in error["problem"]


@pytest.mark.parametrize("value", [{}, "{}", " { } "], ids=repr)
def test_custom_fields_without_a_field_change_nothing(sandbox, errors_of, results, value):
    (error,) = errors_of("update_user", {"user": GRACE_MAIL, "custom_fields": value})
    assert error["problem"] == "update_user needs at least one field to change"
    bulk("update_user", [{"user": GRACE_MAIL, "custom_fields": value, "job": "Admiral"}], results_path=results)
    assert [request["body"] for request in writes(sandbox)] == [{"job": "Admiral"}]


@pytest.mark.parametrize("value", ["red", "[1]", "{", 7, ["red"], {"color": "red"}, {7: "red"}, ndarray()], ids=repr)
def test_refuses_custom_fields_that_are_not_an_object(errors_of, value):
    (error,) = errors_of("update_user", {"user": GRACE_MAIL, "custom_fields": value})
    assert error["field"] == "custom_fields"


def test_reads_custom_fields_from_json(body_of):
    body = body_of("update_user", {"user": GRACE_MAIL, "custom_fields": f'{{"{DEPARTMENT_FIELD_ID}": "red"}}'})
    assert body["values"] == [{"customFieldId": DEPARTMENT_FIELD_ID, "value": "red"}]


@pytest.mark.parametrize(
    "value", [True, 1001.5, nan, ["x"], {"x": 1}, ndarray("x"), b"x", 10**5000], ids=lambda one: type(one).__name__
)
def test_refuses_a_value_that_is_not_text(errors_of, value):
    (error,) = errors_of("create_user", {"mail": ANA, "custom": value})
    assert (error["field"], "must be a string" in error["problem"]) == ("custom", True)


# Lists


@pytest.mark.parametrize("item", [None, 1001, {}, ["x"], True])
@pytest.mark.parametrize(
    ("action", "row", "column"),
    [
        ("create_user", {"mail": ANA}, "other_group_ids"),
        ("create_user", {"mail": ANA}, "labels"),
        ("enroll_users", {"session_id": DEPARTMENT_FIELD_ID}, "users"),
        ("enroll_groups", {"session_id": DEPARTMENT_FIELD_ID}, "group_ids"),
        ("add_to_catalog", {"group_id": SALES_GROUP_ID}, "course_ids"),
    ],
)
def test_refuses_a_list_of_anything_but_strings(errors_of, action, row, column, item):
    (error,) = errors_of(action, {**row, column: [item]})
    assert error["field"] == f"{column}[0]"


@pytest.mark.parametrize("cell", ["[null]", "[1001]", "[{}]"])
def test_leaves_out_a_row_with_an_invalid_list(sandbox, tmp_path, results, cell):
    put(tmp_path / "in.csv", f"mail;other_group_ids\n{ANA};{cell}\nbo@acme.test;{SALES_GROUP_ID}\n")
    bulk("create_user", tmp_path / "in.csv", results_path=results, on_invalid="skip")
    assert outcomes_in(results) == ["invalid", "invited"]


LISTS, OBJECTS = "[" * 100_000, '{"a":' * 100_000


@pytest.mark.parametrize(
    ("action", "row", "column", "cell"),
    [
        ("create_user", {"mail": ANA}, "other_group_ids", LISTS),
        ("create_user", {"mail": ANA}, "labels", LISTS),
        ("enroll_users", {"session_id": DEPARTMENT_FIELD_ID}, "users", LISTS),
        ("update_user", {"user": GRACE_MAIL}, "custom_fields", LISTS),
        ("update_user", {"user": GRACE_MAIL}, "custom_fields", OBJECTS),
    ],
    ids=["ids", "texts", "users", "lists", "objects"],
)
def test_refuses_deeply_nested_json(sandbox, results, action, row, column, cell):
    bulk_failing(action, [{**row, column: cell}], results_path=results, on_invalid="skip")
    assert writes(sandbox) == []
    errors = json_lines(results / "rejected" / "errors.jsonl")
    assert {error["field"].partition("[")[0] for error in errors} == {column}


# Times and numbers


OUT_OF_RANGE = ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+01:00"]


@pytest.mark.parametrize("value", [*OUT_OF_RANGE, "2027-01-01", "2027-01-01T00:00:00", 20270101, 1e306, inf, nan, True])
def test_refuses_a_value_that_is_not_a_timestamp(errors_of, value):
    (error,) = errors_of("update_user", {"user": GRACE_MAIL, "to_be_deactivated_at": value})
    assert (error["field"], "must be a timestamp" in error["problem"]) == ("to_be_deactivated_at", True)


@pytest.mark.parametrize("value", OUT_OF_RANGE)
def test_leaves_out_a_row_with_an_invalid_timestamp(sandbox, results, import_statistics, value):
    done = import_statistics({**STATISTIC, "first_activity": value}, STATISTIC, on_invalid="skip")
    assert done["outcomes"] == {"invalid": 1, "imported": 1}


@pytest.mark.parametrize("value", ["1.78826E+12", "1,78826E+12", "1.78826e+12"])
def test_refuses_a_timestamp_that_a_spreadsheet_has_shortened(import_statistics, value):
    with pytest.raises(AirflowFailException, match="format the column as text"):
        import_statistics({**STATISTIC, "last_activity": value})


@pytest.mark.parametrize("external_id", [" c1", "c  1", "c\u00a01", "zoe\u0301"])
def test_never_changes_the_id_of_another_system(sandbox, import_statistics, external_id):
    import_statistics(STATISTIC, {**STATISTIC, "external_id": external_id}, max_failures=1)
    assert external_id in external_ids(sandbox)


@pytest.mark.parametrize("column", ["progress", "time_spent_seconds", "score"])
@pytest.mark.parametrize("value", [1e306, "1e306", inf, "inf", nan, "nan", -1, True, "1_0", "y", 10**400])
def test_refuses_a_number_that_cannot_be_meant(import_statistics, results, column, value):
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        import_statistics({**STATISTIC, column: value})
    (error,) = json_lines(results / "rejected" / "errors.jsonl")
    assert error["field"] == column


@pytest.mark.parametrize("value", [-3, 0, "None", 2.5, "y", "1_0", 1e306, inf, nan, True, 100_000])
def test_refuses_an_invalid_number_of_days(errors_of, value):
    (error,) = errors_of("create_user", {"mail": ANA, "invitation_expires_after_days": value})
    assert "must be an integer from 1 to 10,000" in error["problem"]


def test_the_same_attempt_is_a_duplicate_however_its_time_is_written(import_statistics, results):
    with pytest.raises(AirflowFailException):
        import_statistics(*({**STATISTIC, "first_activity": written} for written in SAME_TIME))
    errors = json_lines(results / "rejected" / "errors.jsonl")
    assert [error["row"] for error in errors] == list(range(2, 1 + len(SAME_TIME)))
    assert {error["value"] for error in errors} == {f"c1 / {GRACE_MAIL} / 2026-03-05T10:00:00.000Z"}


def test_the_same_attempt_is_unchanged_however_its_values_are_written(sandbox, import_statistics, results):
    import_statistics(STATISTIC, skip_unchanged=True)
    requests = len(writes(sandbox))
    for written in SAME_TIME:
        row = {**STATISTIC, "first_activity": written, "progress": "40.0", "time_spent_seconds": 60.0, "score": " "}
        assert import_statistics(row, skip_unchanged=True)["outcomes"] == {"unchanged": 1}
    assert len(writes(sandbox)) == requests


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({}, {"mail": GRACE_MAIL.upper()}),
        ({"score": 0}, {"score": "-0"}),
        ({"score": 0}, {"score": -0.0}),
        ({"time_spent_seconds": 60}, {"time_spent_seconds": 60.0001}),
        ({"progress": 100}, {"progress": 100, "completed_at": "2026-03-06T11:00:00+01:00"}),
        ({"progress": 100, "completed_at": STATISTIC["last_activity"]}, {"progress": 100}),
    ],
    ids=repr,
)
def test_an_attempt_that_means_the_same_is_not_imported_again(sandbox, import_statistics, given, same):
    import_statistics({**STATISTIC, **given}, skip_unchanged=True)
    requests = len(writes(sandbox))
    assert import_statistics({**STATISTIC, **same}, skip_unchanged=True)["outcomes"] == {"unchanged": 1}
    assert len(writes(sandbox)) == requests


def test_attempts_at_courses_whose_ids_differ_in_case_are_two_attempts(sandbox, import_statistics):
    rows = [{**STATISTIC, "external_id": external_id} for external_id in ("dQw4", "DQW4")]
    import_statistics(STATISTIC, *rows, max_failures=2)
    assert external_ids(sandbox) == {"c1", "dQw4", "DQW4"}


# Versions


@pytest.mark.parametrize("role", ["analyst", "contributor", "user-admin"])
def test_refuses_a_role_of_api_v2_before_anything_is_sent(errors_of, role):
    (error,) = errors_of("create_user", {"mail": ANA, "role": role})
    assert (error["field"], error["value"]) == ("role", role)
    assert "not available in API v1" in error["problem"]
    assert not error["problem"].endswith(".")  # as all problems of rows, which are put into sentences


def test_restored_users_are_reported(sandbox, results):
    body = {"status": "user_created", "_id": DEPARTMENT_FIELD_ID, "warning": "The user was reactivated"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body=body)
    done = bulk("create_user", [{"mail": ANA, "mode": "create_active"}], results_path=results)
    assert done["outcomes"] == {"restored": 1}
    assert results_in(results)[0]["id"] == DEPARTMENT_FIELD_ID
