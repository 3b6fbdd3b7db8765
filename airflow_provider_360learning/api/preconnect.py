"""
Connections that are opened before their request is due.

A TLS handshake takes longer than the margin of a rate limit window: requests that were sent at equal intervals would
otherwise arrive in bursts.
"""

from __future__ import annotations

import ssl
from collections.abc import MutableMapping
from typing import Any, TypedDict, Unpack

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.exceptions import ConnectTimeoutError

from airflow_provider_360learning.api.deadline import DeadlineConnection, DeadlineTlsConnection
from airflow_provider_360learning.api.request_target import ExactTargetConnection


class SendArguments(TypedDict):
    """Arguments of :meth:`requests.adapters.HTTPAdapter.send` besides the request."""

    timeout: tuple[float, float]
    verify: str | bool
    proxies: MutableMapping[str, str]


class PlainConnection(ExactTargetConnection, DeadlineConnection):
    """A connection without TLS."""


class TicketTolerantConnection(ExactTargetConnection, DeadlineTlsConnection):
    """
    A connection that stays usable when session tickets arrive.

    TLS 1.3 servers send tickets after the handshake. urllib3 takes an idle connection with something to read for a
    closed one, and would discard a connection that was opened ahead of time.
    """

    @property
    def is_connected(self) -> bool:
        """Whether a request can be sent."""
        return super().is_connected or (isinstance(self.sock, ssl.SSLSocket) and _has_only_tickets(self.sock))


class TicketTolerantPool(HTTPSConnectionPool):
    """Connections that stay usable when session tickets arrive."""

    ConnectionCls = TicketTolerantConnection


class PlainPool(HTTPConnectionPool):
    """Connections without TLS."""

    ConnectionCls = PlainConnection


_POOLS = {"http": PlainPool, "https": TicketTolerantPool}


def _has_only_tickets(sock: ssl.SSLSocket) -> bool:
    """Read what has arrived and return whether it was nothing but tickets."""
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(timeout)
    return False  # the end of the connection, or a response without a request


class PreconnectingAdapter(HTTPAdapter):
    """An adapter that can open a connection before its request is sent."""

    # Any: as the methods of requests that these extend.

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Set the pools of direct connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        """
        Set the pools of connections through a proxy.

        :raises InvalidProxyURL: for a SOCKS proxy, whose connections would have no deadline.
        """
        if proxy.lower().startswith("socks"):
            raise requests.exceptions.InvalidProxyURL
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Leave cookies unread: they are not kept, and malformed ones are reported in the log by Python's parser."""
        if original := getattr(resp, "_original_response", None):
            for name in ("Set-Cookie", "Set-Cookie2"):
                del original.msg[name]
        return super().build_response(req, resp)

    def connect(self, request: requests.PreparedRequest, **send_arguments: Unpack[SendArguments]) -> None:
        """
        Ensure that an open connection is ready for a request.

        Other failures than a timeout are left to the request itself. A host that does not respond is reported, because
        a second attempt would take just as long.

        :param request: The request that is due soon.
        :param send_arguments: The arguments that :meth:`send` will be given.
        :raises TimeoutError: if the host does not respond, or a proxy.
        :raises ConnectTimeoutError: likewise.
        """
        try:
            self._open(request, **send_arguments)
        # urllib3 has no public way to do this: where it is built differently, the request connects as usual.
        except Exception as error:
            # Only the class itself: other failures, such as a refused connection, derive from it.
            if type(error) is ConnectTimeoutError or isinstance(error, TimeoutError):
                raise

    def _open(self, request: requests.PreparedRequest, **send_arguments: Unpack[SendArguments]) -> None:
        # Any: the parts of urllib3 that follow are private.
        pool: Any = self.get_connection_with_tls_context(
            request, send_arguments["verify"], proxies=send_arguments["proxies"], cert=None
        )
        connection = pool._get_conn(timeout=0)
        try:
            if connection.is_closed:
                connection.timeout = send_arguments["timeout"][0]
                if pool.proxy is not None:
                    pool._prepare_proxy(connection)
                if connection.is_closed:
                    connection.connect()
        except BaseException:
            # Half open, it would pass for an open one: the request would be sent before, or without, TLS.
            connection.close()
            raise
        finally:
            pool._put_conn(connection)
