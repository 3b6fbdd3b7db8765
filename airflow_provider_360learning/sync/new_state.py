"""The state of a sync after its changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from airflow_provider_360learning.rows.results import FAILED, PENDING, UNKNOWN, Result
from airflow_provider_360learning.sync.fields import DEACTIVATION
from airflow_provider_360learning.sync.managers import MANAGER
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, PROFILE_FIELDS, SyncOptions
from airflow_provider_360learning.sync.outcomes import Outcomes
from airflow_provider_360learning.sync.plan import Change, Changes
from airflow_provider_360learning.sync.plan_files import StoredPlan
from airflow_provider_360learning.sync.platform import Account
from airflow_provider_360learning.sync.state import AppliedPlan, Remembered, Restored, SyncState

#: Stands for an id that is not known yet.
_AN_ID = "0" * 24
#: Stands for a plan that is not known yet: none is longer.
_A_PLAN = AppliedPlan(
    plan_id="0" * 32, applied_at=datetime(2026, 1, 1, 1, 1, 1, 1, tzinfo=UTC), rows=10**9, interval="0" * 250
)


def keys_of(changes: Changes, options: SyncOptions) -> frozenset[str] | None:
    """
    Return the keys of the people whom a plan manages; ``None`` if the accounts show it by their keys.

    :param changes: The changes of the plan.
    :param options: What the sync is to do.
    """
    if options.key != "mail":
        return None
    return frozenset(changes.agreed) | {change.key for change in changes.changes}


def with_accounts(
    state: SyncState, accounts: Sequence[Account], options: SyncOptions, keys: Collection[str] | None
) -> SyncState:
    """
    Return the state with ids and addresses of the people who are managed, by which they are found once deleted.

    :param state: The state.
    :param accounts: The accounts.
    :param options: What the sync is to do.
    :param keys: Keys of the people, if not all accounts with a key are managed.
    """
    people = dict(state.people)
    for account in accounts:
        key = account.key
        if key is None or account.status != "active" or account.user_id is None:
            continue
        if keys is not None and key not in keys and key not in people:
            continue
        known = people.get(key, Remembered())
        people[key] = replace(
            known,
            user_id=account.user_id,
            mail=account.mail,
            awaits_key=False,
            invited_at=None,
            invited_for=None,
        )
    return replace(state, people=people, restored=_undecided(state, accounts, options))


def _undecided(state: SyncState, accounts: Sequence[Account], options: SyncOptions) -> Mapping[str, Restored]:
    """Return the accounts that were restored by mistake, and about which no person has decided yet."""
    live = [account for account in accounts if account.status != "deleted"] if state.restored else []
    undecided: dict[str, Restored] = {}
    for mail, one in state.restored.items():
        account = next((each for each in live if each.mail == mail or each.user_id == one.user_id), None)
        if account is None:
            undecided[mail] = replace(one, status="deleted") if one.status == "active" else one
        # A deleted one that is there again was restored by hand, and a key was given by hand: no creation sends any.
        elif one.status != "deleted" and (account.key is None or options.key == "mail"):
            undecided[mail] = replace(one, status="active")
    return undecided


def with_creations(state: SyncState, changes: Sequence[Change]) -> SyncState:
    """
    Return the state before people are created, by which their accounts are found if the attempt is killed.

    :param state: The state.
    :param changes: The changes that are about to be sent.
    """
    creations = {change.key: str(change.after["mail"]) for change in changes if change.action == "create"}
    created = {
        key: replace(state.people.get(key, Remembered()), mail=mail, awaits_key=True) for key, mail in creations.items()
    }
    return replace(state, people={**state.people, **created})


def with_changes(state: SyncState, outcomes: Outcomes, options: SyncOptions, now: datetime) -> SyncState:
    """
    Return the state after changes that were made; the same changes twice give the same state.

    :param state: The state.
    :param outcomes: What became of the changes.
    :param options: What the sync is to do.
    :param now: When the plan is applied.
    """
    people = dict(state.people)
    for number, change in enumerate(outcomes.changes):
        if change.action in ("create_group", "update_group"):
            continue
        known = people.get(change.key, Remembered())
        known = replace(known, user_id=outcomes.users.get(change.key) or change.user_id or known.user_id)
        if outcomes.is_done(number):
            people[change.key] = _after(change, number, known, outcomes, options, now)
        elif change.action == "create" and outcomes.has_account(number):
            mail = str(change.after["mail"])
            people[change.key] = replace(known, mail=mail, left_at=None, created=True, awaits_key=True)
        elif change.action == "create" and change.key in people and _is_not_created(number, outcomes):
            people[change.key] = replace(known, awaits_key=False)
    restored = {str(outcomes.changes[number].after["mail"]): one for number, one in outcomes.restored.items()}
    return replace(state, people=people, restored={**state.restored, **restored})


def with_all_changes(
    state: SyncState, accounts: Sequence[Account], changes: Changes, options: SyncOptions, now: datetime
) -> SyncState:
    """
    Return the state after a plan whose changes are all made: as large as it can become.

    :param state: The state.
    :param accounts: The accounts.
    :param changes: The changes of the plan.
    :param options: What the sync is to do.
    :param now: The time of the plan.
    """
    outcomes = Outcomes(changes.changes)
    for number, change in enumerate(changes.changes):
        outcomes.results[number] = [Result(number + 1, change.key, "invited", id=_AN_ID)]
        outcomes.sent[number] = {"manager": _AN_ID, "to_be_deactivated_at": now.isoformat()}
        outcomes.users.setdefault(change.key, change.user_id or _AN_ID)
        outcomes.without_key.add(change.key)
    found = with_accounts(state, accounts, options, keys_of(changes, options))
    grown = _with_presence(with_changes(found, outcomes, options, now), changes, now, is_new=True)
    return replace(grown, plans=(*grown.plans, _A_PLAN))


def with_plan(state: SyncState, plan: StoredPlan, now: datetime, interval: str) -> SyncState:
    """
    Return the state after a whole plan: who is missing, what agrees already, and the plan itself.

    :param state: The state after its changes.
    :param plan: The plan.
    :param now: When it was applied.
    :param interval: The data interval of the run.
    """
    if any(one.plan_id == plan.plan_id for one in state.plans):
        return state
    is_new = not interval or all(one.interval != interval for one in state.plans)
    applied_plan = AppliedPlan(plan_id=plan.plan_id, applied_at=now, rows=plan.rows, interval=interval)
    state = _with_presence(state, plan.changes, plan.created_at, is_new=is_new)
    return replace(state, plans=(*state.plans, applied_plan))


def _with_presence(state: SyncState, changes: Changes, created_at: datetime, *, is_new: bool) -> SyncState:
    """Return the state with who is missing or reported, and with what agrees already."""
    missing, reported = frozenset(changes.missing), changes.reported_leavers
    people = dict(state.people)
    for key in people.keys() | missing | reported | changes.agreed.keys():
        known = people.get(key, Remembered())
        applied = {**known.applied, **changes.agreed.get(key, {})}
        is_missing = key in missing
        people[key] = replace(
            known,
            applied=applied,
            missing_since=(known.missing_since or created_at) if is_missing else None,
            missing_runs=max(known.missing_runs + is_new, 1) if is_missing else 0,
            reported_at=(known.reported_at or created_at) if key in reported else None,
        )
    return replace(state, people=people)


def _is_not_created(number: int, outcomes: Outcomes) -> bool:
    """Return whether a creation was sent, and has certainly not led to an account of the person."""
    outcome, _ = outcomes.outcome(number)
    return number in outcomes.results and (number in outcomes.left_out or outcome not in (FAILED, UNKNOWN))


def _after(
    change: Change, number: int, known: Remembered, outcomes: Outcomes, options: SyncOptions, now: datetime
) -> Remembered:
    applied = dict(known.applied)
    for name, value in change.after.items():
        if name in PROFILE_FIELDS or name.startswith(CUSTOM_FIELD):
            applied[name] = None if value is None else str(value)
    match change.action:
        case "create":
            known = replace(known, mail=str(change.after["mail"]), left_at=None)
            awaits_key = change.key in outcomes.without_key
            outcome = outcomes.results[number][0].outcome
            if outcome == "already_invited":  # with an earlier invitation, with which nothing of the row was sent
                return _invited(replace(known, awaits_key=awaits_key or known.created), options, now)
            known = replace(known, applied=applied, awaits_key=awaits_key, created=True)
            if outcome in PENDING:
                return _invited(known, options, now)
            return replace(known, invited_at=None, invited_for=None)
        case "reinstate":  # which may lose the key
            if change.after.get("removes_managers"):
                applied.pop(MANAGER, None)
            mail = str(change.after["mail"])
            return replace(known, mail=mail, applied=applied, left_at=None, awaits_key=True)
        case "change_mail" | "change_reinstated_mail":
            return replace(known, mail=str(change.after["mail"]), left_at=None)
        case "update":
            if DEACTIVATION in change.after:
                applied.pop(DEACTIVATION, None)
                known = replace(known, left_at=None)
            return replace(known, applied=applied, awaits_key=known.awaits_key and "key" not in change.after)
        case "add_manager":
            applied[MANAGER] = str(outcomes.sent[number]["manager"])
        case "remove_manager":
            if applied.get(MANAGER) == change.after[MANAGER]:
                applied[MANAGER] = None
        case "deactivate":
            at = str(outcomes.sent[number]["to_be_deactivated_at"])
            return replace(known, applied={**applied, DEACTIVATION: at}, left_at=datetime.fromisoformat(at))
        case "delete":
            return replace(known, left_at=now)
    return replace(known, applied=applied)


def _invited(person: Remembered, options: SyncOptions, now: datetime) -> Remembered:
    """Return an invited person; an invitation that existed already may be as old as a new one at most."""
    is_counted = person.invited_at is not None and not person.invitation_has_expired(now)
    return person if is_counted else replace(person, invited_at=now, invited_for=options.invitation_valid_for)
