"""What one running sandbox holds, and the routes that control it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from airflow_provider_360learning.sandbox.api_keys import ApiKeys
from airflow_provider_360learning.sandbox.clients import ApiClient, Clients
from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.demo_company import (
    API_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    Seed,
    seed_state,
)
from airflow_provider_360learning.sandbox.faults import Fault, Faults
from airflow_provider_360learning.sandbox.journal import Journal
from airflow_provider_360learning.sandbox.limits import Windows
from airflow_provider_360learning.sandbox.seed_file import SeedFile
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state import dump
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget
from airflow_provider_360learning.sandbox.state.generated import GeneratedAttempts
from airflow_provider_360learning.sandbox.state.learners import Learners
from airflow_provider_360learning.sandbox.state.model import Person, PersonStatus, Profile
from airflow_provider_360learning.sandbox.state.state import State
from airflow_provider_360learning.sandbox.tokens import Tokens

Item = TypeVar("Item")


class SessionChanges(BaseModel):
    """
    What tests change in a session (see :class:`.state.model.Session`), without modifying it in the sense of an API.

    :param end: seconds since the epoch.
    """

    model_config = ConfigDict(extra="forbid")

    end: float | None = None
    root: str | None = None
    has_audience_builder: bool = True
    has_other_filters: bool = False


class PathChanges(BaseModel):
    """What tests change in a path (see :class:`.state.model.Path`)."""

    model_config = ConfigDict(extra="forbid")

    archived: bool = False
    uses_tokens: bool = False


@dataclass(frozen=True)
class Fact:
    """
    A route, a limit or a setting, and how its behavior is known.

    :param evidence: ``documented``, ``recorded``, ``client``, ``assumed``, or ``none`` for a switch of the sandbox.
    """

    kind: Literal["route", "limit", "setting"]
    name: str
    evidence: str
    note: str


class Company:
    """
    The one company of a sandbox. Any other company id is invalid.

    :param settings: what the sandbox was started with, and returns to at a reset.
    :param seed: see :func:`.demo_company.seed_state`.
    :param monotonic: the clock of the rate limits, in seconds.
    """

    id = COMPANY_ID

    def __init__(
        self, settings: Settings, seed: Seed | SeedFile, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._initial_settings, self._initial_seed = settings, seed
        self.monotonic = monotonic
        self.reset()

    def reset(self, seed: Seed | None = None) -> None:
        """
        Start over: initial settings, credentials, state, current time; no tokens, arrivals, faults, journal.

        :param seed: see :func:`.demo_company.seed_state`; by default that of the start.
        """
        self.settings = self._initial_settings
        self.clock = Clock()
        self.api_keys = ApiKeys(API_KEY)
        self.clients = Clients(CLIENT_ID, CLIENT_SECRET)
        self.tokens = Tokens()
        self.windows = Windows()
        self.faults = Faults()
        self.journal = Journal(lambda: self.settings.max_journal_mb)
        self.state = State(self.clock, MemoryBudget(lambda: self.settings.max_state_mb))
        seed_state(self.state, seed or self._initial_seed)
        self._jitter = random.Random(self.settings.jitter_seed)

    @property
    def learners(self) -> Learners:
        """The learners at this time."""
        settings = self.settings
        return Learners(self.state, self.clock.now(), settings.learner_seconds, settings.unsuccessful_mails)

    @property
    def credentials(self) -> tuple[str, ...]:
        """All API keys and client secrets, also the revoked ones."""
        return (*self.api_keys.issued, *self.clients.secrets)

    @property
    def generated(self) -> GeneratedAttempts | None:
        """The generated attempts that stand for those of the company, if there are any."""
        settings = self.settings
        if not settings.generated_attempts:
            return None
        return GeneratedAttempts(
            settings.generated_attempts,
            courses=settings.generated_courses,
            users=settings.generated_users,
            since=settings.generated_from.timestamp(),
            until=settings.generated_until.timestamp(),
        )

    def request_latency(self) -> float:
        """Return the seconds until the next request arrives."""
        jitter = self._jitter.uniform(-1, 1) * self.settings.jitter_ms
        return max(0.0, self.settings.delay_before_ms + jitter) / 1000


def control_router(company: Company, facts: list[Fact]) -> APIRouter:
    """
    Build the control routes, which are neither journaled nor limited nor delayed.

    :param facts: what the routes, limits and settings are based on.
    """
    router = APIRouter()

    @router.get("/journal")
    async def journal(after: int = 0) -> Response:
        return ascii_json(company.journal.as_list(after))

    @router.delete("/journal", status_code=204)
    async def clear_journal() -> None:
        company.journal.clear()

    @router.get("/state")
    async def state() -> Response:
        return ascii_json(dump.as_dict(company.state))

    @router.get("/evidence")
    async def evidence() -> list[Fact]:
        return facts

    @router.get("/settings")
    async def settings() -> Settings:
        return company.settings

    @router.patch("/settings")
    async def change_settings(changes: Annotated[dict[str, object], Body()]) -> Settings:
        try:
            company.settings = company.settings.changed(changes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return company.settings

    @router.post("/clock")
    async def advance(seconds: Annotated[float, Body(embed=True)]) -> float:
        company.clock.advance(seconds)
        return company.clock.now()

    @router.post("/faults", status_code=204)
    async def add_fault(fault: Fault) -> None:
        company.faults.add(fault)

    @router.delete("/faults", status_code=204)
    async def clear_faults() -> None:
        company.faults.clear()

    @router.post("/api-keys")
    async def add_api_key() -> str:
        return company.api_keys.add()

    @router.post("/api-keys/revoked", status_code=204)
    async def revoke_api_key(api_key: Annotated[str, Body(embed=True)]) -> None:
        try:
            company.api_keys.revoke(api_key)
        except KeyError:
            raise HTTPException(404, "This is not a valid API key of the company.") from None

    @router.post("/clients")
    async def add_client(scopes: Annotated[list[str] | None, Body(embed=True)] = None) -> dict[str, str]:
        try:
            client = company.clients.add(scopes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return {"client_id": client.id, "client_secret": client.secret}

    @router.post("/clients/revoked", status_code=204)
    async def revoke_client(client_id: Annotated[str, Body(embed=True)]) -> None:
        _client(company, client_id).revoked = True

    @router.post("/clients/scopes", status_code=204)
    async def change_scopes(
        scopes: Annotated[list[str] | None, Body(embed=True)] = None,
        client_id: Annotated[str | None, Body(embed=True)] = None,
    ) -> None:
        client = company.clients.newest if client_id is None else _client(company, client_id)
        try:
            company.clients.change_scopes(client, scopes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    @router.delete("/tokens", status_code=204)
    async def revoke_tokens() -> None:
        company.tokens.revoke_all()

    @router.post("/users", status_code=204)
    async def add_users(mails: Annotated[list[str], Body(embed=True)]) -> None:
        for mail in mails:
            company.state.join(company.state.add_person(mail, {}), company.state.root.id, ["learner"])

    @router.post("/sessions/{session_id}/self-enrollments", status_code=204)
    async def self_enroll(session_id: str, mail: Annotated[str, Body(embed=True)]) -> None:
        person = _person(company, mail, "active")
        company.state.enroll(_found(company.state.sessions, session_id), person, by_self=True)

    @router.patch("/sessions/{session_id}", status_code=204)
    async def change_session(session_id: str, changes: SessionChanges) -> None:
        _change(_found(company.state.sessions, session_id), changes)

    @router.patch("/paths/{path_id}", status_code=204)
    async def change_path(path_id: str, changes: PathChanges) -> None:
        _change(_found(company.state.paths, path_id), changes)

    @router.post("/invitations/accepted", status_code=204)
    async def accept_invitation(mail: Annotated[str, Body(embed=True)]) -> None:
        company.state.advance()
        person = _person(company, mail, "invited")
        company.state.accept(person)
        if not company.settings.accepted_details:
            person.profile = Profile()

    @router.post("/logins", status_code=204)
    async def log_in(mail: Annotated[str, Body(embed=True)]) -> None:
        company.state.log_in(_person(company, mail, "active"))

    @router.post("/passwords/checks")
    async def check_password(
        mail: Annotated[str, Body(embed=True)], password: Annotated[str, Body(embed=True)]
    ) -> bool:
        return _person(company, mail, "active").password == password

    @router.post("/reset", status_code=204)
    async def reset(seed: Annotated[Seed | None, Body(embed=True)] = None) -> None:
        company.reset(seed)

    return router


def ascii_json(value: object) -> Response:
    """
    Return a response in ASCII: names and bodies may have halves of surrogate pairs, which UTF-8 cannot express.

    :param value: any that JSON can express.
    """
    return Response(json.dumps(value), media_type="application/json")


def _found(objects: Mapping[str, Item], id: str) -> Item:
    if id not in objects:
        raise HTTPException(404, f"There is no object {id}.")
    return objects[id]


def _change(item: object, changes: BaseModel) -> None:
    for name in changes.model_fields_set:
        setattr(item, name, getattr(changes, name))


def _client(company: Company, client_id: str) -> ApiClient:
    client = company.clients.find(client_id)
    if client is None:
        raise HTTPException(404, "This is not a valid client of the company.")
    return client


def _person(company: Company, mail: str, status: PersonStatus) -> Person:
    person = company.state.find(mail)
    if person is None or person.status != status:
        raise HTTPException(404, f"There is no {status} user {mail}.")
    return person
