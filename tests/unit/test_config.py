"""The section of the configuration: defaults on both Airflow lines, types, and errors for invalid values."""

from __future__ import annotations

import pytest

from airflow_provider_360learning import config


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (config.pool, "learning360"),
        (config.pool_slots, None),
        (config.create_pool, True),
        (config.rate_limiter, "auto"),
        (config.rate_limiter_conn_id, None),
        (config.rate_limit_margin_ms, 50),
        (config.ip_limit_scope, "shared"),
        (config.max_rate_limit_wait, 600.0),
        (config.total_timeout, 120.0),
        (config.max_row_kib, 1024),
        (config.max_list_items, 10_000),
    ],
)
def test_defaults_apply_without_any_configuration(read, expected):
    value = read()
    assert value == expected
    assert type(value) is type(expected)


def test_the_default_of_rate_limiter_dir_is_none(monkeypatch):
    monkeypatch.delenv("AIRFLOW__LEARNING360__RATE_LIMITER_DIR")
    assert config.rate_limiter_dir() is None


@pytest.mark.parametrize(
    ("option", "text", "read", "expected"),
    [
        ("POOL", "other", config.pool, "other"),
        ("POOL_SLOTS", " 7 ", config.pool_slots, 7),
        ("CREATE_POOL", "false", config.create_pool, False),
        ("RATE_LIMITER", "redis", config.rate_limiter, "redis"),
        ("RATE_LIMITER_DIR", "/var/x", config.rate_limiter_dir, "/var/x"),
        ("RATE_LIMITER_CONN_ID", "redis_default", config.rate_limiter_conn_id, "redis_default"),
        ("RATE_LIMIT_MARGIN_MS", "0", config.rate_limit_margin_ms, 0),
        ("IP_LIMIT_SCOPE", "per_host", config.ip_limit_scope, "per_host"),
        ("MAX_RATE_LIMIT_WAIT", "1.5", config.max_rate_limit_wait, 1.5),
        ("TOTAL_TIMEOUT", "0.5", config.total_timeout, 0.5),
    ],
)
def test_reads_values_with_their_type(monkeypatch, option, text, read, expected):
    monkeypatch.setenv(f"AIRFLOW__LEARNING360__{option}", text)
    assert read() == expected


@pytest.mark.parametrize(
    ("option", "text", "read"),
    [
        ("pool_slots", "many", config.pool_slots),
        ("pool_slots", "0", config.pool_slots),
        ("pool_slots", "1_0", config.pool_slots),
        ("create_pool", "maybe", config.create_pool),
        ("rate_limiter", "database", config.rate_limiter),
        ("rate_limit_margin_ms", "-1", config.rate_limit_margin_ms),
        ("ip_limit_scope", "none", config.ip_limit_scope),
        ("max_rate_limit_wait", "nan", config.max_rate_limit_wait),
        ("max_rate_limit_wait", "inf", config.max_rate_limit_wait),
        ("max_rate_limit_wait", "-1", config.max_rate_limit_wait),
        ("total_timeout", "0", config.total_timeout),
        ("total_timeout", "inf", config.total_timeout),
    ],
)
def test_an_error_names_section_option_and_value(monkeypatch, option, text, read):
    monkeypatch.setenv(f"AIRFLOW__LEARNING360__{option.upper()}", text)
    with pytest.raises(ValueError, match=rf"\[learning360\] {option} = '{text}': ."):
        read()


def test_the_pool_is_airflows_default_without_create_pool(monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__CREATE_POOL", "False")
    assert config.pool() == "default_pool"


def test_a_configured_pool_applies_without_create_pool(monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__CREATE_POOL", "False")
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "learning360")
    assert config.pool() == "learning360"
