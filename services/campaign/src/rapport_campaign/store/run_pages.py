"""Pages of an audience, planned for a run of a broadcast where they stand.

What `handlers.broadcast_work` does with each person in Python, for those of whom there is nothing
to decide: they have one id and one stay, and all get it at one instant. A page with anybody else
in it is left to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.broadcasts import Broadcast, Run
from rapport_campaign.domain.model import ONLY_STEP, Campaign, around_occasion
from rapport_campaign.store.audiences import STAYS
from rapport_campaign.store.moves import FIXED

_MICRO = timedelta(microseconds=1)

# The slot of each is as if they were taken one after the other: those who have a message, as a
# newcomer or by another segment, have none. Whether anybody is odd is one look for all.
_PLAN = text(
    f"WITH page AS MATERIALIZED ({STAYS}), "
    "odd AS MATERIALIZED (SELECT EXISTS (SELECT FROM page WHERE "
    "EXISTS (SELECT FROM campaign.person AS p WHERE p.workspace = :workspace "
    "AND p.profile_id = page.profile_id AND p.heir IS NOT NULL) "
    "OR EXISTS (SELECT FROM campaign.person AS p WHERE p.workspace = :workspace "
    "AND p.heir = page.profile_id)) "
    "OR (SELECT count(*) > count(DISTINCT profile_id) FROM page) AS is_odd), "
    "keyed AS (SELECT *, encode(sha256(convert_to(CAST(:key_begins AS text) "
    "|| length(profile_id) || ':' || profile_id || :key_ends, 'UTF8')), 'hex') AS send_key "
    "FROM page WHERE NOT (SELECT is_odd FROM odd)), "
    "v AS MATERIALIZED (SELECT CAST(:workspace AS text) AS workspace, send_key, "
    "now() AS planned_at, 'entry' AS kind, CAST(:purpose AS text) AS purpose, "
    "CAST(:run AS uuid) AS campaign_id, profile_id AS occasion, CAST(:step AS text) AS step, "
    "CAST(:channel AS text) AS channel, profile_id, CAST(NULL AS text) AS traceparent, "
    "profile_version, :slots - 1 + row_number() OVER (ORDER BY entry_id) AS slot "
    "FROM keyed WHERE NOT EXISTS (SELECT FROM campaign.send AS s "
    "WHERE s.workspace = :workspace AND s.send_key = keyed.send_key)), "
    "new AS (INSERT INTO campaign.send (workspace, send_key, planned_at) "
    "SELECT workspace, send_key, planned_at FROM v ORDER BY send_key "
    "ON CONFLICT DO NOTHING RETURNING workspace, send_key), "
    f"due AS (INSERT INTO campaign.plan ({FIXED}, queue, needed_version, due_at, late_at) "
    f"SELECT {FIXED}, campaign_id::text, profile_version, "
    "date_trunc('second', CAST(:run_at AS timestamptz)) + slot * CAST(:apart AS interval), "
    "CAST(:late AS timestamptz) + slot * CAST(:later AS interval) "
    "FROM v JOIN new USING (workspace, send_key)) "
    "SELECT (SELECT count(*) FROM page) AS rows, (SELECT max(entry_id) FROM page) AS last, "
    "(SELECT is_odd FROM odd) AS is_odd, (SELECT count(*) FROM v) AS slots, "
    "(SELECT count(*) FROM new) AS planned"
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A page: how many stays it had, where it ends, how many places were given away, how many
    messages are new. `is_odd`: nothing of it was planned.
    """

    rows: int
    last: str | None
    is_odd: bool
    slots: int
    planned: int


async def plan(
    tx: AsyncConnection,
    campaign: Campaign,
    broadcast: Broadcast,
    run: Run,
    page: Mapping[str, Any],
) -> Planned:
    """Plan a run for a page of stays; `page` says which, as `audiences.stays` has it."""
    begins, ends = around_occasion(run.workspace, run.run_id)
    throttle = broadcast.throttle
    held = timedelta(0) if throttle is None else throttle.interval * _MICRO
    row = await tx.execute(
        _PLAN,
        {
            **page,
            "run": run.run_id,
            "purpose": campaign.purpose,
            "channel": campaign.channel,
            "step": ONLY_STEP,
            "key_begins": begins,
            "key_ends": ends,
            "slots": run.slots,
            "run_at": run.at,
            "apart": _MICRO,
            "late": run.at + broadcast.lateness,
            "later": _MICRO + held,
        },
    )
    return Planned(**row.mappings().one())
