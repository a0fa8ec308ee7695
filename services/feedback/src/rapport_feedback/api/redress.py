"""Why cases came to be, what is done about it, and what was given back."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.errors import NotFoundError
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.catalogue_models import Currency, Money, RuleName
from rapport_feedback.api.models import Line, Note, Request, Word, id_of
from rapport_feedback.domain.corrections import MOST_WEEKS, Effect, effect, weeks_around
from rapport_feedback.domain.goodwill import Goodwill
from rapport_feedback.handlers import catalogue
from rapport_feedback.handlers.redress import NO_ACTION, Gift, Redress, action_of
from rapport_feedback.store import redress as store
from rapport_feedback.store.redress import Action, Total
from rapport_feedback.tables import SCHEMA


class GiftBody(Request):
    """What is given: `amount` is money, or points; `cost` is what it costs us (else the amount)."""

    kind: Literal["coupon", "points", "refund"]
    amount: Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=3)]
    currency: Currency
    cost: Money | None = None
    code: Word = Field("", description="of the coupon")
    reason: RuleName = Field(description="of the catalogue of reasons")
    note: Note = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind == "points" and self.cost is None:
            message = "points: give the cost, too: what they are worth in money"
            raise ValueError(message)
        if self.kind == "coupon" and not self.code:
            message = "coupon: give its code"
            raise ValueError(message)
        return self

    def gift(self) -> Gift:
        """The same for the use case."""
        cost = self.amount if self.cost is None else self.cost
        return Gift(self.kind, self.amount, self.currency, cost, self.code, self.reason, self.note)


class GoodwillView(BaseModel):
    id: UUID
    case_id: UUID
    kind: Literal["coupon", "points", "refund"]
    amount: Decimal
    currency: str
    cost: Decimal
    code: str
    reason: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, one: Goodwill) -> Self:
        """A gift as staff see it."""
        given = {name: getattr(one, name) for name in cls.model_fields if name != "id"}
        return cls(id=one.goodwill_id, **given)


class TotalView(BaseModel):
    """What gifts of one reason and kind have cost."""

    reason: str
    kind: str
    currency: str
    gifts: int
    cost: Decimal

    @classmethod
    def of(cls, one: Total) -> Self:
        """A sum as staff see it."""
        return cls(**one._asdict())


class CauseOfCase(Request):
    """Why a case came to be: names of the catalogues; empty: not known."""

    reason: RuleName | Literal[""] = ""
    cause: RuleName | Literal[""] = ""


class CauseView(BaseModel):
    reason: str
    cause: str
    actor: str
    at: datetime


class NewAction(Request):
    cause: RuleName
    title: Line
    owner: Word = ""
    due_on: date | None = None
    done_on: date | None = None


class ActionChange(Request):
    """What shall be otherwise; what is left out stays."""

    title: Line | None = None
    owner: Word | None = None
    due_on: date | None = None
    done_on: date | None = None


class ActionView(BaseModel):
    id: UUID
    cause: str
    title: str
    owner: str
    due_on: date | None
    done_on: date | None
    created_at: datetime

    @classmethod
    def of(cls, one: Action) -> Self:
        """An action as staff see it."""
        return cls(id=one.action_id, **dict(list(one._asdict().items())[1:]))


class EffectView(BaseModel):
    """Cases of the cause in whole weeks around the day when it was done.

    `ratio`: the rate after over the rate before, with its interval of 95 %. `says`: fewer, more,
    unclear, or too_early.
    """

    says: str
    cases_before: list[int]
    cases_after: list[int]
    ratio: float | None
    low: float | None
    high: float | None
    spread: float = Field(description="how many times more weeks differ than by chance; 1: no more")
    by_orders: bool

    @classmethod
    def of(cls, one: Effect) -> Self:
        """An effect as staff see it."""
        return cls(
            says=one.says,
            cases_before=list(one.before),
            cases_after=list(one.after),
            ratio=one.ratio,
            low=one.low,
            high=one.high,
            spread=one.spread,
            by_orders=one.by_orders,
        )


def redress_routes(engine: AsyncEngine, redress: Redress) -> APIRouter:
    """Goodwill and causes of a case, and the sums."""
    router = Router(tags=["goodwill"])

    @router.post("/v1/cases/{case_id}/goodwill", status_code=201)
    async def give(case_id: str, body: GiftBody, caller: Writer, once: Repeatable) -> GoodwillView:
        """Give something at a case: told as an event, within the limits of who gives it."""
        new, workspace = uuid4(), caller.workspace
        place = (workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            known = await once.earlier(
                tx, SCHEMA, workspace, body=body.model_dump(mode="json"), made_id=str(new)
            )
            if known is not None:
                return GoodwillView.of(await _given(tx, workspace, UUID(known)))
            made = await redress.give(
                tx, place, new, body.gift(), actor=caller.subject, now=clock.now()
            )
        return GoodwillView.of(made)

    @router.get("/v1/cases/{case_id}/goodwill", response_model=Listed[GoodwillView])
    async def of_case(case_id: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """What was given at a case, by id."""
        [after] = page.after(UUID) or [None]
        place = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            found = await store.goodwill(tx, *place, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.goodwill_id], show=GoodwillView.of)

    @router.get("/v1/goodwill-totals", response_model=Listed[TotalView])
    async def totals(
        caller: Reader,
        page: Paging,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
    ) -> dict[str, Any]:
        """What was given, by reason, kind and currency."""
        after = page.after(str, str, str) or ["", "", ""]
        async with engine.begin() as tx:
            every = await store.totals(tx, caller.workspace, since, until)
        found = [one for one in every if [one.reason, one.kind, one.currency] > list(after)]
        return page.answer(
            found[: page.ask],
            key=lambda one: [one.reason, one.kind, one.currency],
            show=TotalView.of,
        )

    _add_causes(router, engine, redress)
    return router


def _add_causes(router: APIRouter, engine: AsyncEngine, redress: Redress) -> None:
    @router.put("/v1/cases/{case_id}/cause")
    async def explain(case_id: str, body: CauseOfCase, caller: Writer) -> CauseView:
        """Say why a case came to be; the newest word counts."""
        place = (caller.workspace, id_of(case_id, "case"))
        async with engine.begin() as tx:
            made = await redress.explain(
                tx, place, body.reason, body.cause, actor=caller.subject, now=clock.now()
            )
        return CauseView(**made._asdict())

    @router.get("/v1/cases/{case_id}/cause")
    async def cause(case_id: str, caller: Reader) -> CauseView:
        """Why a case came to be, as staff have said."""
        async with engine.begin() as tx:
            found = await store.cause_of(tx, caller.workspace, id_of(case_id, "case"))
        if found is None:
            message = "Nobody has said why, or there is no such case: PUT it."
            raise NotFoundError(message)
        return CauseView(**found._asdict())


def action_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/corrective-actions."""
    router = Router(prefix="/v1/corrective-actions", tags=["corrective actions"])

    @router.post("", status_code=201)
    async def create(body: NewAction, caller: Writer, once: Repeatable) -> ActionView:
        """Note what is done so that a cause makes no more cases."""
        new, workspace = uuid4(), caller.workspace
        async with engine.begin() as tx:
            known = await once.earlier(
                tx, SCHEMA, workspace, body=body.model_dump(mode="json"), made_id=str(new)
            )
            if known is not None:
                return ActionView.of(await action_of(tx, workspace, UUID(known)))
            await catalogue.current(tx, workspace, "cause", body.cause)
            made = Action(action_id=new, created_at=clock.now(), **body.model_dump())
            await store.add_action(tx, workspace, made)
        return ActionView.of(made)

    @router.get("", response_model=Listed[ActionView])
    async def listed(caller: Reader, page: Paging, cause: RuleName | None = None) -> dict[str, Any]:
        """By id; with `cause` those against it."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await store.actions(
                tx, caller.workspace, cause=cause, after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.action_id], show=ActionView.of)

    @router.patch("/{action_id}")
    async def change(action_id: str, body: ActionChange, caller: Writer) -> ActionView:
        """Say what has become of an action: `done_on` is what its effect is counted from."""
        given = {key: one for key, one in body.model_dump().items() if one is not None}
        async with engine.begin() as tx:
            found = await action_of(tx, caller.workspace, id_of(action_id, "action"))
            await store.save_action(tx, caller.workspace, made := found._replace(**given))
        return ActionView.of(made)

    @router.delete("/{action_id}", status_code=204)
    async def archive(action_id: str, caller: Writer) -> None:
        """List an action no more."""
        async with engine.begin() as tx:
            if not await store.archive_action(
                tx, caller.workspace, id_of(action_id, "action"), clock.now()
            ):
                raise NotFoundError(NO_ACTION)

    _add_effect(router, engine)
    return router


def _add_effect(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/{action_id}/effect")
    async def effect_of(
        action_id: str,
        caller: Reader,
        weeks: Annotated[int, Query(ge=2, le=MOST_WEEKS)] = 8,
        orders_before: Annotated[int | None, Query(ge=1, le=10**12)] = None,
        orders_after: Annotated[int | None, Query(ge=1, le=10**12)] = None,
    ) -> EffectView:
        """Whether it has helped: cases of its cause in whole weeks before and after the day when
        it was done; by orders of these weeks, if both numbers are given.
        """
        orders = (orders_before, orders_after)
        known = None if None in orders else (orders_before or 0, orders_after or 0)
        async with engine.begin() as tx:
            found = await action_of(tx, caller.workspace, id_of(action_id, "action"))
            if found.done_on is None:
                return EffectView.of(effect([], [], known))
            today = clock.now().astimezone(UTC).date()
            sides = weeks_around(found.done_on, today, weeks)
            before, after = [
                await store.cases_by_week(tx, caller.workspace, found.cause, side) for side in sides
            ]
        return EffectView.of(effect(before, after, known))


async def _given(tx: AsyncConnection, workspace: str, goodwill_id: UUID) -> Goodwill:
    found = await store.one_goodwill(tx, workspace, goodwill_id)
    if found is None:
        message = "The gift is not there any more."
        raise NotFoundError(message)
    return found
