"""The demo's own parts: its data, and checks that fail when a number is off by one."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from rapport_local.demo import checks, data
from rapport_local.demo.data import History, Purchase
from rapport_local.demo.mailbox import Mail, Mailbox
from rapport_local.demo.outcome import Outcome
from rapport_local.demo.scene import BEST_FROM, Scene
from rapport_local.demo.shopper import ADDRESS

SCENE = Scene("k", "w", "best", "returning", "cart", "thanks", "reminder", "survey")
OWN_EVENTS = 14


@pytest.fixture(scope="module")
def history() -> History:
    return data.load()


def test_the_file_is_the_known_one(history: History) -> None:
    assert len(history.purchases) == 69_659
    assert len(history.spent) == 23_570
    assert history.revenue == Decimal("2500315.63")
    assert len(history.reaching(BEST_FROM)) == 734


def test_a_line_becomes_a_purchase(history: History) -> None:
    assert history.purchases[0] == Purchase(
        1, "00001", datetime(1997, 1, 1, tzinfo=UTC), 1, Decimal("11.77")
    )
    assert history.purchases[0].address == "00001@example.com"


def _mail(to: str, sender: str = "demo@shop.example.com") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, to
    mail.set_content("Hello")
    mail.add_alternative('<a href="http://x/c/t?a=1&amp;b=2">Go</a>', subtype="html")
    return mail


@pytest.fixture(scope="module")
def good(history: History) -> Outcome:
    """What the platform answers when all went well."""
    best = [data.address(one) for one in history.reaching(BEST_FROM)]
    return Outcome(
        stats={
            "events": 69_659 + OWN_EVENTS + 735,
            "profiles": 23_571,
            "orders": 69_660,
            "revenue": {"USD": "2500445.53"},
        },
        segments={
            "best": {"name": "best", "members": 734},
            "returning": {"name": "returning", "members": len(history.returning())},
            "cart": {"name": "cart", "members": 1},
        },
        library={
            "lapsed_customers": {"name": "lapsed", "members": 23_570},
            "lapsed_and_back": {"name": "back", "members": 0},
        },
        inside={"member": True, "changes_at": "2026-03-01T12:00:00Z"},
        outside={
            "member": False,
            "left_at": "2026-03-01T12:00:00Z",
        },
        thanks={"counts": {"sent": 734}},
        reminder={"counts": {"sent": 1, "suppressed": 1}},
        suppressed=[{"reason": "open complaint"}],
        shopper={"computed": {"revenue": {"USD": "129.9"}, "open_cases": 1}},
        timeline=[],
        score={"n": 1, "detractors": 1},
        cases=[],
        ledger={"equations": [{"ok": True}]},
        mails=[Mail(to, b"") for to in [*best, ADDRESS]],
    )


def _wrong(history: History, outcome: Outcome) -> list[str]:
    found = checks.check(history, SCENE, outcome, OWN_EVENTS)
    return [one.name for one in found if not one.holds]


def test_a_good_outcome_passes(history: History, good: Outcome) -> None:
    assert _wrong(history, good) == []


NUMBERS: list[tuple[str, tuple[str, ...], Any]] = [
    ("stats", ("events",), 1),
    ("stats", ("profiles",), 23_572),
    ("stats", ("orders",), 69_659),
    ("stats", ("revenue", "USD"), "2500445.54"),
    ("segments", ("best", "members"), 733),
    ("segments", ("returning", "members"), 0),
    ("segments", ("cart", "members"), 2),
    ("library", ("lapsed_customers", "members"), 23_571),
    ("library", ("lapsed_and_back", "members"), 1),
    ("inside", ("member",), False),
    ("inside", ("changes_at",), None),
    ("outside", ("member",), True),
    ("outside", ("left_at",), "2026-03-01T12:00:00.000001Z"),
    ("thanks", ("counts", "sent"), 735),
    ("reminder", ("counts", "suppressed"), 0),
    ("shopper", ("computed", "open_cases"), 0),
    ("shopper", ("computed", "revenue"), {}),
    ("score", ("detractors",), 0),
    ("ledger", ("equations",), [{"ok": False}]),
]


@pytest.mark.parametrize(("part", "path", "value"), NUMBERS)
def test_one_wrong_number_fails(
    history: History, good: Outcome, part: str, path: tuple[str, ...], value: object
) -> None:
    answer = deepcopy(getattr(good, part))
    place = answer
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert _wrong(history, replace(good, **{part: answer}))


def test_a_doubled_or_missing_mail_fails(history: History, good: Outcome) -> None:
    for mails in (good.mails[1:], [*good.mails, good.mails[0]]):
        assert _wrong(history, replace(good, mails=mails)) == ["… kept, each address once"]


def test_a_mailbox_holds_the_senders_mails_only(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for number, sender in enumerate(["demo@shop.example.com", "other@example.com"]):
        mail = _mail(f"{number}@example.com", sender)
        (tmp_path / "new" / str(number)).write_bytes(mail.as_bytes())
    mailbox = Mailbox(tmp_path, "demo@shop.example.com", since=0)
    assert Counter(mail.to for mail in mailbox.mails()) == {"0@example.com": 1}
    assert mailbox.to("1@example.com") == []
    assert Mailbox(tmp_path, "demo@shop.example.com", since=2e10).mails() == []


def test_the_tracked_link_is_found_and_unescaped() -> None:
    mail = Mail("a@example.com", _mail("a@example.com").as_bytes())
    assert mail.first_link() == "http://x/c/t?a=1&b=2"
    with pytest.raises(ValueError, match="no tracked link"):
        Mail("a@example.com", b"").first_link()
