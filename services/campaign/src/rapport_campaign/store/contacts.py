"""The contact log: what each person was sent and when, and who else has got it at an address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey, Purpose
from rapport_common.db import pack_texts, packed_texts
from rapport_common.follower.domain import Key

ContactClass = Literal["promotion", "service", "transactional"]

# What is kept of an address in normal form to know it again.
_DIGEST = "substring(sha256(convert_to({0}, 'UTF8')) FOR 16)"
_ADD = text(
    "INSERT INTO campaign.contact (workspace, profile_id, at, send_key, channel, purpose, "
    "campaign_id, address) SELECT workspace, profile_id, CAST(:at AS timestamptz), "
    "send_key, channel, purpose, "
    f"CAST(nullif(campaign, '') AS uuid), {_DIGEST.format('address')} FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('profiles')}, {packed_texts('send_keys')}, "
    f"{packed_texts('channels')}, {packed_texts('purposes')}, {packed_texts('campaigns')}, "
    f"{packed_texts('addresses')}) AS v(workspace, profile_id, send_key, channel, purpose, "
    "campaign, address) ON CONFLICT DO NOTHING"
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
    "SELECT v.place, c.at FROM (SELECT place, workspace, profile_id, CAST(since AS timestamptz), "
    "nullif(channel, ''), nullif(purpose, ''), CAST(most AS int) FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('profiles')}, {packed_texts('sinces')}, "
    f"{packed_texts('channels')}, {packed_texts('purposes')}, {packed_texts('mosts')}) "
    "WITH ORDINALITY AS u(workspace, profile_id, since, channel, purpose, most, place)) "
    "AS v(place, workspace, profile_id, since, channel, purpose, most) CROSS JOIN LATERAL ("
    "SELECT at FROM campaign.contact c WHERE c.workspace = v.workspace "
    "AND c.profile_id = v.profile_id AND c.at >= v.since AND c.purpose <> 'transactional' "
    "AND (v.channel IS NULL OR c.channel = v.channel) "
    "AND (v.purpose IS NULL OR c.purpose = v.purpose) "
    "ORDER BY c.at DESC LIMIT v.most) AS c"
)
_OTHERS = text(
    "SELECT v.send_key FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('campaigns')}, {packed_texts('addresses')}, "
    f"{packed_texts('profiles')}, {packed_texts('send_keys')}, {packed_texts('days')}) "
    "AS v(workspace, campaign, address, profile_id, send_key, days) WHERE EXISTS ("
    "SELECT FROM campaign.contact c WHERE c.workspace = v.workspace "
    "AND c.campaign_id = CAST(v.campaign AS uuid) "
    f"AND c.address = {_DIGEST.format('v.address')} AND c.profile_id <> v.profile_id "
    "AND c.at >= CAST(:now AS timestamptz) - make_interval(days => CAST(v.days AS int)))"
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
    """Whether somebody else than `profile_id` has got a campaign at an address in so many days."""

    workspace: str
    campaign_id: str
    address: str
    profile_id: str
    send_key: str
    days: int


async def add(tx: AsyncConnection, contacts: Iterable[Contact], at: datetime) -> None:
    """Note what is marked `sending`."""
    ordered = sorted(contacts, key=lambda one: (one.workspace, one.profile_id, one.send_key))
    if not ordered:
        return
    await tx.execute(
        _ADD,
        {
            "at": at,
            "workspaces": pack_texts([one.workspace for one in ordered]),
            "profiles": pack_texts([one.profile_id for one in ordered]),
            "send_keys": pack_texts([one.send_key for one in ordered]),
            "channels": pack_texts([one.channel for one in ordered]),
            "purposes": pack_texts([one.purpose for one in ordered]),
            "campaigns": pack_texts([one.campaign_id or "" for one in ordered]),
            "addresses": pack_texts([one.address for one in ordered]),
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
            "workspaces": pack_texts([one.workspace for one in asked]),
            "profiles": pack_texts([one.profile_id for one in asked]),
            "sinces": pack_texts([one.since.isoformat() for one in asked]),
            "channels": pack_texts([one.channel or "" for one in asked]),
            "purposes": pack_texts([one.purpose or "" for one in asked]),
            "mosts": pack_texts([str(one.most) for one in asked]),
        },
    )
    for row in rows:
        found[row.place - 1].append(row.at)
    return found


async def shared(tx: AsyncConnection, asked: Sequence[Shared], now: datetime) -> set[str]:
    """Of which of these the answer is yes, by their send keys.

    It holds until the commit where the addresses are locked (`locks.own_addresses`).
    """
    if not asked:
        return set()
    rows = await tx.execute(
        _OTHERS,
        {
            "now": now,
            "workspaces": pack_texts([one.workspace for one in asked]),
            "campaigns": pack_texts([one.campaign_id for one in asked]),
            "addresses": pack_texts([one.address for one in asked]),
            "profiles": pack_texts([one.profile_id for one in asked]),
            "send_keys": pack_texts([one.send_key for one in asked]),
            "days": pack_texts([str(one.days) for one in asked]),
        },
    )
    return set(rows.scalars())


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
