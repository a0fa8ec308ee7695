"""Campaigns, the policy of a workspace, and the ledger's rows as they are planned and shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import (
    ONLY_STEP,
    PROMOTION,
    STATES,
    Campaign,
    Content,
    NewMessage,
)
from rapport_campaign.domain.permission import PermissionPolicy
from rapport_campaign.domain.quiet_hours import Quiet
from rapport_common.events.contact import EMAIL_CHANNEL

_COLUMNS = (
    "workspace, campaign_id::text AS campaign_id, name, segment_id, purpose, from_address, "
    "subject, html, text, allow_old_events, include_existing, state, created_at, started_at, "
    "archived_at, job, priority, CAST(quiet_hours AS text) AS quiet_hours, topic, topic_purpose"
)
_quiet = msgspec.json.Decoder(Quiet)
_CREATE = text(
    "INSERT INTO campaign.campaign (workspace, campaign_id, name, segment_id, purpose, "
    "from_address, subject, html, text, allow_old_events, include_existing, state, created_at, "
    "started_at, archived_at, job, priority, quiet_hours, topic, topic_purpose) "
    "VALUES (:workspace, :campaign_id, :name, :segment_id, :purpose, :from_address, "
    ":subject, :html, :text, :allow_old_events, :include_existing, :state, :created_at, "
    ":started_at, :archived_at, :job, :priority, CAST(:quiet_hours AS json), :topic, "
    ":topic_purpose)"
)
_PLAN = text(
    "INSERT INTO campaign.message (workspace, send_key, kind, queue, purpose, campaign_id, "
    "occasion, step, channel, profile_id, needed_version, to_address, state, reason, traceparent, "
    "next_attempt_at, planned_at) "
    "SELECT workspace, send_key, kind, queue, purpose, campaign_id, occasion, :step, :channel, "
    "profile_id, needed_version, to_address, state, reason, traceparent, now(), now() "
    "FROM unnest(CAST(:workspaces AS text[]), CAST(:send_keys AS text[]), "
    "CAST(:kinds AS text[]), CAST(:queues AS text[]), CAST(:purposes AS text[]), "
    "CAST(:campaigns AS uuid[]), CAST(:occasions AS text[]), CAST(:profiles AS text[]), "
    "CAST(:versions AS bigint[]), CAST(:addresses AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:traces AS text[])) AS v(workspace, send_key, kind, queue, "
    "purpose, campaign_id, occasion, profile_id, needed_version, to_address, state, reason, "
    "traceparent) ORDER BY workspace, send_key ON CONFLICT DO NOTHING "
    "RETURNING workspace, send_key, state, reason"
)
_MESSAGES = text(
    "SELECT send_key, kind, profile_id, to_address, state, reason, attempt, planned_at, sent_at, "
    "opened_at, clicked_at FROM campaign.message WHERE workspace = :workspace "
    "AND campaign_id = :campaign_id AND (CAST(:state AS text) IS NULL OR state = :state) "
    "AND (CAST(:at AS timestamptz) IS NULL OR (planned_at, send_key) < (:at, :send_key)) "
    "ORDER BY planned_at DESC, send_key DESC LIMIT :limit"
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
            "AND (archived_at IS NOT NULL) = :archived AND (CAST(:at AS timestamptz) IS NULL "
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
    """The started campaigns on each (workspace, segment)."""
    pairs = sorted(set(segments))
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE state IN ('running', 'paused') "
            "AND (workspace, segment_id) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:segments AS text[]))) ORDER BY campaign_id"
        ),
        {"workspaces": [one[0] for one in pairs], "segments": [one[1] for one in pairs]},
    )
    found: dict[tuple[str, str], list[Campaign]] = {}
    for row in rows:
        found.setdefault((row.workspace, row.segment_id), []).append(_campaign(row))
    return found


async def hold(
    tx: AsyncConnection, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Campaign]:
    """The campaigns named by (workspace, id); none of them is paused before the commit."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.campaign WHERE (workspace, campaign_id) IN "
            "(SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]))) "
            "ORDER BY workspace, campaign_id FOR SHARE"
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
            "text = :text, allow_old_events = :allow_old_events, "
            "include_existing = :include_existing, state = :state, started_at = :started_at, "
            "archived_at = :archived_at, job = :job, priority = :priority, "
            "quiet_hours = CAST(:quiet_hours AS json), topic = :topic, "
            "topic_purpose = :topic_purpose "
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


async def plan(tx: AsyncConnection, messages: Sequence[NewMessage]) -> list[Row[Any]]:
    """Write the rows that are not there yet; (workspace, send_key, state, reason) of each new one.

    Who has a row for the same send, or for the same entry or request under whatever profile id,
    gets no second one.
    """
    if not messages:
        return []
    result = await tx.execute(
        _PLAN,
        {
            "step": ONLY_STEP,
            "channel": EMAIL_CHANNEL,
            "workspaces": [one.workspace for one in messages],
            "send_keys": [one.send_key for one in messages],
            "kinds": [one.kind for one in messages],
            "queues": [one.queue for one in messages],
            "purposes": [one.purpose for one in messages],
            "campaigns": [one.campaign_id for one in messages],
            "occasions": [one.occasion for one in messages],
            "profiles": [one.profile_id for one in messages],
            "versions": [one.needed_version for one in messages],
            "addresses": [one.to_address for one in messages],
            "states": [one.state for one in messages],
            "reasons": [one.reason for one in messages],
            "traces": [one.traceparent for one in messages],
        },
    )
    return list(result.fetchall())


async def add_content(tx: AsyncConnection, contents: Mapping[tuple[str, str], Content]) -> None:
    """Keep what transactional messages say, by (workspace, send key)."""
    if not contents:
        return
    said = list(contents.values())
    await tx.execute(
        text(
            "INSERT INTO campaign.content (workspace, send_key, subject, html, text, data) "
            "SELECT workspace, send_key, subject, html, body, data::json FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:keys AS text[]), CAST(:subjects AS text[]), "
            "CAST(:htmls AS text[]), CAST(:texts AS text[]), CAST(:datas AS text[])) "
            "AS v(workspace, send_key, subject, html, body, data) ON CONFLICT DO NOTHING"
        ),
        {
            "workspaces": [one[0] for one in contents],
            "keys": [one[1] for one in contents],
            "subjects": [one.subject for one in said],
            "htmls": [one.html for one in said],
            "texts": [one.text for one in said],
            "datas": [one.data.decode() for one in said],
        },
    )


async def counts(tx: AsyncConnection, workspace: str, campaign_id: str) -> dict[str, int]:
    """How many of a campaign's messages are in each state; test sends are not counted."""
    rows = await tx.execute(
        text(
            "SELECT state, count(*) AS n FROM campaign.message WHERE workspace = :workspace "
            "AND campaign_id = :campaign_id AND kind = 'entry' GROUP BY state"
        ),
        {"workspace": workspace, "campaign_id": campaign_id},
    )
    found = {row.state: row.n for row in rows}
    return {state: found.get(state, 0) for state in STATES}


async def totals(tx: AsyncConnection) -> dict[str, int]:
    """How many messages of all workspaces are in each state."""
    rows = await tx.execute(
        text("SELECT state, count(*) AS n FROM campaign.message GROUP BY state")
    )
    found = {row.state: row.n for row in rows}
    return {state: found.get(state, 0) for state in STATES}


async def messages(
    tx: AsyncConnection,
    workspace: str,
    campaign_id: str,
    *,
    state: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Row[Any]]:
    """The newest messages of a campaign, test sends included: those older than `after`."""
    result = await tx.execute(
        _MESSAGES,
        {
            "workspace": workspace,
            "campaign_id": campaign_id,
            "state": state,
            "at": after[0] if after else None,
            "send_key": after[1] if after else None,
            "limit": limit,
        },
    )
    return list(result.fetchall())


def _campaign(row: Row[Any]) -> Campaign:
    fields = row._asdict()
    quiet = fields["quiet_hours"]
    return Campaign(**{**fields, "quiet_hours": None if quiet is None else _quiet.decode(quiet)})


def _written(campaign: Campaign) -> dict[str, Any]:
    quiet = campaign.quiet_hours
    encoded = None if quiet is None else msgspec.json.encode(quiet).decode()
    return {**asdict(campaign), "quiet_hours": encoded}
