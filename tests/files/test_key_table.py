"""A table of many keys keeps them on disk and in order."""

from __future__ import annotations

import psutil
import pytest

from airflow_provider_360learning.files.key_table import KeyTable


@pytest.fixture
def table():
    with KeyTable() as table:
        yield table


def test_put_replaces_the_value(table):
    table.put("anna@example.com", "1")
    table.put("anna@example.com", "2")
    assert table.get("anna@example.com") == "2"
    assert table.get("Anna@example.com") is None
    assert len(table) == 1


def test_add_keeps_and_returns_the_existing_value(table):
    assert table.add("a", "1") is None
    assert table.add("a", "2") == "1"
    assert table.add("a", "1") == "1"
    assert table.get("a") == "1"


def test_add_all_says_whether_each_key_is_new(table):
    assert table.add_all([("a", "1"), ("b", "2")])
    assert not table.add_all([("c", "3"), ("b", "4")])
    assert not table.add_all([("d", "5"), ("d", "6")])
    assert list(table.items()) == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "5")]


def test_iterates_in_the_order_in_which_keys_were_added(table):
    for key in ("c", "a", "b"):
        table.put(key, key.upper())
    table.put("c", "again")
    assert list(table.items()) == [("c", "again"), ("a", "A"), ("b", "B")]


def test_stores_empty_strings_and_nul(table):
    table.put("", "")
    table.put("a\0b", "c\0d")
    assert list(table.items()) == [("", ""), ("a\0b", "c\0d")]


def test_tables_do_not_share_keys(table):
    table.put("a", "1")
    with KeyTable() as other:
        assert other.get("a") is None


def test_keys_do_not_stay_in_memory(table):
    value = "x" * 1000
    before = psutil.Process().memory_info().rss
    for number in range(100_000):
        table.put(f"person.{number}@example.com", value)
    grown_by = (psutil.Process().memory_info().rss - before) / 2**20
    assert len(table) == 100_000
    assert grown_by < 50  # MiB, of 100 in the table
