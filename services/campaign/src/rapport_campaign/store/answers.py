"""What dry runs have found of people, who has an address in one, and who is to be asked still."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

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
    f"AND a.outcome IN ('gets', 'waits') AND a.address = {_DIGEST.format('v.address')}"
)
_LISTED = text(
    "SELECT profile_id, outcome, reason, due_at FROM campaign.broadcast_answer "
    "WHERE workspace = :workspace AND job_id = :job AND profile_id > :after "
    "AND outcome <> 'asked' "
    "AND (CAST(:profile AS text) IS NULL OR profile_id = :profile) "
    "AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome) "
    "AND (CAST(:reason AS text) IS NULL OR reason = :reason) ORDER BY profile_id LIMIT :limit"
)
_COUNTS = text(
    "SELECT outcome, coalesce(reason, '') AS reason, count(*) AS number "
    "FROM campaign.broadcast_answer WHERE workspace = :workspace AND job_id = :job "
    "AND outcome <> 'asked' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
)
_KNOWN = text(
    "SELECT profile_id FROM campaign.broadcast_answer WHERE workspace = :workspace "
    f"AND job_id = :job AND profile_id = ANY({packed_texts('profiles')})"
)
_ASK = text(
    "INSERT INTO campaign.broadcast_answer (workspace, job_id, profile_id, outcome, due_at, "
    "late_at, place, needed_version) SELECT :workspace, :job, profile_id, 'asked', due_at, "
    f"late_at, place, needed_version FROM unnest({packed_texts('profiles')}, "
    "CAST(:dues AS timestamptz[]), "
    "CAST(:lates AS timestamptz[]), CAST(:places AS bigint[]), CAST(:versions AS bigint[])) "
    "AS v(profile_id, due_at, late_at, place, needed_version) ON CONFLICT DO NOTHING"
)
# In the order in which senders would claim them.
_NEXT = text(
    "SELECT profile_id, due_at, late_at, place, needed_version, gate, looks, waited_for "
    "FROM campaign.broadcast_answer WHERE workspace = :workspace AND job_id = :job "
    "AND outcome = 'asked' AND due_at >= coalesce(CAST(:since AS timestamptz), '-infinity') "
    "ORDER BY due_at, place LIMIT :limit"
)
_SETTLE = text(
    "UPDATE campaign.broadcast_answer a SET outcome = v.outcome, reason = nullif(v.reason, ''), "
    f"due_at = v.due_at, address = CASE WHEN v.address <> '' THEN {_DIGEST.format('v.address')} "
    f"END FROM unnest({packed_texts('profiles')}, {packed_texts('outcomes')}, "
    f"{packed_texts('reasons')}, CAST(:dues AS timestamptz[]), {packed_texts('addresses')}) "
    "AS v(profile_id, outcome, reason, due_at, address) WHERE a.workspace = :workspace "
    "AND a.job_id = :job AND a.profile_id = v.profile_id"
)
_LATER = text(
    "UPDATE campaign.broadcast_answer a SET due_at = v.due_at, gate = v.gate, "
    "looks = a.looks + 1, waited_for = nullif(v.waited_for, '') "
    f"FROM unnest({packed_texts('profiles')}, CAST(:dues AS timestamptz[]), "
    f"CAST(:gates AS smallint[]), {packed_texts('reasons')}) "
    "AS v(profile_id, due_at, gate, waited_for) WHERE a.workspace = :workspace "
    "AND a.job_id = :job AND a.profile_id = v.profile_id"
)
_FORGET = text(
    "DELETE FROM campaign.broadcast_answer a USING campaign.erased e "
    "WHERE a.workspace = :workspace AND a.job_id = :job "
    "AND e.workspace = a.workspace AND e.subject = a.profile_id"
)

OUTCOMES = ("gets", "waits", "never", "fails")


class Answer(NamedTuple):
    """What would become of the message to somebody; `address`: where it would go."""

    profile_id: str
    outcome: str
    reason: str | None
    due_at: datetime
    address: str = ""


class Asked(NamedTuple):
    """Somebody whose message is due then, at a place in the order; has passed so many gates.

    `looks`: how often it was put off. `waited_for`: what it has waited for, but for its turn.
    """

    profile_id: str
    due_at: datetime
    late_at: datetime
    place: int
    needed_version: int
    gate: int = 0
    looks: int = 0
    waited_for: str | None = None


async def ask(tx: AsyncConnection, workspace: str, job_id: str, asked: Sequence[Asked]) -> None:
    """Note of whom is to be asked; of whom something is kept already that stays."""
    if not asked:
        return
    await tx.execute(
        _ASK,
        {
            "workspace": workspace,
            "job": job_id,
            "profiles": pack_texts([one.profile_id for one in asked]),
            "dues": [one.due_at for one in asked],
            "lates": [one.late_at for one in asked],
            "places": [one.place for one in asked],
            "versions": [one.needed_version for one in asked],
        },
    )


async def following(
    tx: AsyncConnection, workspace: str, job_id: str, *, since: datetime | None, limit: int
) -> list[Asked]:
    """Who is to be asked next, in the order of the plan; nobody is left that is due before `since`:
    what they left in the index is passed over.
    """
    asked = {"workspace": workspace, "job": job_id, "since": since, "limit": limit}
    rows = await tx.execute(_NEXT, asked)
    return [Asked(*row) for row in rows]


async def settle(
    tx: AsyncConnection, workspace: str, job_id: str, answers: Sequence[Answer]
) -> None:
    """Keep what was found of those who were to be asked."""
    if answers:
        await tx.execute(_SETTLE, _found(workspace, job_id, answers))


async def put_off(tx: AsyncConnection, workspace: str, job_id: str, later: Sequence[Asked]) -> None:
    """Let them be asked again when it is due then."""
    if not later:
        return
    await tx.execute(
        _LATER,
        {
            "workspace": workspace,
            "job": job_id,
            "profiles": pack_texts([one.profile_id for one in later]),
            "dues": [one.due_at for one in later],
            "gates": [one.gate for one in later],
            "reasons": pack_texts([one.waited_for or "" for one in later]),
        },
    )


async def add(tx: AsyncConnection, workspace: str, job_id: str, answers: Sequence[Answer]) -> None:
    """Keep what was found; of whom something is kept already that stays."""
    if answers:
        await tx.execute(_ADD, _found(workspace, job_id, answers))


def _found(workspace: str, job_id: str, answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "job": job_id,
        "profiles": pack_texts([one.profile_id for one in answers]),
        "outcomes": pack_texts([one.outcome for one in answers]),
        "reasons": pack_texts([one.reason or "" for one in answers]),
        "dues": [one.due_at for one in answers],
        "addresses": pack_texts([one.address for one in answers]),
    }


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
    found: dict[str, dict[str, int]] = {one: {} for one in OUTCOMES}
    for row in await tx.execute(_COUNTS, {"workspace": workspace, "job": job_id}):
        found[row.outcome][row.reason] = row.number
    return found
