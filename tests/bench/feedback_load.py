"""What is sent to feedback: pages that are answered, cases opened, replied to and moved on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

from tests.bench.feedback_store import made_id
from tests.bench.paced import request

import rapport_keys
from rapport_feedback.domain import links

if TYPE_CHECKING:
    from collections.abc import Iterator

Requests = list[tuple[str, bytes]]

FORM = {
    "layout": "all",
    "languages": ["en", "de"],
    "pages": [
        {
            "id": "all",
            "questions": [
                {"kind": "nps", "id": "score", "required": True, "text": "Would you tell others?"},
                {"kind": "ces", "id": "ease", "text": "How easy was it?"},
                {
                    "kind": "multiple",
                    "id": "what",
                    "text": "What did you like?",
                    "options": [
                        {"id": "price", "text": "The price"},
                        {"id": "speed", "text": "How quick it was"},
                        {"id": "else", "text": "Something else", "other": True},
                    ],
                },
                {"kind": "text", "id": "comment", "text": "Anything else?", "longest": 1000},
            ],
        }
    ],
    "quotas": [{"id": "many", "limit": 100_000_000, "per": "wave"}],
}
FOLLOW_UPS = {
    "rules": [
        {
            "id": "detractor",
            "if": {"answer": "score", "op": "lte", "value": 6},
            "case": {"severity": "high", "category": "detractor"},
        }
    ]
}
POLICY = {"any_survey_days": 30, "this_survey_days": 90, "reason": "nobody is asked twice a month"}
SCORES = (9, 10, 8, 9, 7, 10, 9, 10, 8, 3)
"""One of ten is a detractor, of whom there is a case."""

WORDS = "The+parcel+came+two+days+late+and+nobody+told+me"
JSON = "application/json"


def answers(secret: str, lot: str, first: int, count: int) -> Requests:
    """Pages of a lot of invitations as browsers post them; every third with words."""
    key = rapport_keys.derive(secret, "survey-link")
    return [_answer(links.sign(key, made_id(lot, one)), one) for one in range(first, first + count)]


def _answer(token: str, number: int) -> tuple[str, bytes]:
    score = SCORES[number % len(SCORES)]
    body = f"_page=all&score={score}&ease={1 + number % 7}&what=price"
    words = f"&what=else&what.other=Tea&comment={WORDS}+{number}" if number % 3 == 0 else ""
    form = "application/x-www-form-urlencoded"
    sent = request("POST", f"/s/{token}", (body + words).encode(), Content_Type=form)
    return "answer", sent


def case_events(token: str, lot: str, count: int) -> Requests:
    """In turn: a new case, a reply to an old one, an old one that is acknowledged; each a third."""
    made = list[tuple[str, bytes]]()
    for number in range(count):
        made += _of_case(token, lot, made_id(lot, number), number)
    return made[:count]


def _of_case(token: str, lot: str, case: UUID, number: int) -> Iterator[tuple[str, bytes]]:
    headers = {"Content_Type": JSON, "Authorization": f"Bearer {token}"}
    new = {
        "user_id": f"{lot}-{number}",
        "subject": f"Parcel {number} is late",
        "body": "It was to come on Monday, and nobody answers the telephone.",
        "severity": "high" if number % 5 == 0 else "normal",
        "product": f"product-{number % 20}",
    }
    yield "create", request("POST", "/v1/cases", json.dumps(new).encode(), **headers)
    reply = {"kind": "contact", "note": f"We have found parcel {number}; it comes today."}
    path = f"/v1/cases/{case}"
    yield "reply", request("POST", f"{path}/entries", json.dumps(reply).encode(), **headers)
    moved = {"state": "acknowledged", "note": "We are looking for it."}
    yield "move", request("POST", f"{path}/state", json.dumps(moved).encode(), **headers)
