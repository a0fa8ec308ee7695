"""Rules on events and what happened to people, drawn at random: they meet at edges of windows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from services.segment.tests.generating import LENGTHS, STEP, ZONES, Chance
from typing_extensions import override

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.events.profile import IdentifierState
from rapport_segment.domain.happenings import Arrival, Happenings, Named, arrival, with_one, without
from rapport_segment.domain.sections import IDENTIFIERS, Facts, Section, anchor_of

NAMES = ("Order Completed", "Product Viewed", "Survey Answered")
CASES = ("Case Opened", "Case State Changed", "Case Reopened", "Case Closed")
SURVEY = "01a22947-d1de-7294-96aa-7a623b834ab5"
TOTALS = (0, 1, 5, 9.5, -3, "5", "5.0", "9.50", "x", True, None, [5], 10**20, 1e-7)
SKUS = ("a", "A", "b", 1, "1", True, "true", None, ["a"], {"a": 1}, "2026-01-31")
GAPS = ("1min", "1h", "1d", "7d", "2w")
DAY = timedelta(days=1)


@dataclass
class Life:
    """What happened to one person, who is known by some anchors."""

    number: int
    identifiers: list[tuple[str, str]]
    events: list[Event] = field(default_factory=list)
    told: list[ProfileActivity] = field(default_factory=list)

    @property
    def arrivals(self) -> list[Arrival]:
        """All that was told, in that order, copies and repetitions too."""
        return [one for record in self.told if (one := arrival(record)) is not None]


class EventChance(Chance):
    """Draws of one seed; its rules ask of events more often than of anything else."""

    def life(self, number: int, *, prefix: str = "") -> Life:
        """A person with one identifier or two, as after a merge; told late, twice and in copies."""
        pick = self._random
        names = [f"{prefix}{number}-{one}" for one in range(pick.choice((1, 1, 2)))]
        life = Life(number, [("user_id", one) for one in names])
        for place in range(pick.choice((0, 1, 2, 4, 8))):
            event = self.happens(life, place)
            life.events.append(event)
            life.told.append(record_of(event))
            if pick.random() < 0.2:
                life.told.append(record_of(event))
            if pick.random() < 0.2:
                other = self.happens(life, place)
                life.told.append(record_of(other, 1))
        pick.shuffle(life.told)
        return life

    def happens(self, life: Life, place: int) -> Event:
        """An event near now, or just after another one of theirs."""
        pick = self._random
        at = self.past()
        if life.events and pick.random() < 0.5:
            gap = {"1min": 60, "1h": 3600, "1d": 86400, "7d": 604800}[pick.choice(GAPS[:4])]
            edge = timedelta(seconds=gap) + STEP * pick.choice((-1, 0, 1))
            at = life.events[-1].timestamp + pick.choice((edge, STEP, timedelta()))
        properties = {
            "total": pick.choice(TOTALS),
            "sku": pick.choice(SKUS),
            "in": {"side": pick.choice(TOTALS)},
            "score": pick.choice((0, 6, 7, 8, 9, 10, "6", 11, None)),
            "kind": pick.choice(("nps", "nps", "csat")),
            "survey_id": pick.choice((SURVEY, "another")),
        }
        name = pick.choice(NAMES)
        if pick.random() < 0.35:
            name = pick.choice(CASES)
            states = ("received", "assessed", "closed")
            properties |= {"case_id": pick.choice(("k", "k", "K", 5)), "state": pick.choice(states)}
            properties |= {"due_at": self.written(), "step": pick.choice((1, 2, 9, 10, None, True))}
        kept = {name: value for name, value in properties.items() if pick.random() < 0.8}
        return Event(
            workspace="acme",
            source="shop",
            message_id=f"{life.identifiers[0][1]}/{place}",
            type="track",
            timestamp=at,
            received_at=at + pick.choice((timedelta(), timedelta(), -STEP)),
            name=name,
            identifiers=[pick.choice(life.identifiers)],
            properties=msgspec.Raw(msgspec.json.encode(kept)),
        )

    def past(self) -> datetime:
        """Mostly before now, at the edge of a window."""
        at = self.near()
        return at if at <= self.now or self._random.random() < 0.2 else self.now - (at - self.now)

    @override
    def leaf(self) -> dict[str, Any]:
        return self.event_leaf() if self._random.random() < 0.8 else super().leaf()

    def event_leaf(self) -> dict[str, Any]:
        """A comparison with events."""
        pick = self._random
        name, where = pick.choice(NAMES), self.where()
        kind = pick.randrange(13)
        if pick.random() < 0.15:
            return self.case()
        if kind >= 10:
            return self.told() if kind == 10 else self.answer()
        if kind < 2:
            return {"performed": name, **where, **self.window()}
        op = pick.choice(("eq", "ne", "gt", "gte", "lt", "lte"))
        if kind < 4:
            return {"count": name, **where, **self.window(), "op": op, "value": pick.randrange(4)}
        if kind < 6:
            amount = pick.choice(("sum", "average", "min", "max", "distinct"))
            of = {"property": pick.choice(("total", "sku", "in.side"))}
            value = pick.choice((0, 1, 5, "9.5", 14.5, -3))
            return {amount: name, **of, **where, **self.window(), "op": op, "value": value}
        if kind < 7:
            which = pick.choice(("first", "last", "nth"))
            number = {"n": pick.choice((1, 2, 3))} if which == "nth" else {}
            return {which: name, **number, **where, **self.instant_test()}
        return self.sequence()

    def told(self) -> dict[str, Any]:
        """A property of one event."""
        pick = self._random
        which = pick.choice(("first", "last", "nth"))
        number = {"n": pick.choice((1, 2, 3))} if which == "nth" else {}
        some: tuple[dict[str, Any], ...] = (
            {"property": "total", "op": pick.choice(("gt", "lte", "eq", "ne")), "value": 5},
            {"property": "sku", "op": pick.choice(("eq", "ne", "contains")), "value": "a"},
            {"property": "sku", "op": "in", "value": ["a", 1, True]},
            {"property": "in.side", "op": pick.choice(("exists", "not_exists"))},
            {"property": "sku", "op": "matches", "value": "(?i)^a"},
        )
        asked = pick.choice(some)
        return {which: pick.choice(NAMES), **number, **asked, **self.where(), **self.window()}

    def case(self) -> dict[str, Any]:
        """A case as it is now."""
        pick = self._random
        op = pick.choice(("gt", "gte", "lt", "lte"))
        tests: tuple[dict[str, Any], ...] = (
            {"property": "state", "op": pick.choice(("eq", "ne")), "value": "assessed"},
            {"property": "total", "op": op, "value": 5},
            {"property": "due_at", "op": op, "value": {"now": "0"}},
            {"property": "since", "op": op, "value": {"now": "-" + pick.choice(LENGTHS)}},
            {"property": "since", "op": "within", "value": {"last": pick.choice(LENGTHS)}},
            {"property": "since", "op": op, "value": "2027-01-01"},
            {"property": "sku", "op": "matches", "value": "(?i)^a"},
        )
        where = [pick.choice(tests) for _ in range(pick.choice((0, 0, 1, 2)))]
        state = pick.choice(("open", "open", "closed", "any"))
        return {"case": state, **({"where": where} if where else {})}

    def answer(self) -> dict[str, Any]:
        """The last answer to a survey, or to one of them."""
        pick = self._random
        of = {"answer": "nps", **({"survey": SURVEY} if pick.random() < 0.3 else {})}
        words = ("detractor", "passive", "promoter", 6, 7, "9")
        kind = pick.randrange(5)
        if kind == 0:
            return {**of, "op": pick.choice(("exists", "not_exists"))}
        if kind == 1:
            return {**of, "op": pick.choice(("eq", "ne")), "value": pick.choice(words)}
        if kind == 2:
            return {**of, "op": "in", "value": [pick.choice(words), pick.choice(words)]}
        if kind == 3:
            op = pick.choice(("gt", "gte", "lt", "lte"))
            return {**of, "op": op, "value": pick.choice((0, 6, 8.5, "9"))}
        return {**of, **self.instant_test()}

    def sequence(self) -> dict[str, Any]:
        """Two events or three, one after the other."""
        pick = self._random
        steps: list[dict[str, Any]] = [{"performed": pick.choice(NAMES), **self.where()}]
        for _ in range(pick.choice((0, 0, 1))):
            within = {"within": pick.choice(GAPS)} if pick.random() < 0.7 else {}
            steps.append({"performed": pick.choice(NAMES), **self.where(), **within})
        key = pick.choice(("performed", "not_performed"))
        within = {"within": pick.choice(GAPS)} if key != "performed" or pick.random() < 0.7 else {}
        steps.append({key: pick.choice(NAMES), **self.where(), **within})
        same = {"same": pick.choice(("sku", ["sku"], ["sku", "total"]))}
        return {
            "sequence": steps,
            **(same if pick.random() < 0.4 else {}),
            **self.window(),
        }

    def where(self) -> dict[str, Any]:
        """What is asked of properties, mostly nothing."""
        pick = self._random
        some = (
            {"property": "total", "op": pick.choice(("gt", "lte", "eq")), "value": 5},
            {"property": "sku", "op": pick.choice(("eq", "ne", "contains")), "value": "a"},
            {"property": "sku", "op": "in", "value": ["a", 1, True]},
            {"property": "in.side", "op": pick.choice(("exists", "not_exists"))},
            {"property": "sku", "of": "none", "op": "eq", "value": "a"},
            {"property": "sku", "op": "matches", "value": "(?i)^a"},
        )
        number = pick.choice((0, 0, 0, 1, 2))
        return {"where": [pick.choice(some) for _ in range(number)]} if number else {}

    def window(self) -> dict[str, Any]:
        """When events were."""
        pick = self._random
        kind = pick.randrange(5)
        if kind == 0:
            return {}
        if kind == 1:
            period = pick.choice(("day", "week", "month", "quarter", "year"))
            return {"within": {"this": period, "zone": pick.choice(ZONES)}}
        if kind == 2:
            sides = {
                "after": self.now - pick.choice((31, 400)) * DAY,
                "before": self.now - pick.choice((-1, 0, 7)) * DAY,
            }
            return {"within": {side: at.isoformat() for side, at in sides.items()}}
        return {"within": {"last": pick.choice(LENGTHS)}}

    def instant_test(self) -> dict[str, Any]:
        """What an instant is compared with."""
        pick = self._random
        if pick.random() < 0.4:
            return {"op": "within", "value": {"last": pick.choice(LENGTHS)}}
        op = pick.choice(("gt", "gte", "lt", "lte"))
        if pick.random() < 0.5:
            return {"op": op, "value": {"now": f"-{pick.choice(LENGTHS)}"}}
        return {"op": op, "value": self.past().astimezone(UTC).isoformat()}


def record_of(event: Event, replaced: int = 0) -> ProfileActivity:
    return ProfileActivity(
        workspace="acme", profile_id="unused", version=1, event=event, replaced=replaced
    )


def told_of(life: Life, facts: Facts, names: Sequence[str] = (*NAMES, *CASES)) -> Facts:
    """These facts, of somebody with the identifiers of a life, and with its events: those of
    these names, which are all that it has.
    """
    kept: dict[bytes, dict[str, Named]] = {
        anchor_of(*one): dict.fromkeys(names, ()) for one in life.identifiers
    }
    copies: dict[tuple[str, str, str], Arrival] = {}
    for one in life.arrivals:
        known = copies.get(one.message)
        if known is not None and known.copy > one.copy:
            continue
        copies[one.message] = one
        for named in kept.values():
            for name in names:
                named[name] = without(named[name], *one.one.message)
        kept[one.anchor][one.name] = with_one(kept[one.anchor][one.name], one.one)
    ids = Section(IDENTIFIERS, [IdentifierState(*one) for one in life.identifiers])
    return facts.overlaid({IDENTIFIERS: ids}).beside(Happenings(list(kept.values())))
