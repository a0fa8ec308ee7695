"""What a run plans for whom, what is too late, and who of those told of late is meant: pure."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter
from typing_extensions import override

from rapport_campaign.api.broadcast_bodies import AudienceBody, KeptSchedule
from rapport_campaign.domain.broadcasts import (
    PAST,
    TOO_LATE,
    Audience,
    Broadcast,
    Member,
    Run,
    in_time,
    missed,
    plan_member,
)
from rapport_campaign.domain.model import Campaign, Claimed, Entry
from rapport_campaign.domain.permission import Send, Suppress, Verdict, Wait
from rapport_campaign.domain.planning import BEFORE_BACKUP, plan_entry
from rapport_campaign.domain.schedules import Now, Recurring, following
from rapport_campaign.domain.throttles import Throttle
from rapport_campaign.handlers.segments import Arrivals

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, MICRO = timedelta(seconds=1), timedelta(microseconds=1)
HOUR = timedelta(hours=1)
BROADCAST = Broadcast(
    workspace="acme",
    broadcast_id="b",
    state="sending",
    audience=Audience(any=("s",)),
    schedule=Now(),
    throttle=None,
    lateness=HOUR,
    joins_until=None,
    created_at=NOON,
    edited_by="ada",
)
RUN = Run("acme", "r", "b", number=1, at=NOON, began_at=NOON + SECOND, state="planning")
CAMPAIGN = Campaign(
    workspace="acme",
    campaign_id="r",
    broadcast_id="b",
    name="n",
    segment_id="s",
    purpose="promotion",
    from_address="f",
    subject="s",
    html="h",
    text=None,
    allow_old_events=True,
    include_existing=False,
    state="running",
    created_at=NOON,
    started_at=NOON,
)


def planned(slot: int = 0, due: datetime | None = NOON, **more: Any) -> Any:
    broadcast = replace(BROADCAST, **more.pop("of", {}))
    given = {"slot": slot, "broadcast": broadcast, "run": RUN, **more}
    return plan_member(CAMPAIGN, Member("p", 7), due, **given)


def test_each_has_a_place_in_the_order_and_a_time_behind_which_it_is_too_late() -> None:
    first, third = planned(0), planned(2)
    assert (first.due_at, third.due_at) == (NOON, NOON + 2 * MICRO)
    assert third.late_at == NOON + 2 * MICRO + HOUR
    assert (first.occasion, first.profile_id, first.needed_version) == ("p", "p", 7)
    assert (first.state, first.reason) == ("planned", None)
    # A throttled one has longer, by as much as those before it take.
    slow = planned(2, of={"throttle": Throttle(1)})
    assert slow.late_at == NOON + 2 * MICRO + HOUR + 2 * timedelta(seconds=61)


def test_whose_time_is_over_gets_nothing_and_of_before_a_backup_nobody_knows() -> None:
    over = planned(due=None)
    assert (over.state, over.reason) == ("suppressed", PAST)
    lost = planned(restored_at=NOON + HOUR)
    assert (lost.state, lost.reason) == ("uncertain", BEFORE_BACKUP)


@pytest.mark.parametrize(
    ("now", "restored_at", "why"),
    [
        (NOON + HOUR, None, None),
        (NOON + HOUR + SECOND, None, TOO_LATE),
        (NOON + SECOND, NOON + SECOND, BEFORE_BACKUP),
        (NOON + SECOND, NOON, None),
    ],
)
def test_what_is_not_begun(now: datetime, restored_at: datetime | None, why: str | None) -> None:
    assert missed(BROADCAST, NOON, now, restored_at) == why


@pytest.mark.parametrize(
    ("at", "until", "cause", "is_meant"),
    [
        (NOON, None, "event", True),
        (NOON - HOUR, None, "definition", True),
        (NOON + SECOND, None, "event", False),
        (NOON + SECOND, NOON + HOUR, "event", True),
        (NOON + HOUR, NOON + HOUR, "event", False),
        (NOON, NOON + HOUR, "merge", False),
    ],
)
def test_of_those_told_of_later_who_was_there_or_is_let_in(
    at: datetime, until: datetime | None, cause: Any, *, is_meant: bool
) -> None:
    entry = Entry("acme", "s", "p", "e", 3, cause, at)
    campaign = replace(CAMPAIGN, joins_until=until)
    found = plan_entry(campaign, entry, profile_id="p", now=NOON + HOUR)
    assert (found is not None) is is_meant
    if found is not None:
        assert (found.occasion, found.state) == ("p", "planned")
    draft = replace(campaign, started_at=None)
    assert plan_entry(draft, entry, profile_id="p", now=NOON) is None
    lost = plan_entry(campaign, entry, profile_id="q", now=NOON, restored_at=NOON + SECOND)
    assert lost is None or lost.state == "uncertain"


@pytest.mark.parametrize(
    ("late_at", "verdict", "after"),
    [
        (None, Send("a@b.c"), Send("a@b.c")),
        (NOON, Send("a@b.c"), Send("a@b.c")),
        (NOON - SECOND, Send("a@b.c"), Suppress(TOO_LATE)),
        (NOON - SECOND, Suppress("no consent"), Suppress("no consent")),
        (NOON, Wait("profile unknown"), Wait("profile unknown")),
        (NOON - SECOND, Wait("profile unknown"), Suppress(TOO_LATE)),
        (NOON + HOUR, Wait("quiet", None, NOON + HOUR), Wait("quiet", None, NOON + HOUR)),
        (NOON + HOUR, Wait("quiet", None, NOON + HOUR + SECOND), Suppress(TOO_LATE)),
    ],
)
def test_nothing_is_sent_behind_its_time(
    late_at: datetime | None, verdict: Verdict, after: Verdict
) -> None:
    claimed = Claimed(
        workspace="acme",
        send_key="k",
        kind="entry",
        purpose="promotion",
        campaign_id="r",
        occasion="p",
        profile_id="p",
        needed_version=0,
        to_address=None,
        attempt=0,
        waits=0,
        traceparent=None,
        waited=timedelta(0),
        late_at=late_at,
    )
    verdicts = {"k": verdict}
    in_time([claimed], verdicts, NOON)
    assert verdicts == {"k": after}


class Endless(Arrivals):
    """Waits for segments that never come."""

    def __init__(self) -> None:
        nothing: Any = None
        super().__init__(nothing, "", 0.01)
        self.asked: list[str] = []

    @override
    async def wait_for(self, workspace: str, segment_id: str) -> None:
        self.asked.append(segment_id)
        await asyncio.Event().wait()


async def test_sixty_segments_are_waited_for_no_longer_than_one() -> None:
    arrivals = Endless()
    await arrivals.wait_for_all("acme", map(str, range(60)))
    assert arrivals.asked == ["0"]


def test_a_segment_is_gone_through_once_however_often_it_is_named() -> None:
    body = AudienceBody.model_validate({"any": ["a", "b", "a"], "except": ["c", "c"]})
    assert body.audience() == Audience(any=("a", "b"), excluded=("c",))


def test_a_schedule_in_a_zone_that_is_given_up_has_no_other_occurrence() -> None:
    """And is shown as it is: one of them is not to break the list of all."""
    kept = Recurring("0 9 * * *", "Atlantis/Poseidonis")
    assert following(kept, datetime(2026, 1, 1, tzinfo=UTC)) is None
    said = msgspec.to_builtins(kept)
    assert TypeAdapter[Any](KeptSchedule).validate_python(said).timezone == kept.timezone
