"""The summary of a run: a table per operation, the injected faults, and the evidence of each violation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.faults.evaluate import Entry, Finding, Outcome
from tests.faults.plan import OPERATIONS, Plan, objects_of, write_of
from tests.faults.run import CONCURRENCY, FASTER, Record

_COLUMNS = {
    Outcome.DONE: "done",
    Outcome.RESENT: "resent",
    Outcome.CONFIRMED: "confirmed",
    Outcome.UNKNOWN: "unknown",
    Outcome.REFUSED: "refused",
}


@dataclass(frozen=True)
class Summary:
    """
    The outcomes of a run.

    :param seed: The seed of its plan.
    :param plan: The plan.
    :param record: The evidence.
    :param findings: The findings.
    """

    seed: int
    plan: Plan
    record: Record
    findings: Sequence[Finding]

    @property
    def violations(self) -> list[Finding]:
        """Return the findings that violate a guarantee."""
        return [finding for finding in self.findings if finding.outcome.is_violation]

    @cached_property
    def met(self) -> Counter[str]:
        """Return the number of requests per kind of fault."""
        met: Counter[str] = Counter()
        own: Counter[int] = Counter()
        objects = objects_of(self.record.state) if self.plan.version == "v2" else {}
        for entry in self.record.journal:
            if entry["fault"]:
                number = write_of(entry, objects)
                faults = self.plan.writes[number].faults[own[number] :] if number is not None else ()
                if number is not None:
                    own[number] += 1
                met[faults[0].name if faults else "503 of an outage, or a fault of a lookup or token request"] += 1
            met["401, token ended"] += entry["error"] == "invalid_token"
            met["429 of the rate limits"] += bool(entry["refused_by"])
        return met

    def as_json(self) -> str:
        """Return it as JSON, for other programs."""
        return json.dumps(
            {
                "plan": self.plan.fingerprint,
                "outcomes": Counter(str(finding.outcome) for finding in self.findings),
                "writes": {finding.write.number: finding.outcome for finding in self.findings if finding.write},
                "met": self.met,
                "kills": self.record.kills,
                "violations": [_evidence(finding) for finding in self.violations],
            }
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        record = self.record
        yield (
            f"Faults: API {self.plan.version}, seed {self.seed} (plan {self.plan.fingerprint}), "
            f"{len(self.plan.writes)} writes, {CONCURRENCY} concurrent attempts, limits times {FASTER}"
        )
        yield _row("", "planned", *_COLUMNS.values(), "VIOLATED")
        operations = OPERATIONS[self.plan.version]
        for operation in operations:
            yield self._row_of(operation, operation)
        yield self._row_of("all", *operations)
        yield "requests per fault"
        yield from (f"    {count:5}  {name}" for name, count in sorted(self.met.items()))
        yield "killed processes"
        yield from (f"    {count:5}  {name}" for name, count in sorted(record.kills.items()))
        yield f"    {len(record.attempts):5}  processes in total, one per attempt"
        yield f"{len(record.journal)} requests in {record.seconds:.0f} s"
        yield from map(_evidence, self.violations)
        yield "Violations found." if self.violations else "No write was lost, and none was done twice."

    def _row_of(self, name: str, *operations: str) -> str:
        outcomes = [one.outcome for one in self.findings if one.write and one.write.operation in operations]
        counts = [outcomes.count(outcome) for outcome in _COLUMNS]
        return _row(name, len(outcomes), *counts, sum(outcome.is_violation for outcome in outcomes))


def _row(name: str, *cells: object) -> str:
    return f"{name:27}" + "".join(f"{cell:>11}" for cell in cells)


def _evidence(finding: Finding) -> str:
    """Return the violation and the lines of the journal and the reports that show it."""
    lines = [f"{finding.outcome}: {finding.write}"]
    lines += [
        f"    attempt {one.number} at {one.started:.2f}: {one.end} {one.report or ''}" for one in finding.attempts
    ]
    lines += [f"    {_line(entry)}" for entry in finding.entries]
    return "\n".join(lines)


def _line(entry: Entry) -> str:
    done = "done" if entry["done"] else "not done"
    return (
        f"journal {entry['id']} at {entry['wall_time']:.2f}: {entry['operation']} {entry['status']} "
        f"({done}, fault {entry['fault']}, error {entry['error']})"
    )
