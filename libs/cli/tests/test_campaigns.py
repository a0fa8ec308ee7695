"""`rapport campaign`: made and changed by documents, listed in pages, ended for good."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

ID = "0197f000-0000-7000-8000-000000000001"
DRAFT = {"id": ID, "name": "Thanks", "state": "draft", "purpose": "promotion", "segment_id": "s"}


def test_a_draft_is_made_changed_and_archived(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/campaigns"] = (201, {**DRAFT, "reason": "It is not active."})
    server.answers[f"PATCH /v1/campaigns/{ID}"] = (200, DRAFT)
    server.answers[f"DELETE /v1/campaigns/{ID}"] = (204, {})
    made = rapport("campaign", "create", json.dumps({"name": "Thanks"}))
    assert f"Campaign {ID} is draft." in made.stdout
    assert "It is not active." in made.stderr
    rapport("campaign", "set", ID, '{"name": "Other"}')
    assert server.calls[-1][2] == {"name": "Other"}
    assert rapport("campaign", "archive", ID).stdout == f"Campaign {ID} is archived.\n"


def test_messages_come_in_pages_with_their_reasons(rapport: Rapport, server: Answers) -> None:
    row = {"profile_id": "p1", "to_address": None, "state": "suppressed", "reason": "no consent"}
    trial = {"profile_id": "", "to_address": "editor@example.com", "state": "sent", "test": True}
    page = {"items": [row, trial], "next": "abc"}
    server.answers[f"GET /v1/campaigns/{ID}/messages"] = (200, page)
    told = rapport("campaign", "messages", ID, "--state", "suppressed")
    assert "no consent" in told.stdout
    header, _, last = told.stdout.splitlines()
    assert (header.split()[-1], last.split()[-1]) == ("test", "yes")
    assert "--cursor abc" in told.stderr
    assert json.loads(rapport("campaign", "messages", ID, "--json").stdout) == page


def test_data_feeds_are_set_and_tried(server: Answers, rapport: Rapport) -> None:
    feed = {"name": "weather", "version": 1, "allowed": True}
    server.answers["PUT /v1/feeds/weather"] = (200, feed)
    assert "weather" in rapport("feed", "set", "weather", '{"kind": "run"}').stdout
    assert server.calls[-1][2] == {"kind": "run"}
    server.answers["POST /v1/feeds/weather/try"] = (200, {"answered": False, "reason": "no"})
    assert rapport("feed", "try", "weather").returncode == 1
    server.answers["PUT /v1/feed-hosts"] = (200, {"hosts": []})
    assert rapport("feed-hosts", "set").returncode == 0
    assert server.calls[-1][2] == {"hosts": []}
