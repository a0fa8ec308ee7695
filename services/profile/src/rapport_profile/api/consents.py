"""What people have allowed: what holds, why, what held at an instant, and what operators note."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import contact_point, normal_contact_point
from rapport_common.events.envelope import Identifier
from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7_text
from rapport_common.paging import Listed, Paging
from rapport_common.publisher import Publisher
from rapport_common.routes import Router, add_routes
from rapport_profile.api import consent_models as models
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import After, Reader, Text, person
from rapport_profile.api.profiles import summary_of
from rapport_profile.domain.consent_facts import Fact, joined
from rapport_profile.domain.consent_history import (
    MEANINGS,
    Answer,
    Known,
    covering,
    explained,
    standing_at,
    states_at,
)
from rapport_profile.domain.consents import Consent, Subject, consent_key, consent_state
from rapport_profile.domain.own_events import SOURCE
from rapport_profile.domain.reach import reachable
from rapport_profile.handlers import noting
from rapport_profile.handlers.arrivals import Arrivals
from rapport_profile.store import consent_facts as store
from rapport_profile.store import reads
from rapport_profile.tables import SCHEMA

Writer = Annotated[Operator, Depends(operator("profiles:write"))]
MOST_WORDS = 10_000
"""So many words of a person are looked through for what held at an instant: the newest."""

Points = set[tuple[str, str]]


class Instant:
    """Which instant is asked about, and by what was known when."""

    def __init__(
        self,
        as_of: Annotated[
            datetime | None, Query(description="The instant that is asked about; now if left out.")
        ] = None,
        known: Annotated[
            Known,
            Query(
                description="then: by what was known here at that instant; now: by all that is "
                "known today, also what came later and tells of before."
            ),
        ] = "then",
    ) -> None:
        if as_of is not None and as_of.tzinfo is None:
            message = "as_of: give the time with its offset, such as 2026-03-01T09:00:00Z."
            raise InvalidRequestError(message, details={"parameter": "as_of"})
        self.as_of = as_of
        self.known: Known = known


Asked = Annotated[Instant, Depends(Instant)]


def consent_routes(engine: AsyncEngine, arrivals: Arrivals, publisher: Publisher) -> APIRouter:
    """Consents of a person; `publisher` writes to `events`."""
    router = Router(tags=["consents"])
    add_routes(
        router,
        _held(engine, arrivals),
        _said(engine),
        _explaining(engine),
        _noted(engine, publisher),
    )
    return router


def _held(engine: AsyncEngine, arrivals: Arrivals) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/consents", response_model=Listed[models.Consent])
    async def consents(
        profile_id: UUID, caller: Reader, page: Paging, own: After, asked: Asked
    ) -> Response:
        """What holds for each contact point, channel and purpose, or held at an instant."""
        await arrivals.require(own.key(caller.workspace))
        async with engine.begin() as tx:
            who, found = await person(tx, caller.workspace, profile_id)
            points = await _points(tx, who, found)
            if asked.as_of is not None:
                return json_answer(await _then(tx, who, points, asked, page))
            after = page.after(str)
            said = await reads.consents(tx, who, page.ask, after[0] if after else None)
        body = page.answer(list(said.items()), key=lambda one: [one[0]])
        now = clock.now()
        states = (consent_state(name, one, points, at=now) for name, one in body["items"])
        return json_answer({**body, "items": [one for one in states if one is not None]})

    return router


async def _then(
    tx: AsyncConnection, who: reads.Person, points: Points, asked: Instant, page: Paging
) -> dict[str, Any]:
    facts = [fact for fact, _who in await store.latest(tx, who, MOST_WORDS)]
    at = asked.as_of or clock.now()
    named = {
        consent_key((one.channel, one.purpose, one.contact_point)): one
        for one in states_at(facts, at, asked.known, points)
    }
    after = page.after(str)
    rest = sorted(name for name in named if after is None or name > after[0])
    body = page.answer(rest[: page.ask], key=lambda name: [name])
    return {**body, "items": [named[name] for name in body["items"]]}


def _said(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/consents/words", response_model=Listed[models.Word])
    async def words(profile_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """Every word that is kept of a person, with what it rests on, newest first."""
        after = page.after(datetime, str, str)
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, profile_id)
            place = (after[0], after[1], after[2]) if after else None
            rows = await store.latest(tx, who, page.ask, place)
        return page.answer(
            rows,
            key=lambda row: [row[0].at, row[0].source, row[0].message_id],
            show=lambda row: _word(*row),
        )

    return router


def _explaining(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get("/v1/profiles/{profile_id}/consents/why", response_model=models.Why)
    async def why(
        profile_id: UUID,
        caller: Reader,
        asked: Asked,
        *,
        contact_point: Text,
        channel: Text = "email",
        purpose: Text = "promotion",
    ) -> dict[str, Any]:
        """Why a person is permitted, or not, to be written to: what became of each of their words.

        Of consents alone: campaign also looks at complaints, unsubscribes and others' words.
        """
        subjects = _subjects(channel, purpose, contact_point)
        at = asked.as_of or clock.now()
        async with engine.begin() as tx:
            who, found = await person(tx, caller.workspace, profile_id)
            points = await _points(tx, who, found)
            rows = await store.about(tx, who, subjects, MOST_WORDS)
            facts = [fact for fact, _who in rows]
            if asked.as_of is None:
                held = await _folded(tx, who, subjects)
            else:
                held = _joined(standing_at(facts, at, asked.known))
        answer = explained(held, facts, points, at, asked.known)
        return _why(answer, rows, (at, asked.known))

    return router


def _noted(engine: AsyncEngine, publisher: Publisher) -> APIRouter:
    router = Router()

    @router.post("/v1/profiles/{profile_id}/consents", status_code=202, response_model=models.Noted)
    async def note(
        profile_id: UUID, body: models.NewWord, caller: Writer, once: Repeatable
    ) -> dict[str, Any]:
        """Note what somebody has said on the phone, on paper or at the desk.

        It becomes an event: ask with `after` and `after_source` for what holds then.
        """
        spec = {"profile_id": str(profile_id), **body.model_dump(mode="json")}
        async with engine.begin() as tx:
            who, found = await person(tx, caller.workspace, profile_id)
            new = noting.message_id_of(uuid7_text())
            made = await once.earlier(tx, SCHEMA, caller.workspace, body=spec, made_id=new)
            if made is None:
                told = (new, body.said_at or clock.now(), body.said())
                await noting.note(tx, publisher, who, caller, told)
        return {"profile_id": found.id, "message_id": made or new, "source": SOURCE}

    return router


async def _points(tx: AsyncConnection, who: reads.Person, found: reads.Found) -> Points:
    return reachable((await summary_of(tx, who, found)).fold.contact_points())


def _subjects(channel: str, purpose: str, point: str) -> list[Subject]:
    try:
        channel, purpose = models.known_channel(channel), models.known_purpose(purpose)
    except ValueError as error:
        raise InvalidRequestError(str(error), details={"channel": channel}) from error
    found = contact_point(channel, point) or normal_contact_point(channel, point)
    return covering(channel, purpose, found)


async def _folded(
    tx: AsyncConnection, who: reads.Person, subjects: Sequence[Subject]
) -> dict[Subject, Consent]:
    names = {consent_key(one): one for one in subjects}
    found = await reads.consents(tx, who, len(names), None, names=list(names))
    return {names[name]: one for name, one in found.items()}


def _joined(facts: Sequence[Fact]) -> dict[Subject, Consent]:
    return {
        subject: joined([one for one in facts if one.subject == subject])
        for subject in {one.subject for one in facts}
    }


def _word(fact: Fact, who: Identifier) -> dict[str, Any]:
    shown = msgspec.structs.asdict(fact)
    del shown["sequence"]
    texts = shown.pop("texts")
    return {**shown, **texts, "said_by": {"kind": who[0], "value": who[1]}}


def _why(
    answer: Answer, rows: Sequence[tuple[Fact, Identifier]], asked: tuple[datetime, Known]
) -> dict[str, Any]:
    named = {(fact.source, fact.message_id): who for fact, who in rows}
    words = [
        {
            **_word(one.fact, named[one.fact.source, one.fact.message_id]),
            "standing": one.standing,
            "meaning": MEANINGS[one.standing],
        }
        for one in answer.words
    ]
    state = None if answer.state is None else msgspec.to_builtins(answer.state)
    at, known = asked
    return {
        "permitted": answer.permitted,
        "state": state,
        "at": at,
        "known": known,
        "words": words,
    }
