"""What must be exactly so at the end of the demo (pure functions over the outcome)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rapport_local.demo.comeback import BACK, LAPSED
from rapport_local.demo.data import History, address
from rapport_local.demo.outcome import Outcome
from rapport_local.demo.scene import BEST_FROM, Scene
from rapport_local.demo.shopper import ADDRESS, ORDER


@dataclass(frozen=True)
class Check:
    """A number of the report, with the number it must be."""

    name: str
    wanted: Any
    found: Any

    @property
    def holds(self) -> bool:
        """Whether both are the same."""
        return bool(self.wanted == self.found)


def check(history: History, scene: Scene, outcome: Outcome, own_events: int) -> list[Check]:
    """Return every check; `own_events` are those of the shopper and of the customer who is back."""
    return [
        *_profiles(history, outcome, own_events),
        *_segments(history, scene, outcome),
        *_library(history, outcome),
        *_mails(history, outcome),
        *_voice(outcome),
        Check("ledger's equations broken", 0, _broken(outcome)),
    ]


def revenue(outcome: Outcome) -> Decimal:
    """Return the revenue over all profiles in US dollars."""
    return Decimal(outcome.stats["revenue"].get("USD", "0"))


def _profiles(history: History, outcome: Outcome, own_events: int) -> list[Check]:
    stats, purchases = outcome.stats, len(history.purchases)
    sent = (
        outcome.thanks["counts"]["sent"] + outcome.reminder["counts"]["sent"]
    )  # each comes back as `Email Sent`
    return [
        Check("events", purchases + own_events + sent, stats["events"]),
        Check("profiles", len(history.spent) + 1, stats["profiles"]),
        Check("orders", purchases + 1, stats["orders"]),
        Check("US dollars of the file", history.revenue, revenue(outcome) - ORDER),
        Check("US dollars of the shopper", ORDER, _spent(outcome.shopper)),
    ]


def _segments(history: History, scene: Scene, outcome: Outcome) -> list[Check]:
    wanted = {
        scene.best: len(history.reaching(BEST_FROM)),
        scene.returning: len(history.returning()),
        scene.cart_left: 1,
    }
    return [
        Check(f"in “{found['name']}”", wanted[segment], found["members"])
        for segment, found in outcome.segments.items()
    ]


def _library(history: History, outcome: Outcome) -> list[Check]:
    inside, outside = outcome.inside, outcome.outside
    wanted = {LAPSED: len(history.spent), BACK: 0}
    counted = [
        Check(f"in “{found['name']}”", wanted[name], found["members"])
        for name, found in outcome.library.items()
    ]
    return [
        *counted,
        Check("who came back left when foretold", inside["changes_at"], outside["left_at"]),
        Check("… and had been in it", True, inside["member"] and not outside["member"]),
    ]


def _mails(history: History, outcome: Outcome) -> list[Check]:
    wanted = Counter(address(customer) for customer in history.reaching(BEST_FROM))
    kept = Counter(mail.to for mail in outcome.mails)
    return [
        Check("mails of “Thank you” sent", wanted.total(), outcome.thanks["counts"]["sent"]),
        Check("… kept, each address once", True, kept - Counter([ADDRESS]) == wanted),
        Check("cart reminders sent", 1, outcome.reminder["counts"]["sent"]),
        Check("… held back by the open complaint", 1, outcome.reminder["counts"]["suppressed"]),
    ]


def _voice(outcome: Outcome) -> list[Check]:
    score = outcome.score
    return [
        Check("NPS answers", 1, score["n"]),
        Check("… of them detractors", 1, score["detractors"]),
        Check("open cases", 1, outcome.shopper["computed"]["open_cases"]),
    ]


def _spent(profile: dict[str, Any]) -> Decimal:
    return Decimal(profile["computed"]["revenue"].get("USD", "0"))


def _broken(outcome: Outcome) -> int:
    return sum(not one["ok"] for one in outcome.ledger["equations"])
