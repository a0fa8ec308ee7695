"""GET /v1/ledger: what a service counts, so that its equations can be checked from outside."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common.auth import InstallationOps
from rapport_common.routes import Router

Counts = Callable[[AsyncConnection], Awaitable[Mapping[str, Any]]]
"""Reads the fields of the service's ledger, over all workspaces."""


def ledger_routes(engine: AsyncEngine, model: type[BaseModel], counts: Counts) -> APIRouter:
    """The route over `counts`; `model` names the fields, and says what equals what."""
    # One picture: counts of different instants would not add up.
    of_one_instant = engine.execution_options(isolation_level="REPEATABLE READ")
    router = Router(tags=["operations"])

    @router.get("/v1/ledger", response_model=model, description=inspect.getdoc(model))
    async def ledger(_caller: InstallationOps) -> Mapping[str, Any]:
        async with of_one_instant.begin() as tx:
            return await counts(tx)

    return router
