"""Templates and their versions; which campaigns say what they say; what messages were made in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import MessageKey
from rapport_campaign.domain.templates import (
    Compiled,
    Source,
    Template,
    Variable,
    Version,
    kept_languages,
)

_COLUMNS = "workspace, template_id::text AS template_id, name, version, created_at, archived_at"
_VERSION = (
    "workspace, template_id::text AS template_id, version, source::text AS source, "
    "compiled::text AS compiled, uses::text AS uses, variables::text AS variables, created_at, "
    "created_by, reason"
)
_OF = "workspace = :workspace AND template_id = :template_id"
_variables = msgspec.json.Decoder(list[Variable])


async def create(tx: AsyncConnection, made: Template) -> None:
    """Write a new template; its first version comes by `add_version`."""
    await tx.execute(
        text(
            "INSERT INTO campaign.template (workspace, template_id, name, version, created_at) "
            "VALUES (:workspace, :template_id, :name, :version, :created_at)"
        ),
        asdict(made),
    )


async def find(
    tx: AsyncConnection, workspace: str, template_id: str, *, lock: bool = False
) -> Template | None:
    """One template; with `lock` it stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.template WHERE {_OF}"
            f"{' FOR NO KEY UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "template_id": template_id},
    )
    row = rows.first()
    return Template(*row) if row else None


async def listed(
    tx: AsyncConnection,
    workspace: str,
    *,
    archived: bool,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Template]:
    """The newest templates of a workspace, those older than `after` (created_at, id)."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.template WHERE workspace = :workspace "
            "AND (archived_at IS NOT NULL) = :archived AND (CAST(:at AS timestamptz) IS NULL "
            "OR (created_at, template_id) < (:at, CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, template_id DESC LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "archived": archived,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [Template(*row) for row in rows]


async def save(tx: AsyncConnection, one: Template) -> None:
    """Write a template (locked by `find`) as it is now."""
    await tx.execute(
        text(
            "UPDATE campaign.template SET name = :name, version = :version, "
            f"archived_at = :archived_at WHERE {_OF}"
        ),
        asdict(one),
    )


async def add_version(tx: AsyncConnection, one: Version) -> None:
    """Write a new version."""
    await tx.execute(
        text(
            "INSERT INTO campaign.template_version (workspace, template_id, version, source, "
            "compiled, uses, variables, created_at, created_by, reason) VALUES (:workspace, "
            ":template_id, :version, CAST(:source AS json), CAST(:compiled AS json), "
            "CAST(:uses AS json), CAST(:variables AS json), :created_at, :created_by, :reason)"
        ),
        {
            "workspace": one.workspace,
            "template_id": one.template_id,
            "version": one.version,
            "source": _json(one.source),
            "compiled": _json(one.compiled),
            "uses": _json(dict(one.uses)),
            "variables": _json(one.variables),
            "created_at": one.created_at,
            "created_by": one.created_by,
            "reason": one.reason,
        },
    )


async def version(
    tx: AsyncConnection, workspace: str, template_id: str, number: int
) -> Version | None:
    """One version of a template."""
    rows = await tx.execute(
        text(
            f"SELECT {_VERSION} FROM campaign.template_version WHERE {_OF} AND version = :version"
        ),
        {"workspace": workspace, "template_id": template_id, "version": number},
    )
    row = rows.first()
    return _version(row) if row else None


async def versions(
    tx: AsyncConnection, workspace: str, template_id: str, *, before: int | None, limit: int
) -> list[Version]:
    """The versions of a template older than `before`, the newest first."""
    rows = await tx.execute(
        text(
            f"SELECT {_VERSION} FROM campaign.template_version WHERE {_OF} "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "template_id": template_id, "before": before, "limit": limit},
    )
    return [_version(row) for row in rows]


async def using(tx: AsyncConnection, workspace: str, snippet: str, limit: int) -> list[Template]:
    """The living templates whose newest version has a snippet in it."""
    rows = await tx.execute(
        text(
            "SELECT t.workspace, t.template_id::text, t.name, t.version, t.created_at, "
            "t.archived_at FROM campaign.template t JOIN campaign.template_version v "
            "ON v.workspace = t.workspace AND v.template_id = t.template_id "
            "AND v.version = t.version WHERE t.workspace = :workspace AND t.archived_at IS NULL "
            "AND v.uses::jsonb ? CAST(:snippet AS text) ORDER BY t.created_at, t.template_id "
            "LIMIT :limit"
        ),
        {"workspace": workspace, "snippet": snippet, "limit": limit},
    )
    return [Template(*row) for row in rows]


async def campaigns_of(
    tx: AsyncConnection, workspace: str, templates: Sequence[str], limit: int
) -> list[Row[Any]]:
    """The living campaigns that say what these templates say: (template_id, id, name, state,
    template_version) of each.
    """
    rows = await tx.execute(
        text(
            "SELECT template_id::text AS template_id, campaign_id::text AS id, name, state, "
            "template_version FROM campaign.campaign WHERE workspace = :workspace "
            "AND template_id = ANY(CAST(:templates AS uuid[])) AND archived_at IS NULL "
            "ORDER BY created_at, campaign_id LIMIT :limit"
        ),
        {"workspace": workspace, "templates": list(templates), "limit": limit},
    )
    return list(rows.fetchall())


async def bring_drafts(
    tx: AsyncConnection, workspace: str, template_id: str, number: int, compiled: Compiled
) -> None:
    """Let the drafts on a template say what its newest version says."""
    await tx.execute(
        text(
            "UPDATE campaign.campaign SET template_version = :version, subject = :subject, "
            "html = :html, text = :text, amp = :amp, languages = :languages "
            f"WHERE {_OF} AND state = 'draft'"
        ),
        {
            "workspace": workspace,
            "template_id": template_id,
            "version": number,
            "subject": compiled.own.subject,
            "html": compiled.own.html,
            "text": compiled.own.text,
            "amp": compiled.own.amp,
            "languages": kept_languages(compiled),
        },
    )


async def policy_languages(tx: AsyncConnection, workspaces: Iterable[str]) -> dict[str, str]:
    """The language of each workspace that has said one: that of people who have told none."""
    rows = await tx.execute(
        text(
            "SELECT workspace, language FROM campaign.policy WHERE language IS NOT NULL "
            "AND workspace = ANY(CAST(:workspaces AS text[]))"
        ),
        {"workspaces": sorted(set(workspaces))},
    )
    return {row.workspace: row.language for row in rows}


async def change_language(tx: AsyncConnection, workspace: str, language: str) -> None:
    """Let a workspace that has a policy have a language."""
    await tx.execute(
        text("UPDATE campaign.policy SET language = :language WHERE workspace = :workspace"),
        {"workspace": workspace, "language": language},
    )


async def note_languages(tx: AsyncConnection, made_in: Mapping[MessageKey, str]) -> None:
    """Keep in which language messages are made; one that is tried again may be in another."""
    if not made_in:
        return
    keys = sorted(made_in)
    await tx.execute(
        text(
            "INSERT INTO campaign.message_language (workspace, send_key, language) "
            "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:keys AS text[]), "
            "CAST(:languages AS text[])) ON CONFLICT (workspace, send_key) DO UPDATE "
            "SET language = excluded.language"
        ),
        {
            "workspaces": [one[0] for one in keys],
            "keys": [one[1] for one in keys],
            "languages": [made_in[one] for one in keys],
        },
    )


async def languages(
    tx: AsyncConnection, workspace: str, send_keys: Sequence[str]
) -> dict[str, str]:
    """In which language each of these messages was made, where that was noted."""
    rows = await tx.execute(
        text(
            "SELECT send_key, language FROM campaign.message_language "
            "WHERE workspace = :workspace AND send_key = ANY(CAST(:keys AS text[]))"
        ),
        {"workspace": workspace, "keys": list(send_keys)},
    )
    return {row.send_key: row.language for row in rows}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _version(row: Row[Any]) -> Version:
    return Version(
        workspace=row.workspace,
        template_id=row.template_id,
        version=row.version,
        source=msgspec.json.decode(row.source, type=Source),
        compiled=msgspec.json.decode(row.compiled, type=Compiled),
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        uses=msgspec.json.decode(row.uses, type=dict[str, int]),
        variables=tuple(_variables.decode(row.variables)),
    )
