"""The phases in which a plan is applied: each is a bulk run of one action, whose rows are made here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.results import RelatedUser
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.sync.creations import (
    Whose,
    full_key,
    is_user,
    values_after_creation,
    values_at_creation,
    whose_account,
)
from airflow_provider_360learning.sync.fields import DEACTIVATION
from airflow_provider_360learning.sync.listing import groups_of
from airflow_provider_360learning.sync.managers import MANAGER
from airflow_provider_360learning.sync.memberships import GroupTree
from airflow_provider_360learning.sync.options import CUSTOM_FIELD, PROFILE_FIELDS, SyncOptions
from airflow_provider_360learning.sync.outcomes import CONFLICT, SKIPPED, STALE, Outcomes
from airflow_provider_360learning.sync.plan import IN_AN_HOUR, Change
from airflow_provider_360learning.sync.state import Restored

#: A row of an action, with the number of its change.
Rows = list[tuple[int, dict[str, Any]]]

#: The phases that complete new accounts.
COMPLETE, EXTERNAL_ID = "08-complete", "08-external_id"
#: A time that is nearer than this may have passed when it is sent.
_NEAR = timedelta(minutes=10)

_NO_USER = "the account of this person was not created or reinstated"
_NO_ROLES = "the additions of this person are not confirmed"
_UNDONE = (
    "the address is that of a deleted account, which was restored and is deleted again: if it is the same person, "
    "restore it by hand and give it the key"
)
_NOT_UNDONE = (
    "the address is that of a deleted account, which was restored and could not be deleted again: delete it by hand, "
    "or give it the key if it is the same person"
)
_LAST = "the person would leave the last group, which deletes the account"
_REACHES_MORE = "the removal would reach groups below that it did not reach when the plan was made"


@dataclass(frozen=True, slots=True)
class Phase:
    """
    A bulk run.

    :param name: Its name, which is that of its folder.
    :param action: The action.
    :param rows: The rows.
    :param defaults: Arguments that all rows share.
    :param live_changes: Actions of its changes, if its rows also depend on what 360Learning has, or on the
        time, when they are made.
    :param has_dates: Whether rows have times that may pass before they are sent.
    """

    name: str
    action: str
    rows: Rows
    defaults: Mapping[str, Any]
    live_changes: tuple[str, ...] = ()
    has_dates: bool = False

    @property
    def is_late(self) -> bool:
        """Whether a time may have passed when its row is sent."""
        dates = (row["to_be_deactivated_at"] for _, row in self.rows) if self.has_dates else ()
        return any(datetime.fromisoformat(each) <= datetime.now(UTC) + _NEAR for each in dates)

    def again(self, done: Collection[int]) -> Phase:
        """
        Return a phase with the same rows, as far as an earlier attempt has not done them.

        :param done: Numbers of the changes that are done.
        """
        number, _, name = self.name.partition("-")
        repeated, _, action = name.rpartition("-")
        rows = [(change, row) for change, row in self.rows if change not in done]
        return replace(self, name=f"{number}-{int(repeated or 1) + 1}-{action}", rows=rows)

    @property
    def is_undo(self) -> bool:
        """Whether it deletes accounts that the phase before has restored by mistake."""
        return self.name.endswith("-undo")

    def after_cut(self, done: int) -> Phase:
        """
        Return the phase with a name of its own: once the phase before is complete, this one may have more rows.

        :param done: Number of changes that were sent so far.
        """
        return replace(self, name=f"{self.name.removesuffix('-undo')}-after-{done}-undo")


class Phases:
    """
    Makes the rows of each phase from what became of the earlier ones.

    :param api: The API.
    :param options: What the sync is to do.
    :param outcomes: What became of the changes so far.
    """

    def __init__(self, api: LearningApi, options: SyncOptions, outcomes: Outcomes) -> None:
        self._api = api
        self._options = options
        self._outcomes = outcomes
        self._reinstated = {change.key for change in outcomes.changes if change.action == "reinstate"}
        self._new_groups = {change.group for change in outcomes.changes if change.action == "create_group"}
        #: Whose accounts creations and reinstatements have led to, by number: what later phases change must not change
        #: it, so that another attempt takes it from the one before.
        self.whose: dict[int, Whose] = {}

    def take_in(self, phase: Phase, *, is_resumed: bool) -> None:
        """
        Take in what later phases need of the results of a phase: ids, and people who are not those of the plan.

        :param phase: The phase, whose results are recorded.
        :param is_resumed: Whether an earlier attempt may have sent rows of the phase.
        """
        outcomes = self._outcomes
        for number, row in phase.rows:
            change, results = outcomes.changes[number], outcomes.results.get(number, [])
            if phase.action in ("add_manager", "remove_manager") or phase.name.endswith("-deactivate"):
                outcomes.sent[number] = row
            if not results or not results[-1].is_done:
                continue
            if phase.action == "create_group" and results[-1].id:
                outcomes.groups[change.group or ""] = results[-1].id.lower()
            if phase.action == "create_user":
                self._take_in_account(number, row, results[-1], is_resumed=is_resumed)
            if phase.is_undo:
                self._take_in_undo(number, results[-1])
            outcomes.incomplete.get(number, set()).discard(phase.name)

    def _take_in_account(self, number: int, row: Mapping[str, Any], result: Result, *, is_resumed: bool) -> None:
        """Take in to whose account a creation or reinstatement has led."""
        outcomes, options, facts = self._outcomes, self._options, self._api.user_facts
        change = outcomes.changes[number]
        if (whose := self.whose.get(number)) is None:
            whose = whose_account(self._api, options, change, row, result, is_resumed=is_resumed)
            self.whose[number] = whose
        if whose == "other":
            outcomes.leave_out(number, CONFLICT, "an account that is not that of this person has the address")
        elif whose == "restored":
            status: Literal["active", "pending"] = "active" if is_user(change, options, facts) else "pending"
            outcomes.restored[number] = Restored(user_id=result.id and result.id.lower(), status=status)
            outcomes.leave_out(number, CONFLICT, _NOT_UNDONE)
        elif user_id := result.id or change.user_id:
            outcomes.users[change.key] = user_id.lower()
            if change.action == "create":
                completed = {COMPLETE} if values_after_creation(change, options, facts) else set()
                outcomes.incomplete[number] = completed | ({EXTERNAL_ID} if options.key == "external_id" else set())
                if result.outcome == "invited" and not is_user(change, options, facts):
                    outcomes.without_key.add(change.key)

    def _take_in_undo(self, number: int, result: Result) -> None:
        """Take in whether an account was deleted again: one that no request can reach is not found, and stays."""
        restored = self._outcomes.restored[number]
        if result.outcome == "deleted" or restored.status == "active":
            self._outcomes.restored[number] = replace(restored, status="deleted")
            self._outcomes.left_out[number] = (CONFLICT, _UNDONE)

    def __iter__(self) -> Iterator[Phase]:
        """Yield the phases in their order; each is done before the next one is made."""
        for number, rows in enumerate(self._levels_of_group_creations(), 1):
            yield Phase(f"01-create_group-{number}", "create_group", rows, {})
        yield Phase("02-update_group", "update_group", self._group_updates(), {})
        for number, rows in enumerate(self._waves_of_address_changes(), 1):
            yield Phase(f"03-change_mail-{number}", "update_user", rows, {})
        yield Phase("04-reinstate", "create_user", self._reinstatements(), {"mode": "create_active"})
        yield Phase("04-reinstate-undo", "delete_user", self._undone("reinstate"), {})
        yield Phase("05-change_reinstated_mail", "update_user", self._mails("change_reinstated_mail"), {})
        days = _given(invitation_expires_after_days=self._options.invitation_valid_for)
        yield Phase("06-create", "create_user", self._creations(), {"mode": self._options.joiner_mode, **days})
        yield Phase("07-undo", "delete_user", self._undone("create"), {})
        yield Phase(COMPLETE, "update_user", self._completions(), {})
        if self._options.key == "external_id":
            platform = {"external_platform": self._options.external_platform}
            yield Phase(EXTERNAL_ID, "set_external_id", self._external_ids(), platform)
        yield Phase("09-update", "update_user", self._updates(), {})
        yield Phase("10-clear", "remove_user_custom_field", self._cleared_fields(), {})
        yield Phase("11-add_to_group", "add_user_to_group", self._additions(), {})
        yield Phase("12-remove_from_group", "remove_user_from_group", self._removals(), {}, ("remove_from_group",))
        yield Phase("13-add_manager", "add_manager", self._managers("add_manager"), {})
        removals = [*self._managers("remove_manager"), *self._managers_before()]
        yield Phase("14-remove_manager", "remove_manager", removals, {}, ("remove_manager", "reinstate", "create"))
        yield Phase("15-deactivate", "update_user", self._deactivations(), {}, ("deactivate",), has_dates=True)
        yield Phase("16-delete", "delete_user", self._deletions(), {})

    # Groups

    def _levels_of_group_creations(self) -> Iterator[Rows]:
        """Yield the creations of groups, those below others only once these have ids."""
        left = dict(self._outcomes.of("create_group"))
        while left:
            paths = {change.group for change in left.values()}
            level = [number for number, change in left.items() if change.after["parent"] not in paths] or list(left)
            yield self._group_creations({number: left.pop(number) for number in level})

    def _group_creations(self, level: Mapping[int, Change]) -> Rows:
        rows = []
        for number, change in level.items():
            if (parent_id := self._group_id(change.after["parent"])) is None:
                self._outcomes.leave_out(number, SKIPPED, "the group above was not created")
            else:
                after = change.after
                rows.append((number, _given(name=after["name"], parent_id=parent_id, custom=after.get("custom"))))
        return rows

    def _group_updates(self) -> Rows:
        return [
            (number, {"group_id": change.group, "name": change.after["name"]})
            for number, change in self._outcomes.of("update_group")
        ]

    def _group_id(self, group: object) -> str | None:
        """Return the id of a group that is given by its id, or by its path if the plan creates it."""
        return self._outcomes.groups.get(str(group)) if group in self._new_groups else str(group)

    def _joined(self, change: Change) -> dict[str, Any] | None:
        """Return the groups that a new user joins at once; ``None`` if there is none."""
        wanted = change.after["groups"]
        groups = [found for group in wanted if (found := self._group_id(group))] if isinstance(wanted, list) else []
        if not groups:
            return None
        return {"role": change.after["role"], "group_id": groups[0], "other_group_ids": groups[1:]}

    # Users

    def _user(self, number: int, change: Change) -> str | None:
        """Return the id of the user whom a change is about; a change without one is left out."""
        is_new = change.user_id is None or (change.key in self._reinstated and change.action != "reinstate")
        user_id = self._outcomes.users.get(change.key) if is_new else change.user_id
        if user_id is None:
            self._outcomes.leave_out(number, SKIPPED, _NO_USER)
        return user_id

    def _of_users(self, *actions: str) -> Iterator[tuple[int, Change, str]]:
        for number, change in list(self._outcomes.of(*actions)):
            if (user_id := self._user(number, change)) is not None:
                yield number, change, user_id

    def _mails(self, action: str) -> Rows:
        return [
            (number, {"user": user_id, "mail": change.after["mail"]})
            for number, change, user_id in self._of_users(action)
        ]

    def _waves_of_address_changes(self) -> Iterator[Rows]:
        """Yield the changes of addresses, those that need an address only once it is free."""
        left = {number: change for number, change, _ in self._of_users("change_mail")}
        while left:
            held = {change.before["mail"] for change in left.values()}
            wave = [number for number, change in left.items() if change.after["mail"] not in held] or list(left)
            yield [(number, {"user": left[number].user_id, "mail": left[number].after["mail"]}) for number in wave]
            for number in wave:
                del left[number]

    def _unfreed(self) -> set[object]:
        """Return the addresses that a change should have freed, and did not."""
        return {
            change.before["mail"]
            for number, change in enumerate(self._outcomes.changes)
            if change.action == "change_mail" and not self._outcomes.is_done(number)
        }

    def _reinstatements(self) -> Rows:
        return self._with_groups("reinstate", lambda change: {"mail": change.after["mail"]})

    def _creations(self) -> Rows:
        return self._with_groups("create", self._new_user)

    def _with_groups(self, action: str, values_of: Any) -> Rows:
        rows, unfreed = [], self._unfreed()
        for number, change in list(self._outcomes.of(action)):
            joined = self._joined(change)
            if joined is None:
                self._outcomes.leave_out(number, SKIPPED, "the groups of this person were not created")
            elif change.after["mail"] in unfreed:
                self._outcomes.leave_out(number, SKIPPED, "another account still has this address")
            else:
                rows.append((number, {**values_of(change), **joined}))
        return rows

    def _new_user(self, change: Change) -> dict[str, Any]:
        return {"mail": change.after["mail"], **values_at_creation(change, self._options)}

    def _undone(self, action: str) -> Rows:
        """Return the accounts of others that were restored, although the plan did not know them."""
        return [
            (number, {"user": restored.user_id or change.after["mail"]})
            for number, restored in self._outcomes.restored.items()
            if (change := self._outcomes.changes[number]).action == action
        ]

    def _completions(self) -> Rows:
        """Return the values of new accounts, which are not those of anybody else."""
        facts, users = self._api.user_facts, self._outcomes.users
        return [
            (number, {"user": users[change.key], **values_after_creation(change, self._options, facts)})
            for number, change in self._outcomes.of("create")
            if COMPLETE in self._outcomes.incomplete.get(number, ())
        ]

    def _external_ids(self) -> Rows:
        rows: Rows = []
        for number, change in self._outcomes.of("create", "update"):
            user_id = self._outcomes.users.get(change.key) or change.user_id
            if user_id is not None and "key" in change.after:
                rows.append((number, {"user": user_id, "external_id": full_key(change, self._options)}))
        return rows

    def _updates(self) -> Rows:
        users = self._of_users("update")
        rows = ((number, {"user": user_id, **self._fields_of(change)}) for number, change, user_id in users)
        return [(number, values) for number, values in rows if len(values) > 1]

    def _fields_of(self, change: Change) -> dict[str, Any]:
        after = change.after
        fields = {name: value for name, value in after.items() if name in PROFILE_FIELDS and value is not None}
        clear = [name for name, value in after.items() if name in PROFILE_FIELDS and value is None]
        if DEACTIVATION in after:
            clear.append("to_be_deactivated_at")
        given = ((name, value) for name, value in after.items() if name.startswith(CUSTOM_FIELD) and value is not None)
        custom = {name.removeprefix(CUSTOM_FIELD): value for name, value in given}
        if "key" in after and self._options.key == "custom":
            fields["custom"] = full_key(change, self._options)
        return {**fields, **({"clear": clear} if clear else {}), **({"custom_fields": custom} if custom else {})}

    def _cleared_fields(self) -> Rows:
        return [
            (number, {"user": user_id, "custom_field_id": name.removeprefix(CUSTOM_FIELD)})
            for number, change, user_id in self._of_users("update")
            for name, value in change.after.items()
            if name.startswith(CUSTOM_FIELD) and value is None
        ]

    # Memberships and managers

    def _additions(self) -> Rows:
        rows = []
        for number, change, user_id in self._of_users("add_to_group"):
            if (group_id := self._group_id(change.group)) is None:
                self._outcomes.leave_out(number, SKIPPED, "the group was not created")
            else:
                rows.append((number, {"user": user_id, "group_id": group_id, "role": change.after["role"]}))
        return rows

    def _removals(self) -> Rows:
        """Return the removals of people whose additions 360Learning shows, and who stay in another group."""
        by_user: dict[str, list[tuple[int, Change]]] = {}
        for number, change, user_id in self._of_users("remove_from_group"):
            by_user.setdefault(user_id, []).append((number, change))
        wanted: dict[str, set[tuple[object, object]]] = {}
        for change in self._outcomes.changes:
            if change.action == "add_to_group":
                wanted.setdefault(change.key, set()).add((self._group_id(change.group), change.after["role"]))
        # Groups may have become public since the plan was made.
        tree = GroupTree(groups_of(self._api.list_groups()) if by_user else {})
        rows: Rows = []
        for user_id, removals in by_user.items():
            each = [change for _, change in removals]
            if (problem := self._problem_of_removals(user_id, each, wanted.get(each[0].key, set()), tree)) is not None:
                for number, _ in removals:
                    self._outcomes.leave_out(number, *problem)
                continue
            rows += [
                (number, {"user": user_id, "group_id": change.group, "role": change.after["role"]})
                for number, change in removals
            ]
        return rows

    def _problem_of_removals(
        self, user_id: str, removals: list[Change], wanted: set[tuple[object, object]], tree: GroupTree
    ) -> tuple[str, str] | None:
        """Return outcome and reason, if the removals of a user must not be sent."""
        try:
            roles = self._api.list_user_roles(user=user_id)
        except NotFoundError:
            return SKIPPED, "the account does not exist any more"
        held = {((one["group_id"] or "").lower(), one["role"]) for one in roles}
        if not wanted <= held:
            return SKIPPED, _NO_ROLES
        every_role = self._api.user_facts.every_role_cascades
        removed = {(change.group or "", cast(Role, change.after["role"])) for change in removals}
        reached = {lost for one in removed for lost in tree.lost_with(one, every_role=every_role)}
        planned = {
            (group, change.after["role"]) for change in removals for group in _strings(change.after.get("leaves"))
        }
        if (reached & held) - removed - planned:
            return STALE, _REACHES_MORE
        return None if held - removed - reached else (SKIPPED, _LAST)

    def _managers(self, action: str) -> Rows:
        rows = []
        for number, change, user_id in self._of_users(action):
            key = change.after.get("manager_key")
            manager = change.after.get(MANAGER) if key is None else self._outcomes.users.get(str(key))
            if manager is None:
                self._outcomes.leave_out(number, SKIPPED, "the account of the manager was not created")
            else:
                rows.append((number, {"user": user_id, "manager": manager}))
        return rows

    def _managers_before(self) -> Rows:
        """Return the managers of restored accounts whom the source does not have: they were not known before."""
        wanted: dict[str, set[str]] = {}
        for _, row in self._managers("add_manager"):
            wanted.setdefault(row["user"], set()).add(row["manager"])
        rows: Rows = []
        for number, change in self._outcomes.of("reinstate", "create"):
            user_id = self._outcomes.users.get(change.key)
            is_restored = self._outcomes.outcome(number)[0] == "restored" and user_id in wanted
            if user_id is not None and (change.after.get("removes_managers") or is_restored):
                names = wanted.get(user_id, set())
                rows += [
                    (number, {"user": user_id, "manager": manager["user_id"] or manager["mail"]})
                    for manager in self._managers_of(user_id)
                    if names.isdisjoint(each.lower() for each in (manager["user_id"], manager["mail"]) if each)
                ]
        return rows

    def _managers_of(self, user_id: str) -> list[RelatedUser]:
        try:
            return self._api.list_managers(user=user_id)
        except NotFoundError:
            return []  # deleted meanwhile

    # Leavers

    def _deactivations(self) -> Rows:
        now = datetime.now(UTC)
        soon = (now + timedelta(hours=1)).isoformat(timespec="seconds")

        def is_due(at: str) -> bool:
            return at == IN_AN_HOUR or datetime.fromisoformat(at) <= now + _NEAR

        return [
            (number, {"user": user_id, "to_be_deactivated_at": soon if is_due(at) else at})
            for number, change, user_id in self._of_users("deactivate")
            if (at := str(change.after[DEACTIVATION]))
        ]

    def _deletions(self) -> Rows:
        return [(number, {"user": user_id}) for number, _, user_id in self._of_users("delete")]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _strings(value: object) -> list[str]:
    return value if isinstance(value, list) else []
