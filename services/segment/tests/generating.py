"""Rules and people drawn at random, around an instant: they meet at the edges of windows."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rapport_common.events.activity import ContactPoint, Restraint
from rapport_common.events.consent import ConsentWord
from rapport_common.events.profile import (
    ComputedState,
    ConsentState,
    DefinedValue,
    IdentifierState,
)
from rapport_segment.domain.sections import (
    COMPUTED,
    CONSENT,
    CONTACT_POINTS,
    IDENTIFIERS,
    RESTRAINTS,
    TRAITS,
    Facts,
    Section,
)

ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati")
MORE_ZONES = (*ZONES, "America/Nuuk", "Australia/Lord_Howe", "Etc/GMT+12", "Africa/Cairo", "Mars")
LENGTHS = ("1min", "90min", "1h", "1d", "7d", "30d", "2w", "1mo", "3mo", "13mo", "1y")
DAYS = ("1d", "2d", "7d", "31d", "2w", "364d", "365d")
STATES = ("granted", "denied", "withdrawn", "expired", "unconfirmed")
WORDS: tuple[ConsentWord, ...] = ("granted", "granted", "denied", "withdrawn")
PATTERNS = ("^20", "02-2[89]", "(?i)GOLD", r"\.\d{6}Z$", "^$", r"[^\x00-\x7f]", "(a*)*b")
ADDRESSES = ("ada@x.org", "bob@x.org")
STEP = timedelta(microseconds=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


class Chance:
    """Draws of one seed; instants lie around `now`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.now = self.instant()

    def instant(self) -> datetime:
        """Any; at midnight and at the ends of months more often than by chance."""
        pick = self._random
        at = FIRST + timedelta(microseconds=pick.randrange((LAST - FIRST) // STEP))
        if pick.random() < 0.4:
            at = at.replace(hour=pick.choice((0, 23, 1)), minute=0, second=0, microsecond=0)
        if pick.random() < 0.3:
            month, day = pick.choice(((2, 28), (3, 1), (12, 31), (1, 1), (3, 31), (10, 31)))
            at = at.replace(month=month, day=day)
        return at

    def near(self) -> datetime:
        """Around now: mostly at the edge of a window."""
        pick = self._random
        away = pick.choice((0, 1, 7, 14, 30, 31, 90, 91, 365, 366, 400))
        at = self.now + timedelta(days=away * pick.choice((-1, 1)))
        if pick.random() < 0.3:
            at += pick.choice((timedelta(hours=1), timedelta(minutes=90), timedelta(minutes=1)))
        return at + STEP * pick.choice((-1, 0, 0, 0, 1))

    def written(self) -> Any:
        """An instant as sources write it, or something that looks like one."""
        pick = self._random
        at = self.near()
        kinds = (
            at.isoformat(),
            at.date().isoformat(),
            at.replace(year=pick.choice((1960, 1996, at.year))).date().isoformat()
            if (at.month, at.day) != (2, 29)
            else "1996-02-29",
            at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "1988-02-29",
            "2026-02-30T10:00:00.000000Z",
            "2026-13-01",
            "2100-02-29",
            "0000-01-01",
            "0001-01-01",
            "9999-12-31",
            "9999-12-31T23:59:59.999999Z",
            "gold",
            "",
            5,
            True,
            None,
            {"a": 1},
        )
        return pick.choice(kinds[:5] if pick.random() < 0.8 else kinds)

    def traits(self) -> dict[str, Any]:
        pick, found = self._random, dict[str, Any]()
        for name in ("born", "since"):
            if pick.random() < 0.7:
                found[name] = self.written()
        if pick.random() < 0.5:
            found["tags"] = [self.written() for _ in range(pick.choice((0, 1, 2, 20)))]
        if pick.random() < 0.6:
            found["timezone"] = pick.choice((*MORE_ZONES, 5))
        if pick.random() < 0.3:
            found["in"] = {"side": self.written()}
        if pick.random() < 0.6:
            found["groups"] = self.groups()
        return found

    def groups(self) -> Any:
        """Companies as profile tells them, and now and then something else."""
        pick = self._random
        some = []
        for number in range(pick.choice((1, 1, 2, 3))):
            one: dict[str, Any] = {"id": f"c{number}", "plan": pick.choice(("gold", "free", 5))}
            one |= {"seats": pick.choice((1, 50, "50", True)), "ends": self.written()}
            one |= {"at": {"city": pick.choice(("Bonn", "gold"))}}
            some.append({name: value for name, value in one.items() if pick.random() < 0.9})
        listed = {"company": {"id": [one.get("id") for one in some]}, "*": {"company": some}}
        others = (
            {"company": some[0]},
            {"company": some},
            {"*": {"company": some}},
            {"company": {}, "*": {"company": [*some, 5, None, ["id"]]}},
            {"company": {"id": 5}, "*": some},
            ["company"],
            "company",
        )
        return listed if pick.random() < 0.7 else pick.choice(others)

    def group_leaf(self) -> dict[str, Any]:
        """What one and the same company is like."""
        pick = self._random
        op = pick.choice(("gt", "gte", "lt", "lte"))
        tests: tuple[dict[str, Any], ...] = (
            {"property": "plan", "op": pick.choice(("eq", "ne")), "value": "gold"},
            {"property": "seats", "op": op, "value": 50},
            {"property": "seats", "op": "eq", "value": pick.choice((1, True))},
            {"property": "at.city", "op": pick.choice(("exists", "not_exists"))},
            {"property": "at.city", "op": "matches", "value": "(?i)^GO"},
            {"property": "ends", "op": op, "value": {"now": pick.choice("+-") + "30d"}},
            {"property": "ends", "op": "within", "value": {"next": pick.choice(LENGTHS)}},
            {"property": "plan", "of": "none", "op": "in", "value": ["gold", 5]},
            {"property": "id", "op": "contains", "value": "0"},
        )
        where = [pick.choice(tests) for _ in range(pick.choice((0, 1, 2, 2, 3)))]
        kind = pick.choice(("company",) * 4 + ("team",))
        return {"group": kind, **({"where": where} if where else {})}

    def words(self) -> list[ConsentState]:
        pick = self._random
        found = []
        for _ in range(pick.choice((0, 1, 1, 2, 3))):
            state = pick.choice(WORDS)
            yes = state == "granted"
            found.append(
                ConsentState(
                    contact_point=pick.choice((*ADDRESSES, "+49 170 1234567")),
                    channel=pick.choice(("email", "email", "sms", "all")),
                    purpose=pick.choice(("promotion", "promotion", "survey", "all")),
                    state=state,
                    at=self.near(),
                    source="shop",
                    confirmed=pick.random() < 0.8,
                    expires_at=self.near() if yes and pick.random() < 0.5 else None,
                    expired=not yes and pick.random() < 0.3,
                    lacks="proof" if yes and pick.random() < 0.2 else None,
                )
            )
        return found

    def facts(self) -> Facts:
        """A person."""
        pick = self._random
        points = [
            ContactPoint(channel=channel, value=value, verified=pick.random() < 0.7)
            for channel, value in (
                *(("email", one) for one in ADDRESSES),
                ("sms", "+491701234567"),
            )
            if pick.random() < 0.5
        ]
        restraints: list[Restraint] = ["marketing"] if pick.random() < 0.15 else []
        defined = {
            "bought_at": DefinedValue(time=self.near()),
            "viewed": DefinedValue(values=["tea"] * pick.choice((0, 1, 3))),
        }
        computed = ComputedState(
            orders=pick.randrange(3),
            last_order_at=self.near() if pick.random() < 0.8 else None,
            defined=defined if pick.random() < 0.5 else msgspec.UNSET,
        )
        told: dict[int, Any] = {
            IDENTIFIERS: [IdentifierState("user_id", "u")],
            TRAITS: msgspec.Raw(msgspec.json.encode(self.traits())),
            COMPUTED: computed,
            RESTRAINTS: restraints,
            CONTACT_POINTS: points,
            CONSENT: self.words(),
        }
        who = f"00000000-0000-4000-8000-{pick.randrange(16**12):012x}"
        return Facts([Section(place, told[place]) for place in sorted(told)], who)

    def leaf(self) -> dict[str, Any]:
        """A comparison that moves with time, or one that stands beside it."""
        pick = self._random
        subject = pick.choice(
            (
                {"trait": "born"},
                {"trait": "since"},
                {"trait": "tags"},
                {"trait": "in.side"},
                {"defined": "bought_at"},
                {"computed": "last_order_at"},
            )
        )
        of = {"of": pick.choice(("any", "all", "none"))} if "computed" not in subject else {}
        kind = pick.randrange(10)
        if kind < 3:
            distance = pick.choice((*LENGTHS, ""))
            value = pick.choice("+-") + distance if distance else "0"
            op = pick.choice(("gt", "gte", "lt", "lte"))
            return {**subject, **of, "op": op, "value": {"now": value}}
        if kind < 5:
            window = {pick.choice(("last", "next")): pick.choice(LENGTHS)}
            return {**subject, **of, "op": "within", "value": window}
        if kind == 5:
            period = pick.choice(("day", "week", "month", "quarter", "year"))
            window = {"this": period, "zone": pick.choice(ZONES)}
            return {**subject, **of, "op": "within", "value": window}
        if kind < 8:
            window = {pick.choice(("last", "next")): pick.choice(DAYS), "zone": pick.choice(ZONES)}
            return {**subject, **of, "op": "anniversary", "value": window}
        return self._other()

    def _other(self) -> dict[str, Any]:
        pick = self._random
        channel = pick.choice(("email", "sms", "whatsapp"))
        purpose = pick.choice(("promotion", "survey", "service"))
        consent = {"consent": channel, "purpose": purpose}
        value = pick.choice(STATES)
        first, pattern = pick.randrange(9), pick.choice(PATTERNS)
        if pick.random() < 0.25:
            return self.group_leaf()
        return pick.choice(
            (
                {"reachable": channel, "purpose": purpose},
                {"reachable": "email"},
                {**consent, "op": pick.choice(("eq", "ne")), "value": value},
                {**consent, "op": "in", "value": [value, pick.choice(STATES)]},
                {**consent, "op": pick.choice(("exists", "not_exists"))},
                {"contact_point": channel, "verified": True, "op": "exists"},
                {"contact_point": "email", "op": pick.choice(("eq", "ne")), "value": ADDRESSES[0]},
                {"bucket": pick.choice("ab"), "from": first * 10, "to": first * 10 + 10.5},
                {"trait": "tags", "of": "size", "op": "gte", "value": pick.randrange(3)},
                {"defined": "viewed", "of": "size", "op": "ne", "value": 1},
                {"computed": "orders", "op": "gte", "value": 1},
                {"trait": pick.choice(("tags", "since")), "op": "matches", "value": pattern},
                {
                    "trait": "tags",
                    "of": pick.choice(("all", "none")),
                    "op": "matches",
                    "value": "0",
                },
                {"defined": "viewed", "op": "matches", "value": "^te"},
            )
        )

    def rule(self, depth: int = 3) -> dict[str, Any]:
        """Comparisons, joined."""
        pick = self._random
        if depth == 0 or pick.random() < 0.4:
            return self.leaf()
        branch = pick.choice(("and", "or", "not"))
        if branch == "not":
            return {"not": self.rule(depth - 1)}
        return {branch: [self.rule(depth - 1) for _ in range(pick.choice((1, 2, 3)))]}


def around(moments: Sequence[datetime]) -> list[datetime]:
    """Each of them, and a moment before and behind."""
    return [one + STEP * by for one in moments for by in (-1, 0, 1)]
