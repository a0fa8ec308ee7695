"""What moves with time: both evaluators agree at each instant, and nobody is looked at too late."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.generating import STEP, Chance, around
from services.segment.tests.judging import with_traits
from services.segment.tests.test_condition import in_sql
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ConsentState
from rapport_common.testing.examples import examples
from rapport_common.zones import zones
from rapport_segment.domain.asked_patterns import key_of
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.group_subjects import InGroup
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.outlook import Outlook, View
from rapport_segment.domain.patterns import matches
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import CONSENT, CONTACT_POINTS, Facts, Section, nobody
from rapport_segment.domain.tree import Leaf, leaves
from rapport_segment.domain.windows import NEVER
from rapport_segment.domain.zones import first_instant, local_date
from rapport_segment.store.condition import Condition

SEEDS = st.integers(0, 2**63)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def outlook(document: dict[str, Any], facts: Facts, now: datetime) -> Outlook:
    return Judges().of(parse(document))(View(facts, now))


def instants_of(chance: Chance, document: dict[str, Any], people: list[Facts]) -> list[datetime]:
    """Now, and some at which a verdict may change."""
    judge = Judges().of(parse(document))
    found = {chance.now}
    for facts in people[:4]:
        until = judge(View(facts, chance.now))[1]
        if until is not None:
            found.update(around([until]))
    return sorted(found)[:7]


def condition(document: dict[str, Any], now: datetime, people: list[Facts]) -> Condition:
    """The rule in SQL, with the texts of these people that fit its patterns."""
    rule, fitting = parse(document), dict[Any, list[str]]()
    for leaf in leaves(rule):
        asked = [(leaf, people)]
        if isinstance(leaf.subject, InGroup):
            rows = [one for facts in people for one in leaf.subject.read(facts)]
            asked = [(one, rows) for one in leaf.subject.where]
        for one, rows in asked:
            note_fitting(one, rows, fitting)
    return Condition(rule, now, fitting)


def note_fitting(leaf: Leaf, people: list[Facts], fitting: dict[Any, list[str]]) -> None:
    """The texts of these people that fit a pattern, if the comparison asks for one."""
    if (key := key_of(leaf)) is None:
        return
    read = [leaf.read(facts) for facts in people]
    told = [one for value in read for one in (value if isinstance(value, list) else [value])]
    texts = [one for one in told if isinstance(one, str) and matches(key[1], one)]
    fitting[key] = [*fitting.get(key, ()), *texts]


async def agreed(engine: AsyncEngine, seed: int, number: int) -> int:
    """Compare the evaluators over a rule and so many people; how many verdicts."""
    chance = Chance(seed)
    document, people = chance.rule(), [chance.facts() for _ in range(number)]
    judge = Judges().of(parse(document))
    compared = 0
    for now in instants_of(chance, document, people):
        expected = [judge(View(facts, now))[0] for facts in people]
        found = await in_sql(engine, condition(document, now, people), people)
        assert found == expected, (document, now.isoformat())
        compared += len(people)
    return compared


@pytest.mark.integration
@settings(max_examples=examples(60))
@given(seed=SEEDS)
async def test_both_evaluators_agree_at_every_instant(
    module_engine: AsyncEngine, seed: int
) -> None:
    await agreed(module_engine, seed, 12)


@pytest.mark.integration
async def test_they_agree_about_shares_and_about_the_end_of_a_yes(
    module_engine: AsyncEngine,
) -> None:
    people = [nobody(str(UUID(int=number))) for number in range(1000)]
    for first, behind in ((0, 33.33), (33.33, 40), (99.99, 100)):
        document: dict[str, Any] = {"bucket": "x", "from": first, "to": behind}
        expected = [outlook(document, facts, NEVER)[0] for facts in people]
        found = await in_sql(module_engine, Condition(parse(document), NEVER), people)
        assert found == expected
    yes = [permitted([said("granted", **END)], ADA)]
    yes = [Facts(facts.sections, str(UUID(int=1))) for facts in yes]
    granted = {"consent": "email", "op": "eq", "value": "granted"}
    for document in (granted, {"reachable": "email"}):
        for now, verdict in ((END["expires_at"] - STEP, True), (END["expires_at"], False)):
            assert outlook(document, yes[0], now)[0] is verdict
            assert await in_sql(module_engine, Condition(parse(document), now), yes) == [verdict]


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize("part", range(20))
async def test_both_evaluators_agree_a_hundred_thousand_times(
    module_engine: AsyncEngine, part: int
) -> None:
    """Five thousand verdicts in each of the parts."""
    compared, seed = 0, part * 1000
    while compared < 5000:
        compared += await agreed(module_engine, seed, 100)
        seed += 1


@settings(max_examples=examples(400))
@given(seed=SEEDS)
def test_nothing_changes_before_the_next_look(seed: int) -> None:
    """However the parts are joined: at no instant before it the verdict is another one."""
    chance = Chance(seed)
    judge, facts = Judges().of(parse(chance.rule())), chance.facts()
    now = chance.now
    for _ in range(20):
        verdict, until = judge(View(facts, now))
        end = min(until or NEVER, chance.now + timedelta(days=3000))
        assert end > now
        for part in range(8):
            between = now + (end - now) * part // 8
            assert judge(View(facts, between))[0] is verdict
        assert judge(View(facts, end - STEP))[0] is verdict
        if end != until:
            break
        now = until


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - in UTC below
    st.sampled_from(sorted(zones())),
)
def test_a_day_begins_where_the_day_before_ends(moment: datetime, zone: str) -> None:
    today = local_date(moment.replace(tzinfo=UTC), zone)
    begins = first_instant(today.toordinal(), zone)
    assert local_date(begins, zone) == today
    assert local_date(begins - STEP, zone) < today


LAST_30 = {"trait": "at", "op": "within", "value": {"last": "30d"}}
BIRTHDAY = {"trait": "born", "op": "anniversary", "value": {"next": "7d", "zone": "Europe/Berlin"}}


@pytest.mark.parametrize(
    ("rule", "traits", "now", "verdict", "until"),
    [
        # In from the instant on, out at the very instant 30 days later.
        (
            LAST_30,
            {"at": "2026-03-01T12:00:00.000000Z"},
            "2026-03-01T11:59:59.999999Z",
            False,
            "2026-03-01T12:00:00Z",
        ),
        (
            LAST_30,
            {"at": "2026-03-01T12:00:00.000000Z"},
            "2026-03-01T12:00:00Z",
            True,
            "2026-03-31T12:00:00Z",
        ),
        (
            LAST_30,
            {"at": "2026-03-01T12:00:00.000000Z"},
            "2026-03-31T11:59:59.999999Z",
            True,
            "2026-03-31T12:00:00Z",
        ),
        (LAST_30, {"at": "2026-03-01T12:00:00.000000Z"}, "2026-03-31T12:00:00Z", False, None),
        # Missing, or no instant: out, and so it stays; the contrary is in.
        (LAST_30, {}, "2026-03-01T12:00:00Z", False, None),
        ({"not": LAST_30}, {"at": "soon"}, "2026-03-01T12:00:00Z", True, None),
        # A month after the 31st is the last day of a shorter one, not the 28th.
        (
            {"trait": "at", "op": "within", "value": {"last": "1mo"}},
            {"at": "2026-03-31"},
            "2026-04-20T00:00:00Z",
            True,
            "2026-04-30T00:00:00Z",
        ),
        # A month after 31 January is the last day of February.
        (
            {"trait": "at", "op": "within", "value": {"last": "1mo"}},
            {"at": "2026-01-31"},
            "2026-02-20T00:00:00Z",
            True,
            "2026-02-28T00:00:00Z",
        ),
        (
            {"trait": "at", "op": "lt", "value": {"now": "-1y"}},
            {"at": "2024-02-29"},
            "2025-02-27T00:00:00Z",
            False,
            "2025-02-28T00:00:00.000001Z",
        ),
        # Clocks go forward on 29 March: the month of Berlin ends at 22:00 UTC.
        (
            {"trait": "at", "op": "within", "value": {"this": "month", "zone": "Europe/Berlin"}},
            {"at": "2026-03-05"},
            "2026-03-20T00:00:00Z",
            True,
            "2026-03-31T22:00:00Z",
        ),
        (
            {"trait": "at", "op": "within", "value": {"this": "week"}},
            {"at": "2026-03-02"},
            "2026-03-08T23:59:59Z",
            True,
            "2026-03-09T00:00:00Z",
        ),
        # Seven days, the day itself among them, in the person's own zone.
        (BIRTHDAY, {"born": "1990-05-10"}, "2026-05-03T21:59:59Z", False, "2026-05-03T22:00:00Z"),
        (BIRTHDAY, {"born": "1990-05-10"}, "2026-05-03T22:00:00Z", True, "2026-05-10T22:00:00Z"),
        (
            BIRTHDAY,
            {"born": "1990-05-10", "timezone": "Asia/Tokyo"},
            "2026-05-03T15:00:00Z",
            True,
            "2026-05-10T15:00:00Z",
        ),
        (
            BIRTHDAY,
            {"born": "1990-05-10", "timezone": "Mars"},
            "2026-05-03T15:00:00Z",
            False,
            "2026-05-03T22:00:00Z",
        ),
        # 29 February: on the 28th, where there is none.
        (BIRTHDAY, {"born": "1988-02-29"}, "2026-02-28T12:00:00Z", True, "2026-02-28T23:00:00Z"),
        (BIRTHDAY, {"born": "1988-02-29"}, "2028-02-29T12:00:00Z", True, "2028-02-29T23:00:00Z"),
        # The day itself is no anniversary.
        (BIRTHDAY, {"born": "2026-05-10"}, "2026-05-10T12:00:00Z", False, "2027-05-03T22:00:00Z"),
        # Lists: one, all, none.
        (
            {**LAST_30, "of": "all"},
            {"at": ["2026-03-01", "2026-01-01"]},
            "2026-03-02T00:00:00Z",
            False,
            None,
        ),
        ({**LAST_30, "of": "all"}, {"at": []}, "2026-03-02T00:00:00Z", False, None),
        (
            {**LAST_30, "of": "none"},
            {"at": ["2026-03-01"]},
            "2026-03-02T00:00:00Z",
            False,
            "2026-03-31T00:00:00Z",
        ),
        ({**LAST_30, "of": "none"}, {"at": []}, "2026-03-02T00:00:00Z", True, None),
        # A part that settles it for ever leaves nothing to wait for.
        (
            {"and": [LAST_30, {"trait": "plan", "op": "exists"}]},
            {"at": "2026-03-01"},
            "2026-03-02T00:00:00Z",
            False,
            None,
        ),
        (
            {"or": [LAST_30, {"trait": "at", "op": "exists"}]},
            {"at": "2026-03-01"},
            "2026-03-02T00:00:00Z",
            True,
            None,
        ),
    ],
    ids=str,
)
def test_verdicts_and_when_they_change(
    *, rule: dict[str, Any], traits: dict[str, Any], now: str, verdict: bool, until: str | None
) -> None:
    expected = (verdict, None if until is None else at(until))
    assert outlook(rule, with_traits(traits), at(now)) == expected


def said(state: Any, when: str = "2026-01-01T00:00:00Z", **more: Any) -> ConsentState:
    given = {"contact_point": "Ada@X.org", "channel": "Email", "purpose": "newsletter"}
    return ConsentState(**{**given, "state": state, "at": at(when), "source": "shop", **more})


def permitted(words: list[ConsentState], *points: ContactPoint) -> Facts:
    sections = {CONSENT: Section(CONSENT, words), CONTACT_POINTS: Section(CONTACT_POINTS, points)}
    return nobody("").overlaid(sections)


ADA = ContactPoint(channel="email", value="ada@x.org")
END: dict[str, Any] = {"expires_at": at("2026-04-01T00:00:00Z")}
NO_TO_ALL = said("withdrawn", "2026-02-01T00:00:00Z", channel="all", purpose="all")


@pytest.mark.parametrize(
    ("words", "points", "verdict", "until"),
    [
        ([said("granted")], [ADA], True, None),
        ([said("granted", **END)], [ADA], True, "2026-04-01T00:00:00Z"),
        ([said("granted", expires_at=at("2026-02-01T00:00:00Z"))], [ADA], False, None),
        ([said("granted")], [], False, None),
        ([said("granted")], [msgspec.structs.replace(ADA, verified=False)], False, None),
        ([said("granted", contact_point="bob@x.org")], [ADA], False, None),
        ([said("granted", confirmed=False)], [ADA], False, None),
        ([said("granted", lacks="double_opt_in")], [ADA], False, None),
        ([said("granted", purpose="all")], [ADA], False, None),
        # A later no to everything is one to this; one of before is not.
        ([said("granted"), NO_TO_ALL], [ADA], False, None),
        ([said("granted", "2026-02-02T00:00:00Z"), NO_TO_ALL], [ADA], True, None),
        ([said("granted"), said("denied")], [ADA], False, None),
    ],
)
def test_who_can_be_reached(
    *, words: list[ConsentState], points: list[ContactPoint], verdict: bool, until: str | None
) -> None:
    rule = {"reachable": "email", "purpose": "promotion"}
    expected = (verdict, None if until is None else at(until))
    assert outlook(rule, permitted(words, *points), at("2026-03-01T00:00:00Z")) == expected


def test_for_service_a_verified_place_needs_no_yes() -> None:
    rule = {"reachable": "email", "purpose": "service"}
    for points, verdict in (
        ([ADA], True),
        ([msgspec.structs.replace(ADA, verified=False)], False),
        ([], False),
    ):
        found = permitted([said("denied", purpose="service")], *points)
        assert outlook(rule, found, at("2026-03-01T00:00:00Z")) == (verdict, None)


def test_a_no_to_everything_is_a_word_on_each() -> None:
    for channel in ("email", "sms"):
        rule = {"consent": channel, "op": "eq", "value": "withdrawn"}
        now = at("2026-03-01T00:00:00Z")
        assert outlook(rule, permitted([NO_TO_ALL]), now) == (True, None)
        survey = {**rule, "purpose": "survey"}
        assert outlook(survey, permitted([NO_TO_ALL]), now) == (False, None)


def test_a_part_of_everybody_is_drawn_for_good() -> None:
    now = at("2026-03-01T00:00:00Z")
    people = [nobody(f"id {number}") for number in range(2000)]
    shares = []
    for salt in ("spring", "autumn"):
        rule = {"bucket": salt, "from": 20, "to": 30}
        shares.append({one.profile_id for one in people if outlook(rule, one, now)[0]})
    assert all(150 < len(share) < 250 for share in shares)
    # Another word draws anew; the parts of one word are everybody, and nobody twice.
    assert len(shares[0] & shares[1]) < 50
    parts = [{"bucket": "x", "from": one, "to": one + 25} for one in (0, 25, 50, 75)]
    for facts in people[:200]:
        assert [outlook(part, facts, now)[0] for part in parts].count(True) == 1


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"trait": "a", "op": "within", "value": {"last": "0d"}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "10000d"}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "121mo"}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "11y"}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "30"}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "1d", "x": 1}}, "value"),
        ({"defined": "a", "currency": "USD", "op": "lt", "value": {"now": "+1d"}}, "value"),
        ({"segment": "best"}, "segment"),
        ({"list": "VIP"}, "list"),
        ({"list": 5}, "list"),
        ({"score": "rfm_luck", "op": "exists"}, "score"),
        ({"score": "Luck", "op": "exists"}, "score"),
        ({"score": "rfm_tier", "op": "contains", "value": "x"}, "op"),
        ({"list": "01a22947-d1de-7294-96aa-7a623b834ab5", "op": "exists"}, "rule"),
        ({"trait": "a", "op": "within", "value": {"last": 30}}, "value.last"),
        ({"trait": "a", "op": "within", "value": {"last": "1d", "next": "1d"}}, "value"),
        ({"trait": "a", "op": "within", "value": {"this": "fortnight"}}, "value.this"),
        ({"trait": "a", "op": "within", "value": {"this": "day", "zone": "Mars"}}, "value.zone"),
        (
            {"trait": "a", "op": "within", "value": {"this": "day", "zone": "localtime"}},
            "value.zone",
        ),
        ({"trait": "a", "op": "within", "value": {"last": "1d", "zone": "UTC"}}, "value.zone"),
        ({"trait": "a", "op": "within", "value": "last 30d"}, "value"),
        ({"trait": "a", "op": "anniversary", "value": {"next": "366d"}}, "value.next"),
        ({"trait": "a", "op": "anniversary", "value": {"next": "1mo"}}, "value.next"),
        ({"trait": "a", "op": "gte", "value": {"now": "30d"}}, "value.now"),
        ({"trait": "a", "op": "gte", "value": {"now": "-30d", "x": 1}}, "value"),
        ({"trait": "a", "op": "eq", "value": {"now": "-30d"}}, "value"),
        ({"computed": "orders", "op": "gte", "value": {"now": "-30d"}}, "value"),
        ({"computed": "orders", "op": "within", "value": {"last": "30d"}}, "op"),
        ({"trait": "a", "op": "eq", "value": 1, "of": "most"}, "of"),
        ({"trait": "a", "op": "exists", "of": "all"}, "op"),
        ({"trait": "a", "op": "contains", "of": "size", "value": 1}, "op"),
        ({"consent": "email", "op": "eq", "value": "yes"}, "value"),
        ({"consent": "all", "op": "eq", "value": "granted"}, "consent"),
        ({"consent": "email", "purpose": "nonsense", "op": "exists"}, "purpose"),
        ({"reachable": "pigeon"}, "reachable"),
        ({"reachable": "email", "op": "exists"}, "rule"),
        ({"contact_point": "email", "verified": 1, "op": "exists"}, "verified"),
        ({"bucket": "a", "from": 10, "to": 10}, "to"),
        ({"bucket": "a", "from": 10}, "to"),
        ({"bucket": "a", "from": 0, "to": 100.001}, "to"),
        ({"bucket": "", "from": 0, "to": 10}, "bucket"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(rule: dict[str, Any], path: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(rule)
    assert caught.value.details == {"path": path}
