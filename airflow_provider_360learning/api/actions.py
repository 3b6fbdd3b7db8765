"""
How an action is written once and run in two ways.

An action is a generator method that yields :class:`~.client.Call` objects and is sent their answers. Calling it
runs it in the calling thread; ``arun`` runs it on an event loop; another action goes through its ``steps``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import Learning360Error, OutcomeUnknownError

P = ParamSpec("P")
R = TypeVar("R")


def confirm_by_lookup(unknown: OutcomeUnknownError, look_up: ActionSteps[str | None]) -> ActionSteps[str]:
    """
    Look up what a call whose outcome is unknown may have made.

    :param unknown: The error of that call.
    :param look_up: Finds the id of what it should have made, if that is there.
    :returns: The id.
    :raises OutcomeUnknownError: the same error, if it is not there, or if the look-up failed for now: whoever reads
        the error must learn that something may have been made.
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


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """
    What is to be known of an action that changes something, by whoever applies it to many rows.

    :param operation: Operation whose limit sets the pace.
    :param key: Arguments that say what is changed: rows that differ in one of them change different things.
    :param makes: Key of the result that holds the id of what was made, if anything is made.
    :param together: Whether one call does several of what is changed.
    :param in_order: How many of the first of these arguments two rows have in common that must not overtake each other.
    """

    operation: str
    key: tuple[str, ...]
    makes: str | None = None
    together: bool = False
    in_order: int = 1


class BoundAction(Generic[P, R]):
    """
    An action of one client.

    :param client: Makes the calls.
    :param steps: The generator method, bound to its adapter.
    :param write: What is to be known of it, if it changes something.
    """

    def __init__(self, client: Client, steps: Callable[P, ActionSteps[R]], write: WriteSpec | None = None) -> None:
        self._client = client
        self.steps = steps
        self.write = write
        functools.update_wrapper(self, steps)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the action in this thread."""
        return self._client.run(self.steps(*args, **kwargs))

    async def arun(self, executor: Executor, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the action on an event loop, sending in the threads of ``executor``."""
        return await self._client.arun(self.steps(*args, **kwargs), executor)


class action(Generic[P, R]):
    """Make an action of a generator method."""

    def __init__(self, steps: Callable[Concatenate[Any, P], ActionSteps[R]]) -> None:
        self._steps = steps
        self.write: WriteSpec | None = None
        functools.update_wrapper(self, steps)  # type: ignore[arg-type]

    @overload
    def __get__(self, adapter: None, owner: type) -> Callable[..., ActionSteps[R]]: ...

    @overload
    def __get__(self, adapter: ApiAdapter, owner: type | None = None) -> BoundAction[P, R]: ...

    def __get__(
        self, adapter: ApiAdapter | None, owner: type | None = None
    ) -> Callable[..., ActionSteps[R]] | BoundAction[P, R]:
        """Bind the action to its adapter, and so to its client; on the class, documentation looks at it."""
        if adapter is None:
            return self._steps
        return BoundAction(adapter.client, self._steps.__get__(adapter, owner), self.write)


def writes(operation: str, **facts: Any) -> Callable[[action[P, R]], action[P, R]]:
    """Say of an action that it changes something; see :class:`WriteSpec` for what there is to say."""

    def say(made: action[P, R]) -> action[P, R]:
        made.write = WriteSpec(operation, **facts)
        return made

    return say


class ApiAdapter:
    """
    The actions of one version of the API.

    :param client: Makes the calls.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
