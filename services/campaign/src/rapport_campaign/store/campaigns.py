"""Campaigns, and the policy of a workspace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import PROMOTION, Campaign
from rapport_campaign.domain.permission import PermissionPolicy
from rapport_campaign.domain.quiet_hours import Quiet

_COLUMNS = (
    "workspace, campaign_id::text AS campaign_id, name, segment_id, purpose, from_address, "
    "subject, html, text, allow_old_events, include_existing, state, created_at, started_at, "
    "archived_at, job, template_id::text AS template_id, template_version, "
    "languages, utm, coupon_pool, priority, channel, content::text AS content, "
    "CAST(quiet_hours AS text) AS quiet_hours, topic, topic_purpose, "
    "broadcast_id::text AS broadcast_id, joins_until, amp"
)
_quiet = msgspec.json.Decoder(Quiet)
_CREATE = text(
    "INSERT INTO campaign.campaign (workspace, campaign_id, name, segment_id, purpose, "
    "from_address, subject, html, text, allow_old_events, include_existing, state, created_at, "
    "started_at, archived_at, job, template_id, template_version, languages, utm, coupon_pool, "
    "priority, quiet_hours, topic, topic_purpose, channel, content, "
    "broadcast_id, joins_until, amp) "
    "VALUES (:workspace, :campaign_id, :name, :segment_id, :purpose, :from_address, "
    ":subject, :html, :text, :allow_old_events, :include_existing, :state, :created_at, "
    ":started_at, :archived_at, :job, :template_id, :template_version, :languages, "
    ":utm, :coupon_pool, :priority, CAST(:quiet_hours AS json), :topic, :topic_purpose, "
    ":channel, CAST(:content AS json), CAST(:broadcast_id AS uuid), :joins_until, :amp)"
)


async def create(tx: AsyncConnection, campaign: Campaign) -> None:
    """Write a new campaign."""
    await tx.execute(_CREATE, _written(campaign))


async def find(
    tx: AsyncConnection, workspace: str, campaign_id: str, *, lock: bool = False
) -> Campaign | None:
    """One campaign; with `lock` its state stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE workspace = :workspace "
            f"AND campaign_id = :campaign_id {'FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "campaign_id": campaign_id},
    )
    row = rows.first()
    return _campaign(row) if row else None


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Campaign]:
    """The newest campaigns of a workspace, those older than `after` (created_at, id)."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE workspace = :workspace "
            "AND (archived_at IS NOT NULL) = :archived AND broadcast_id IS NULL "
            "AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, campaign_id) < (:at, CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, campaign_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_campaign(row) for row in rows]


async def on_segments(
    tx: AsyncConnection, segments: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[Campaign]]:
    """The started campaigns on each (workspace, segment), and runs of broadcasts to it alone."""
    pairs = sorted(set(segments))
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE state IN ('running', 'paused') "
            "AND broadcast_id IS DISTINCT FROM campaign_id "
            "AND (workspace, segment_id) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:segments AS text[]))) ORDER BY campaign_id"
        ),
        {"workspaces": [one[0] for one in pairs], "segments": [one[1] for one in pairs]},
    )
    found: dict[tuple[str, str], list[Campaign]] = {}
    for row in rows:
        found.setdefault((row.workspace, row.segment_id), []).append(_campaign(row))
    return found


async def named(
    tx: AsyncConnection, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Campaign]:
    """The campaigns named by (workspace, id)."""
    return await _named(tx, keys, "")


async def hold(
    tx: AsyncConnection, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Campaign]:
    """The campaigns named by (workspace, id); none of them is paused before the commit."""
    return await _named(tx, keys, "ORDER BY workspace, campaign_id FOR SHARE")


async def _named(
    tx: AsyncConnection, keys: Iterable[tuple[str, str]], lock: str
) -> dict[tuple[str, str], Campaign]:
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE (workspace, campaign_id) IN "
            f"(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]))) {lock}"
        ),
        {"workspaces": [one[0] for one in wanted], "ids": [one[1] for one in wanted]},
    )
    return {(row.workspace, row.campaign_id): _campaign(row) for row in rows}


async def save(tx: AsyncConnection, campaign: Campaign) -> None:
    """Write a campaign (locked by `find`) as it is now."""
    await tx.execute(
        text(
            "UPDATE campaign.campaign SET name = :name, segment_id = :segment_id, "
            "purpose = :purpose, from_address = :from_address, subject = :subject, html = :html, "
            "text = :text, amp = :amp, allow_old_events = :allow_old_events, "
            "include_existing = :include_existing, state = :state, started_at = :started_at, "
            "archived_at = :archived_at, job = :job, template_id = :template_id, "
            "template_version = :template_version, languages = :languages, "
            "utm = :utm, coupon_pool = :coupon_pool, "
            "priority = :priority, quiet_hours = CAST(:quiet_hours AS json), topic = :topic, "
            "topic_purpose = :topic_purpose, channel = :channel, "
            "content = CAST(:content AS json) "
            "WHERE workspace = :workspace AND campaign_id = :campaign_id"
        ),
        _written(campaign),
    )


async def policies(tx: AsyncConnection, workspaces: Iterable[str]) -> dict[str, PermissionPolicy]:
    """The policy of each workspace that has one, with what its consent rules ask for."""
    rows = await tx.execute(
        text(
            "SELECT p.workspace, p.promotion_without_consent, p.unconfirmed_consent, "
            "coalesce(n.purposes, '{}') AS purposes FROM campaign.policy p "
            "LEFT JOIN campaign.consent_needs n USING (workspace) "
            "WHERE p.workspace = ANY(CAST(:workspaces AS text[]))"
        ),
        {"workspaces": sorted(set(workspaces))},
    )
    return {
        row.workspace: PermissionPolicy(
            row.promotion_without_consent,
            row.unconfirmed_consent,
            needs_a_yes=PROMOTION in row.purposes,
        )
        for row in rows
    }


async def keep_needs(
    tx: AsyncConnection, workspace: str, version: int, purposes: Sequence[str]
) -> None:
    """Keep for which purposes silence is no permission; the highest version holds."""
    await tx.execute(
        text(
            "INSERT INTO campaign.consent_needs AS n (workspace, version, purposes) "
            "VALUES (:workspace, :version, :purposes) ON CONFLICT (workspace) DO UPDATE "
            "SET version = excluded.version, purposes = excluded.purposes "
            "WHERE n.version < excluded.version"
        ),
        {"workspace": workspace, "version": version, "purposes": list(purposes)},
    )


async def change_policy(
    tx: AsyncConnection, workspace: str, given: Mapping[str, Any], by: str
) -> PermissionPolicy:
    """Change what is given of a workspace's policy, with who did it; the policy from now on."""
    standard = PermissionPolicy()
    rows = await tx.execute(
        text(
            "INSERT INTO campaign.policy AS p (workspace, promotion_without_consent, "
            "unconfirmed_consent, changed_at, changed_by) VALUES (:workspace, "
            "coalesce(CAST(:allowed AS boolean), :plainly), "
            "coalesce(CAST(:unconfirmed AS text), :doubtful), now(), :by) "
            "ON CONFLICT (workspace) DO UPDATE SET promotion_without_consent = "
            "coalesce(CAST(:allowed AS boolean), p.promotion_without_consent), "
            "unconfirmed_consent = coalesce(CAST(:unconfirmed AS text), p.unconfirmed_consent), "
            "changed_at = excluded.changed_at, changed_by = excluded.changed_by "
            "RETURNING promotion_without_consent, unconfirmed_consent"
        ),
        {
            "workspace": workspace,
            "allowed": given.get("promotion_without_consent"),
            "unconfirmed": given.get("unconfirmed_consent"),
            "plainly": standard.promotion_without_consent,
            "doubtful": standard.unconfirmed_consent,
            "by": by,
        },
    )
    return PermissionPolicy(*rows.one())


def _campaign(row: Row[Any]) -> Campaign:
    fields = row._asdict()
    quiet = fields["quiet_hours"]
    return Campaign(**{**fields, "quiet_hours": None if quiet is None else _quiet.decode(quiet)})


def _written(campaign: Campaign) -> dict[str, Any]:
    quiet = campaign.quiet_hours
    encoded = None if quiet is None else msgspec.json.encode(quiet).decode()
    return {**asdict(campaign), "quiet_hours": encoded}
