"""What an address gets by all that was said of it, and topics as data; no server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_campaign.domain.preferences import Known, changed, gets, leaves, refused_since
from rapport_campaign.domain.topics import (
    MAX_TOPICS,
    USUAL,
    Topic,
    TopicsError,
    checked,
    in_language,
    of_channel,
)
from rapport_common.events.profile import ConsentState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = "ada@example.com"
NEWS = Topic(id="news", purpose="promotion", names={"en": "News"})
EVENTS = Topic(id="events", purpose="x_events", names={"en": "Events", "de": "Termine"})


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def said(state: str = "granted", minutes: int = 0, **more: Any) -> ConsentState:
    fields = {"channel": "email", "purpose": "promotion", "contact_point": ADA, **more}
    return ConsentState(state=state, at=at(minutes), source="shop", **fields)  # type: ignore[arg-type] # words


def known(*consents: ConsentState, **more: Any) -> Known:
    return Known(consents=list(consents), **{"words": {}, **more})


def wanted(one: Known, purpose: str = "promotion", minutes: int = 60) -> bool:
    return gets(one, ADA, purpose, at(minutes))


def test_the_last_word_counts_and_at_once_the_no() -> None:
    assert not wanted(known())
    assert wanted(known(unasked=True))
    assert not wanted(known(unasked=True), "x_events")
    assert wanted(known(said()))
    assert not wanted(known(said(), said("denied", purpose="all")))
    assert not wanted(known(said(), said("denied", 1, channel="all", purpose="all")))
    assert wanted(known(said("denied", purpose="all"), said(minutes=1)))
    assert not wanted(known(said(confirmed=False)))
    assert not wanted(known(said(expires_at=at(60))))
    assert wanted(known(said(expires_at=at(61))))
    assert not wanted(known(said(), unsubscribed=at(0)))
    assert wanted(known(said(minutes=1), unsubscribed=at(0)))
    assert wanted(known(said("denied"), words={"promotion": (at(1), True)}))
    assert not wanted(known(said(), words={"all": (at(1), False)}))
    assert not wanted(known(said(contact_point="bob@example.com")))
    assert not wanted(known(said(), said("withdrawn", 1, channel="who knows", purpose="who knows")))
    assert wanted(known(said(), said("withdrawn", 1, channel="sms")))


def test_a_no_after_a_question_ends_it_whatever_is_said_later() -> None:
    def refused(one: Known, purpose: str = "promotion") -> bool:
        return refused_since(one, ADA, purpose, at(5))

    assert not refused(known())
    assert not refused(known(said("denied", 5)))
    assert refused(known(said("denied", 6)))
    assert refused(known(said("withdrawn", 6), said(minutes=7)))
    assert refused(known(said("withdrawn", 6, channel="all", purpose="all")), "x_events")
    assert not refused(known(said("denied", 6)), "x_events")
    assert not refused(known(said("denied", 6, contact_point="bob@example.com")))
    assert not refused(known(said(minutes=6, confirmed=False))), "an open yes is no no"
    assert not refused(known(said("withdrawn", 6, expired=True))), "an end is nobody's word"
    assert refused(known(words={"promotion": (at(6), False)}))
    assert refused(known(words={"all": (at(6), False)}))
    assert not refused(known(words={"all": (at(6), True), "x_events": (at(6), False)}))
    assert not refused(known(words={"all": (at(5), False)}))
    assert refused(known(unsubscribed=at(6)))
    assert not refused(known(unsubscribed=at(5)))
    assert not refused(known(unsubscribed=at(6)), "x_events")
    assert refused(known(said("denied", 6), words={"promotion": (at(7), True)}))
    assert refused(known(words={"promotion": (at(6), False)}, unsubscribed=at(3)))
    assert refused(known(words={"promotion": (at(3), False)}, unsubscribed=at(6)))


CONSENTS = st.lists(
    st.builds(
        said,
        st.sampled_from(["granted", "denied", "withdrawn"]),
        st.integers(0, 5),
        purpose=st.sampled_from(["promotion", "x_events", "all"]),
    ).filter(lambda one: one.state != "granted" or one.purpose != "all"),
    max_size=5,
)


@given(CONSENTS, st.sets(st.sampled_from(["news", "events"])), st.booleans())
def test_a_choice_holds_and_sent_again_changes_nothing(
    consents: list[ConsentState],
    chosen: set[str],
    unasked: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    before = known(*consents, unasked=unasked)
    choices = changed(before, ADA, [NEWS, EVENTS], chosen, at(10))
    words = {one.purpose: (at(10), one.wanted) for one in choices}
    after = known(*consents, unasked=unasked, words=words)
    assert changed(after, ADA, [NEWS, EVENTS], chosen, at(11)) == []
    assert {one.id for one in (NEWS, EVENTS) if gets(after, ADA, one.purpose, at(11))} == chosen


@given(CONSENTS)
def test_whoever_leaves_everything_gets_nothing(consents: list[ConsentState]) -> None:
    left = known(*consents, words={"all": (at(10), False)}, unasked=True)
    assert not any(gets(left, ADA, one, at(11)) for one in ("promotion", "x_events", "survey"))
    assert not leaves(left, ADA, [NEWS, EVENTS], at(11))
    assert leaves(known(*consents), ADA, [NEWS, EVENTS], at(11))


def test_topics_have_one_form() -> None:
    (one,) = checked([Topic(id="a", purpose="Marketing", channel="E-Mail", names={"en": "A"})])
    assert (one.purpose, one.channel) == ("promotion", "email")
    assert of_channel([one, Topic(id="b", purpose="survey", channel="sms", names={})], "sms")
    assert in_language(EVENTS.names, "de") == "Termine"
    assert in_language(EVENTS.names, "ar") == "Events"
    assert in_language({"zh": "活动"}, "zh_Hans") == "活动"
    assert in_language(USUAL[0].names, "de") == ""


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "A B"}, "topics.0.id"),
        ({"channel": "all"}, "topics.0.channel"),
        ({"channel": "pigeon"}, "topics.0.channel"),
        ({"purpose": "all"}, "topics.0.purpose"),
        ({"purpose": "beta tips"}, "topics.0.purpose"),
        ({"names": {}}, "topics.0.names"),
        ({"names": {"English": "x"}}, "topics.0.names"),
        ({"names": {"en": " "}}, "topics.0.names.en"),
        ({"names": {"en": "x" * 81}}, "topics.0.names.en"),
        ({"descriptions": {"en": "a\nb"}}, "topics.0.descriptions.en"),
        ({"descriptions": {f"{a}{b}": "x" for a in "abcdefg" for b in "abcdef"}}, "topics.0."),
    ],
)
def test_what_cannot_be_a_topic_is_named(change: dict[str, Any], where: str) -> None:
    fields = {"id": "a", "purpose": "promotion", "names": {"en": "A"}, **change}
    with pytest.raises(TopicsError) as error:
        checked([Topic(**fields)])
    assert error.value.where.startswith(where)


def test_topics_are_each_another_one_and_not_too_many() -> None:
    for some in ([NEWS, NEWS], [NEWS, Topic(id="b", purpose="promo", names={"en": "B"})]):
        with pytest.raises(TopicsError):
            checked(some)
    many = [Topic(id=f"t{n}", purpose=f"x_{n}", names={"en": "T"}) for n in range(MAX_TOPICS + 1)]
    with pytest.raises(TopicsError):
        checked(many)
