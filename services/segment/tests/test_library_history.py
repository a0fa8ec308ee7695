"""The shipped library over a real shop's purchases (CDNOW, 1997 and 1998): who is in each segment,
counted here by plain arithmetic on days and cents, which knows nothing of rules.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import files
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest
from services.segment.tests.somebody import Somebody
from services.segment.tests.test_events import in_sql, keep
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rfm_rules import RfmRules
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import Facts
from rapport_segment.handlers.library import require
from rapport_segment.store import scores

pytestmark = pytest.mark.integration

CUSTOMERS = 23_570
SOME = 25
"""In the short form every 25th customer is looked at."""

EARLY, LATER, AT_THE_END = date(1997, 4, 10), date(1998, 2, 15), date(1998, 7, 1)
"""All have bought first by the end of March 1997: so few are new later."""

NAMES = (
    *("Order Completed", "Order Refunded", "Product Reviewed"),
    *("Product Viewed", "Email Opened", "Email Link Clicked"),
)
RFM = RfmRules(
    recency={"computed": "last_order_at"},
    frequency={"computed": "orders"},
    monetary={"computed": "revenue", "currency": "USD"},
)


class Purchase(NamedTuple):
    """The day of a purchase, and what it cost in cents."""

    day: date
    cents: int


class Customer(NamedTuple):
    """What somebody had bought up to a day, oldest first."""

    today: date
    purchases: Sequence[Purchase]

    @property
    def ages(self) -> list[int]:
        """How many days ago each was."""
        return [(self.today - one.day).days for one in self.purchases]

    @property
    def cents(self) -> int:
        """All that was spent."""
        return sum(one.cents for one in self.purchases)

    @property
    def last(self) -> int:
        """How many days ago the last one was."""
        return self.ages[-1]

    def lately(self, days: int) -> list[int]:
        """The cents of those that are less than so many days old."""
        recent = zip(self.purchases, self.ages, strict=True)
        return [one.cents for one, age in recent if age < days]

    def comes_round(self, days: int) -> bool:
        """Whether the day of the first purchase comes round today or on one of the next days."""
        first = self.purchases[0].day
        ahead = [self.today + timedelta(days=number) for number in range(days)]
        return any(
            (one.month, one.day) == (first.month, first.day) and one.year > first.year
            for one in ahead
        )


Counts = Callable[[Customer], bool]

USD = {"currency": "USD"}
GIVEN: Mapping[str, Mapping[str, str]] = {
    "big_spenders": {**USD, "amount": "100"},
    "big_baskets": {**USD, "amount": "49.99"},
    "big_order_lately": {**USD, "amount": "74.5"},
    "high_value_at_risk": {**USD, "amount": "100"},
}
ALONE: Mapping[str, Counts] = {
    "new_customers": lambda one: one.ages[0] < 30,
    "one_time_buyers": lambda one: len(one.purchases) == 1,
    "second_order_due": lambda one: len(one.purchases) == 1 and 30 <= one.last < 90,
    "repeat_buyers": lambda one: len(one.purchases) > 1,
    "frequent_buyers": lambda one: len(one.lately(90)) > 2,
    "active_customers": lambda one: one.last < 90,
    "about_to_lapse": lambda one: 60 <= one.last < 90,
    "lapsed_customers": lambda one: one.last >= 180,
    "lapsed_and_back": lambda _one: False,
    "order_anniversary": lambda one: one.comes_round(7),
    "gone_quiet": lambda one: one.last >= 365,
    "big_spenders": lambda one: one.cents >= 100_00,
    "big_baskets": lambda one: (
        bool(one.lately(365)) and sum(one.lately(365)) >= 49_99 * len(one.lately(365))
    ),
    "big_order_lately": lambda one: max(one.lately(30), default=-1) >= 74_50,
    "high_value_at_risk": lambda one: one.cents >= 100_00 and one.last >= 90,
    "discount_buyers": lambda _one: False,
    "full_price_buyers": lambda one: len(one.lately(365)) > 1,
    "refunders": lambda _one: False,
    "review_due": lambda one: any(14 <= age < 60 for age in one.ages),
    "unreachable_customers": lambda _one: True,
}
"""Who is in, by what somebody has bought alone."""

AMONG_ALL = ("vip_by_rfm", "vip_at_risk")
NOBODY = {"lapsed_and_back", "discount_buyers", "refunders"}
EMPTY = {
    EARLY: NOBODY | {"lapsed_customers", "gone_quiet", "order_anniversary"},
    LATER: NOBODY | {"new_customers", "second_order_due"},
    AT_THE_END: NOBODY | {"new_customers", "second_order_due", "order_anniversary"},
}
"""In which segments nobody was: all others show that somebody is counted."""


def history() -> dict[str, list[Purchase]]:
    """All purchases by customer, each oldest first."""
    [path] = [one for one in files("lifetimes") or () if one.name == "CDNOW_master.txt"]
    lines = Path(str(path.locate())).read_text(encoding="ascii").splitlines()[1:]
    rows = sorted(line.split() for line in lines)
    return {
        customer: [
            Purchase(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(), cents_of(total))
            for _customer, day, _quantity, total in some
        ]
        for customer, some in groupby(rows, key=lambda row: row[0])
    }


def cents_of(total: str) -> int:
    whole, _, part = total.partition(".")
    return int(whole) * 100 + int(f"{part:0<2}")


def bought_by(today: date, every: int) -> list[Customer]:
    """Each so manieth customer, as known at the beginning of a day; those who had bought."""
    everybody = [
        Customer(today, [one for one in some if one.day < today])
        for number, some in enumerate(history().values())
        if number % every == 0
    ]
    return [one for one in everybody if one.purchases]


def fifths(values: Sequence[int]) -> list[int]:
    """For each value 1 to 5: by how many are less, and half of those that are the same."""
    found: dict[int, int] = {}
    before = 0
    for value, same in groupby(sorted(values)):
        number = len(list(same))
        found[value] = 5 * (2 * before + number) // (2 * len(values)) + 1
        before += number
    return [found[one] for one in values]


def among_all(everybody: Sequence[Customer]) -> dict[str, list[bool]]:
    """Who is a VIP, and who was one and does not buy any more."""
    recency = fifths([-one.last for one in everybody])
    frequency = fifths([len(one.purchases) for one in everybody])
    monetary = fifths([one.cents for one in everybody])
    scored = list(zip(recency, frequency, monetary, strict=True))
    return {
        "vip_by_rfm": [often == much == 5 for _lately, often, much in scored],
        # Of the two lowest fifths in recency those who are beyond the middle in the two others.
        "vip_at_risk": [
            lately <= 2 and often + much >= 5 and much >= 4 for lately, often, much in scored
        ],
    }


def told(everybody: Sequence[Customer]) -> list[Somebody]:
    """The same as people, whose orders have happened at midnight."""
    people = []
    for customer in everybody:
        one = Somebody(midnight(customer.today))
        for purchase in customer.purchases:
            total = Decimal(purchase.cents) / 100
            ago = customer.today - purchase.day
            one.did("Order Completed", ago, total=total, currency="USD")
        people.append(one)
    return people


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


async def keep_with_scores(
    tx: AsyncConnection, some: Sequence[Somebody], now: datetime
) -> list[Facts]:
    """Keep these people, and work their scores out; what is known of each."""
    lives = [one.life(number) for number, one in enumerate(some)]
    people = [one.facts(life, NAMES) for one, life in zip(some, lives, strict=True)]
    await keep(tx, lives, people, batch=5000)
    customers, _changed = await scores.score(tx, "acme", RFM, now)
    assert customers == len(people)
    kept = await scores.of_people(tx, [("acme", one.profile_id) for one in people])
    return [one.scored(kept["acme", one.profile_id]) for one in people]


@pytest.mark.parametrize(
    ("today", "every"),
    [
        pytest.param(EARLY, SOME, id="some, early"),
        pytest.param(LATER, SOME, id="some, later"),
        pytest.param(EARLY, 1, id="all, early", marks=pytest.mark.long),
        pytest.param(LATER, 1, id="all, later", marks=pytest.mark.long),
        pytest.param(AT_THE_END, 1, id="all, at the end", marks=pytest.mark.long),
    ],
)
async def test_segments_hold_whom_they_should_of_a_real_history(
    module_engine: AsyncEngine, today: date, every: int
) -> None:
    everybody = bought_by(today, every)
    if every == 1:
        assert len(everybody) == CUSTOMERS
    wanted = {name: [counts(one) for one in everybody] for name, counts in ALONE.items()}
    wanted |= among_all(everybody)
    async with module_engine.connect() as tx:
        people = await keep_with_scores(tx, told(everybody), midnight(today))
        judges, numbers = Judges(), {}
        for name, expected in wanted.items():
            rule = require(name).filled(GIVEN.get(name, {})).rule
            assert rule is not None
            judge = judges.of(parse(rule))
            assert await in_sql(tx, rule, midnight(today), people) == expected, name
            assert [judge(View(one, midnight(today)))[0] for one in people] == expected, name
            numbers[name] = sum(expected)
        await tx.rollback()
    assert {name for name, number in numbers.items() if not number} == EMPTY[today], numbers
