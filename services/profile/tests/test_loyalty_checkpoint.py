"""An account that goes on from checkpoints is the one that is worked out from its beginning."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.loyal import (
    PER_DOLLAR,
    day,
    facts,
    order,
    programme,
    redeem,
    refund,
    since_ever,
)
from typing_extensions import override

from rapport_profile.domain.loyalty import ledger
from rapport_profile.domain.loyalty.account import Account, Lot, MissingError, Rest
from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.checkpoint import (
    BEHIND,
    MOST_SINCE,
    Checkpoint,
    Head,
    KeptSubject,
    Parts,
    end_of_slice,
    ends_at,
    fits,
    next_place,
    rest_of,
    resumed,
    taken,
    wanted,
)
from rapport_profile.domain.loyalty.facts import Fact
from rapport_profile.domain.loyalty.news import traits_of
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.programme import Version, Versions
from rapport_profile.domain.loyalty.replay import Replay, replay
from rapport_profile.domain.loyalty.standing import Standing
from rapport_profile.domain.loyalty.tiers import Counted, Track

NOW = 30
LEVELS = [
    {"id": "green", "threshold": "0"},
    {"id": "gold", "threshold": "12"},
    {"id": "black", "threshold": "25"},
]
GOLD = [{"id": "gold", "factor": "1.5", "tiers": ["gold", "black"]}]


def tiers(**parts: Any) -> dict[str, Any]:
    return {"measure": "points", "levels": LEVELS, **parts}


PROGRAMMES = [
    programme(notice_days=1),
    programme(expiry={"days": 6}, notice_days=0),
    programme(
        expiry={"days": 5, "inactive": True, "spared": ["black"]},
        pending_days=1,
        notice_days=1,
        multipliers=GOLD,
        tiers=tiers(window={"days": 6}, grace_days=1),
    ),
    programme(expiry={"days": 4, "inactive": True}, notice_days=0, pending_days=1),
    programme(multipliers=GOLD, pending_days=2, tiers=tiers(measure="spend", currency="USD")),
    programme(
        expiry={"days": 9, "spared": ["gold"]},
        multipliers=GOLD,
        tiers=tiers(window={"days": 9}, keep_months=1, one_step=True),
    ),
    programme(
        rules=[
            {**PER_DOLLAR, "cap": {"points": 12, "per": "month"}},
            {"id": "order", "fixed": 3, "cap": {"points": 4, "per": "day"}, "qualifies": False},
        ],
        expiry={"days": 3, "end_of": "month"},
        tiers=tiers(window={"calendar": "month"}),
    ),
    programme(multipliers=GOLD, tiers=tiers(measure="orders", window={"days": 12}, grace_days=2)),
    programme(enrolment={"everybody": False}, multipliers=GOLD, tiers=tiers()),
]
NAMES = [*["Order Completed"] * 4, "Order Updated", *["Order Refunded"] * 2, "Order Cancelled"]


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """What is told of some orders."""
    numbers = st.integers(1, 12)
    told = st.tuples(st.sampled_from(NAMES), numbers, st.integers(0, 4 * NOW), st.integers(0, 15))
    return [
        fact
        for place, (name, number, on, total) in enumerate(draw(st.lists(told, max_size=40)))
        for fact in facts(order(f"m{place:02}", f"{number}", name=name, on=on / 4, total=total))
    ]


@st.composite
def requests(draw: st.DrawFn) -> list[Operation]:
    """What is asked for, and what becomes of it."""
    kinds = st.sampled_from(["redeem"] * 8 + ["adjust"] * 3 + ["enrol"] * 2 + ["leave"])
    number, later = st.integers(1, 20), st.one_of(st.none(), st.integers(0, 30))
    asked = draw(
        st.lists(st.tuples(kinds, number, st.integers(0, 4 * NOW), later, later), max_size=9)
    )
    found = []
    for place, (kind, points, on, confirmed, released) in enumerate(asked):
        at = on / 4 + place / 1000
        if kind != "redeem":
            given_or_taken = points if place % 2 else -points
            found.append(redeem(f"r{place}", given_or_taken, at, kind=kind, confirmed_at=None))
            continue
        said: dict[str, Any] = {"confirmed_at": None, "until": day(at + 2)}
        if confirmed is not None and confirmed < 8:
            said["confirmed_at"] = day(at + confirmed / 4)
        if released is not None and (said["confirmed_at"] or released < 8):
            said["released_at"] = day(at + ((confirmed or 0) + released) / 4)
        found.append(redeem(f"r{place}", points, at, **said))
    return found


def known_at(operations: Sequence[Operation], now: datetime) -> list[Operation]:
    """What was known of them then."""
    found = []
    for one in operations:
        if one.at <= now:
            seen = {
                name: moment if moment is not None and moment <= now else None
                for name in ("confirmed_at", "released_at")
                for moment in [getattr(one, name)]
            }
            found.append(msgspec.structs.replace(one, **seen))
    return found


class Shelf:
    """Where a checkpoint is kept: what has to be loaded is, and some more by chance."""

    def __init__(self, versions: Versions, chance: Any) -> None:
        self.versions, self.chance = versions, chance
        self.head: Head | None = None
        self.lots: dict[str, bytes] = {}
        self.subjects: dict[str, bytes] = {}
        self.all_loaded = 0

    def drop(self) -> None:
        self.head, self.lots, self.subjects = None, {}, {}

    def keep(self, found: Checkpoint) -> None:
        self.head = msgspec.json.decode(msgspec.json.encode(found.head), type=Head)
        self.lots |= {key: msgspec.json.encode(one) for key, one in found.parts.lots.items()}
        self.subjects |= {
            key: msgspec.json.encode(one) for key, one in found.parts.subjects.items()
        }

    def run(
        self,
        told: Sequence[Fact],
        asked: Sequence[Operation],
        now: datetime,
        until: datetime | None = None,
    ) -> Standing:
        """How somebody stands, from the checkpoint on; up to `until` it is kept again."""
        try:
            run = self._begun(told, asked, now, whole=False)
            return self._on(run, asked, until)
        except MissingError:
            self.all_loaded += 1
            return self._on(self._begun(told, asked, now, whole=True), asked, until)

    def _on(self, run: Replay, asked: Sequence[Operation], until: datetime | None) -> Standing:
        if until is not None and until > run.moment:
            self.keep(taken(run.run(until), asked))
        return run.run().standing()

    def _begun(
        self, told: Sequence[Fact], asked: Sequence[Operation], now: datetime, *, whole: bool
    ) -> Replay:
        if self.head is None:
            run = Replay(self.versions, now)
            run.expect(told, asked)
            return run
        head = self.head
        assert fits(head, self.versions, now)
        since = [one for one in told if one.content.stamp.at > head.at]
        loading = wanted(head, self.versions, now, since, asked)
        lots = {
            key: msgspec.json.decode(one, type=Lot, strict=False) for key, one in self.lots.items()
        }
        here = {
            key: one
            for key, one in lots.items()
            if whole or loading.has(one) or self.chance.random() < 0.1
        }
        others = [one for key, one in lots.items() if key not in here]
        subjects = {
            key: msgspec.json.decode(one, type=KeptSubject)
            for key, one in self.subjects.items()
            if whole or key in loading.subjects
        }
        rest = None if whole else rest_of(head, list(here.values()), beside(others))
        run = resumed(self.versions, now, Checkpoint(head, Parts(here, subjects), rest))
        run.expect(since, asked)
        return run


def beside(lots: Sequence[Lot]) -> Rest:
    free = [one for one in lots if one.free and one.cohort is None]
    together: dict[int, tuple[datetime, str]] = {}
    for one in lots:
        if one.cohort is not None and one.free and one.is_open and not one.is_closed:
            first = together.get(one.cohort, (one.at, one.key))
            together[one.cohort] = min(first, (one.at, one.key))
    ends = min((ends_at(one) for one in free), default=FAR)
    return Rest(
        first=min((one.order for one in free if one.is_open), default=None),
        firsts=together,
        opens_at=min((one.opens_at for one in lots if one.free and not one.is_open), default=None),
        expires_at=None if ends == FAR else ends,
        expiring=sum(one.free for one in free if ends_at(one) == ends),
    )


def seen(standing: Standing) -> Any:
    traits = traits_of(standing)
    return (traits, standing.points, standing.counts, standing.owed, standing.is_member)


@given(
    which=st.sampled_from(range(len(PROGRAMMES))),
    told=histories(),
    asked=requests(),
    moments=st.lists(st.tuples(st.integers(1, 4 * NOW), st.integers(0, 60)), max_size=12),
    chance=st.randoms(use_true_random=False),
)
def test_an_account_goes_on_from_any_checkpoint(
    which: int,
    told: list[Fact],
    asked: list[Operation],
    moments: list[tuple[int, int]],
    chance: Any,
) -> None:
    versions = since_ever(PROGRAMMES[which])
    if which % 2:
        versions = [*versions, Version(day(NOW / 2), PROGRAMMES[which - 1])]
    goes_on(versions, told, asked, moments, chance)


def goes_on(
    versions: Versions,
    told: Sequence[Fact],
    asked: Sequence[Operation],
    moments: Sequence[tuple[int, int]],
    chance: Any,
) -> Shelf:
    shelf = Shelf(versions, chance)
    booked: dict[ledger.Key, int] = {}
    for moment, back in sorted(moments):
        now = day(moment / 4) + timedelta(hours=1)
        facts_ = [one for one in told if one.content.stamp.at <= now]
        operations = known_at(asked, now)
        whole = replay(versions, facts_, operations, now)
        if shelf.head is not None and shelf.head.at >= now:
            shelf.drop()
        found = shelf.run(facts_, operations, now, now - timedelta(hours=3 * back + 1))
        assert seen(found) == seen(whole)
        assert list(found.tier_changes) == list(whole.tier_changes)[-100:]
        there = {key: n for key, n in booked.items() if found.concerns(key.lot)}
        entries = ledger.due(found, there, now)
        assert entries == ledger.due(whole, booked, now)
        for entry in entries:
            booked[entry.key] = booked.get(entry.key, 0) + entry.points
    return shelf


@given(which=st.sampled_from(range(len(PROGRAMMES))), told=histories(), asked=requests())
def test_what_is_corrected_counts_as_if_it_had_always_been_so(
    which: int, told: list[Fact], asked: list[Operation]
) -> None:
    """Tiers are those of what counts, counted anew with each correction."""
    versions = since_ever(PROGRAMMES[which])
    found = replay(versions, told, asked, day(NOW))
    with pytest.MonkeyPatch.context() as anew:
        anew.setattr(Track, "correct", lambda *_args: False)
        whole = replay(versions, told, asked, day(NOW))
    assert seen(found) == seen(whole)
    assert found.tier_changes == whole.tier_changes


class Counting(Replay):
    """Counts what it has put on its way."""

    steps = 0

    @override
    def _at(self, *args: Any, **named: Any) -> None:
        self.steps += 1
        super()._at(*args, **named)


@pytest.mark.parametrize("parts", [{"expiry": {"days": 500, "inactive": True}}, {}])
def test_what_is_on_its_way_does_not_grow_with_the_square_of_the_orders(
    parts: dict[str, Any],
) -> None:
    counts = []
    for number in (50, 100):
        run = Counting(since_ever(programme(**parts)), day(NOW))
        orders = [order(f"m{one}", f"o{one}", on=one / 10, total=10) for one in range(number)]
        run.expect(facts(*orders), [])
        assert run.run().standing().points.available == 10 * number
        counts.append(run.steps)
    assert counts[1] < 2.5 * counts[0]


class Sparing:
    """Nothing is loaded by chance."""

    def random(self) -> float:
        return 1.0


@pytest.mark.parametrize("spared", [[], ["black"]])
def test_where_points_expire_by_inactivity_what_is_read_and_written_does_not_grow(
    spared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 lots that each order gives a new time, and of 60 that have expired before."""
    expiry = {"days": 20, "inactive": True, "spared": spared}
    versions = since_ever(programme(expiry=expiry, notice_days=1, tiers=tiers()))
    told = [
        fact
        for start in (0, 100)
        for n in range(60)
        for fact in facts(order(f"m{start + n}", f"o{start + n}", on=start + n / 10, total=1))
    ]
    asked = [redeem("r1", 30, 107)]
    shelf = Shelf(versions, Sparing())
    read: list[int] = []
    load = Account.load

    def counting(account: Account, lot: Lot) -> None:
        read.append(1)
        load(account, lot)

    monkeypatch.setattr(Account, "load", counting)
    for number in range(5, 120, 5):
        now = told[number - 1].content.stamp.at + timedelta(hours=1)
        before, facts_ = dict(shelf.lots), told[:number]
        operations = known_at(asked, now)
        read.clear()
        found = shelf.run(facts_, operations, now, now - timedelta(minutes=1))
        assert seen(found) == seen(replay(versions, facts_, operations, now))
        written = [key for key, one in shelf.lots.items() if before.get(key) != one]
        # Once, when all of the first have expired, they are looked at.
        lapsed = 60 if number == 65 else 0
        assert max(len(read), len(written)) <= 10 + lapsed
    assert shelf.all_loaded == 0
    assert shelf.head is not None
    assert shelf.head.versions < 0, "who knows nothing of cohorts begins anew"
    now = day(110)
    found = shelf.run(told, asked, now, now - timedelta(minutes=1))
    assert seen(found) == seen(replay(versions, told, asked, now))
    assert found.points.available == (90 if spared else 30)


def test_with_a_tier_that_spares_them_points_wait_and_have_all_their_time_after_it() -> None:
    levels = [{"id": "green", "threshold": "0"}, {"id": "black", "threshold": "20"}]
    expiry = {"days": 5, "inactive": True, "spared": ["black"]}
    versions = since_ever(programme(expiry=expiry, tiers=tiers(levels=levels)))
    told = facts(order("m1", on=0, total=30), refund("m2", on=12, total=20))
    # The tier is reached with the order; the refund takes it away, and is no sign of life.
    found = [replay(versions, told, [], day(on)).points.available for on in (11, 16.5, 17)]
    assert found == [30, 10, 0]


def test_what_comes_back_to_points_that_nobody_has_looked_at_since_has_expired_with_them() -> None:
    versions = since_ever(programme(expiry={"days": 5, "inactive": True}, notice_days=0))
    told = facts(order("m1", "1", on=0, total=10), order("m2", "2", on=9, total=7))
    spent = redeem("r1", 10, 1)
    shelf = Shelf(versions, Sparing())
    for on in (2, 8, 10):
        known = [one for one in told if one.content.stamp.at <= day(on)]
        shelf.run(known, [spent], day(on), day(on) - timedelta(hours=1))
    back = msgspec.structs.replace(spent, released_at=day(11))
    found = shelf.run(told, [back], day(12))
    assert seen(found) == seen(replay(versions, told, [back], day(12)))
    assert found.points.available == 7


@pytest.mark.parametrize("window", [{}, {"days": 400}, {"calendar": "year"}])
def test_refunds_are_not_each_counted_from_the_beginning(
    window: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = 0
    add = Track.add

    def counting(track: Track, one: Counted) -> None:
        nonlocal added
        added += 1
        add(track, one)

    monkeypatch.setattr(Track, "add", counting)
    told = [order(f"m{one}", f"o{one}", on=one / 10, total=10) for one in range(100)]
    told += [refund(f"r{one}", f"o{one}", on=20 + one / 10, total=10) for one in range(100)]
    versions = since_ever(programme(tiers=tiers(window=window)))
    found = replay(versions, facts(*told), [], day(NOW))
    assert (found.points.total, added) == (0, 100)
    assert found.counts == 0
    assert [one.after for one in found.tier_changes][-2:] == ["gold", "green"]


def test_the_next_checkpoint_is_so_many_behind_when_there_are_too_many_since() -> None:
    told = facts(*(order(f"m{n}", f"o{n}", on=n) for n in range(MOST_SINCE)))
    asked = [redeem("r", 1, MOST_SINCE)]
    before, now = day(-1), day(MOST_SINCE + 1)
    assert next_place(told, [], before, now) is None
    assert next_place(told, asked, before, now) == day(MOST_SINCE + 1 - BEHIND)
    assert next_place(told, asked, day(0), now) is None, "one of them is in the last one"
    assert next_place(told, asked, before, day(MOST_SINCE)) is None, "one of them is still to come"


def test_of_the_oldest_facts_all_are_there_before_the_last_instant() -> None:
    told = facts(*(order(f"m{n}", f"o{n}", on=on) for n, on in enumerate((1, 2, 3, 3))))
    assert end_of_slice(told, day(9)) == day(2)
    assert end_of_slice(told, day(2)) == day(1)
    assert end_of_slice(told[2:], day(9)) is None


def gone_on(versions: Versions, told: list[Fact], asked: list[Operation], on: float) -> Shelf:
    """A checkpoint of day 2; from it somebody stands on a day as from the beginning."""
    shelf = Shelf(versions, Sparing())
    known = [one for one in told if one.content.stamp.at <= day(2)]
    shelf.run(known, known_at(asked, day(2)), day(2.5), day(2))
    assert shelf.head is not None
    whole = replay(versions, told, asked, day(on))
    assert seen(shelf.run(told, asked, day(on))) == seen(whole)
    return shelf


def test_a_checkpoint_from_before_the_programme_knows_of_none() -> None:
    versions = [Version(day(5), programme())]
    told = facts(order("m1", "1", on=1, total=7), order("m2", "2", on=6, total=10))
    gone_on(versions, told, [], 7)
    assert replay(versions, told, [], day(7)).points.available == 10


def test_points_that_were_pending_at_a_checkpoint_open_in_their_time() -> None:
    versions = since_ever(programme(pending_days=5))
    told = facts(order("m1", "1", on=0, total=10))
    gone_on(versions, told, [], 6)
    assert replay(versions, told, [], day(6)).points.available == 10


def test_points_without_a_sign_of_life_at_a_checkpoint_wait_for_one_after_it() -> None:
    versions = since_ever(programme(expiry={"days": 5, "inactive": True}, notice_days=0))
    asked = [redeem("r1", 10, 0, kind="adjust", confirmed_at=None)]
    told = facts(order("m1", "1", on=3, total=7))
    gone_on(versions, told, asked, 7)
    assert replay(versions, told, asked, day(7)).points.available == 10 + 7


def test_what_expires_unforeseen_with_lots_that_are_not_loaded_loads_all() -> None:
    """Points that a tier has spared expire some time after it: both after the checkpoint."""
    versions = since_ever(
        programme(
            expiry={"days": 5, "inactive": True, "spared": ["black"]},
            notice_days=0,
            tiers=tiers(window={"days": 6}, keep_months=0),
        )
    )
    told = facts(order("m1", "1", on=0, total=30))
    shelf = gone_on(versions, told, [], 20)
    assert shelf.all_loaded == 1
    assert replay(versions, told, [], day(20)).points.available == 0
