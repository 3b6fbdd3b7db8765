"""The summary of a run: a table by operation, the faults that were met, and the proof of everything that is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from .judge import CompletionStatus, Entry, Finding
from .plan import OPERATIONS, Plan, piece_of
from .run import AT_ONCE, FASTER, Record

_COLUMNS = {
    CompletionStatus.DONE: "done",
    CompletionStatus.AGAIN: "again",
    CompletionStatus.SETTLED: "settled",
    CompletionStatus.UNKNOWN: "unknown",
    CompletionStatus.REFUSED: "refused",
}


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    :param seed: The seed of its plan.
    :param plan: The plan.
    :param record: What was seen.
    :param findings: The verdicts.
    """

    seed: int
    plan: Plan
    record: Record
    findings: Sequence[Finding]

    @property
    def wrong(self) -> list[Finding]:
        """What may not happen, and did."""
        return [finding for finding in self.findings if finding.verdict.wrong]

    @cached_property
    def met(self) -> Counter[str]:
        """How many requests met which kind of trouble."""
        met: Counter[str] = Counter()
        own: Counter[int] = Counter()
        for entry in self.record.journal:
            if entry["fault"]:
                number = piece_of(entry)
                troubles = self.plan.pieces[number].troubles[own[number] :] if number is not None else ()
                if number is not None:
                    own[number] += 1
                met[troubles[0].name if troubles else "503 of an outage, or a fault of a look-up or token request"] += 1
            met["401, token ended"] += entry["error"] == "invalid_token"
            met["429 of the limits themselves"] += bool(entry["refused_by"])
        return met

    def as_json(self) -> str:
        """WriteSpec it for other programs."""
        return json.dumps(
            {
                "plan": self.plan.fingerprint,
                "verdicts": Counter(str(finding.verdict) for finding in self.findings),
                "pieces": {finding.piece.number: finding.verdict for finding in self.findings if finding.piece},
                "met": self.met,
                "kills": self.record.kills,
                "wrong": [_proof(finding) for finding in self.wrong],
            }
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        record = self.record
        yield (
            f"Faults: seed {self.seed} (plan {self.plan.fingerprint}), {len(self.plan.pieces)} writes, "
            f"{AT_ONCE} at once, limits {FASTER} times the documented ones"
        )
        yield _row("", "asked", *_COLUMNS.values(), "WRONG")
        for operation in OPERATIONS:
            yield self._row_of(operation, operation)
        yield self._row_of("all", *OPERATIONS)
        yield "requests that met"
        yield from (f"    {count:5}  {name}" for name, count in sorted(self.met.items()))
        yield "processes"
        yield from (f"    {count:5}  {name}" for name, count in sorted(record.kills.items()))
        yield f"    {len(record.tries):5}  in all, one for each try"
        yield f"{len(record.journal)} requests in {record.seconds:.0f} s"
        for finding in self.wrong:
            yield _proof(finding)
        yield "NOT AS ASKED" if self.wrong else "Nothing lost, nothing twice."

    def _row_of(self, name: str, *operations: str) -> str:
        verdicts = [one.verdict for one in self.findings if one.piece and one.piece.operation in operations]
        counts = [verdicts.count(verdict) for verdict in _COLUMNS]
        return _row(name, len(verdicts), *counts, sum(verdict.wrong for verdict in verdicts))


def _row(name: str, *cells: object) -> str:
    return f"{name:24}" + "".join(f"{cell:>9}" for cell in cells)


def _proof(finding: Finding) -> str:
    """Say what is wrong and which lines of the journal and the reports show it."""
    lines = [f"{finding.verdict}: {finding.piece}"]
    lines += [f"    try {one.number} at {one.began:.2f}: {one.end} {one.report or ''}" for one in finding.tries]
    lines += [f"    {_line(entry)}" for entry in finding.entries]
    return "\n".join(lines)


def _line(entry: Entry) -> str:
    done = "done" if entry["done"] else "not done"
    return (
        f"journal {entry['id']} at {entry['wall_time']:.2f}: {entry['operation']} {entry['status']} "
        f"({done}, fault {entry['fault']}, error {entry['error']})"
    )
