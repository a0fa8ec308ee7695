"""Requests to confirm a yes by a link in a mail."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    "workspace, opt_in_id, profile_id, address, purpose, language, wording_version, actor, reason, "
    "asked_at, ends_at, confirmed_at"
)


Fate = Literal["asked", "confirmed", "ended"]


@dataclass(frozen=True, slots=True)
class OptIn:
    """A request, by whom and why; its link counts before `ends_at`, and once."""

    workspace: str
    opt_in_id: str
    profile_id: str
    address: str
    purpose: str
    language: str
    wording_version: str | None
    actor: str
    reason: str
    asked_at: datetime
    ends_at: datetime
    confirmed_at: datetime | None = None

    def state(self, now: datetime) -> Fate:
        """What became of it."""
        if self.confirmed_at is not None:
            return "confirmed"
        return "asked" if now < self.ends_at else "ended"


async def add(tx: AsyncConnection, made: OptIn) -> None:
    """Keep a request."""
    names = ", ".join(f":{one}" for one in _COLUMNS.split(", "))
    await tx.execute(
        text(f"INSERT INTO campaign.opt_in ({_COLUMNS}) VALUES ({names})"), asdict(made)
    )


async def find(
    tx: AsyncConnection, workspace: str, opt_in_id: str, *, lock: bool = False
) -> OptIn | None:
    """One request; with `lock` nobody else confirms it before the commit."""
    statement = (
        f"SELECT {_COLUMNS} FROM campaign.opt_in WHERE workspace = :workspace AND opt_in_id = :id"
    )
    rows = await tx.execute(
        text(statement + (" FOR UPDATE" if lock else "")),
        {"workspace": workspace, "id": opt_in_id},
    )
    row = rows.first()
    return None if row is None else _opt_in(row)


async def confirm(tx: AsyncConnection, workspace: str, opt_in_id: str, at: datetime) -> None:
    """Note that its link was used."""
    await tx.execute(
        text(
            "UPDATE campaign.opt_in SET confirmed_at = :at WHERE workspace = :workspace "
            "AND opt_in_id = :id AND confirmed_at IS NULL"
        ),
        {"workspace": workspace, "id": opt_in_id, "at": at},
    )


async def of_address(
    tx: AsyncConnection, workspace: str, address: str, since: datetime, limit: int
) -> list[OptIn]:
    """The newest requests to an address after an instant."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.opt_in WHERE workspace = :workspace "
            "AND address = :address AND asked_at > :since ORDER BY asked_at DESC LIMIT :limit"
        ),
        {"workspace": workspace, "address": address, "since": since, "limit": limit},
    )
    return [_opt_in(row) for row in rows]


async def made_by(
    tx: AsyncConnection, workspace: str, actor: str, since: datetime, limit: int
) -> int:
    """How many requests somebody has made after an instant, counted up to a limit."""
    number = await tx.scalar(
        text(
            "SELECT count(*) FROM (SELECT FROM campaign.opt_in WHERE workspace = :workspace "
            "AND asked_at > :since AND actor = :actor LIMIT :limit) AS found"
        ),
        {"workspace": workspace, "actor": actor, "since": since, "limit": limit},
    )
    return int(number or 0)


async def latest(
    tx: AsyncConnection, workspace: str, limit: int, before: tuple[datetime, str] | None
) -> list[OptIn]:
    """The newest requests: those before (asked_at, id), if given."""
    at, opt_in_id = before or (None, "")
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.opt_in WHERE workspace = :workspace "
            "AND (CAST(:at AS timestamptz) IS NULL OR (asked_at, opt_in_id) < "
            "(CAST(:at AS timestamptz), :id)) ORDER BY asked_at DESC, opt_in_id DESC LIMIT :limit"
        ),
        {"workspace": workspace, "at": at, "id": opt_in_id, "limit": limit},
    )
    return [_opt_in(row) for row in rows]


def _opt_in(row: Row[Any]) -> OptIn:
    return OptIn(**row._asdict())
