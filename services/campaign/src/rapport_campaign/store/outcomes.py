"""What became of messages, and which message a token is of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.announcements import body_of, of_outcome, scopes
from rapport_campaign.domain.outcomes import BouncePolicy, OutcomeClass, OutcomeKind, Source
from rapport_campaign.store.tracking import Sent
from rapport_campaign.store.webhooks import WEBHOOKS

_TOLD = (
    "(SELECT workspace, CAST(:send_key AS text) AS subject, "
    "CAST(:profile_id AS text) AS profile_id, CAST(:body AS text) AS body, "
    "CAST(:event AS text) AS event, CAST(:scopes AS text) AS scopes FROM kept) AS v"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of what became of a message, see the table."""

    kind: OutcomeKind
    mark: str
    grade: OutcomeClass
    code: str
    text: str
    source: Source
    address: str | None
    at: datetime


async def add_marks(tx: AsyncConnection, marks: Mapping[str, str]) -> None:
    """Keep the marks of workspaces, by workspace."""
    await tx.execute(
        text(
            "INSERT INTO campaign.workspace_mark (workspace, mark) SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:marks AS text[])) ON CONFLICT (workspace) "
            "DO UPDATE SET mark = excluded.mark WHERE workspace_mark.mark <> excluded.mark"
        ),
        {"workspaces": sorted(marks), "marks": [marks[one] for one in sorted(marks)]},
    )


async def marked(tx: AsyncConnection, marks: Collection[str]) -> dict[str, list[str]]:
    """The workspaces of each mark."""
    rows = await tx.execute(
        text(
            "SELECT mark, workspace FROM campaign.workspace_mark "
            "WHERE mark = ANY(CAST(:marks AS text[])) ORDER BY workspace"
        ),
        {"marks": sorted(set(marks))},
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.mark, []).append(row.workspace)
    return found


async def whole_key(tx: AsyncConnection, workspace: str, half: str) -> str | None:
    """The send key that begins so; of hexadecimal digits, `g` is above them all."""
    found: str | None = await tx.scalar(
        text(
            "SELECT send_key FROM campaign.send WHERE workspace = :workspace "
            "AND send_key >= :half AND send_key < :above ORDER BY send_key LIMIT 1"
        ),
        {"workspace": workspace, "half": half, "above": f"{half}g"},
    )
    return found


async def add(tx: AsyncConnection, sent: Sent, row: Kept) -> bool:
    """Keep what became of a message; False when just that was kept before."""
    found = await tx.scalar(
        text(
            "WITH kept AS (INSERT INTO campaign.outcome (workspace, send_key, kind, mark, grade, "
            "code, text, source, campaign_id, profile_id, address, at) VALUES (:workspace, "
            ":send_key, :kind, :mark, :grade, :code, :text, :source, CAST(:campaign_id AS uuid), "
            ":profile_id, :address, :at) ON CONFLICT DO NOTHING RETURNING workspace), "
            # Webhooks are told of it with it, at no statement more.
            f"told AS ({WEBHOOKS.posts.writing(_TOLD)}) SELECT count(*) FROM kept"
        ),
        {
            "workspace": sent.workspace,
            "send_key": sent.send_key,
            "campaign_id": sent.campaign_id,
            "profile_id": sent.profile_id,
            "kind": row.kind,
            "mark": row.mark,
            "grade": row.grade,
            "code": row.code,
            "text": row.text,
            "source": row.source,
            "address": row.address,
            "at": row.at,
            "event": of_outcome(row.kind, row.grade) or "",
            "scopes": ",".join(scopes(sent.kind)),
            "body": _body(sent, row),
        },
    )
    return bool(found)


def _body(sent: Sent, row: Kept) -> str:
    told = of_outcome(row.kind, row.grade)
    if told is None:
        return ""
    # Without what a server or a person has said: it may name an address.
    return body_of(
        told,
        row.at,
        send_key=sent.send_key,
        kind=sent.kind,
        channel=sent.channel,
        profile_id=sent.profile_id,
        campaign_id=sent.campaign_id,
        code=row.code if told in {"bounced", "complained"} else None,
        **{"class": row.grade if told == "bounced" else None},
    )


async def retract(
    tx: AsyncConnection, sent: Sent, kind: OutcomeKind, mark: str, seconds: float
) -> bool:
    """What was taken for one's act was another's, if it is so new; whether there was such a one."""
    result = await tx.execute(
        text(
            "DELETE FROM campaign.outcome WHERE workspace = :workspace "
            "AND send_key = :send_key AND kind = :kind AND mark = :mark "
            "AND at > now() - make_interval(secs => :seconds)"
        ),
        {
            "workspace": sent.workspace,
            "send_key": sent.send_key,
            "kind": kind,
            "mark": mark,
            "seconds": seconds,
        },
    )
    return result.rowcount > 0


async def not_reached(tx: AsyncConnection, workspace: str, address: str, days: int) -> int:
    """How many messages to an address have bounced softly within so many days."""
    found = await tx.scalar(
        text(
            "SELECT count(DISTINCT send_key) FROM campaign.outcome WHERE workspace = :workspace "
            "AND address = :address AND kind = 'bounced' AND grade IN ('soft', 'unclear') "
            "AND at > now() - make_interval(days => :days)"
        ),
        {"workspace": workspace, "address": address, "days": days},
    )
    return int(found or 0)


async def policy(tx: AsyncConnection, workspace: str) -> BouncePolicy:
    """When soft bounces count as a dead address."""
    rows = await tx.execute(
        text(
            "SELECT soft_bounces, soft_bounce_days FROM campaign.policy "
            "WHERE workspace = :workspace"
        ),
        {"workspace": workspace},
    )
    row = rows.first()
    return BouncePolicy(row.soft_bounces, row.soft_bounce_days) if row else BouncePolicy()


async def change_policy(
    tx: AsyncConnection, workspace: str, given: Mapping[str, Any]
) -> BouncePolicy:
    """Change what is given of a policy that there is; what it says from now on."""
    rows = await tx.execute(
        text(
            "UPDATE campaign.policy SET soft_bounces = coalesce(CAST(:number AS integer), "
            "soft_bounces), soft_bounce_days = coalesce(CAST(:days AS integer), soft_bounce_days) "
            "WHERE workspace = :workspace RETURNING soft_bounces, soft_bounce_days"
        ),
        {
            "workspace": workspace,
            "number": given.get("soft_bounces"),
            "days": given.get("soft_bounce_days"),
        },
    )
    return BouncePolicy(*rows.one())


_COUNTED: Mapping[str, str] = {
    "delivered": "kind = 'delivered'",
    "bounced": "kind = 'bounced'",
    "bounced_hard": "kind = 'bounced' AND grade = 'hard'",
    "complained": "kind = 'complained'",
    "replied": "kind = 'replied'",
    "opened": "kind = 'opened' AND grade = 'human'",
    "opened_by_machine": "kind = 'opened' AND grade <> 'human'",
    "clicked": "kind = 'clicked' AND grade = 'human'",
    "clicked_by_machine": "kind = 'clicked' AND grade <> 'human'",
}
_COUNTS = text(
    "SELECT "
    + ", ".join(
        f"count(DISTINCT send_key) FILTER (WHERE {one}) AS {name}" for name, one in _COUNTED.items()
    )
    + " FROM campaign.outcome WHERE workspace = :workspace "
    "AND campaign_id = CAST(:campaign_id AS uuid)"
)


async def counts(tx: AsyncConnection, workspace: str, campaign_id: str) -> dict[str, int]:
    """Of how many of a campaign's messages each is known."""
    rows = await tx.execute(_COUNTS, {"workspace": workspace, "campaign_id": campaign_id})
    return dict(rows.mappings().one())


_LISTED = text(
    "SELECT send_key, kind, mark, grade, code, text, source, campaign_id::text AS campaign_id, "
    "profile_id, address, at FROM campaign.outcome WHERE workspace = :workspace "
    "AND (CAST(:kind AS text) IS NULL OR kind = :kind) "
    "AND (CAST(:campaign AS uuid) IS NULL OR campaign_id = CAST(:campaign AS uuid)) "
    "AND (CAST(:send_key AS text) IS NULL OR send_key = :send_key) "
    "AND (CAST(:at AS timestamptz) IS NULL OR (at, send_key, kind, mark) < "
    "(:at, :after_key, :after_kind, :after_mark)) "
    "ORDER BY at DESC, send_key DESC, kind DESC, mark DESC LIMIT :limit"
)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    kind: str | None = None,
    campaign_id: str | None = None,
    send_key: str | None = None,
    after: tuple[datetime, str, str, str] | None = None,
    limit: int,
) -> list[Row[Any]]:
    """The newest outcomes: those older than `after`."""
    at, key, its_kind, mark = after or (None, None, None, None)
    rows = await tx.execute(
        _LISTED,
        {
            "workspace": workspace,
            "kind": kind,
            "campaign": campaign_id,
            "send_key": send_key,
            "at": at,
            "after_key": key,
            "after_kind": its_kind,
            "after_mark": mark,
            "limit": limit,
        },
    )
    return list(rows.fetchall())
