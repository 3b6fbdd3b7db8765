"""Parse the arguments of a sync operator, which templates may have rendered as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import Any, TypeVar, get_args

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
from airflow_provider_360learning.api.models.groups import GetGroup
from airflow_provider_360learning.api.models.parsers import (
    is_id,
    is_missing,
    parse_boolean,
    parse_integer,
    parse_list,
    parse_text,
)
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sync.columns import CLEARABLE
from airflow_provider_360learning.sync.limits import parse_limit, parse_period_limit
from airflow_provider_360learning.sync.options import (
    CUSTOM_FIELD,
    PROFILE_FIELDS,
    Adopt,
    GroupsMode,
    Guards,
    JoinerMode,
    Key,
    LeaverAction,
    Leavers,
    Limit,
    SyncOptions,
)

T = TypeVar("T")

_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "key": get_args(Key),
    "adopt": get_args(Adopt),
    "joiner_mode": get_args(JoinerMode),
    "groups_mode": get_args(GroupsMode),
    "group_key": ("name", "custom"),
    "leavers": get_args(Leavers),
    "leaver_action": get_args(LeaverAction),
}
_FIELDS = {*PROFILE_FIELDS, "manager"}
#: Guards that are off unless a limit is given.
_OFF_BY_DEFAULT = ("max_joiners", "max_updates")


def parse_options(values: Mapping[str, Any], api: LearningApi) -> SyncOptions:
    """
    Return what a sync is to do.

    :param values: The arguments of the operator by name.
    :param api: The API, whose listing of groups gives the ids of those that are named.
    :raises InvalidRequestError: naming the argument that is invalid.
    """

    def parse(name: str, parser: Callable[[Any], T]) -> T:
        return parse_argument(name, parser, values[name])

    def optional(name: str, parser: Callable[[Any], T]) -> T | None:
        return None if is_missing(values[name]) else parse(name, parser)

    parse_names = partial(parse_list, parse_text)
    choices: dict[str, Any] = {name: parse(name, parse_choice(*each)) for name, each in _CHOICES.items()}
    groups: dict[str, Any] = {  # Any: arguments of several types
        name: None if (found := optional(name, parse_text)) is None else _group_id(api, name, found)
        for name in ("default_group", "groups_parent")
    }
    managed = [_group_id(api, "managed_groups", group) for group in parse("managed_groups", parse_names)]
    create_groups = parse("create_groups", parse_boolean)
    if create_groups and groups["groups_parent"] is None and len(managed) == 1:
        [groups["groups_parent"]] = managed
    options = SyncOptions(
        **choices,
        **groups,
        external_platform=optional("external_platform", parse_text),
        key_namespace=optional("key_namespace", parse_text) or "",
        merge_groups=parse("duplicate_keys", parse_choice("error", "merge_groups")) == "merge_groups",
        invitation_valid_for=optional("invitation_valid_for", partial(parse_integer, minimum=1, maximum=10_000)),
        managed_groups=tuple(dict.fromkeys(managed)),
        managed_subgroups=parse("managed_subgroups", parse_boolean),
        create_groups=create_groups,
        leaver_grace=parse("leaver_grace", partial(parse_integer, minimum=0)),
        missing_runs=parse("missing_runs", partial(parse_integer, minimum=1)),
        create_only=_fields("create_only", parse("create_only", parse_names), {*_FIELDS, "mail"}),
        owned=_fields("owned", parse("owned", parse_names), _FIELDS),
        clear=_fields("clear", parse("clear", parse_names), CLEARABLE),
        protected=parse("protected", parse_names),
        guards=_guards(values),
    )
    _check(options, api)
    return options


def parse_stop(value: object) -> Limit:
    """
    Return the limit of failures while a plan is applied.

    :param value: The argument ``stop_after_failures``.
    """
    return parse_limit("stop_after_failures", value)


def _guards(values: Mapping[str, Any]) -> Guards:
    simple = ("max_leavers", "max_email_changes", "max_conflicts", "max_row_errors", "max_group_creations")
    limits: dict[str, Any] = {name: parse_limit(name, values[name]) for name in simple}
    for name in _OFF_BY_DEFAULT:
        limits[name] = None if is_missing(values[name]) else parse_limit(name, values[name])
    return Guards(
        **limits,
        max_source_change=parse_limit("max_source_change", values["max_source_change"], needs_share=True),
        max_leavers_per_period=parse_period_limit("max_leavers_per_period", values["max_leavers_per_period"]),
    )


def _fields(argument: str, names: tuple[str, ...], allowed: Set[str]) -> frozenset[str]:
    unknown = [name for name in names if name not in allowed and not name.startswith(CUSTOM_FIELD)]
    if unknown:
        raise InvalidRequestError(
            f"{argument} has {unknown[0]!r:.200}, but its names must be among {', '.join(sorted(allowed))} and "
            f"{CUSTOM_FIELD}<name or id>. Nothing was sent.",
            argument=argument,
        )
    return frozenset(names)


def _check(options: SyncOptions, api: LearningApi) -> None:
    """Refuse options that contradict each other."""
    problems = {
        "external_platform": (options.key == "external_id") == (options.external_platform is None)
        and 'key="external_id" and external_platform belong together: give both or neither',
        "key_namespace": _problem_of_namespace(options),
        "adopt": options.key == "mail"
        and options.adopt != "never"
        and 'with key="mail", each account has its key: leave adopt out',
        "invitation_valid_for": options.invitation_valid_for is not None
        and _problem_of_invitations(options, expires=api.user_facts.expires_invitations),
        "groups_parent": options.create_groups
        and options.groups_parent is None
        and "create_groups needs the group under which groups are created",
        "managed_subgroups": options.create_groups
        and not options.managed_subgroups
        and "create_groups creates groups below others, which must be managed: leave managed_subgroups out",
        "managed_groups": options.groups_mode == "exact"
        and not options.managed_groups
        and 'groups_mode="exact" removes memberships in managed_groups only: give these groups',
    }
    for argument, problem in problems.items():
        if problem:
            raise InvalidRequestError(f"{argument}: {problem}. Nothing was sent.", argument=argument)


def _problem_of_invitations(options: SyncOptions, *, expires: bool) -> str | None:
    if not expires:
        return "this version of the API has no invitations that expire: leave it out"
    return None if options.joiner_mode == "invite" else 'only joiner_mode="invite" sends invitations: leave it out'


def _problem_of_namespace(options: SyncOptions) -> str | None:
    if options.key == "mail" and options.key_namespace:
        return 'with key="mail", addresses are the keys, which have no namespace: leave key_namespace out'
    if options.key == "custom" and options.leavers != "explicit" and not options.key_namespace:
        return (
            f"leavers={options.leavers!r} needs a namespace. Without one, every user whose field custom has a value "
            'would be managed, and leave because no row has it. Mark the people of this sync, e.g. with "hr:"'
        )
    return None


def _group_id(api: LearningApi, argument: str, group: str) -> str:
    """Return the id of a group that is given by its id, its name, or its path."""
    if is_id(group):
        return group.lower()
    try:
        found = api.client.run(api.names.resolved(GetGroup.model_validate({"group": group})))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{argument}: {error}", argument=argument) from None
    return found.group_id.lower()
