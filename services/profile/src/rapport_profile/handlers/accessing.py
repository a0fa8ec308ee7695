"""Somebody asks what is known of them: all services tell, sealed, and it is kept for some days.

The key is made here and destroyed here. So an end of the request, or an erasure, makes all that was
told unreadable, what still lies on Kafka included.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock
from rapport_common.access.sealing import new_key, opened, place_of
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.envelope import Identifier
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.events.topics import SERVICES
from rapport_common.ids import uuid7_text
from rapport_common.privacy.subject import Subject
from rapport_profile.domain.deadlines import due_at
from rapport_profile.domain.naming import Id
from rapport_profile.handlers.erasing import Erasing
from rapport_profile.handlers.portions import PUBLISHER, Person, further
from rapport_profile.store import access_requests as store
from rapport_profile.store import portions
from rapport_profile.store.access_requests import Told

FORMAT: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A line of this file",
    "type": "object",
    "required": ["section"],
    "properties": {
        "section": {"type": "string", "description": "manifest, or service and what it keeps"},
        "about": {"type": "string", "description": "What the rows of the section are."},
        "row": {"type": "object", "description": "One row, as it is kept; values as sent."},
    },
}
"""The JSON Schema of a line, which stands in the first one."""


class EndedError(Exception):
    """A file can't be read to its end: the request has expired, or the person was forgotten."""


class Accessing:
    """Takes requests and what services tell in, and gives it out."""

    def __init__(self, erasing: Erasing, kept: timedelta = timedelta(days=7)) -> None:
        """`erasing` knows who is meant; `kept`: how long the answer can be read."""
        self._erasing = erasing
        self._kept = kept

    async def ask(
        self, tx: AsyncConnection, caller: Operator, identifier: Identifier, told: tuple[Id, str]
    ) -> None:
        """Ask all services what they hold of a person (`told`: the request's id, and why)."""
        request, reason = told
        person = await self._erasing.find(tx, caller.workspace, identifier)
        workspace, room = caller.workspace, self._erasing.room
        who = person.subject(workspace, request)
        private, public = new_key()
        await store.add(
            tx,
            caller.workspace,
            {
                "id": request,
                "profile_id": person.profile_id,
                "subjects": sorted(who.subjects),
                "identifiers": await self._erasing.count(tx, workspace, person),
                "actor": caller.subject,
                "reason": reason,
                "at": who.at,
                "expires_at": who.at + self._kept,
            },
            private,
        )
        await PUBLISHER.tell(tx, _record(who, person, public))
        async for one in further(tx, workspace, person, room):
            id_ = uuid7_text()
            await portions.add(tx, workspace, request, id_)
            await PUBLISHER.tell(tx, _record(one.subject(workspace, id_), one, public))

    async def on_answer(self, tx: AsyncConnection, record: PrivacyRecord) -> None:
        """Keep what a service tells; when the last one has told all, the file is ready."""
        workspace, request, service = record.workspace, record.request_id, record.service
        if service not in SERVICES or not _is_id(request):
            return
        if record.kind == "piece":
            if record.sealed is not None:
                piece = (service, record.number, record.sealed)
                await store.add_piece(tx, workspace, request, piece)
            return
        whole = await portions.request_of(tx, workspace, request)
        if await store.find(tx, workspace, whole, lock=True) is None:
            return
        answer = {
            "service": service,
            "at": record.at,
            "pieces": record.number,
            "told": json.dumps(record.tables),
        }
        await store.add_answer(tx, workspace, request, answer)
        if (await store.answers(tx, workspace, [whole]))[whole].keys() == set(SERVICES):
            await store.finish(tx, workspace, whole)

    async def shown(self, tx: AsyncConnection, workspace: str, request: Id) -> dict[str, Any]:
        """A request as it is shown; NotFoundError."""
        found = await store.find(tx, workspace, request)
        if found is None:
            message = f"There is no request for access {request} in this workspace."
            raise NotFoundError(message, details={"id": request})
        return self.show(found, (await store.answers(tx, workspace, [request]))[request])

    def show(self, row: Row[Any], answers: Mapping[str, Told]) -> dict[str, Any]:
        """The same of one that was read, with what services have answered."""
        return {
            "id": row.id,
            "state": _state(row, answers),
            "profile_id": row.profile_id,
            "identifiers": row.identifiers,
            "actor": row.actor,
            "reason": row.reason,
            "created_at": row.at,
            "due_at": due_at(row.at, self._erasing.law),
            "finished_at": row.finished_at,
            "expires_at": row.expires_at,
            "downloads": row.downloads,
            "services": [
                {
                    "service": one,
                    "at": answers[one].at,
                    "rows": sum(answers[one].told.values()),
                    "sections": answers[one].told,
                }
                if one in answers
                else {"service": one}
                for one in SERVICES
            ],
        }

    async def read(self, tx: AsyncConnection, caller: Operator, request: Id) -> dict[str, Any]:
        """Note that somebody reads it; the request. ConflictError while it is not ready."""
        found = await self.shown(tx, caller.workspace, request)
        if found["state"] != "ready":
            silent = [one["service"] for one in found["services"] if "at" not in one]
            message = f"The file is not there: the request is {found['state']}." + (
                f" Not yet told by: {', '.join(silent)}." if silent else ""
            )
            raise ConflictError(message, details={"state": found["state"], "waiting_for": silent})
        made = uuid7_text()
        await store.downloaded(tx, caller.workspace, request, id_=made, actor=caller.subject)
        return found

    async def content(
        self, engine: AsyncEngine, workspace: str, found: Mapping[str, Any]
    ) -> AsyncGenerator[bytes]:
        """The file of a request that was `read`, piece by piece; one is read when it is asked for.

        EndedError if the request ends meanwhile: the answer breaks off, and is not taken for whole.
        """
        manifest = {name: found[name] for name in ("id", "created_at", "finished_at", "services")}
        row = {**manifest, "format": FORMAT}
        yield msgspec.json.encode({"section": "manifest", "row": row}) + b"\n"
        place = store.FIRST
        while True:
            async with engine.begin() as tx:
                key = await store.key(tx, workspace, found["id"])
                piece = await store.next_piece(tx, workspace, found["id"], place)
            if key is None:
                raise EndedError(found["id"])
            if piece is None:
                return
            place, sealed = piece
            service, portion, number = place
            yield opened(key, place_of(portion, service, number), sealed)


def _record(who: Subject, person: Person, public: bytes) -> PrivacyRecord:
    return PrivacyRecord(
        workspace=who.workspace,
        request_id=who.request_id,
        kind="access",
        profile_id=who.profile_id,
        subjects=sorted(who.subjects),
        at=who.at,
        kinds=sorted(who.kinds),
        profiles=[
            EndedProfile(profile_id=one, version=version)
            for one, version in sorted(person.profiles.items())
        ],
        seal=public.hex(),
    )


def _state(row: Row[Any], answers: Mapping[str, Told]) -> str:
    if row.expires_at <= clock.now():
        return "expired"
    if not row.is_readable:
        return "erased"
    if answers.keys() != set(SERVICES):
        return "running"
    whole = all(one.kept == one.pieces for one in answers.values())
    return "ready" if whole else "incomplete"


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
