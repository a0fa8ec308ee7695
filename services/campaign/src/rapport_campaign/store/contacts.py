"""The contact log: what each person was sent and when, and who else has got it at an address."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey, Purpose
from rapport_common.follower.domain import Key

ContactClass = Literal["promotion", "service", "transactional"]
DIGEST_BYTES = 16

_ADD = text(
    "INSERT INTO campaign.contact (workspace, profile_id, at, send_key, channel, purpose, "
    "campaign_id, address) SELECT * FROM unnest(CAST(:workspaces AS text[]), "
    "CAST(:profiles AS text[]), CAST(:ats AS timestamptz[]), CAST(:send_keys AS text[]), "
    "CAST(:channels AS text[]), CAST(:purposes AS text[]), CAST(:campaigns AS uuid[]), "
    "CAST(:addresses AS bytea[])) ON CONFLICT DO NOTHING"
)
# By who the person is now: a merge has given the rows to the heir.
_REMOVE = text(
    "DELETE FROM campaign.contact c USING unnest(CAST(:workspaces AS text[]), "
    "CAST(:profiles AS text[]), CAST(:keys AS text[])) AS v(workspace, profile_id, send_key) "
    "WHERE c.workspace = v.workspace AND c.profile_id = v.profile_id "
    "AND c.send_key = v.send_key"
)
# As many rows as a cap allows say whether it is used up, however many there are.
_COUNTED = text(
    "SELECT v.place, c.at FROM unnest(CAST(:places AS int[]), CAST(:workspaces AS text[]), "
    "CAST(:profiles AS text[]), CAST(:sinces AS timestamptz[]), CAST(:channels AS text[]), "
    "CAST(:purposes AS text[]), CAST(:mosts AS int[])) AS v(place, workspace, profile_id, since, "
    "channel, purpose, most) CROSS JOIN LATERAL ("
    "SELECT at FROM campaign.contact c WHERE c.workspace = v.workspace "
    "AND c.profile_id = v.profile_id AND c.at >= v.since AND c.purpose <> 'transactional' "
    "AND (v.channel IS NULL OR c.channel = v.channel) "
    "AND (v.purpose IS NULL OR c.purpose = v.purpose) "
    "ORDER BY c.at DESC LIMIT v.most) AS c"
)
_OTHERS = text(
    "SELECT v.place FROM unnest(CAST(:places AS int[]), CAST(:workspaces AS text[]), "
    "CAST(:campaigns AS uuid[]), CAST(:addresses AS bytea[]), CAST(:profiles AS text[]), "
    "CAST(:sinces AS timestamptz[])) AS v(place, workspace, campaign_id, address, profile_id, "
    "since) WHERE EXISTS (SELECT FROM campaign.contact c WHERE c.workspace = v.workspace "
    "AND c.campaign_id = v.campaign_id AND c.address = v.address "
    "AND c.profile_id <> v.profile_id AND c.at >= v.since)"
)
_GIVE = text(
    "UPDATE campaign.contact c SET profile_id = v.heir FROM unnest(CAST(:workspaces AS text[]), "
    "CAST(:profiles AS text[]), CAST(:heirs AS text[])) AS v(workspace, profile_id, heir) "
    "WHERE c.workspace = v.workspace AND c.profile_id = v.profile_id"
)


@dataclass(frozen=True, slots=True)
class Contact:
    """A message that is about to be sent; without a campaign it answers for nobody else."""

    workspace: str
    profile_id: str
    at: datetime
    send_key: str
    channel: str
    purpose: ContactClass
    campaign_id: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest contacts of a person since an instant, `most` of them; None: of all there are."""

    workspace: str
    profile_id: str
    since: datetime
    channel: str | None
    purpose: Purpose | None
    most: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Whether somebody else has got a campaign at an address since an instant."""

    workspace: str
    campaign_id: str
    address: str
    profile_id: str
    since: datetime


def digest(workspace: str, address: str) -> bytes:
    """What is kept of an address (in normal form) to know it again."""
    whole = f"{workspace}\n{address}".encode()
    return hashlib.blake2b(whole, digest_size=DIGEST_BYTES).digest()


async def add(tx: AsyncConnection, contacts: Iterable[Contact]) -> None:
    """Note what is marked `sending`."""
    ordered = sorted(contacts, key=lambda one: (one.workspace, one.profile_id, one.send_key))
    if not ordered:
        return
    await tx.execute(
        _ADD,
        {
            "workspaces": [one.workspace for one in ordered],
            "profiles": [one.profile_id for one in ordered],
            "ats": [one.at for one in ordered],
            "send_keys": [one.send_key for one in ordered],
            "channels": [one.channel for one in ordered],
            "purposes": [one.purpose for one in ordered],
            "campaigns": [one.campaign_id for one in ordered],
            "addresses": [digest(one.workspace, one.address) for one in ordered],
        },
    )


async def remove(tx: AsyncConnection, unsent: Iterable[tuple[MessageKey, str]]) -> None:
    """Forget attempts that have ended unsent, each with who the person is now."""
    listed = sorted(set(unsent))
    if not listed:
        return
    await tx.execute(
        _REMOVE,
        {
            "workspaces": [key[0] for key, _ in listed],
            "keys": [key[1] for key, _ in listed],
            "profiles": [profile for _, profile in listed],
        },
    )


async def counted(tx: AsyncConnection, asked: Sequence[Asked]) -> list[list[datetime]]:
    """The times of what each of these asks for, in their order."""
    found: list[list[datetime]] = [[] for _ in asked]
    if not asked:
        return found
    rows = await tx.execute(
        _COUNTED,
        {
            "places": list(range(len(asked))),
            "workspaces": [one.workspace for one in asked],
            "profiles": [one.profile_id for one in asked],
            "sinces": [one.since for one in asked],
            "channels": [one.channel for one in asked],
            "purposes": [one.purpose for one in asked],
            "mosts": [one.most for one in asked],
        },
    )
    for row in rows:
        found[row.place].append(row.at)
    return found


async def shared(tx: AsyncConnection, asked: Sequence[Shared]) -> set[int]:
    """Of which of these the answer is yes, by their places.

    It holds until the commit where the addresses are locked (`locks.own_addresses`).
    """
    if not asked:
        return set()
    rows = await tx.execute(
        _OTHERS,
        {
            "places": list(range(len(asked))),
            "workspaces": [one.workspace for one in asked],
            "campaigns": [one.campaign_id for one in asked],
            "addresses": [digest(one.workspace, one.address) for one in asked],
            "profiles": [one.profile_id for one in asked],
            "sinces": [one.since for one in asked],
        },
    )
    return {row.place for row in rows}


async def give(tx: AsyncConnection, heirs: Mapping[Key, str]) -> None:
    """What was sent to profiles that are merged is of their heirs from now on."""
    moved = [(*key, heir) for key, heir in sorted(heirs.items()) if key[1] != heir]
    if not moved:
        return
    await tx.execute(
        _GIVE,
        {
            "workspaces": [one[0] for one in moved],
            "profiles": [one[1] for one in moved],
            "heirs": [one[2] for one in moved],
        },
    )


LONGEST_KEPT = timedelta(days=400)
"""Longer than any rule looks back."""
