"""Stores of reservations by kind and place, for tests in this process and in others."""

from __future__ import annotations

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import Store


def open_store(kind: str, place: str) -> Store:
    """
    Open a store.

    :param kind: host, redis or postgres.
    :param place: A folder, or the URL of a server.
    """
    return host_store(place) if kind == "host" else server_store(kind, place)


def server_store(kind: str, url: str) -> Store:
    """
    Open a store on a server.

    :param kind: redis or postgres.
    :param url: URL of the server.
    """
    if kind == "redis":
        from redis import Redis

        from airflow_provider_360learning.api.limiter.redis import RedisStore

        return RedisStore(Redis.from_url(url), kind)
    from psycopg2.extensions import parse_dsn

    from airflow_provider_360learning.api.limiter.postgres import PostgresStore

    store = PostgresStore(parse_dsn(url), kind)
    for _ in range(5):  # the first one creates the tables; all measure the round trip, which a busy machine prolongs
        store.check()
    return store
