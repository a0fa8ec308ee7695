"""What a campaign knows of its segment, and says where there is none."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from rapport_campaign.domain.model import Campaign, Entry
from rapport_campaign.domain.planning import plan_entry
from rapport_campaign.domain.segments import Segment, idle_reason, nearest, refusal
from rapport_common import clock

SEGMENT = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


def known(name: str, number: int = 1, **more: Any) -> Segment:
    fields = {"version": 1, "active": True, "changed_at": clock.now(), **more}
    return Segment("acme", str(uuid.UUID(int=number)), name=name, **fields)


def test_the_nearest_are_those_with_a_like_name_or_id() -> None:
    segments = [known(name, n) for n, name in enumerate(("Big spenders", "New", "Lapsed", "VIP"))]
    assert nearest("big-spenders", segments)[0].name == "Big spenders"
    assert nearest(segments[2].segment_id, segments)[0].name == "Lapsed"
    assert [one.name for one in nearest("?", segments)] == ["Big spenders", "New", "Lapsed"]
    assert nearest("x", []) == []
    assert len({one.segment_id for one in nearest("vip", segments * 2)}) == 1


def test_a_campaign_says_why_nobody_comes() -> None:
    archived = known("VIP", active=False, archived_at=clock.now())
    for segment, word in ((None, "no segment"), (archived, "is archived"), (known("VIP"), None)):
        told = idle_reason("running", SEGMENT, segment)
        assert (word is None and told is None) or (word or "") in (told or "")
        assert idle_reason("archived", SEGMENT, segment) is None
    assert "not active" in str(idle_reason("draft", SEGMENT, known("VIP", active=False)))


def test_a_refusal_says_what_is_wrong_and_what_there_is() -> None:
    living, archived = known("VIP"), known("Old", 2, archived_at=clock.now())
    assert refusal(living.segment_id, living, [living]) is None
    wrong = refusal("vip", None, [living])
    assert wrong is not None
    assert "no segment 'vip'" in wrong
    assert f"'VIP' ({living.segment_id})" in wrong
    assert "'Old'" in str(refusal(archived.segment_id, archived, [living]))
    assert "rapport segment create" in str(refusal("vip", None, []))


@pytest.mark.parametrize(("at", "counts"), [(-1, True), (0, False), (1, False)])
def test_an_entry_after_the_segments_end_calls_for_nothing(*, at: int, counts: bool) -> None:
    end = clock.now()
    campaign = Campaign(
        workspace="acme",
        campaign_id=OTHER,
        name="n",
        segment_id=SEGMENT,
        purpose="promotion",
        from_address="a@shop.example",
        subject="s",
        html="h",
        text=None,
        allow_old_events=False,
        include_existing=False,
        state="running",
        created_at=end - timedelta(days=1),
        started_at=end - timedelta(days=1),
    )
    entry = Entry("acme", SEGMENT, "p1", "e1", 1, "event", end + timedelta(seconds=at))
    planned = plan_entry(campaign, entry, profile_id="p1", now=end, closed_at=end)
    assert (planned is not None) == counts
