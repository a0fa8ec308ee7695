"""Paces of domains, warm-ups and "too many", over clocks that a test sets."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.lanes import (
    AHEAD,
    FAR,
    MOST_LET_GO,
    WAVES,
    Standing,
    Waiting,
    Wanting,
    choose,
    coming,
    count_by_lane,
    is_parked,
    room,
    says_too_many,
    share,
    slowed,
    taken,
)
from rapport_campaign.domain.mail_paces import (
    MOST_DOMAINS,
    MOST_RULES,
    Lane,
    MailPaces,
    MailPacesError,
    PaceRule,
    SlowDown,
    WarmupRule,
    checked,
    domain_of,
    lanes,
    lanes_of,
)
from rapport_campaign.domain.pacing import Warmup
from rapport_campaign.domain.throttles import WINDOWS, Throttle
from rapport_common.testing.examples import examples

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOUNDS = SlowDown(least_percent=10, minutes=30)
STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "refuse", "back"]), st.integers(0, 90), st.integers(0, 40)),
    max_size=40,
)
GMAIL = PaceRule(id="gmail", to=("gmail.com", "googlemail.com"), throttle=Throttle(60))
REST = PaceRule(id="rest", to=("*",), at_once=3)


@settings(max_examples=examples(200))
@given(st.integers(1, 200), st.sampled_from(["minute", "hour"]), STEPS)
def test_no_window_has_one_too_many_however_often_it_is_slowed(
    at_most: int, per: str, steps: list[tuple[str, int, int]]
) -> None:
    lane = Lane(name="to:x", throttle=Throttle(at_most, per), slow_down=BOUNDS)  # type: ignore[arg-type] # one of two
    now, standing, sent = NOON, Standing(), list[datetime]()
    for what, seconds, wanted in steps:
        now += timedelta(seconds=-seconds if what == "back" else seconds)
        if what == "refuse":
            before = standing
            standing = slowed(standing, BOUNDS, now)
            assert 0.1 <= share(standing, BOUNDS, now) <= share(before, BOUNDS, now)
        number = room(lane, standing, now, 0, wanted)
        assert 0 <= number <= wanted
        standing = taken(lane, standing, now, number)
        sent += [now] * number
    for begin in sent:
        assert sum(begin <= one < begin + WINDOWS[per] for one in sent) <= at_most


@settings(max_examples=examples(100))
@given(st.integers(1, 50), st.floats(1, 3), STEPS)
def test_a_warm_up_lets_as_many_go_as_its_day_has(
    first: int, growth: float, steps: list[tuple[str, int, int]]
) -> None:
    curve = Warmup(NOON.date(), first, growth, enough=10**9)
    lane = Lane(name="from:x", warmup=curve)
    now, standing, sent = NOON, Standing(), dict[date, int]()
    for what, seconds, wanted in steps:
        now += timedelta(hours=-seconds / 8 if what == "back" else seconds / 2)
        number = room(lane, standing, now, 0, wanted)
        standing = taken(lane, standing, now, number)
        # A clock that was set back is on the day that it had come to.
        sent[standing.day] = sent.get(standing.day, 0) + number
    assert all(number <= (curve.allowed(day) or 0) for day, number in sent.items() if number)


def test_a_warm_up_begins_on_its_day_and_ends_when_there_are_enough() -> None:
    lane = Lane(name="from:x", warmup=Warmup(NOON.date(), 50, 2, enough=400))
    found = [room(lane, Standing(), NOON + timedelta(days=day), 0, 1000) for day in range(-1, 5)]
    assert found == [0, 50, 100, 200, 1000, 1000]
    assert Warmup(NOON.date(), 50, 10.0, 10**9).allowed(date(2027, 6, 1)) is None


def test_a_pace_is_halved_once_for_many_answers_and_grows_back() -> None:
    minute = timedelta(minutes=1)
    once = slowed(slowed(Standing(), BOUNDS, NOON), BOUNDS, NOON + minute / 2)
    found = [share(once, BOUNDS, NOON + at * minute) for at in (0, 15, 30, 10_000)]
    assert found == [0.5, pytest.approx(0.5 * 2**0.5), 1.0, 1.0]
    often = Standing()
    for at in range(10):
        often = slowed(often, BOUNDS, NOON + at * minute)
    assert often.share == 0.1
    assert share(often, BOUNDS, NOON - 10 * minute) == 0.1


def test_at_once_is_counted_and_slowed_to_one_at_least() -> None:
    lane = Lane(name="to:x", at_once=4, slow_down=BOUNDS)
    assert [room(lane, Standing(), NOON, hand, 10) for hand in (0, 3, 9)] == [4, 1, 0]
    half = slowed(Standing(), BOUNDS, NOON)
    assert room(lane, half, NOON, 0, 10) == 2
    least = Standing(share=0.1, slowed_at=half.slowed_at)
    assert room(lane, least, NOON, 0, 10) == 1


def test_as_many_are_let_go_as_slots_come_each_at_its_own() -> None:
    lane = Lane(name="to:x", throttle=Throttle(61))
    standing = taken(lane, Standing(), NOON, room(lane, Standing(), NOON, 0, 9))
    # Slots a second apart: this one's and the last one's are taken.
    assert coming(lane, standing, NOON, 0) == [1.0, 2.0]
    assert coming(lane, standing, NOON, 1) == [2.0]
    assert coming(lane, standing, NOON - 2 * AHEAD, 0) == []
    # At half its pace they are two seconds apart.
    assert coming(lane, slowed(Standing(), BOUNDS, NOON), NOON, 0) == [0.0, 1.0]
    assert coming(Lane(name="a", throttle=Throttle(61), at_once=1), standing, NOON, 0) == [1.0, 2.0]
    waves = coming(Lane(name="a", at_once=2), Standing(), NOON, 1)
    assert waves == [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    assert len(waves) == 2 * WAVES - 1
    warm = Lane(name="a", warmup=Warmup(NOON.date(), 5, 2, 10**6))
    assert coming(warm, Standing(day=NOON.date(), sent=2), NOON, 1) == [0.0, 0.0]
    ended = Lane(name="a", warmup=Warmup(NOON.date(), 5, 2, 5))
    assert len(coming(ended, Standing(), NOON, 0)) == MOST_LET_GO
    assert is_parked(NOON + FAR, NOON + timedelta(days=9))
    assert not is_parked(NOON + timedelta(days=999), NOON)
    assert not is_parked(None, NOON)


def wanting(*names: str, lane: tuple[str, ...] = ("to:x",)) -> list[Wanting]:
    """`e`: express, `w`: has waited, by the name's first letters."""
    return [Wanting(("acme", one), lane, "e" in one, "w" in one) for one in names]


@pytest.mark.parametrize(
    ("some", "free", "others", "going"),
    [
        ("c1 e1 cw", 1, Waiting(), "e1"),
        ("c1 cw", 1, Waiting(), "cw"),
        ("c1 cw", 9, Waiting(campaigns=True), "cw"),
        ("c1 cw e1 ew", 9, Waiting(express=True), "ew"),
        ("c1 e1", 9, Waiting(campaigns=True), "e1"),
        ("c1 e1", 0, Waiting(), ""),
    ],
)
def test_express_messages_go_first_then_who_has_waited(
    some: str, free: int, others: Waiting, going: str
) -> None:
    asked = wanting(*some.split())
    found, parked = choose(asked, {"to:x": free}, {"to:x": others})
    assert {key[1] for key in found} == set(going.split())
    assert found.isdisjoint(parked)
    assert len(found) + len(parked) == len(asked)


def test_who_has_no_room_in_one_lane_takes_none_in_the_other() -> None:
    both, one = wanting("c1", lane=("to:x", "from:y")), wanting("c2", "c3")
    found, parked = choose([*both, *one], {"to:x": 1, "from:y": 0}, {})
    assert parked == {("acme", "c1"): "from:y", ("acme", "c3"): "to:x"}
    assert count_by_lane([*both, *one], found) == {"to:x": 1}


@pytest.mark.parametrize(
    ("said", "is_too_many"),
    [
        ("421 4.7.0 [TSS04] Messages temporarily deferred", True),
        ("421 busy", True),
        ("450 4.7.28 unusual rate of mail", True),
        ("452 too many messages in a session", True),
        ("450 4.7.1 Greylisted, come again", False),
        ("450 4.2.1 mailbox busy", False),
        ("452 4.2.2 over quota 421", False),
    ],
)
def test_what_says_that_there_were_too_many(said: str, *, is_too_many: bool) -> None:
    assert says_too_many(Outcome("retry", said)) == is_too_many
    assert not says_too_many(Outcome("failed", said))
    assert not says_too_many(Outcome("retry"))


def test_the_first_pace_that_fits_a_mail_counts_and_its_senders_warm_up() -> None:
    news = PaceRule(id="news", to=("*",), senders=("news.example",), at_once=1)
    warm = WarmupRule(sender="new.example", starts_on=NOON.date(), first=1, growth=2, enough=9)
    rules = MailPaces(paces=(GMAIL, news, REST), warmups=(warm,))
    assert lanes_of(rules, "shop.example", "googlemail.com") == ["to:gmail"]
    assert lanes_of(rules, "news.example", "ada.example") == ["to:news"]
    assert lanes_of(rules, "new.example", "ada.example") == ["to:rest", "from:new.example"]
    assert lanes_of(MailPaces(), "new.example", "ada.example") == []
    assert sorted(lanes(rules)) == ["from:new.example", "to:gmail", "to:news", "to:rest"]
    assert domain_of("Ada@GMail.com") == "gmail.com"
    assert domain_of("nobody") == ""


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        (MailPaces(paces=(PaceRule(id="a", to=("a.example",)),)), "paces[0]"),
        (MailPaces(paces=(PaceRule(id="a", to=(), at_once=1),)), "paces[0].to"),
        (MailPaces(paces=(PaceRule(id="a", to=("*", "a.example"), at_once=1),)), "paces[0].to"),
        (MailPaces(paces=(PaceRule(id="a", to=("*",), throttle=Throttle(0)),)), "paces[0].at_most"),
        (MailPaces(paces=(GMAIL, GMAIL)), "paces[1].id"),
        (MailPaces(paces=(GMAIL,) * (MOST_RULES + 1)), "paces"),
        (
            MailPaces(paces=(PaceRule(id="a", to=("a.example",) * (MOST_DOMAINS + 1), at_once=1),)),
            "paces[0].to",
        ),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_place(rules: MailPaces, where: str) -> None:
    with pytest.raises(MailPacesError) as refused:
        checked(rules)
    assert refused.value.where == where


def test_domains_are_kept_as_dns_has_them() -> None:
    found = checked(MailPaces(paces=(PaceRule(id="a", to=("Bücher.example",), at_once=1), REST)))
    assert found.paces[0].to == ("xn--bcher-kva.example",)
    assert found.paces[1] == REST
