"""Calendars and policies are declared and taken away; open cases follow."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_feedback.domain import calendars, policies
from rapport_feedback.domain.calendars import CalendarDocument, CalendarError
from rapport_feedback.domain.policies import (
    DEFAULT,
    Policies,
    PolicyDocument,
    PolicyError,
    ServiceLevels,
)
from rapport_feedback.handlers import rewinding
from rapport_feedback.store import case_rules as store
from rapport_feedback.store.case_rules import Document, Named, Version

MOST = 200
"""Of a kind in a workspace: all are looked through for each case."""


@dataclass(frozen=True, slots=True)
class By:
    """Who declares it and why, and which version it takes the place of (0: none)."""

    actor: str
    reason: str
    version: int


async def declare(
    tx: AsyncConnection,
    workspace: str,
    named: Named,
    document: Document,
    by: By,
    *,
    levels: ServiceLevels,
    now: datetime,
) -> tuple[Version, str]:
    """Let a calendar or policy hold from now on; the id of the job by which open cases follow."""
    await store.lock(tx, workspace)
    version = await _version(tx, workspace, named, by)
    if version == 0 and await store.count(tx, workspace, named[0]) >= MOST:
        message = f"A workspace has {MOST} at most of a kind: take one away first."
        raise ConflictError(message)
    known = await store.policies(tx, workspace, levels)
    try:
        document = _checked(named[1], document, known, now)
    except (CalendarError, PolicyError) as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error
    await store.add(tx, workspace, named, version + 1, document, by=(by.actor, by.reason))
    job = await rewinding.ask(tx, workspace, f"{named[0]} {named[1]}")
    return await current(tx, workspace, named), job


def _checked(name: str, document: Document, known: Policies, now: datetime) -> Document:
    if isinstance(document, PolicyDocument):
        return policies.checked(document, known, now)
    found = calendars.checked(document, now.date())
    after = Policies(
        known.levels, known.policies, {**known.calendars, name: calendars.calendar_of(found)}
    )
    for policy, (_version, told) in known.policies.items():
        try:
            policies.unreachable(told, after, now)
        except PolicyError as error:
            message = f"with it the policy {policy!r} could not be kept: {error.where} {error}"
            raise CalendarError("week", message) from error
    return found


async def remove(
    tx: AsyncConnection, workspace: str, named: Named, by: By, levels: ServiceLevels
) -> str:
    """Take one away; its versions stay. The id of the job by which open cases follow."""
    await store.lock(tx, workspace)
    found = await current(tx, workspace, named)
    kind, name = named
    if kind == "calendar" and name != DEFAULT:
        known = await store.policies(tx, workspace, levels)
        users = [
            policy
            for policy, (_version, told) in sorted(known.policies.items())
            if name in policies.calendars_in([told])
        ]
        if users:
            message = f"The policies {', '.join(users)} go by the calendar {name!r}: change them."
            raise ConflictError(message, details={"policies": users})
    await store.add(tx, workspace, named, found.version + 1, None, by=(by.actor, by.reason))
    return await rewinding.ask(tx, workspace, f"{kind} {name}")


async def current(tx: AsyncConnection, workspace: str, named: Named) -> Version:
    """What holds under a name; NotFoundError when nothing does."""
    found = await store.history(tx, workspace, *named, limit=1)
    if not found or found[0].document is None:
        message = f"There is no {named[0]} {named[1]!r} in this workspace."
        raise NotFoundError(message, details={"name": named[1]})
    return found[0]


async def calendar(tx: AsyncConnection, workspace: str, name: str) -> CalendarDocument:
    """The calendar that holds under a name; NotFoundError when none does."""
    found = (await current(tx, workspace, ("calendar", name))).document
    if not isinstance(found, CalendarDocument):
        message = f"{name!r} is no calendar"
        raise TypeError(message)
    return found


async def _version(tx: AsyncConnection, workspace: str, named: Named, by: By) -> int:
    """The newest version, which is the one that is replaced; of one that is gone no number need be
    known.
    """
    found = await store.history(tx, workspace, *named, limit=1)
    version = found[0].version if found else 0
    is_gone = bool(found) and found[0].document is None
    if by.version != version and not (is_gone and by.version == 0):
        message = f"The {named[0]} {named[1]!r} is at version {version}, not {by.version}: look."
        raise ConflictError(message, details={"version": version})
    return version
