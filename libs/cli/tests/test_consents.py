"""`rapport consent`: whose word it is, and whether campaigns believe it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

PERSON = "0197f000-0000-7000-8000-000000000002"
WORD = {
    "contact_point": "ada@example.com",
    "channel": "email",
    "purpose": "promotion",
    "state": "granted",
    "at": "2026-01-31T09:30:00Z",
}


def test_what_only_a_page_tells_of_is_not_confirmed(rapport: Rapport, server: Answers) -> None:
    page = {
        "items": [{**WORD, "source": "shop"}, {**WORD, "source": "page", "confirmed": False}],
        "next": None,
    }
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    server.answers[f"GET /v1/profiles/{PERSON}/consents"] = (200, page)
    _, believed, doubted = rapport("consent", "list", "user_id", "42").stdout.splitlines()
    assert believed.split()[3:5] == ["granted", "yes"]
    assert doubted.split()[3:5] == ["granted", "no"]
    assert json.loads(rapport("consent", "list", "user_id", "42", "--json").stdout) == page
