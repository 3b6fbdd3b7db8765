"""The control routes: what tests do to the sandbox behind the API's back. Not journaled, limited or delayed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException
from pydantic import ValidationError

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.demo_company import Seed
from airflow_provider_360learning.sandbox.faults import Fault
from airflow_provider_360learning.sandbox.settings import Settings


def control_router(company: Company) -> APIRouter:
    """Build the routes under ``/_sandbox``."""
    router = APIRouter(prefix="/_sandbox")

    @router.get("/journal")
    async def journal(after: int = 0) -> list[dict[str, Any]]:
        return company.journal.plain(after)

    @router.delete("/journal", status_code=204)
    async def clear_journal() -> None:
        company.journal.clear()

    @router.get("/state")
    async def state() -> dict[str, Any]:
        return company.world.plain()

    @router.get("/settings")
    async def settings() -> Settings:
        return company.settings

    @router.patch("/settings")
    async def change_settings(changes: Annotated[dict[str, Any], Body()]) -> Settings:
        try:
            company.settings = company.settings.changed(changes)
        except ValidationError as error:
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

    @router.delete("/tokens", status_code=204)
    async def revoke_tokens() -> None:
        company.tokens.revoke_all()

    @router.post("/invitations/accepted", status_code=204)
    async def accept_invitation(mail: Annotated[str, Body(embed=True)]) -> None:
        person = company.world.find(mail)
        if person is None or person.state != "invited":
            raise HTTPException(404, f"There is no invitation for {mail}.")
        company.world.accept(person)

    @router.post("/reset", status_code=204)
    async def reset(seed: Annotated[Seed, Body(embed=True)]) -> None:
        company.reset(seed)

    return router
