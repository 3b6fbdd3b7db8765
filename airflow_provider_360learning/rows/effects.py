"""What the actions change and depend on, so that an action that undoes another is noticed, however it names objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: Ways to name an object of each kind. Whether two objects are the same one is known only if both are named alike.
_NAMINGS = {
    "user": ("mail", "id"),
    "manager": ("mail mail", "mail id", "id mail", "id id"),
    "group": ("name", "id"),
    "item": ("id",),
    "path": ("name", "id"),
    "session": ("name", "id"),
    "tag": ("name", "id"),
    "link": ("type",),
    "integration": ("place", "id"),
}


#: Outcomes of rows that have changed nothing.
_UNCHANGED = frozenset({"already_exists", "already_invited", "already_active"})


@dataclass(frozen=True, slots=True)
class Fact:
    """
    Something about an object that an action changes or depends on.

    :param topic: What about it, for example that it exists.
    :param kind: Kind of the object.
    :param naming: How it is named.
    :param name: Its name.
    """

    topic: str
    kind: str
    naming: str
    name: str

    @property
    def id(self) -> tuple[str, ...]:
        """Identify the fact about this object."""
        return (self.topic, self.kind, self.naming, self.name.lower())

    @property
    def any_named_alike(self) -> tuple[str, ...]:
        """Identify the fact about any object that is named in the same way."""
        return (self.topic, self.kind, self.naming)

    @property
    def any_named_otherwise(self) -> list[tuple[str, ...]]:
        """Identify the fact about any object that is named in another way, and may be this one."""
        return [(self.topic, self.kind, naming) for naming in _NAMINGS[self.kind] if naming != self.naming]


@dataclass(frozen=True, slots=True)
class Effects:
    """
    The facts of one row.

    :param changes: What it changes.
    :param depends_on: What must not have changed since, for the row to be done still.
    :param is_creation: Whether it creates an object, unless that exists.
    """

    changes: Sequence[Fact] = ()
    depends_on: Sequence[Fact] = ()
    is_creation: bool = False

    def changes_of(self, outcome: str | None) -> Sequence[Fact]:
        """
        Return what the row has changed.

        :param outcome: What it has done; ``None``: it may have done anything.
        """
        if outcome in _UNCHANGED:
            return ()
        # A creation that updated an object did not make it exist.
        existed = outcome == "updated" and self.is_creation
        return [fact for fact in self.changes if not (existed and fact.topic == "exists")]


def effects_of(action: str, arguments: Any) -> Effects:
    """
    Return what a row changes and depends on, other than its own key.

    :param action: Name of the action.
    :param arguments: Its arguments; ``Any``, since each action has a model of its own.
    """
    known = _EFFECTS.get(action)
    return known(arguments) if known else Effects()


def _user(topic: str, name: str) -> Fact:
    return Fact(topic, "user", _naming(name), name)


def _naming(user: str) -> str:
    return "mail" if "@" in user else "id"


def _group(topic: str, group_id: str) -> Fact:
    return Fact(topic, "group", "id", group_id)


def _create_user(arguments: Any) -> Effects:
    mail = arguments.mail
    groups = [each for each in (arguments.group_id, *arguments.other_group_ids) if each]
    depends_on = [_user("exists", mail), _user("removed", mail)]  # who leaves the last group is deleted
    if arguments.if_exists == "update":
        depends_on.append(_user("fields", mail))
    changes = [_user("exists", mail), _user("fields", mail), *(_user(f"added {each.lower()}", mail) for each in groups)]
    return Effects(changes, depends_on, is_creation=True)


def _update_user(arguments: Any) -> Effects:
    user, mail = arguments.user, arguments.mail
    renamed = [_user("exists", user), _user("exists", mail)] if mail else []
    fields = [_user("fields", user), *(_value(user, each) for each in arguments.custom_fields or ())]
    return Effects([*fields, *renamed], [*fields, _user("exists", user), *renamed])


def _change_value(arguments: Any) -> Effects:
    value = _value(arguments.user, arguments.custom_field_id)
    return Effects([value], [value, _user("exists", arguments.user)])


def _change_content_value(id_field: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        topic = f"custom field {arguments.custom_field_id.lower()}"
        value = [Fact(topic, "item", "id", getattr(arguments, id_field))]
        return Effects(value, value)

    return effects


def _value(user: str, custom_field_id: str) -> Fact:
    return _user(f"custom field {custom_field_id.lower()}", user)


def _delete_user(arguments: Any) -> Effects:
    exists = [_user("exists", arguments.user)]
    return Effects(exists, exists)


def _change_manager(change: str, opposite: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        people = (arguments.user, arguments.manager)
        naming = " ".join(_naming(each) for each in people)

        def fact(topic: str) -> Fact:
            return Fact(topic, "manager", naming, "\n".join(people))

        return Effects([fact(change)], [fact(opposite), *(_user("exists", each) for each in people)])

    return effects


def _of_user(arguments: Any) -> Effects:
    return Effects(depends_on=[_user("exists", arguments.user)])


def _email_subscription(change: str, opposite: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        user = arguments.user
        return Effects([_user(change, user)], [_user("exists", user), _user(opposite, user)])

    return effects


def _create_group(arguments: Any) -> Effects:
    name = f"{arguments.parent_id or ''}\n{arguments.name}"
    facts = [Fact(topic, "group", "name", name) for topic in ("exists", "fields")]
    return Effects(facts, facts, is_creation=True)


def _update_group(arguments: Any) -> Effects:
    fields = _group("fields", arguments.group_id)
    return Effects([fields], [fields, _group("exists", arguments.group_id)])


def _delete_group(arguments: Any) -> Effects:
    exists = _group("exists", arguments.group_id)
    return Effects([exists, Fact("exists", "item", "id", arguments.group_id)], [exists])


def _create_tag(arguments: Any) -> Effects:
    facts = [Fact(topic, "tag", "name", arguments.name) for topic in ("exists", "fields")]
    return Effects(facts, facts, is_creation=True)


def _update_tag(arguments: Any) -> Effects:
    renamed = [Fact("exists", "tag", "name", arguments.name)] if arguments.name else []
    fields, exists = (Fact(topic, "tag", "id", arguments.tag_id) for topic in ("fields", "exists"))
    return Effects([fields, *renamed], [fields, exists, *renamed])


def _delete_tag(arguments: Any) -> Effects:
    exists = [Fact("exists", "tag", "id", arguments.tag_id)]
    return Effects(exists, exists)


def _create_integration(arguments: Any) -> Effects:
    place = f"{arguments.group_id}\n{arguments.external_platform}"
    facts = [Fact(topic, "integration", "place", place) for topic in ("exists", "fields")]
    return Effects(facts, facts, is_creation=True)


def _update_integration(arguments: Any) -> Effects:
    fields, exists = (Fact(topic, "integration", "id", arguments.integration_id) for topic in ("fields", "exists"))
    moved = [exists] if arguments.group_id or arguments.external_platform else []
    return Effects([fields, *moved], [fields, exists])


def _delete_integration(arguments: Any) -> Effects:
    exists = [Fact("exists", "integration", "id", arguments.integration_id)]
    return Effects(exists, exists)


def _link(topic: str, type: str) -> Fact:
    return Fact(topic, "link", "type", type)


def _create_link(arguments: Any) -> Effects:
    facts = [_link(topic, arguments.type) for topic in ("exists", "fields")]
    return Effects(facts, facts, is_creation=True)


def _update_link(arguments: Any) -> Effects:
    renamed = [_link("exists", type) for type in (arguments.type, arguments.new_type)] if arguments.new_type else []
    fields = _link("fields", arguments.type)
    return Effects([fields, *renamed], [fields, _link("exists", arguments.type), *renamed])


def _delete_link(arguments: Any) -> Effects:
    exists = [_link("exists", arguments.type)]
    return Effects(exists, exists)


def _change_url(arguments: Any) -> Effects:
    new_type = getattr(arguments, "new_type", None)
    urls = [_user(f"url {type}", arguments.user) for type in (arguments.type, new_type) if type]
    return Effects(urls, [*urls, _user("exists", arguments.user), _link("exists", arguments.type)])


def _created(kind: str, *parts: str | None) -> Effects:
    """Return the effects of the creation of an object that these parts identify, the name last."""
    facts = [Fact(topic, kind, "name", "\n".join(part or "" for part in parts)) for topic in ("exists", "fields")]
    return Effects(facts, facts, is_creation=True)


def _updates(kind: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        exists, fields = _by_id(kind, arguments)
        return Effects([fields], [fields, exists])

    return effects


def _deletes(kind: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        exists, _ = _by_id(kind, arguments)
        return Effects([exists], [exists])

    return effects


def _by_id(kind: str, arguments: Any) -> Sequence[Fact]:
    return [Fact(topic, kind, "id", getattr(arguments, f"{kind}_id")) for topic in ("exists", "fields")]


def _enrolled_groups(change: str, opposite: str) -> Callable[[Any], Effects]:
    def effects(arguments: Any) -> Effects:
        session = arguments.session_id.lower()
        return Effects(
            [_group(f"{change} {session}", group) for group in arguments.group_ids],
            [_group(topic, group) for group in arguments.group_ids for topic in ("exists", f"{opposite} {session}")],
        )

    return effects


def _add_user(arguments: Any) -> Effects:
    user, group_id = arguments.user, arguments.group_id
    # Who leaves a group leaves its public subgroups, too, so that a removal from any group counts.
    depends_on = [_user("exists", user), _user("removed", user), Fact("exists", "item", "id", group_id)]
    return Effects([_user(f"added {group_id.lower()}", user)], depends_on)


def _remove_user(arguments: Any) -> Effects:
    user = arguments.user
    return Effects(
        [_user("removed", user)], [_user("exists", user), _user(f"added {arguments.group_id.lower()}", user)]
    )


def _per_user(place: str, change: str, opposite: str) -> Callable[[Any], Effects]:
    """Return the effects of an action on several users in one place, such as a session, whose id is in a field."""

    def effects(arguments: Any) -> Effects:
        id = getattr(arguments, place).lower()
        return Effects(
            [_user(f"{change} {id}", user) for user in arguments.users],
            [_user(topic, user) for user in arguments.users for topic in ("exists", f"{opposite} {id}")],
        )

    return effects


def _contents(change: str, opposite: str, others: str) -> Callable[[Any], Effects]:
    """Return the effects of a change of courses, and of the ids in another field, of a group."""

    def effects(arguments: Any) -> Effects:
        group = arguments.group_id.lower()
        items = [*arguments.course_ids, *getattr(arguments, others)]
        return Effects(
            [Fact(f"{change} {group}", "item", "id", item) for item in items],
            [Fact(f"{opposite} {group}", "item", "id", item) for item in items],
        )

    return effects


def _tags(change: str, opposite: str) -> Callable[[Any], Effects]:
    """Return the effects of adding or removing tags of a course or path, which a replacement of all tags undoes."""

    def effects(arguments: Any) -> Effects:
        content = _tagged(arguments)
        return Effects(
            [Fact("tags changed", "item", "id", content), *_tag_facts(change, content, arguments)],
            [Fact("tags replaced", "item", "id", content), *_tag_facts(opposite, content, arguments)],
        )

    return effects


def _replaced_tags(arguments: Any) -> Effects:
    content = _tagged(arguments)
    return Effects([Fact("tags replaced", "item", "id", content)], [Fact("tags changed", "item", "id", content)])


def _tag_facts(topic: str, content: str, arguments: Any) -> list[Fact]:
    return [Fact(f"{topic} {content.lower()}", "item", "id", tag) for tag in arguments.tag_ids]


def _tagged(arguments: Any) -> str:
    """Return the id of the course or path whose tags change."""
    return str(getattr(arguments, "course_id", None) or arguments.path_id)


#: Other actions have no opposite: only a later row with the same key replaces what they did.
_EFFECTS: dict[str, Callable[[Any], Effects]] = {
    "create_user": _create_user,
    "update_user": _update_user,
    "delete_user": _delete_user,
    "set_user_custom_field": _change_value,
    "remove_user_custom_field": _change_value,
    "set_course_custom_field": _change_content_value("course_id"),
    "remove_course_custom_field": _change_content_value("course_id"),
    "set_path_session_custom_field": _change_content_value("session_id"),
    "remove_path_session_custom_field": _change_content_value("session_id"),
    "activate_user": _of_user,
    "set_password": _of_user,
    "pseudonymize_user": _delete_user,
    "add_manager": _change_manager("added", "removed"),
    "remove_manager": _change_manager("removed", "added"),
    "set_external_id": _of_user,
    "subscribe_to_email_notifications": _email_subscription("subscribed", "unsubscribed"),
    "unsubscribe_from_email_notifications": _email_subscription("unsubscribed", "subscribed"),
    "create_group": _create_group,
    "update_group": _update_group,
    "delete_group": _delete_group,
    "create_tag": _create_tag,
    "update_tag": _update_tag,
    "delete_tag": _delete_tag,
    "create_integration": _create_integration,
    "update_integration": _update_integration,
    "delete_integration": _delete_integration,
    "create_custom_link": _create_link,
    "update_custom_link": _update_link,
    "delete_custom_link": _delete_link,
    "create_custom_user_link": _change_url,
    "update_custom_user_link": _change_url,
    "delete_custom_user_link": _change_url,
    "add_user_to_group": _add_user,
    "remove_user_from_group": _remove_user,
    "create_path": lambda arguments: _created("path", arguments.group_id, arguments.name),
    "update_path": _updates("path"),
    "delete_path": _deletes("path"),
    "create_path_session": lambda arguments: _created("session", arguments.path_id, arguments.group_id, arguments.name),
    "update_path_session": _updates("session"),
    "delete_path_session": _deletes("session"),
    "enroll_groups": _enrolled_groups("enrolled", "unenrolled"),
    "unenroll_groups": _enrolled_groups("unenrolled", "enrolled"),
    "enroll_users": _per_user("session_id", "enrolled", "unenrolled"),
    "unenroll_users": _per_user("session_id", "unenrolled", "enrolled"),
    "set_attendance": _per_user("slot_id", "attendance", "attendance"),
    "add_to_waitlist": _per_user("slot_id", "waiting", "not waiting"),
    "remove_from_waitlist": _per_user("slot_id", "not waiting", "waiting"),
    "add_to_catalog": _contents("listed", "unlisted", "session_ids"),
    "remove_from_catalog": _contents("unlisted", "listed", "session_ids"),
    "add_to_library": _contents("in library", "not in library", "path_ids"),
    "remove_from_library": _contents("not in library", "in library", "path_ids"),
    **{f"add_{content}_tags": _tags("tagged", "untagged") for content in ("course", "path")},
    **{f"remove_{content}_tags": _tags("untagged", "tagged") for content in ("course", "path")},
    **{f"replace_{content}_tags": _replaced_tags for content in ("course", "path")},
}
