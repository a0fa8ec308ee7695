"""`rapport consent`, `topics` and `opt-in` against an API that answers as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

PERSON = "0197f000-0000-7000-8000-000000000002"
CONSENTS = f"/v1/profiles/{PERSON}/consents"
ADA = ["user_id", "42", "ada@example.com"]
WORD = {
    "contact_point": "ada@example.com",
    "channel": "email",
    "purpose": "promotion",
    "state": "denied",
    "at": "2026-01-31T09:30:00Z",
    "source": "profile",
    "meaning": "It holds.",
}
TOPICS = [{"id": "news", "purpose": "promotion", "names": {"en": "News"}}]
KNOWN = {"topics": TOPICS, "version": 3, "actor": "a", "reason": "b", "created_at": "2026-01-01"}


def test_why_says_it_in_a_word_and_then_of_each(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    answer = {"permitted": False, "state": None, "words": [WORD]}
    server.answers[f"GET {CONSENTS}/why"] = (200, answer)
    told = rapport("consent", "why", *ADA, "--as-of", "2026-02-01T00:00:00Z").stdout
    assert told.startswith("Not permitted.")
    assert "It holds." in told
    server.answers[f"GET {CONSENTS}/why"] = (200, {**answer, "permitted": True, "words": []})
    assert rapport("consent", "why", *ADA).stdout.startswith("Permitted.")


def test_what_is_noted_is_sent_as_it_is_given(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    server.answers[f"POST {CONSENTS}"] = (202, {"message_id": "noted-1", "source": "profile"})
    done = rapport("consent", "note", *ADA, "denied", "--reason", "phone", "--evidence", "call 7")
    assert "noted-1" in done.stdout
    assert server.calls[-1][2] == {
        "contact_point": "ada@example.com",
        "channel": "email",
        "purpose": "promotion",
        "state": "denied",
        "reason": "phone",
        "evidence": "call 7",
    }


def test_a_link_is_printed_alone(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    url = "http://127.0.0.1:8103/p/abc"
    server.answers["POST /v1/preference-links"] = (201, {"url": url})
    assert rapport("consent", "link", *ADA, "--reason", "phone").stdout == f"{url}\n"


def test_topics_from_a_file_follow_those_that_hold_or_those_it_comes_from(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/topics"] = (200, KNOWN)
    server.answers["PUT /v1/topics"] = (200, {**KNOWN, "version": 4})
    file = tmp_path / "topics.json"
    for given, version in (({"topics": TOPICS}, 3), ({**KNOWN, "version": 2}, 2)):
        file.write_text(json.dumps(given))
        done = rapport("topics", "set", str(file), "--reason", "spring")
        assert done.stdout == "Version 4 holds.\n"
        assert server.calls[-1][2] == {"topics": TOPICS, "version": version, "reason": "spring"}
    file.write_text('{"topic": []}')
    assert rapport("topics", "set", str(file), "--reason", "x").returncode == 1


def test_who_is_asked_to_confirm(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    made = {"id": "o", "address": "ada@example.com", "state": "asked"}
    server.answers["POST /v1/opt-ins"] = (201, made)
    assert rapport("opt-in", "create", *ADA, "--reason", "shop", "--id").stdout == "o\n"
    assert "on its way" in rapport("opt-in", "create", *ADA, "--reason", "shop").stdout
    server.answers["GET /v1/opt-ins"] = (200, {"items": [made], "next": None})
    assert "asked" in rapport("opt-in", "list").stdout
