"""The session that requests go through: proxies, TLS, connections open_binary ahead of time, and what can fail."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from airflow_provider_360learning.exceptions import TransportError

#: Connections kept open by one session; more threads than that open one for each request.
MAX_CONNECTIONS = 32


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class PatientConnection(HTTPSConnection):
    """
    Knows session tickets when it gets them.

    Servers of TLS 1.3 send tickets after the handshake. urllib3 takes an idle connection with something to read
    for a closed one, and would throw away those that were open_binary ahead of time.
    """

    @property
    def is_connected(self) -> bool:
        """Whether a request can be sent."""
        return super().is_connected or (isinstance(self.sock, ssl.SSLSocket) and _takes_in_tickets(self.sock))


class PatientPool(HTTPSConnectionPool):
    """Connections that know session tickets."""

    ConnectionCls = PatientConnection


_POOLS = {"http": HTTPConnectionPool, "https": PatientPool}


def _takes_in_tickets(sock: ssl.SSLSocket) -> bool:
    """Read what is there, and tell whether it was nothing but tickets."""
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
    return False  # the end of the connection, or an answer that nobody asked for


class ConnectingAdapter(HTTPAdapter):
    """Can open a connection before the request is due: a handshake would make spaced sends arrive bunched."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*arguments, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def connect(self, request: requests.PreparedRequest, **send_arguments: Any) -> None:
        """
        Make sure that an open connection lies ready for a request.

        Failures are left for the request itself to meet, but for a host that does not answer: asking it again at
        once would take as long once more.

        :param request: The request that is due soon.
        :param send_arguments: What :meth:`send` will be given.
        :raises TransportError: if the host does not answer.
        """
        try:
            self._open(request, **send_arguments)
        except NewConnectionError:  # to urllib3, a kind of timeout
            return
        # urllib3 has no public way to do this: where it is built differently, the request connects as usual.
        except Exception as error:
            timed_out = type(error) is ConnectTimeoutError  # others, such as a refused connection, derive from it
        else:
            timed_out = False
        if timed_out:
            raise _connect_timeout()

    def _open(self, request: requests.PreparedRequest, **send_arguments: Any) -> None:
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
            # Half-made, it would pass for an open one: the request would be sent before, or without, TLS.
            connection.close()
            raise
        finally:
            pool._put_conn(connection)


class Transport:
    """
    Sends prepared requests to one base URL.

    :param base_url: The base URL; nothing is ever sent anywhere else.
    :param timeouts: Seconds to wait for a connection, and for the next bytes of an answer.
    :param ca_bundle: Path of a file or folder of certificates to trust, instead of the usual ones.
    :param proxy: URL of a proxy, instead of the one in the environment. Loopback never goes through one.
    """

    def __init__(
        self,
        base_url: str,
        timeouts: tuple[float, float],
        *,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._adapter = ConnectingAdapter(pool_maxsize=MAX_CONNECTIONS)
        self._session = requests.Session()
        # What the environment says is read below, once, so that no .netrc and no rule of another host gets in.
        self._session.trust_env = False
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)
        self._arguments: dict[str, Any] = {
            "timeout": timeouts,
            "verify": ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            "proxies": _proxies(base_url, proxy),
        }

    def prepare(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request in this session."""
        return self._session.prepare_request(request)

    def connect(self, request: requests.PreparedRequest) -> None:
        """Open a connection ahead of time."""
        self._adapter.connect(request, **self._arguments)

    def send(self, request: requests.PreparedRequest, *, stream: bool = False) -> requests.Response:
        """
        Send a request and read the answer whole.

        :param stream: Leave the body of a success to be read by :class:`ResponseBody`; the answer must be closed then.
        :raises TransportError: if either did not get through. It carries no text of the exception behind it,
            which may hold the URL with the key, and is raised outside its ``except`` for the same reason.
        """
        try:
            response = self._session.send(request, allow_redirects=False, stream=stream, **self._arguments)
            if response.status_code >= 300:
                _ = response.content
            return response
        except requests.RequestException as error:
            failure = _transport_error(error)
        except OSError:  # the one thing that requests does not wrap
            failure = TransportError(
                "There are no certificates to trust: check the connection's ca_bundle, or REQUESTS_CA_BUNDLE",
                sent=False,
            )
        raise failure

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class ResponseBody:
    """
    The body of an answer that is still coming in.

    :param response: The answer, sent for as a stream.
    """

    def __init__(self, response: requests.Response) -> None:
        self._raw = response.raw

    def read(self, size: int) -> bytes:
        """
        Read so many more bytes, uncompressed; fewer only at the end.

        :raises TransportError: if the answer breaks off; without texts of the exception behind it.
        """
        try:
            return bytes(self._raw.read(size, decode_content=True))
        except ReadTimeoutError:
            failure = _read_timeout()
        except (HTTPError, OSError) as error:
            failure = _broken(error)
        raise failure


def _proxies(base_url: str, proxy: str | None) -> Mapping[str, str]:
    if is_loopback(base_url):
        return {}
    return {"http": proxy, "https": proxy} if proxy else get_environ_proxies(base_url, no_proxy=None)


def _connect_timeout() -> TransportError:
    return TransportError("The host did not answer within connect_timeout", sent=False)


def _read_timeout() -> TransportError:
    return TransportError("No answer within read_timeout")


def _broken(error: Exception) -> TransportError:
    return TransportError(f"The connection broke before the answer was whole ({type(error).__name__})")


def _transport_error(error: requests.RequestException) -> TransportError:
    """Say what failed without the exception's own text."""
    chain = _chain(error)
    causes = {type(cause).__name__ for cause in chain}
    if isinstance(error, requests.exceptions.SSLError):
        # A connection that breaks in the middle is an SSLError as well; only a refused certificate is not.
        return TransportError(
            "TLS failed: the host's certificate is not trusted or is another host's, or the host does not speak "
            "TLS; check the connection's Base URL and ca_bundle",
            sent="SSLCertVerificationError" not in causes,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransportError("The proxy did not connect: check the connection's proxy, or HTTPS_PROXY", sent=False)
    # To urllib3, a TLS handshake that takes too long is an answer that does.
    shook_hands = not any(isinstance(cause, TimeoutError) and "handshake" in str(cause) for cause in chain)
    if isinstance(error, requests.exceptions.ConnectTimeout) or not shook_hands:
        return _connect_timeout()
    if isinstance(error, requests.exceptions.ReadTimeout):
        return _read_timeout()
    if causes & {"NameResolutionError", "gaierror"}:
        return TransportError("The host name cannot be resolved: check the connection's Base URL", sent=False)
    if "NewConnectionError" in causes:
        return TransportError("The host cannot be reached (no connection)", sent=False)
    return _broken(error)


def _chain(error: BaseException) -> list[BaseException]:
    """List the exceptions that led to one; requests nests them in arguments and attributes."""
    chain: list[BaseException] = []
    todo: list[Any] = [error]
    while todo and len(chain) < 20:
        current = todo.pop()
        if isinstance(current, BaseException) and current not in chain:
            chain.append(current)
            todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
    return chain
