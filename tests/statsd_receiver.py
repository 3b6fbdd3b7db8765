"""A statsd server for tests: it receives what Airflow sends, on a free loopback port."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Line:
    """
    One metric, in the format of statsd with tags.

    :param text: The line as it was received.
    """

    text: str

    @property
    def name(self) -> str:
        """The name without tags."""
        return self.text.partition(":")[0].partition(",")[0]

    @property
    def tags(self) -> dict[str, str]:
        """The tags by name."""
        return dict(tag.split("=", 1) for tag in self.text.partition(":")[0].split(",")[1:])

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text.partition(":")[2].partition("|")[0])

    @property
    def kind(self) -> str:
        """``c`` of a counter, ``ms`` of a timer."""
        return self.text.rpartition("|")[2]


class StatsdReceiver:
    """A socket that keeps all datagrams until they are read, inside a ``with`` block."""

    def __enter__(self) -> StatsdReceiver:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # The kernel keeps them: nothing reads while Airflow runs.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which Airflow sends its metrics here."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            # Airflow's own metrics would fill the buffer.
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "learning360",
        }

    def lines(self, prefix: str) -> list[Line]:
        """
        Return what was received since the last call.

        :param prefix: First characters of the lines; others are dropped.
        """
        received = []
        while True:
            try:
                received += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return [Line(line) for line in received if line.startswith(prefix)]
