"""The summary of a plan for a person: keys and counts, no values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_360learning.api.text import counted, one_line, without_templates
from airflow_provider_360learning.rows.progress_log import duration
from airflow_provider_360learning.sync.guards import Verdict
from airflow_provider_360learning.sync.names import MAX_KEY, label
from airflow_provider_360learning.sync.plan import Change, Changes

#: Maximum number of lines: Airflow stores the summary with an approval.
MAX_LINES = 200
#: Maximum number of keys in one line.
MAX_KEYS = 30

#: What each change does, and each finding is, in the order of the summary: what can do harm comes first.
_TITLES: Mapping[str, str] = {
    "conflict": "Conflicts, left out of the plan",
    "row_error": "Invalid rows",
    "delete": "People deleted",
    "deactivate": "People deactivated",
    "leaver": "Leavers, only reported",
    "missing": "People missing in the source, not yet leavers",
    "remove_from_group": "Memberships removed",
    "remove_manager": "Managers removed",
    "change_mail": "Email addresses changed",
    "change_reinstated_mail": "Email addresses changed after the return",
    "create_group": "Groups created",
    "update_group": "Groups renamed",
    "create": "People created or invited",
    "reinstate": "People reinstated",
    "update": "People updated",
    "add_to_group": "Memberships added",
    "add_manager": "Managers added",
    "last_group": "Last memberships, which are not removed",
    "contradictory": "People who are listed both as deleted and as not deleted",
    "renamed_group": "New groups that look like renamed ones",
    "pending": "Invitations not accepted yet",
    "unmanaged": "Accounts that are not managed",
    "protected": "Protected accounts",
    "not_verifiable": "Values that cannot be verified",
}


def counts_of(changes: Changes) -> dict[str, int]:
    """
    Return how many changes of each action and findings of each kind there are, without those that do not occur.

    :param changes: The changes.
    """
    counts = Counter(kind for kind, _ in _entries(changes))
    return {kind: counts[kind] for kind in _TITLES if counts[kind]}


def summary_of(
    changes: Changes,
    verdicts: Sequence[Verdict],
    *,
    company: str,
    rows: int,
    invitations: int,
    address_changes: int,
    seconds: int,
) -> str:
    """
    Return the summary in Markdown, of at most :data:`MAX_LINES` lines.

    :param changes: The changes.
    :param verdicts: What the guards have decided.
    :param company: Identifies the company and the version of the API.
    :param rows: Number of rows of the source.
    :param invitations: How many invitations 360Learning will email.
    :param address_changes: To how many people it may email an invitation because their address changes.
    :param seconds: How long applying takes at the rate limit.
    """
    failed = [verdict.guard for verdict in verdicts if not verdict.passed]
    lines = [
        "# Plan of the users sync",
        "",
        f"**Refused by {', '.join(failed)}: nothing is sent.**" if failed else "All guards passed.",
        "",
        f"- Company: {_code(company)}",
        f"- Source: {counted(rows, 'row')}; people managed before: {changes.managed:,}",
        f"- Emails: {counted(invitations, 'invitation')}",
        *(
            [f"- Changes of addresses, after which 360Learning may invite again: {address_changes:,}"]
            * (address_changes > 0)
        ),
        f"- Applying takes about {duration(seconds)} at the rate limit",
        "",
        "## Changes and findings",
        "",
        *_lines_of(changes),
        "",
        "## Guards",
        "",
        "| Guard | Value | Limit | Verdict |",
        "|---|---:|---:|---|",
        *map(_line_of, verdicts),
        "",
        "The values are in changes.jsonl, the reasons of conflicts and findings in findings.jsonl.",
    ]
    return "\n".join(lines) + "\n"


def _lines_of(changes: Changes) -> Iterator[str]:
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for kind, name in _entries(changes):
        labels[kind][name] = None
    for kind, number in counts_of(changes).items():
        yield _list(_TITLES[kind], number, list(labels[kind]))
        if kind == "update" and (updates := [each for each in changes.changes if _is_destructive_update(each)]):
            names = list(dict.fromkeys(map(_name, updates)))
            yield _list("Of these, values cleared, or accounts that get a key", len(updates), names)
    if not labels:
        yield "Nothing changes."


def _list(title: str, number: int, names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_KEYS:,} more" if len(names) > MAX_KEYS else ""
    return f"- **{title}: {number:,}**: {', '.join(names[:MAX_KEYS])}{more}"


def _is_destructive_update(change: Change) -> bool:
    return change.action == "update" and change.is_destructive


def _entries(changes: Changes) -> Iterator[tuple[str, str]]:
    """Yield what each change and finding is, and whom or what it is about."""
    for conflict in changes.conflicts:
        yield "conflict", " and ".join(_code(label(key, rows=conflict.rows)) for key in conflict.keys[:MAX_KEYS])
    for row in dict.fromkeys(row for row, _ in changes.errors):
        yield "row_error", f"row {row}"
    for change in changes.changes:
        yield change.action, _name(change)
    for finding, key in dict.fromkeys((report.finding, report.key) for report in changes.reports):
        yield finding, _code(label(key))


def _name(change: Change) -> str:
    return _code(label(change.key, rows=change.rows, user_id=change.user_id))


def _code(text: str) -> str:
    """Return a text as code, in which Markdown finds nothing to format."""
    return "`" + without_templates(one_line(text, MAX_KEY)).replace("`", "'") + "`"


def _line_of(verdict: Verdict) -> str:
    limit = "no earlier plan" if verdict.limit is None else f"{verdict.limit:,}"
    return f"| {verdict.guard} | {verdict.actual:,} | {limit} | {'passed' if verdict.passed else '**refused**'} |"
