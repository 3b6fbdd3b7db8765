"""The base of all models of arguments, and what is made of their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from airflow_provider_360learning.api.models.parsers import is_missing, problem, problem_of, shown
from airflow_provider_360learning.exceptions import InvalidRequestError

M = TypeVar("M", bound="ActionArguments")
T = TypeVar("T")
C = TypeVar("C", bound=str)

#: Kinds of objects that have a name.
Kind: TypeAlias = Literal[
    "group", "path", "session", "course", "classroom", "custom_field", "certificate_outline", "tag"
]


@dataclass(frozen=True, slots=True)
class NameOf:
    """
    Marks a field whose names stand for ids.

    :param kind: Kind of the objects.
    :param id_field: The field of their ids. Only one of the two fields may be given.
    :param is_required: Whether one of the two must be given.
    """

    kind: Kind
    id_field: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class NotInRows:
    """Marks a field that is an argument of an action and not a column of rows, where the task decides."""


class Problem(NamedTuple):
    """
    What is invalid in the arguments of an action.

    :param field: Name of the argument, with the position of an item (``group_ids[1]``); ``None`` for all of them.
    :param text: What is invalid and what was expected; never a secret, nor the value of an unknown argument.
    """

    field: str | None
    text: str


class ActionArguments(BaseModel):
    """
    The arguments of one action, valid and normalized.

    Missing values (``None``, blanks only, pandas' ``NaT``) count as not given. Errors never show more than the value of
    a known field; :func:`validate` translates them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    #: Names of the fields whose values are never shown, stored or compared.
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    #: The fields of names, and what their names stand for.
    names: ClassVar[Mapping[str, NameOf]] = {}
    #: Each field of names to the field of their ids, and the other way round.
    alternatives: ClassVar[Mapping[str, str]] = {}
    #: The fields that control how names are resolved.
    only_for_names: ClassVar[frozenset[str]] = frozenset()
    #: Names of the fields that are not columns of rows.
    not_in_rows: ClassVar[frozenset[str]] = frozenset()
    #: Names of the fields whose values name the same if they differ in case only.
    fields_without_case: ClassVar[frozenset[str]] = frozenset()
    _name_fields: ClassVar[frozenset[str]] = frozenset()
    _names_are_optional: ClassVar[bool] = True
    _defaults: ClassVar[Mapping[str, object]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        fields = cls.model_fields
        cls.secret_fields = frozenset(name for name, field in fields.items() if "SecretStr" in repr(field.annotation))
        cls.fields_without_case = frozenset(
            name for name, field in fields.items() if "IgnoresCase" in repr((field.annotation, field.metadata))
        )
        cls.not_in_rows = frozenset(name for name, field in fields.items() if NotInRows() in field.metadata)
        cls.names = {
            name: marker for name, field in fields.items() for marker in field.metadata if isinstance(marker, NameOf)
        }
        pairs = [(name, marker.id_field) for name, marker in cls.names.items()]
        cls.alternatives = dict(pairs) | {id_field: name for name, id_field in pairs}
        cls._name_fields = frozenset(cls.names)
        cls._names_are_optional = not any(marker.is_required for marker in cls.names.values())
        cls._defaults = {name: field.default for name, field in fields.items()}

    def conflicts(self) -> Iterator[Problem]:
        """Return what is invalid about the fields together, once each of them is valid."""
        return iter(())

    def given(self) -> dict[str, object]:
        """Return the values that differ from the defaults, in the order of the fields."""
        defaults, fields = self._defaults, self.model_fields_set
        return {name: value for name, value in self.__dict__.items() if name in fields and value != defaults[name]}

    def given_names(self) -> list[str]:
        """Return the fields of names that are given."""
        if self._name_fields.isdisjoint(self.model_fields_set):  # most rows of a file
            return []
        return [name for name in self.names if self._is_given(name)]

    def with_ids(self, ids: Mapping[str, object]) -> Self:
        """
        Return the arguments without names, and without what is needed for names only.

        :param ids: The fields of ids that the names stand for, with their values.
        """
        without = {name: self._defaults[name] for name in (*self.names, *self.only_for_names)}
        return self.model_copy(update={**ids, **without})

    @classmethod
    def without_missing(cls, values: Mapping[str, object]) -> dict[str, object]:
        """
        Return the values that are given.

        A secret of blanks is kept, and refused by its parser: it is never changed, so it is not "not given".

        :param values: Values by name.
        """
        return {
            name: value
            for name, value in values.items()
            if not is_missing(value) or (name in cls.secret_fields and isinstance(value, str) and value != "")
        }

    def has_secrets(self) -> bool:
        """Whether a secret is given."""
        return any(getattr(self, name) is not None for name in self.secret_fields)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_missing(cls, values: object) -> object:
        if not isinstance(values, dict) or all(map(_is_filled_string, values.values())):  # most rows of a file
            return values
        return cls.without_missing(values)

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        conflicts = [*self._conflicts_of_names(), *self.conflicts()]
        if conflicts:
            raise PydanticCustomError("conflicts", "conflicts", {"problems": conflicts})
        return self

    def _conflicts_of_names(self) -> Iterator[Problem]:
        if self._names_are_optional and self._name_fields.isdisjoint(self.model_fields_set):
            return
        for name, marker in self.names.items():
            id_field = marker.id_field
            if self._is_given(name) and self._is_given(id_field):
                yield Problem(name, f"{name} is given beside {id_field}, but only one of the two may be")
            elif marker.is_required and not (self._is_given(name) or self._is_given(id_field)):
                yield Problem(id_field, f"{id_field} or {name} is missing or empty")

    def _is_given(self, name: str) -> bool:
        return bool(self.__dict__[name] != self._defaults[name])


def problems_in(error: ValidationError, values: Mapping[str, object], name: str) -> list[Problem]:
    """
    Return all problems of a validation, in the order of the fields.

    :param error: The error.
    :param values: What was validated: where pydantic itself has refused a choice, its value is taken from here.
    :param name: Name of the action.
    """
    found: list[Problem] = []
    for one in error.errors(include_url=False, include_input=False):
        if one["type"] == "conflicts":
            where = one["loc"]
            prefix = _path(where) + "." if where else ""
            found += [
                Problem(prefix + field if field else None, prefix + text) for field, text in one["ctx"]["problems"]
            ]
        else:
            found.append(_problem_of_field(one, values, name))
    return found


def validate(model: Callable[..., M], name: str, values: Mapping[str, object]) -> M:
    """
    Validate the arguments of an action.

    :param model: The model.
    :param name: Name of the action.
    :param values: The arguments.
    :raises InvalidRequestError: naming all that are invalid; its ``argument`` is the first.
    """
    try:
        return model(**values)
    except ValidationError as error:
        problems = problems_in(error, values, name)
    text = "; ".join(problem.text for problem in problems)
    # Outside of the handler: the error of pydantic has the values, and must not be the context of this one.
    raise InvalidRequestError(f"{text}. Nothing was sent.", argument=problems[0].field)


def parse_argument(name: str, parse: Callable[[object], T], value: object) -> T:
    """
    Parse one value that belongs to no model, such as an option of an operator.

    :param name: Its name.
    :param parse: A parser of :mod:`.parsers`.
    :param value: The value.
    :raises InvalidRequestError: naming it, if it is invalid.
    """
    try:
        return parse(value)
    except PydanticCustomError as error:
        text = problem_of(error)
    raise InvalidRequestError(f"{name} {text}.", argument=name)


def parse_choice(*choices: C) -> Callable[[object], C]:
    """
    Return a parser of one of several strings.

    :param choices: The strings.
    """

    def parse(value: object) -> C:
        for choice in choices:
            if choice == value:
                return choice
        raise problem(f"is {shown(value)}, but must be one of {', '.join(choices)}")

    return parse


def _is_filled_string(value: object) -> bool:
    return type(value) is str and value != "" and not value.isspace()


def _problem_of_field(error: ErrorDetails, values: Mapping[str, object], name: str) -> Problem:
    where, context, kind = error["loc"], error.get("ctx", {}), error["type"]
    field = _path(where)
    if kind == "missing":
        return Problem(field, f"{field} is missing or empty")
    if kind == "extra_forbidden":
        return Problem(field, f"{shown(field)} is not an argument of {name}")
    if kind == "literal_error":
        choices = context["expected"].replace("'", "").replace(" or ", ", ")
        return Problem(field, f"{field} is {shown(_value_at(where, values))}, but must be one of {choices}")
    if "index" in context:
        field += f"[{context['index']}]"
    return Problem(field, f"{field} {context['problem']}" if "problem" in context else f"{field}: {error['msg']}")


def _path(where: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


# Any: an argument, or a value within one.
def _value_at(where: tuple[int | str, ...], values: Any) -> object:
    for part in where:
        values = values[part]
    return values
