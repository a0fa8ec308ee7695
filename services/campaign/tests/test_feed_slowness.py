"""Whether a feed is waited for: one that was slow the last time holds up no batch."""

from asyncio import Task
from datetime import UTC, datetime
from typing import cast

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.domain.feeds import Feed, Spec
from rapport_campaign.handlers.feed_asking import Asker, FeedError, Fetched
from rapport_campaign.handlers.feed_questions import Question
from rapport_campaign.handlers.feeding import Feeds


class _LateNo:
    """Stands for a feed that says no after four seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    async def ask(self, feed: Feed, url: str) -> Fetched:
        self.now += 4.0
        raise FeedError(f"{feed.name} answered 404", passing=False)


async def test_feed_that_says_no_late_is_known_as_slow() -> None:
    spec = Spec(address="https://feeds.example.com/a", kind="person")
    feed = Feed("w", "weather", 1, spec, datetime(2026, 1, 1, tzinfo=UTC), "ann")
    late = _LateNo()
    feeds = Feeds(cast("AsyncEngine", None), cast("Asker", late), seconds=lambda: late.now)
    await feeds._ask(Question(("w", "weather", 1, "k"), feed, spec.address, ("w", "p")))
    assert feeds._standing(feed).seconds == 4.0


async def test_what_failed_long_ago_ends_no_message_while_it_is_asked_for_again() -> None:
    spec = Spec(address="https://feeds.example.com/a", kind="person")
    feed = Feed("w", "weather", 1, spec, datetime(2026, 1, 1, tzinfo=UTC), "ann")
    feeds = Feeds(cast("AsyncEngine", None), cast("Asker", None), seconds=lambda: 0.0)
    asked = Question(("w", "weather", 1, "k"), feed, spec.address, ("w", "p"))
    for error in (FeedError("503", passing=True), FeedError("404", passing=False)):
        feeds.memory.fail(asked.place, error, 1000.0, 0.5)
        assert feeds._why(asked, 1000.0 + 86_400)[1] is not None
        feeds._under_way[asked] = cast("Task[None]", None)
        assert feeds._why(asked, 1000.0 + 70)[1] is not None
        del feeds._under_way[asked]
