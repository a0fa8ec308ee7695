"""What is set up before the first event: source, policy, segments, campaigns, survey."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapport_local.demo.platform import Platform

BEST_FROM = Decimal(500)
BEST = {"computed": "revenue", "currency": "USD", "op": "gte", "value": str(BEST_FROM)}
RETURNING = {"computed": "orders", "op": "gte", "value": 2}
CART_LEFT = {
    "and": [
        {"trait": "cart_items", "op": "gte", "value": 1},
        {"identifier": "email", "op": "exists"},
    ]
}
THANKS = """<h1>Thank you!</h1>
<p>You have been with us for {{ profile.computed.orders }} orders. That deserves a present:</p>
<p><a href="https://shop.example.com/present">Choose yours</a></p>
<p><small><a href="{{ unsubscribe_url }}">No more mails like this</a></small></p>"""
REMINDER = """<p>Hello {{ profile.traits.name }},</p>
<p>your cart still has {{ profile.traits.cart_items }} things in it.</p>
<p><a href="https://shop.example.com/cart">Back to the cart</a></p>
<p><small><a href="{{ unsubscribe_url }}">No more mails like this</a></small></p>"""
QUESTION = "How likely is it that you recommend us to a friend?"


@dataclass(frozen=True)
class Scene:
    """The write keys of the two sources and the ids of what was made."""

    till_key: str
    web_key: str
    best: str
    returning: str
    cart_left: str
    thanks: str
    reminder: str
    survey: str


def set_up(platform: Platform) -> Scene:
    """Make everything the demo needs, as an operator would."""
    platform.patch("campaign", "/v1/policy", {"promotion_without_consent": True})
    best = _segment(platform, f"Spent ${BEST_FROM} or more", BEST)
    cart_left = _segment(platform, "Left a cart", CART_LEFT)
    return Scene(
        till_key=_source(platform, "pos", "pos"),
        web_key=_source(platform, "web", "server"),
        best=best,
        returning=_segment(platform, "Ordered twice or more", RETURNING),
        cart_left=cart_left,
        thanks=_campaign(platform, "Thank you", best, "A present for you", THANKS, old=True),
        reminder=_campaign(
            platform, "Cart reminder", cart_left, "Your cart is waiting", REMINDER, old=False
        ),
        survey=platform.post(
            "feedback",
            "/v1/surveys",
            {"name": "After a purchase", "kind": "nps", "question": QUESTION},
        )["id"],
    )


def sender(workspace: str) -> str:
    """Return the address the demo's mails come from; by it they are told from other mails."""
    return f"{workspace}@shop.example.com"


def _source(platform: Platform, name: str, kind: str) -> str:
    wanted = {"name": name, "kind": kind, "policy": {"currency": "USD"}}
    return str(platform.post("ingest", "/v1/sources", wanted)["write_key"])


def _segment(platform: Platform, name: str, rule: object) -> str:
    return str(platform.post("segment", "/v1/segments", {"name": name, "rule": rule})["id"])


def _campaign(
    platform: Platform, name: str, segment: str, subject: str, html: str, *, old: bool
) -> str:
    made = platform.post(
        "campaign",
        "/v1/campaigns",
        {
            "name": name,
            "segment_id": segment,
            "purpose": "promotion",
            "from_address": sender(platform.workspace),
            "subject": subject,
            "html": html,
            "allow_old_events": old,
            "include_existing": False,
        },
    )
    platform.post("campaign", f"/v1/campaigns/{made['id']}/start")
    return str(made["id"])
