"""
How an action is written once and run in two ways.

An action is a generator method that takes one model of arguments, yields :class:`~.client.Call` objects and is sent
their responses. Calling it with the fields of the model runs it in the calling thread; ``arun`` runs it on an event
loop; another action goes through its ``steps``. Names in the place of ids are resolved before the generator begins.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from airflow_provider_360learning.api.bulk_jobs import BulkJobs
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.course_attempts import UserMail
from airflow_provider_360learning.api.models.base import ActionArguments, validate
from airflow_provider_360learning.api.names import Names
from airflow_provider_360learning.api.path_results import (
    PathSessionStatistic,
)
from airflow_provider_360learning.api.statistics_by_id import StatisticsById
from airflow_provider_360learning.api.types import Acquire, ActionSteps, Release
from airflow_provider_360learning.exceptions import Learning360Error, NotAvailableError, OutcomeUnknownError

P = ParamSpec("P")
M = TypeVar("M", bound=ActionArguments)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


def confirm_by_lookup(unknown: OutcomeUnknownError, look_up: ActionSteps[str | None]) -> ActionSteps[str]:
    """
    Return the id of what a call with an unknown outcome has created.

    :param unknown: The error of that call.
    :param look_up: Returns the id of the object that the call should have created, if it exists.
    :return: The id.
    :raises OutcomeUnknownError: the same error, if the object is not there or the lookup failed transiently: the caller
        must learn that something may have been created.
    """
    try:
        found = yield from look_up
    except Learning360Error as error:
        if not error.transient:
            raise
        raise unknown from error
    if found is None:
        raise unknown
    return found


def holding(acquire: Acquire, steps: ActionSteps[R]) -> ActionSteps[R]:
    """
    Run steps while holding a place, and release it when they end or fail.

    :param acquire: The place.
    :param steps: The steps.
    """
    hold = yield acquire
    try:
        result = yield from steps
    except Exception:
        yield Release(hold)
        raise
    yield Release(hold)
    return result


def exclusively(client: Client, name: str, steps: ActionSteps[R]) -> ActionSteps[R]:
    """
    Run steps that read something and write it, while no other task that uses the same store does the same.

    :param client: The client that makes the calls.
    :param name: What they read and write.
    :param steps: The steps.
    """
    settings = client.settings
    # Held without being renewed: a request, a pause after it, and a half more. The client renews the lock before a
    # request if a third of this time has passed.
    seconds = 1.5 * (settings.total_timeout + settings.read_timeout)
    return (yield from holding(Acquire(name, 1, seconds=seconds), steps))


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """
    Metadata of a write action, used when it is applied to many rows.

    :param operation: Operation whose rate limit sets the pace.
    :param key: Arguments that identify what is changed: rows that differ in one of them change different things.
    :param subject_fields: How many of the first of these identify the subject: rows with the same subject are sent in
        order.
    :param makes: Key of the result with the id of the created object, if one is created.
    :param batched: Whether one call changes several objects.
    :param append_only: Whether each call adds something, and no lookup shows whether an earlier call has added it: then
        nothing is repeated whose outcome is unknown.
    :param rows_per_request: Maximum number of objects that one call changes.
    :param writes: Returns how many writes the arguments of one call need, as far as they show it; ``None`` if it is
        always one.
    """

    operation: str
    key: tuple[str, ...]
    subject_fields: int = 1
    makes: str | None = None
    batched: bool = False
    append_only: bool = False
    rows_per_request: int = 1
    # Any: each action has its own model.
    writes: Callable[[Any], int] | None = None


class HasClient(Protocol):
    """An adapter of some API version, which has the client that makes its calls."""

    client: Client
    names: Names


class BoundAction(Generic[P, R_co]):
    """
    An action of one client.

    :param adapter: The adapter of the API version.
    :param action: The action.
    """

    def __init__(self, adapter: HasClient, action: Action[P, R_co]) -> None:
        self._adapter = adapter
        self._action = action
        self.name = action.name
        self.model = action.model
        self.write = action.write
        self.is_available = action.is_available
        functools.update_wrapper(self, action.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """
        Run the action in this thread.

        :raises InvalidRequestError: naming every invalid argument, before anything is sent.
        """
        return self._adapter.client.run(self.steps(*args, **kwargs))

    def steps(self, *args: P.args, **kwargs: P.kwargs) -> ActionSteps[R_co]:
        """Return the calls of the action, for another action."""
        return self._steps_of(self.arguments(kwargs))

    async def arun(self, executor: Executor, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the action on an event loop, sending in the threads of ``executor``."""
        return await self._adapter.client.arun(self.steps(*args, **kwargs), executor)

    def run(self, arguments: ActionArguments) -> R_co:
        """
        Run the action in this thread with arguments that are valid.

        :param arguments: A value of :attr:`model` that :meth:`check` has accepted.
        """
        return self._adapter.client.run(self._steps_of(arguments))

    def arguments(self, values: Mapping[str, object]) -> ActionArguments:
        """
        Return valid arguments.

        :param values: The arguments by name.
        :raises InvalidRequestError: naming every invalid one.
        """
        arguments = validate(self.model, self.name, values)
        self.check(arguments)
        return arguments

    def check(self, arguments: ActionArguments) -> None:
        """
        Refuse arguments that this version of the API does not support.

        :param arguments: A value of :attr:`model`.
        :raises NotAvailableError: naming the argument that only another version supports.
        """
        if self._action.check is not None:
            self._action.check(arguments)

    def _steps_of(self, arguments: ActionArguments) -> ActionSteps[R_co]:
        names = self._adapter.names
        if arguments.given_names():
            arguments = yield from names.resolved(arguments)
        try:
            return (yield from self._action.function(self._adapter, arguments))
        finally:
            names.forget_after(self.name)


class Action(Generic[P, R_co]):
    """
    An action on the class of an adapter; on an instance, it is a :class:`BoundAction`.

    :param function: The generator method.
    :param model: The model of its arguments.
    :param write: Metadata, if it changes something.
    :param check: Refuses arguments that this version of the API does not support.
    :param is_available: Whether this version of the API has the action; without it, ``check`` refuses all arguments.
    """

    # Any: the parameters of a function are those of its own class and model, of which P knows only the fields.
    def __init__(
        self,
        function: Callable[[Any, Any], ActionSteps[R_co]],
        model: type[ActionArguments],
        write: WriteSpec | None,
        check: Callable[[Any], None] | None,
        *,
        is_available: bool = True,
    ) -> None:
        self.function = function
        self.model = model
        self.write = write
        self.check = check
        self.is_available = is_available
        self.name: str = function.__name__
        functools.update_wrapper(self, function)  # type: ignore[arg-type]

    @overload
    def __get__(self, adapter: None, owner: type) -> Action[P, R_co]: ...

    @overload
    def __get__(self, adapter: HasClient, owner: type | None = None) -> BoundAction[P, R_co]: ...

    def __get__(self, adapter: HasClient | None, owner: type | None = None) -> Action[P, R_co] | BoundAction[P, R_co]:
        """Bind the action to its adapter, and so to its client."""
        return self if adapter is None else BoundAction(adapter, self)


def action(
    model: Callable[P, M],
    *,
    write: WriteSpec | None = None,
    check: Callable[[M], None] | None = None,
) -> Callable[[Callable[[Any, M], ActionSteps[R]]], Action[P, R]]:
    """
    Make an action of a generator method.

    :param model: The model of its arguments: callers pass its fields as keyword arguments.
    :param write: Metadata, if it changes something.
    :param check: Raises :class:`NotAvailableError` for arguments that this version of the API does not support.
    """

    def decorate(function: Callable[[Any, M], ActionSteps[R]]) -> Action[P, R]:
        return Action(function, model, write, check)  # type: ignore[arg-type]  # the model is a class

    return decorate


def not_available(promised: Action[P, R], reason: str) -> Action[P, R]:
    """
    Return an action that a version of the API does not have: it refuses all arguments before anything is sent.

    :param promised: The action of :class:`~.interface.LearningApi`.
    :param reason: Why it is not available, and what is available instead.
    """

    def refuse(arguments: ActionArguments) -> None:
        raise NotAvailableError(f"{promised.name} is not available: {reason}. Nothing was sent.")

    return Action(promised.function, promised.model, None, refuse, is_available=False)


class ApiAdapter:
    """
    The actions of one version of the API.

    :param client: Makes the calls.
    """

    #: Its bulk jobs, or ``None`` if this version has none.
    jobs: BulkJobs | None = None
    #: How to read statistics that name users by their ids, or ``None`` if they have email addresses.
    statistics_by_id: StatisticsById | None = None

    def __init__(self, client: Client) -> None:
        self.client = client
        #: What names in the place of ids stand for.
        self.names = Names(self)

    @classmethod
    def definitions(cls) -> dict[str, Action[..., object]]:
        """Return all actions by name, without a client."""
        names = {name for kind in cls.__mro__ for name, found in vars(kind).items() if isinstance(found, Action)}
        return {name: getattr(cls, name) for name in sorted(names)}

    @cached_property
    def actions(self) -> dict[str, BoundAction[..., object]]:
        """All actions by name, also those that this version of the API refuses."""
        return {name: getattr(self, name) for name in self.definitions()}

    def mails_in_statistics(self) -> Iterator[UserMail]:
        """See :meth:`~.course_attempts.ReadsCourseAttempts.mails_in_statistics`: by default, they have them."""
        return iter(())

    def each_listed(self, listing: str) -> Iterator[Mapping[str, object]]:
        """See :meth:`~.interface.LearningApi.each_listed`: by default, the whole list is in memory."""
        listed: Sequence[Mapping[str, object]] = self.actions[listing]()  # type: ignore[assignment]
        return iter(listed)

    def stats_of_all_sessions(
        self, completed_after: datetime | None, completed_before: datetime | None
    ) -> Iterator[PathSessionStatistic] | None:
        """See :meth:`~.interface.LearningApi.stats_of_all_sessions`: by default, no such list exists."""
        return None

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of the actions that this version of the API offers, and of the methods that read large responses."""
        available = frozenset(name for name, one in self.definitions().items() if one.is_available)
        return available | {name for name in dir(type(self)) if name.startswith("read_")}
