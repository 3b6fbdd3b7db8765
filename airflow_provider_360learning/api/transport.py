"""The HTTP session: proxies, TLS, timeouts, and errors of the connection without secrets in them."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

import requests
from requests.utils import get_auth_from_url, get_environ_proxies
from urllib3.exceptions import HTTPError

from airflow_provider_360learning.api.preconnect import PreconnectingAdapter, SendArguments
from airflow_provider_360learning.api.urls import is_loopback
from airflow_provider_360learning.exceptions import TransportError

#: Connections kept open by one session; further threads open one per request.
MAX_CONNECTIONS = 32
#: Maximum number of nested exceptions that are examined.
MAX_CAUSES = 20


class Transport:
    """
    Sends prepared requests to one base URL.

    It uses no :class:`requests.Session`, which keeps cookies, reads ``.netrc``, and parses the target of a redirect that
    it is not to follow.

    :param base_url: The base URL; nothing is ever sent elsewhere.
    :param timeouts: Seconds to wait for a connection, and for the next bytes of a response.
    :param ca_bundle: Path of a file or folder of certificates to trust, instead of the default ones.
    :param proxy: URL of a proxy, instead of the one in the environment. Loopback never uses one.
    """

    def __init__(
        self,
        base_url: str,
        timeouts: tuple[float, float],
        *,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._adapter = PreconnectingAdapter(pool_maxsize=MAX_CONNECTIONS)
        self._arguments: SendArguments = {
            "timeout": timeouts,
            "verify": ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            "proxies": _proxies(base_url, proxy),
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords of the proxies."""
        return tuple(get_auth_from_url(proxy)[1] for proxy in self._arguments["proxies"].values())

    def connect(self, request: requests.PreparedRequest) -> None:
        """
        Open a connection ahead of time.

        :param request: The request that is due soon.
        :raises TransportError: if the host does not answer within the timeout.
        """
        if not self._adapter.connect(request, **self._arguments):
            raise connect_timeout()

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        """
        Send a request and read the headers of the response.

        :param request: The request.
        :return: The response, whose body is not read; it must be closed.
        :raises TransportError: if either did not get through. It has no text of the underlying exception, which may
            contain the URL with the key, and is raised outside its ``except`` for the same reason.
        """
        try:
            return self._adapter.send(request, stream=True, **self._arguments)
        except (requests.RequestException, HTTPError) as error:
            failure = _transport_error(error)
        except OSError:  # the only one that requests does not wrap
            failure = TransportError(
                "No trusted certificates found: check the connection's ca_bundle, or REQUESTS_CA_BUNDLE", sent=False
            )
        except ValueError as error:  # of http.client; it quotes headers, and so do the errors of codecs
            failure = broken_connection(error)
        raise failure

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()


def _proxies(base_url: str, proxy: str | None) -> MutableMapping[str, str]:
    if is_loopback(base_url):
        return {}
    return {"http": proxy, "https": proxy} if proxy else get_environ_proxies(base_url, no_proxy=None)


def connect_timeout() -> TransportError:
    """Return the error of a connection that took too long."""
    return TransportError("The host did not respond within connect_timeout", sent=False)


def read_timeout() -> TransportError:
    """Return the error of a response that took too long."""
    return TransportError("No response within read_timeout")


def broken_connection(error: Exception) -> TransportError:
    """
    Return the error of a connection that broke.

    :param error: The underlying exception, of which only the type is shown.
    """
    return TransportError(f"The connection broke before the response was complete ({type(error).__name__})")


def _transport_error(error: requests.RequestException | HTTPError) -> TransportError:
    """Describe a failure without the exception's own text."""
    chain = _chain(error)
    causes = {type(cause).__name__ for cause in chain}
    if isinstance(error, requests.exceptions.SSLError):
        # A connection that breaks later is an SSLError as well; only a certificate is refused before sending.
        return TransportError(
            "TLS failed: the host's certificate is not trusted or belongs to another host, or the host does not speak "
            "TLS; check the connection's Base URL and ca_bundle",
            sent="SSLCertVerificationError" not in causes,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransportError("The proxy did not connect: check the connection's proxy, or HTTPS_PROXY", sent=False)
    # To urllib3, a TLS handshake that takes too long is a read timeout.
    in_handshake = any(isinstance(cause, TimeoutError) and "handshake" in str(cause) for cause in chain)
    if isinstance(error, requests.exceptions.ConnectTimeout) or in_handshake:
        return connect_timeout()
    if isinstance(error, requests.exceptions.ReadTimeout):
        return read_timeout()
    if causes & {"NameResolutionError", "gaierror"}:
        return TransportError("The host name cannot be resolved: check the connection's Base URL", sent=False)
    if "NewConnectionError" in causes:
        return TransportError("The host cannot be reached (no connection)", sent=False)
    return broken_connection(error)


def _chain(error: BaseException) -> list[BaseException]:
    """Return the exceptions that led to one; requests nests them in arguments and attributes."""
    chain: list[BaseException] = []
    pending: list[object] = [error]
    while pending and len(chain) < MAX_CAUSES:
        current = pending.pop()
        if isinstance(current, BaseException) and current not in chain:
            chain.append(current)
            pending += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
    return chain
