"""The proof that after a fault nothing was lost and nothing doubled."""

import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tests.support import ledger
from tests.support.database import Database
from tests.support.stacks import last_words
from tests.support.traffic import Traffic
from tests.support.waiting import HANG_SECONDS, look_until
from tests.support.workspace import address

from rapport_local.ports import SERVICES
from rapport_local.stack import Stack

LARGEST_IN_FLIGHT = 32  # two lanes of sixteen mails each
STATES = ("planned", "sending", "sent", "failed", "suppressed", "uncertain")
USERS = """
    SELECT value FROM profile.identifier
    WHERE workspace = $1 AND kind = 'user_id' AND profile_id = ANY($2::uuid[])
"""


def breaches(traffic: Traffic, *, settle: float = HANG_SECONDS) -> list[str]:
    """Everything that is not as the crowd's history and the ledger's equations want it.

    Waits up to `settle` seconds for the flow to come to rest.
    """
    look_until(lambda: _all_settled(traffic), seconds=settle)
    _show_restarts(traffic.workspace.stack)
    broken = ledger.broken(traffic.workspace.stack, wait=settle)
    found = [f"ledger: {one.says}: {one.numbers}" for one in broken]
    with Database(traffic.workspace.stack) as database:
        found += _events(traffic, database)
        found += _people(traffic)
        found += _membership(traffic, database)
    return [*found, *_messages(traffic), *_mails(traffic), *_dead_letters(traffic)]


def _show_restarts(stack: Stack) -> None:
    """For who has to find out why a test failed: who was started again so far, and when last."""
    notice = stack.notice()
    for name, one in (notice.components if notice else {}).items():
        if one.restarts:
            print(f"{name}: started {one.restarts} times more, {time.time() - one.since:.0f} s ago")
    print(*last_words(stack.home), sep="\n")


def _all_settled(traffic: Traffic) -> bool:
    counts = traffic.workspace.counts(traffic.campaign)
    return counts["sent"] + counts["uncertain"] == len(traffic.crowd.members)


def _events(traffic: Traffic, database: Database) -> Iterator[str]:
    """Each id once in the inbox and once in the timeline, and no other."""
    for table in ("inbox", "timeline"):
        told = Counter(
            database.column(
                f"SELECT message_id FROM profile.{table} WHERE workspace = $1 AND source = 'till'",
                traffic.workspace.name,
            )
        )
        lost, strange = traffic.crowd.ids - told.keys(), told.keys() - traffic.crowd.ids
        doubled = _doubled(told)
        if lost or strange or doubled:
            yield f"{table}: {len(lost)} lost, {len(strange)} strange, {len(doubled)} doubled"


def _doubled(counts: Counter[str]) -> list[str]:
    return [one for one, count in counts.items() if count > 1]


def _people(traffic: Traffic) -> Iterator[str]:
    """The profiles' numbers; each mail sent comes back as an event."""
    stats = traffic.workspace.get("profile", "/v1/stats")
    sent = traffic.workspace.counts(traffic.campaign)["sent"]
    wanted = {
        "profiles": len(traffic.crowd.spent),
        "events": len(traffic.crowd.ids) + sent,
        "orders": sum("event" in one for one in _distinct(traffic).values()),
    }
    for name, number in wanted.items():
        if stats[name] != number:
            yield f"{name}: {stats[name]} instead of {number}"
    revenue = Decimal(stats["revenue"].get("USD", "0"))
    if revenue != traffic.crowd.revenue:
        yield f"revenue: {revenue} instead of {traffic.crowd.revenue}"


def _distinct(traffic: Traffic) -> dict[str, dict[str, object]]:
    return {event["messageId"]: event for event in traffic.crowd.events}


def _membership(traffic: Traffic, database: Database) -> Iterator[str]:
    path = f"/v1/segments/{traffic.segment}/members"
    shown = traffic.workspace.get("segment", path, limit=1000)["items"]
    ids = [one["id"] for one in shown]
    inside, wanted = (
        set(database.column(USERS, traffic.workspace.name, ids)),
        traffic.crowd.members,
    )
    if inside != wanted or len(ids) != len(wanted):
        yield (
            f"segment: {len(ids)} members instead of {len(wanted)}, "
            f"missing {wanted - inside}, strange {inside - wanted}"
        )


def _messages(traffic: Traffic) -> Iterator[str]:
    """One message for each member, each with an end; unclear only what a crash met in flight."""
    counts = traffic.workspace.counts(traffic.campaign)
    total = sum(counts.get(state, 0) for state in STATES)
    ended = counts["sent"] + counts["uncertain"]
    wanted = len(traffic.crowd.members)
    if (total, ended) != (wanted, wanted):
        yield f"messages: {counts} for {wanted} members"
    if counts["uncertain"] > LARGEST_IN_FLIGHT:
        yield f"messages: {counts['uncertain']} uncertain"


def _mails(traffic: Traffic) -> Iterator[str]:
    mails = traffic.workspace.fresh_mails()
    for header in ("X-Rapport-Send-Key", "To"):
        doubled = [
            one for one, count in Counter(str(m[header]) for m in mails).items() if count > 1
        ]
        if doubled:
            yield f"mails: {len(doubled)} doubled by {header}"
    strangers = {str(m["To"]) for m in mails} - {address(one) for one in traffic.crowd.members}
    if strangers:
        yield f"mails: to {strangers}, who should have none"
    counts = traffic.workspace.counts(traffic.campaign)
    if not counts["sent"] <= len(mails) <= counts["sent"] + counts["uncertain"]:
        yield f"mails: {len(mails)} in the mailbox, the ledger says {counts}"


def _dead_letters(traffic: Traffic) -> Iterator[str]:
    for service in SERVICES[1:]:
        letters = traffic.workspace.get(service, "/v1/dead-letters")["items"]
        for one in letters:
            yield f"{service}: dead letter {one['topic']}/{one['offset']}: {one['reason']}"
