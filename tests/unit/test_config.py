"""The configuration section: defaults on every Airflow line, types, and what a bad value says."""

from __future__ import annotations

import pytest

from airflow_provider_360learning import config


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (config.pool, "learning360"),
        (config.pool_slots, 5),
        (config.create_pool, True),
        (config.budget, "auto"),
        (config.budget_redis_conn_id, None),
        (config.window_guard_ms, 50),
        (config.egress, "shared"),
        (config.max_rate_limit_wait, 600.0),
    ],
)
def test_defaults_hold_without_any_configuration(read, expected):
    value = read()
    assert value == expected
    assert type(value) is type(expected)


def test_state_dir_is_none_by_default(monkeypatch):
    monkeypatch.delenv("AIRFLOW__LEARNING360__STATE_DIR")
    assert config.state_dir() is None


@pytest.mark.parametrize(
    ("option", "text", "read", "expected"),
    [
        ("POOL", "other", config.pool, "other"),
        ("POOL_SLOTS", " 7 ", config.pool_slots, 7),
        ("CREATE_POOL", "false", config.create_pool, False),
        ("BUDGET", "redis", config.budget, "redis"),
        ("STATE_DIR", "/var/x", config.state_dir, "/var/x"),
        ("BUDGET_REDIS_CONN_ID", "redis_default", config.budget_redis_conn_id, "redis_default"),
        ("WINDOW_GUARD_MS", "0", config.window_guard_ms, 0),
        ("EGRESS", "per_host", config.egress, "per_host"),
        ("MAX_RATE_LIMIT_WAIT", "1.5", config.max_rate_limit_wait, 1.5),
    ],
)
def test_set_values_are_read_with_their_type(monkeypatch, option, text, read, expected):
    monkeypatch.setenv(f"AIRFLOW__LEARNING360__{option}", text)
    assert read() == expected


@pytest.mark.parametrize(
    ("option", "text", "read"),
    [
        ("pool_slots", "many", config.pool_slots),
        ("pool_slots", "0", config.pool_slots),
        ("create_pool", "maybe", config.create_pool),
        ("budget", "database", config.budget),
        ("window_guard_ms", "-1", config.window_guard_ms),
        ("egress", "none", config.egress),
        ("max_rate_limit_wait", "nan", config.max_rate_limit_wait),
    ],
)
def test_a_bad_value_names_section_option_and_value(monkeypatch, option, text, read):
    monkeypatch.setenv(f"AIRFLOW__LEARNING360__{option.upper()}", text)
    with pytest.raises(ValueError, match=rf"\[learning360\] {option} = '{text}': ."):
        read()


def test_without_create_pool_operators_fall_back_to_the_pool_of_airflow(monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__CREATE_POOL", "False")
    assert config.pool() == "default_pool"


def test_a_pool_that_is_set_holds_without_create_pool_too(monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__CREATE_POOL", "False")
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "learning360")
    assert config.pool() == "learning360"
