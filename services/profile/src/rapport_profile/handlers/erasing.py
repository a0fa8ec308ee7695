"""A wish to be forgotten: who that is, that it holds from now on, and what all have answered.

From the commit of the wish on nothing of the person is taken in that was received before, and the
other services are told. What is stored goes right after that, see `forgetting.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.access.store import AccessStore
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError
from rapport_common.events.envelope import Identifier
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.events.topics import PRIVACY, SERVICES, TOPICS
from rapport_common.privacy.subject import Subject
from rapport_common.publisher import Publisher
from rapport_profile import metrics
from rapport_profile.domain.deadlines import Law, due_at
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.receipts import Answer, Wish, claims
from rapport_profile.handlers.forgetting import sweeps
from rapport_profile.handlers.refusing import all_digits
from rapport_profile.handlers.signing import Signer
from rapport_profile.store import access_requests, reads
from rapport_profile.store import privacy as store
from rapport_profile.tables import SCHEMA

MOST_NAMES = 20_000
"""A record on Kafka has room for so many identifiers, or half as many profile ids; who has more is
not one person."""

KEPT = timedelta(milliseconds=max(one.retention_ms for one in TOPICS))
ACCESS = AccessStore(SCHEMA)
_PUBLISHER = Publisher(SCHEMA, PRIVACY)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is meant: identifiers' ids with their kinds, and profile ids with their versions."""

    profile_id: Id | None
    identifiers: Mapping[Id, str]
    profiles: Mapping[Id, int]

    def subject(self, workspace: str, request: str) -> Subject:
        """The same as it is told to services."""
        return Subject(
            workspace=workspace,
            request_id=request,
            profile_id=self.profile_id or request,
            subjects=all_digits(self.identifiers),
            kinds=frozenset(self.identifiers.values()),
            profiles=frozenset(self.profiles),
            at=clock.now(),
        )


class Erasing:
    """Takes wishes and answers in."""

    def __init__(self, ids: Ids, key: bytes, receipt_key: bytes, law: Law = "gdpr") -> None:
        """`key`: the installation's identity key; final receipts are signed with `receipt_key`.

        `law` says until when what is asked for has to be done.
        """
        self.key = key
        self.law = law
        self.sweeps = sweeps(ids, key)
        self._ids = ids
        self._signer = Signer(receipt_key)

    async def find(self, tx: AsyncConnection, workspace: str, identifier: Identifier) -> Person:
        """Who has an identifier; whoever it may be, where nobody is known by it."""
        id_ = self._ids.of(workspace, identifier)
        found = await reads.by_identifier(tx, workspace, id_)
        if found is None:
            return Person(None, {id_: identifier[0]}, {})
        profile_id = str(found)
        members = await store.members(tx, workspace, [profile_id])
        profiles = await store.former(tx, workspace, profile_id)
        if len(members) + 2 * len(profiles) > MOST_NAMES:
            message = (
                f"This profile has {len(members)} identifiers and had {len(profiles)} ids, more "
                "than a person who can be forgotten at once. Look at the merge rules."
            )
            raise ConflictError(message, details={"profile_id": profile_id})
        return Person(profile_id, {row.id: row.kind for row in members}, profiles)

    async def would_remove(self, tx: AsyncConnection, who: Subject) -> dict[str, int]:
        """The rows that would go here, by table, as far as that is known without looking."""
        counts = {one.table: await one.count(tx, who) for one in self.sweeps}
        return {table: number for table, number in counts.items() if number is not None}

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
        await store.PRIVACY.add(tx, who)
        await ACCESS.drop(tx, workspace, who.subjects | who.profiles)
        await access_requests.forget(tx, workspace, who.subjects)
        await store.add_request(
            tx,
            workspace,
            {
                "id": request,
                "profile_id": person.profile_id,
                "identifiers": len(who.subjects),
                "actor": caller.subject,
                "reason": reason,
                "at": who.at,
            },
        )
        await _PUBLISHER.tell(tx, _record(who, person))
        return who

    async def on_receipt(self, tx: AsyncConnection, record: PrivacyRecord) -> None:
        """Take a service's receipt in; when it is the last one, sign that all are there."""
        found = await store.request(tx, record.workspace, record.request_id, lock=True)
        if found is None or record.service not in SERVICES:
            return
        answer = Answer(record.service, record.at, record.rows or 0, record.tables)
        await store.add_answer(tx, record.workspace, found.id, answer)
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


def _record(who: Subject, person: Person) -> PrivacyRecord:
    return PrivacyRecord(
        workspace=who.workspace,
        request_id=who.request_id,
        kind="erase",
        profile_id=who.profile_id,
        subjects=sorted(who.subjects),
        at=who.at,
        kinds=sorted(who.kinds),
        # The id ends with the next version; what is told of it up to then is history.
        profiles=[
            EndedProfile(profile_id=one, version=version + 1)
            for one, version in sorted(person.profiles.items())
        ],
    )


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
