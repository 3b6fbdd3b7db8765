"""Peak memory of this process, on Linux."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")


class PeakMemory:
    """
    Peak of the memory that this process uses in a ``with`` block, above what it uses at the start.

    What Python has freed and kept before counts as used at the start.
    """

    megabytes: float

    def __enter__(self) -> PeakMemory:
        (_PROCESS / "clear_refs").write_text("5")  # resets the peak
        self._start = _kilobytes("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        self.megabytes = (_kilobytes("VmHWM") - self._start) * 1024 / 1e6


def _kilobytes(name: str) -> int:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
