"""A wish to be forgotten: who that is, that it holds from now on, and what all have answered.

From the commit of the wish on nothing of the person is taken in that was received before, and the
other services are told. What is stored goes right after that, see `forgetting.py`.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.events.envelope import Identifier
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import SERVICES, TOPICS
from rapport_common.ids import uuid7_text
from rapport_common.privacy.subject import Subject
from rapport_profile import metrics
from rapport_profile.domain.deadlines import Law, due_at
from rapport_profile.domain.naming import Ids
from rapport_profile.domain.receipts import Answer, Wish, claims
from rapport_profile.handlers.forgetting import sweeps
from rapport_profile.handlers.portions import (
    START,
    Person,
    Room,
    further,
    portion,
    wish,
)
from rapport_profile.handlers.signing import Signer
from rapport_profile.store import portions, reads
from rapport_profile.store import privacy as store

ROOM = Room()
KEPT = timedelta(milliseconds=max(one.retention_ms for one in TOPICS))


class Erasing:
    """Takes wishes and answers in."""

    def __init__(
        self,
        ids: Ids,
        key: bytes,
        receipt_key: bytes,
        law: Law = "gdpr",
        *,
        room: Room = ROOM,
    ) -> None:
        """`key`: the installation's identity key; final receipts are signed with `receipt_key`.

        `law` says until when what is asked for has to be done; `room`: how much one record has.
        """
        self.key = key
        self.law = law
        self.room = room
        self.sweeps = sweeps(ids, key, room=room)
        self._ids = ids
        self._signer = Signer(receipt_key)

    async def find(self, tx: AsyncConnection, workspace: str, identifier: Identifier) -> Person:
        """Who has an identifier, their first portion; whoever it may be, if nobody is known."""
        id_ = self._ids.of(workspace, identifier)
        found = await reads.by_identifier(tx, workspace, id_)
        if found is None:
            return Person(None, {id_: identifier[0]}, {})
        return await portion(tx, workspace, str(found), START, self.room)

    async def count(self, tx: AsyncConnection, workspace: str, person: Person) -> int:
        """How many identifiers somebody has."""
        if person.rest is None or person.profile_id is None:
            return len(person.identifiers)
        return await store.count_members(tx, workspace, person.profile_id)

    async def would_remove(
        self, tx: AsyncConnection, workspace: str, person: Person
    ) -> dict[str, int]:
        """The rows that would go here, by table, as far as that is known without looking."""
        counts = Counter[str]()
        nobodys = uuid7_text()
        await self._count(tx, person.subject(workspace, nobodys), counts)
        async for one in further(tx, workspace, person, self.room):
            await self._count(tx, one.subject(workspace, nobodys), counts)
        return dict(counts)

    async def _count(self, tx: AsyncConnection, who: Subject, counts: Counter[str]) -> None:
        for one in self.sweeps:
            number = await one.count(tx, who)
            if number is not None:
                counts[one.table] += number

    async def erase(
        self, tx: AsyncConnection, caller: Operator, identifier: Identifier, told: tuple[str, str]
    ) -> Subject:
        """Let a wish hold (`told`: its id, and why) and tell all services of it.

        No batch is under way meanwhile, so none takes anybody in whom this has seen otherwise.
        """
        request, reason = told
        workspace = caller.workspace
        await store.hold(tx)
        person = await self.find(tx, workspace, identifier)
        who = person.subject(workspace, request)
        await wish(tx, who, person)
        await store.add_request(
            tx,
            workspace,
            {
                "id": request,
                "profile_id": person.profile_id,
                "identifiers": await self.count(tx, workspace, person),
                "in_portions": person.rest is not None,
                "actor": caller.subject,
                "reason": reason,
                "at": who.at,
            },
        )
        return who

    async def on_receipt(self, tx: AsyncConnection, record: PrivacyRecord) -> None:
        """Take a service's receipt in; when it is the last one, sign that all are there."""
        request = await portions.request_of(tx, record.workspace, record.request_id)
        found = await store.request(tx, record.workspace, request, lock=True)
        if found is None or record.service not in SERVICES:
            return
        answer = Answer(record.service, record.at, record.rows or 0, record.tables)
        await store.add_answer(tx, record.workspace, record.request_id, answer)
        known = await store.answers(tx, record.workspace, [found.id])
        answers = known[found.id]
        if found.finished_at is not None or answers.keys() != set(SERVICES):
            return
        wish = Wish(found.id, record.workspace, found.at, found.identifiers)
        signed = self._signer.sign(claims(wish, answers, KEPT))
        await store.finish(tx, record.workspace, found.id, signed, clock.now())

    def keys(self) -> dict[str, Any]:
        """The public keys by which final receipts are checked: a JWKS (RFC 7517)."""
        return {"keys": [self._signer.public()]}


async def measure(tx: AsyncConnection) -> None:
    """Set since when each service has to answer."""
    for service, seconds in (await store.unanswered(tx, SERVICES)).items():
        metrics.UNANSWERED.labels(service).set(seconds)


def shown(row: Any, answers: Mapping[str, Answer], law: Law) -> dict[str, Any]:
    """A request as it is shown, with what services have answered."""
    return {
        "id": row.id,
        "state": "running" if row.finished_at is None else "done",
        "profile_id": row.profile_id,
        "identifiers": row.identifiers,
        "actor": row.actor,
        "reason": row.reason,
        "created_at": row.at,
        "due_at": due_at(row.at, law),
        "finished_at": row.finished_at,
        "services": [
            {**msgspec.structs.asdict(answers[one]), "service": one}
            if one in answers
            else {"service": one}
            for one in SERVICES
        ],
        "last_copy_expires_at": (
            None if row.finished_at is None else max(one.at for one in answers.values()) + KEPT
        ),
        "receipt": row.receipt,
    }
