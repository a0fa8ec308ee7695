"""/v1/dead-letters: records that could not be applied, and trying them again."""

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import ConflictError, InvalidEvent, InvalidRequestError, NotFoundError
from rapport_common.events.codec import workspace_of
from rapport_common.events.versions import GARBAGE, UnknownVersionError, UnreadableError
from rapport_common.kafka.batch import BatchWriter, Record
from rapport_common.kafka.store import DeadLetter
from rapport_common.operator.models import Replayed, ShownDeadLetter
from rapport_common.operator.shown import shown_value
from rapport_common.paging import BigId, Listed, Paging
from rapport_common.routes import Router

Ops = Annotated[Operator, Depends(operator("ops"))]


class ReplayDeadLetter(BaseModel):
    """Apply a dead letter again, as it is or with a fixed record.

    A fixed one is of the version that the dead letter is of, or of the newest if that is `0`: its
    header could not be read.
    """

    model_config = ConfigDict(extra="forbid")

    value: dict[str, Any] | None = None


def dead_letter_routes(engine: AsyncEngine, batches: BatchWriter) -> APIRouter:
    """List and replay. A caller sees his workspace's; those that name none, the installation's."""
    router = Router()
    store = batches.store

    @router.get("/v1/dead-letters", response_model=Listed[ShownDeadLetter])
    async def dead_letters(caller: Ops, page: Paging) -> dict[str, Any]:
        (before,) = page.after(int) or (None,)
        async with engine.begin() as tx:
            letters = await store.dead_letters(
                tx, limit=page.ask, workspace=caller.sees, before=before
            )
        return page.answer(letters, key=lambda one: [one.id], show=_shown)

    @router.post("/v1/dead-letters/{letter_id}/replay")
    async def replay(
        letter_id: BigId, caller: Ops, body: ReplayDeadLetter | None = None
    ) -> Replayed:
        async with engine.begin() as tx:
            letter = await _open_letter(tx, batches, letter_id, caller)
            if body is not None and body.value is not None:
                letter = _fixed(letter, body.value, caller, batches)
            await _apply(tx, batches, letter)
            await store.mark_replayed(tx, letter_id)
        return Replayed(id=letter_id, replayed_at=clock.now())

    return router


def _fixed(
    letter: DeadLetter, value: dict[str, Any], caller: Operator, batches: BatchWriter
) -> DeadLetter:
    """The corrected record; a workspace that is not the caller's takes the installation's claim."""
    try:
        raw = msgspec.json.encode(value)
    except (UnicodeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        message = "value: it can't be written as JSON: half a character, or nested too deep."
        raise InvalidRequestError(message) from error
    if workspace_of(raw) != caller.workspace:
        caller.require_installation()
    if letter.version == GARBAGE and letter.topic in batches.readers:
        return replace(letter, value=raw, version=batches.readers[letter.topic].newest)
    return replace(letter, value=raw)


async def _open_letter(
    tx: AsyncConnection, batches: BatchWriter, letter_id: int, caller: Operator
) -> DeadLetter:
    letters = await batches.store.dead_letters(tx, limit=1, only=letter_id, workspace=caller.sees)
    if not letters:
        message = f"There is no dead letter {letter_id} in this workspace."
        raise NotFoundError(message)
    if letters[0].replayed_at is not None:
        message = f"Dead letter {letter_id} was replayed at {clock.iso(letters[0].replayed_at)}."
        raise ConflictError(message)
    return letters[0]


async def _apply(tx: AsyncConnection, batches: BatchWriter, letter: DeadLetter) -> None:
    details = {"topic": letter.topic}
    if letter.topic not in batches.readers:
        message = f"This service does not read {letter.topic} any more."
        raise ConflictError(message, details=details)
    try:
        value = batches.readers[letter.topic].read(letter.value, letter.version)
    except UnreadableError as error:
        message = f"This is not a record of {letter.topic}: {error}"
        raise InvalidRequestError(message, details=details) from error
    except UnknownVersionError as error:
        message = f"This service can't read it yet: {error}."
        raise ConflictError(message, details=details) from error
    record = Record(letter.topic, letter.partition, letter.offset, letter.key or b"", value)
    try:
        await batches.handlers[letter.topic]([record], tx)
    except InvalidEvent as verdict:
        message = f"The record still can't be applied: {verdict.reason}"
        raise InvalidRequestError(message, details=details) from verdict


def _shown(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "workspace": letter.workspace,
        "topic": letter.topic,
        "version": letter.version,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "created_at": letter.created_at,
        "replayed_at": letter.replayed_at,
        "value": shown_value(letter.value),
    }
