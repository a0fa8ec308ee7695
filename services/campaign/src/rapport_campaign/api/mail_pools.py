"""/v1/mail-pools: by which of the installation's mail servers the mails of a workspace go."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.api.contact_rules import Reason
from rapport_campaign.domain.mail_pools import (
    MOST_RULES,
    MOST_SENDERS,
    MailClass,
    MailPoolsError,
    PoolRule,
    checked,
)
from rapport_campaign.store import mail_pools as store
from rapport_campaign.store.mail_pools import Version
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
_EXAMPLE: JsonDict = {
    "rules": [
        {"pool": "marketing", "senders": ["news.shop.example"]},
        {"pool": "express", "mails": "transactional"},
    ],
    "version": 0,
    "reason": "news have addresses of their own",
}


class PoolRuleBody(BaseModel):
    """Which mails go by a pool."""

    model_config = ConfigDict(extra="forbid")

    pool: str = Field(min_length=1, max_length=31)
    senders: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list,
        max_length=MOST_SENDERS,
        description="domains that they come from; empty: any",
    )
    mails: MailClass | None = Field(
        None, description="promotional: of campaigns for promotions; transactional: all else"
    )


class NewPools(BaseModel):
    """Rules that take the place of others, as a whole."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    rules: list[PoolRuleBody] = Field(max_length=MOST_RULES, description="the first that fits")
    version: int = Field(
        ge=0, le=MAX_BIGINT, strict=True, description="of those whose place they take; 0: none"
    )
    reason: Reason


class ShownPools(BaseModel):
    """One version of the rules, by whom and why. Version 0: none were ever declared."""

    rules: list[PoolRuleBody]
    pools: list[str] = Field(description="those that there are; what no rule is about: `default`")
    version: int
    actor: str | None
    reason: str | None
    created_at: datetime | None


def mail_pool_routes(engine: AsyncEngine, pools: Sequence[str]) -> APIRouter:
    """All of it; `pools` are those of this installation's settings."""
    router = Router(tags=["mail pools"])

    @router.get("/v1/mail-pools")
    async def rules(caller: Reader) -> ShownPools:
        """By which mail servers mails go; without any rules by the pool `default`."""
        async with engine.begin() as tx:
            found = await store.history(tx, caller.workspace, 1)
        return _shown(found[0] if found else None, pools)

    @router.get("/v1/mail-pools/history", response_model=Listed[ShownPools])
    async def history(caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, page.ask, before)
        return page.answer(
            found, key=lambda one: [one.version], show=lambda one: _shown(one, pools)
        )

    @router.put("/v1/mail-pools")
    async def declare(body: NewPools, caller: Writer) -> ShownPools:
        """Let these hold within a second, for what is planned, too. Servers are the installation's:
        it takes a token with the claim `installation`.
        """
        caller.require_installation()
        named = [
            PoolRule(pool=one.pool, senders=tuple(one.senders), mails=one.mails)
            for one in body.rules
        ]
        try:
            wanted = checked(named, pools)
        except MailPoolsError as error:
            message = f"{error.where}: {error}."
            raise InvalidRequestError(message, details={"field": error.where}) from error
        async with engine.begin() as tx:
            known = await store.history(tx, caller.workspace, 1)
            version = known[0].version if known else 0
            by = (caller.subject, body.reason)
            if version != body.version or not await store.add(
                tx, caller.workspace, version + 1, wanted, by
            ):
                message = f"The rules are not at version {body.version} any more: look at them."
                raise ConflictError(message, details={"version": version})
            return _shown((await store.history(tx, caller.workspace, 1))[0], pools)

    return router


def _shown(found: Version | None, pools: Sequence[str]) -> ShownPools:
    if found is None:
        return ShownPools(
            rules=[], pools=list(pools), version=0, actor=None, reason=None, created_at=None
        )
    return ShownPools(
        rules=[
            PoolRuleBody(pool=one.pool, senders=list(one.senders), mails=one.mails)
            for one in found.rules.rules
        ],
        pools=list(pools),
        version=found.version,
        actor=found.actor,
        reason=found.reason,
        created_at=found.created_at,
    )
