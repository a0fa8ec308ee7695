"""What has a time in this service: looks at definitions, to tell them again, and at people."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts
from rapport_common.due.store import DueStore, NewDue
from rapport_common.follower.domain import Key

TELL = "tell"
CHECK = "check"
"""A person whose verdicts may change by time; the key is the profile's id."""

AUDIENCE = "audience"
"""A file for an advertising platform; the key is the audience's id."""

STRAY = "stray"
"""Somebody has an identifier under which an event was told of somebody else; the key is the
identifier's anchor.
"""

RFM = "rfm"
"""Scores that are worked out again; the key is `rules`."""

DUE = DueStore("segment")

_CHECKS = text(
    "SELECT d.workspace, d.key, d.at "
    f"FROM unnest({packed_texts('workspaces')}, {packed_texts('ids')}) AS v(workspace, key) "
    "JOIN segment.due d ON d.workspace = v.workspace AND d.kind = :kind AND d.key = v.key"
)


def stray(workspace: str, anchor: bytes, at: datetime) -> NewDue:
    """A look at who has an anchor."""
    return NewDue(workspace, STRAY, anchor.hex(), at)


async def checks(tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, datetime]:
    """When these people are to be looked at again, as far as that is noted."""
    if not keys:
        return {}
    given = {
        "kind": CHECK,
        "workspaces": pack_texts([key[0] for key in keys]),
        "ids": pack_texts([key[1] for key in keys]),
    }
    rows = await tx.execute(_CHECKS, given)
    return {(row.workspace, row.key): row.at for row in rows}
