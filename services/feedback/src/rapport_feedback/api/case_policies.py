"""Routes for operators: policies, which say what clocks cases have, in versions."""

from typing import Any

import msgspec
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.calendars import TAKEN_AWAY, instant
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.rule_models import (
    Declared,
    NewPolicy,
    PolicyBody,
    PreviewBody,
    PreviewClock,
    PreviewView,
    ShippedPolicy,
    ShownPolicy,
    rule_name,
)
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.clocks import Moment, all_laps
from rapport_feedback.domain.policies import LIBRARY, ServiceLevels
from rapport_feedback.handlers import case_rules
from rapport_feedback.handlers.case_rules import By
from rapport_feedback.store import case_rules as store
from rapport_feedback.store.case_rules import Named


def policy_routes(engine: AsyncEngine, levels: ServiceLevels) -> APIRouter:
    """/v1/case-policies: listed, declared, taken away."""
    router = Router(prefix="/v1/case-policies", tags=["case policies"])

    @router.get("", response_model=Listed[ShownPolicy])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.newest(tx, caller.workspace, "policy", after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=ShownPolicy.of)

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownPolicy:
        async with engine.begin() as tx:
            found = await case_rules.current(tx, caller.workspace, ("policy", rule_name(name)))
        return ShownPolicy.of(found)

    @router.put("/{name}")
    async def declare(name: str, body: NewPolicy, caller: Writer) -> Declared:
        """Let this hold from now on; clocks of open cases follow, by a job. Closed ones stay."""
        by = By(caller.subject, body.reason, body.version)
        now = clock.now()
        named: Named = ("policy", rule_name(name))
        async with engine.begin() as tx:
            found, job = await case_rules.declare(
                tx, caller.workspace, named, body.document(), by, levels=levels, now=now
            )
        return Declared(name=name, version=found.version, job_id=job)

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away: its open cases go by the next one that fits. Its versions stay."""
        by = By(caller.subject, TAKEN_AWAY, 0)
        async with engine.begin() as tx:
            named: Named = ("policy", rule_name(name))
            await case_rules.remove(tx, caller.workspace, named, by, levels)

    return router


def policy_use_routes(engine: AsyncEngine, levels: ServiceLevels) -> APIRouter:
    """Versions of policies, those that come with Rapport, and what a case would have."""
    router = Router(tags=["case policies"])

    @router.get("/v1/case-policies/{name}/history", response_model=Listed[ShownPolicy])
    async def history(name: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await store.history(
                tx, caller.workspace, "policy", rule_name(name), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=ShownPolicy.of)

    @router.get("/v1/case-policy-library", response_model=Listed[ShippedPolicy])
    async def library(caller: Reader, page: Paging) -> dict[str, Any]:
        """Policies that come with Rapport, by name; none holds before it is declared."""
        del caller
        [after] = page.after(str) or [""]
        found = [(name, *one) for name, one in sorted(LIBRARY.items()) if name > after]
        return page.answer(
            found[: page.ask],
            key=lambda one: [one[0]],
            show=lambda one: ShippedPolicy(
                name=one[0],
                about=one[1],
                policy=PolicyBody.model_validate(msgspec.to_builtins(one[2])),
            ),
        )

    @router.post("/v1/case-policies/preview")
    async def preview(body: PreviewBody, caller: Reader) -> PreviewView:
        """Which clocks a case would have that is opened like this; nothing is kept."""
        start = instant(body.at)
        async with engine.begin() as tx:
            known = await store.policies(tx, caller.workspace, levels)
        chosen = known.of(Fields(**body.model_dump(exclude={"at"})))
        laps = all_laps(chosen.rules, [Moment(start, 1, to=State.RECEIVED)])
        return PreviewView(
            policy=chosen.name,
            policy_version=chosen.version,
            clocks=[
                PreviewClock(clock=one.clock, due_at=one.due_at, warn_at=one.warn_at)
                for one in laps.values()
            ],
        )

    return router
