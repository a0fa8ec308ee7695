"""What dry runs have found of people, and who has an address in one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts

# What is kept of an address in normal form to know it again.
_DIGEST = "substring(sha256(convert_to({0}, 'UTF8')) FOR 16)"
_ADD = text(
    "INSERT INTO campaign.broadcast_answer (workspace, job_id, profile_id, outcome, reason, "
    "due_at, address) SELECT :workspace, :job, profile_id, outcome, nullif(reason, ''), due_at, "
    f"CASE WHEN address <> '' THEN {_DIGEST.format('address')} END FROM unnest("
    f"{packed_texts('profiles')}, {packed_texts('outcomes')}, {packed_texts('reasons')}, "
    f"CAST(:dues AS timestamptz[]), {packed_texts('addresses')}) "
    "AS v(profile_id, outcome, reason, due_at, address) ON CONFLICT DO NOTHING"
)
_OWNERS = text(
    f"SELECT v.address, a.profile_id FROM unnest({packed_texts('addresses')}) AS v(address) "
    "JOIN campaign.broadcast_answer a ON a.workspace = :workspace AND a.job_id = :job "
    f"AND a.outcome = 'gets' AND a.address = {_DIGEST.format('v.address')}"
)
_LISTED = text(
    "SELECT profile_id, outcome, reason, due_at FROM campaign.broadcast_answer "
    "WHERE workspace = :workspace AND job_id = :job AND profile_id > :after "
    "AND (CAST(:profile AS text) IS NULL OR profile_id = :profile) "
    "AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome) "
    "AND (CAST(:reason AS text) IS NULL OR reason = :reason) ORDER BY profile_id LIMIT :limit"
)
_COUNTS = text(
    "SELECT outcome, coalesce(reason, '') AS reason, count(*) AS number "
    "FROM campaign.broadcast_answer WHERE workspace = :workspace AND job_id = :job "
    "GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
)
_KNOWN = text(
    "SELECT profile_id FROM campaign.broadcast_answer WHERE workspace = :workspace "
    f"AND job_id = :job AND profile_id = ANY({packed_texts('profiles')})"
)
_FORGET = text(
    "DELETE FROM campaign.broadcast_answer a USING campaign.erased e "
    "WHERE a.workspace = :workspace AND a.job_id = :job "
    "AND e.workspace = a.workspace AND e.subject = a.profile_id"
)


class Answer(NamedTuple):
    """What would become of the message to somebody; `address`: where it would go."""

    profile_id: str
    outcome: str
    reason: str | None
    due_at: datetime
    address: str = ""


async def add(tx: AsyncConnection, workspace: str, job_id: str, answers: Sequence[Answer]) -> None:
    """Keep what was found; of whom something is kept already that stays."""
    if not answers:
        return
    await tx.execute(
        _ADD,
        {
            "workspace": workspace,
            "job": job_id,
            "profiles": pack_texts([one.profile_id for one in answers]),
            "outcomes": pack_texts([one.outcome for one in answers]),
            "reasons": pack_texts([one.reason or "" for one in answers]),
            "dues": [one.due_at for one in answers],
            "addresses": pack_texts([one.address for one in answers]),
        },
    )


async def forget(tx: AsyncConnection, workspace: str, job_id: str) -> None:
    """Nothing is kept of people who were erased while they were asked about."""
    await tx.execute(_FORGET, {"workspace": workspace, "job": job_id})


async def known(
    tx: AsyncConnection, workspace: str, job_id: str, profiles: Iterable[str]
) -> set[str]:
    """Of whom something was found already."""
    asked = {"workspace": workspace, "job": job_id, "profiles": pack_texts(sorted(profiles))}
    return set((await tx.execute(_KNOWN, asked)).scalars())


async def owners(
    tx: AsyncConnection, workspace: str, job_id: str, addresses: Iterable[str]
) -> dict[str, str]:
    """By address: who would get the message there."""
    wanted = sorted(set(addresses))
    if not wanted:
        return {}
    asked = {"workspace": workspace, "job": job_id, "addresses": pack_texts(wanted)}
    return {row.address: row.profile_id for row in await tx.execute(_OWNERS, asked)}


async def listed(
    tx: AsyncConnection,
    workspace: str,
    job_id: str,
    *,
    profile_id: str | None,
    outcome: str | None,
    reason: str | None,
    after: str,
    limit: int,
) -> list[Answer]:
    """What was found of people, by their ids: those behind `after`."""
    rows = await tx.execute(
        _LISTED,
        {
            "workspace": workspace,
            "job": job_id,
            "profile": profile_id,
            "outcome": outcome,
            "reason": reason,
            "after": after,
            "limit": limit,
        },
    )
    return [Answer(*row) for row in rows]


async def counts(tx: AsyncConnection, workspace: str, job_id: str) -> dict[str, dict[str, int]]:
    """By outcome and reason ("" for none): of how many people it was found."""
    found: dict[str, dict[str, int]] = {"gets": {}, "waits": {}, "never": {}}
    for row in await tx.execute(_COUNTS, {"workspace": workspace, "job": job_id}):
        found[row.outcome][row.reason] = row.number
    return found
