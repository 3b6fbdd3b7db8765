"""HTTP requests: proxies, TLS, timeouts, and errors of the connection without secrets in them."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping

import requests
from requests.utils import get_auth_from_url, get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError, HTTPError

from airflow_provider_360learning.api.deadline import Deadline, DeadlineError, HeadersTooLargeError
from airflow_provider_360learning.api.preconnect import PreconnectingAdapter, SendArguments
from airflow_provider_360learning.api.request_target import exact_target
from airflow_provider_360learning.api.urls import is_loopback
from airflow_provider_360learning.exceptions import TransportError

#: Connections kept open by one session; further threads open one per request.
MAX_CONNECTIONS = 32
#: Maximum number of nested exceptions that are examined.
MAX_CAUSES = 20


class Transport:
    """
    Sends prepared requests to one base URL.

    It uses no :class:`requests.Session`, which keeps cookies, reads ``.netrc``, and parses the targets of redirects,
    followed or not.

    :param base_url: The base URL; nothing is ever sent elsewhere.
    :param timeouts: Seconds to wait for a connection, and for the next bytes of a response.
    :param total_timeout: Seconds for a request and its response; a body that is read while it arrives is excepted.
    :param ca_bundle: Path of a file or folder of certificates to trust, instead of the default ones.
    :param proxy: URL of a proxy, instead of the one in the environment. Loopback never uses one.
    """

    def __init__(
        self,
        base_url: str,
        timeouts: tuple[float, float],
        total_timeout: float,
        *,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._total_timeout = total_timeout
        self._adapter = PreconnectingAdapter(pool_maxsize=MAX_CONNECTIONS)
        self._arguments: SendArguments = {
            "timeout": timeouts,
            "verify": ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            "proxies": _proxies(base_url, proxy),
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords of the proxies."""
        return tuple(map(_password_of, self._arguments["proxies"].values()))

    def connect(self, request: requests.PreparedRequest) -> None:
        """
        Open a connection ahead of time.

        :param request: The request that is due soon.
        :raises TransportError: if the host does not respond within the timeout.
        """
        try:
            with Deadline(self._total_timeout).applied():
                self._adapter.connect(request, **self._arguments)
            return
        except (TimeoutError, ConnectTimeoutError) as error:
            failure = transport_error(error, is_sent=False)
        raise failure

    def send(
        self,
        request: requests.PreparedRequest,
        *,
        is_streamed: bool = False,
        on_connected: Callable[[], None] = lambda: None,
    ) -> requests.Response:
        """
        Send a request and read the headers of the response.

        :param request: The request.
        :param is_streamed: Whether the body of a successful response is excepted from the total timeout.
        :param on_connected: Called when a connection had to be opened, before anything is sent through it. What it
            raises ends the request.
        :return: The response, whose body is not read; it must be closed.
        :raises TransportError: if either did not get through. It has no text of the underlying exception, which may
            contain the URL with the key, and is raised outside its ``except`` for the same reason.
        """
        deadline = Deadline(self._total_timeout, is_streamed=is_streamed, on_connected=on_connected)
        target = self._adapter.request_url(request, self._arguments["proxies"])
        try:
            with deadline.applied(), exact_target(target):
                return self._adapter.send(request, stream=True, **self._arguments)
        except (requests.RequestException, HTTPError) as error:
            failure = transport_error(error, is_sent=not deadline.is_connecting)
        except OSError:  # the only one that requests does not wrap
            failure = TransportError(
                "No trusted certificates found: check the connection's ca_bundle, or REQUESTS_CA_BUNDLE", sent=False
            )
        except ValueError as error:  # of http.client; it quotes headers, and so do the errors of codecs
            failure = transport_error(error)
        raise failure

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()


def _proxies(base_url: str, proxy: str | None) -> MutableMapping[str, str]:
    if is_loopback(base_url):
        return {}
    return {"http": proxy, "https": proxy} if proxy else get_environ_proxies(base_url, no_proxy=None)


def _password_of(proxy: str) -> str:
    try:
        return get_auth_from_url(proxy)[1]
    except ValueError:  # nothing can be sent to it
        return ""


def transport_error(error: Exception, *, is_sent: bool = True) -> TransportError:
    """
    Describe a failure without the exception's own text.

    :param error: What requests or urllib3 raised.
    :param is_sent: Whether a connection was open, so that the request may have been sent.
    """
    chain = _chain(error)
    causes = {type(cause).__name__ for cause in chain}
    for cause in chain:
        if isinstance(cause, DeadlineError | HeadersTooLargeError):
            return TransportError(str(cause), sent=is_sent)
    if isinstance(error, requests.exceptions.SSLError):
        # A connection that breaks later is an SSLError as well; only a certificate is refused before sending.
        return TransportError(
            "TLS failed: the host's certificate is not trusted or belongs to another host, or the host does not speak "
            "TLS; check the connection's Base URL and ca_bundle",
            sent="SSLCertVerificationError" not in causes,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransportError("The proxy did not connect: check the connection's proxy, or HTTPS_PROXY", sent=False)
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return TransportError(
            "The proxy cannot be used: its URL must be one such as http://proxy.example.com:3128; check the "
            "connection's proxy, or HTTPS_PROXY and ALL_PROXY",
            sent=False,
        )
    if causes & {"NameResolutionError", "gaierror"}:
        return TransportError("The host name cannot be resolved: check the connection's Base URL", sent=False)
    if "NewConnectionError" in causes:
        return TransportError("The host cannot be reached (no connection)", sent=False)
    if causes & {"ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"}:
        return _timeout(is_sent=is_sent, is_received="ReadTimeoutError" in causes)
    message = f"The connection broke before the response was complete ({type(error).__name__})"
    return TransportError(message, sent=is_sent)


def _timeout(*, is_sent: bool, is_received: bool) -> TransportError:
    """
    Return the error of a wait that took too long.

    :param is_sent: Whether a connection was open.
    :param is_received: Whether the wait was one for a response, in the terms of urllib3.
    """
    if not is_sent:
        return TransportError("The host did not respond within connect_timeout", sent=False)
    if not is_received:
        return TransportError("The host did not receive the request within connect_timeout")
    return TransportError("No response within read_timeout")


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
