"""`rapport suppression` and `contact-rules` against an API that answers as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

PERSON = "0197f000-0000-7000-8000-000000000002"
RULES = {"timezone": "UTC", "quiet_hours": [], "caps": [], "version": 3}


@pytest.mark.parametrize(
    ("name", "form"), [("list.csv", "csv"), ("list.jsonl.gz", "jsonl"), ("list.txt", "lines")]
)
def test_a_file_is_sent_as_what_it_is_and_followed(
    server: Answers, rapport: Rapport, tmp_path: Path, name: str, form: str
) -> None:
    file = tmp_path / name
    file.write_text("email\na@x.example\n")
    job = {"id": "j", "state": "done", "accepted": 1, "rejected": 1, "report": {}}
    server.answers["POST /v1/suppressions/imports"] = (202, job)
    server.answers["GET /v1/jobs/j"] = (200, job)
    done = rapport("suppression", "import", str(file), "--reason", "old tool", "--json")
    assert (done.returncode, json.loads(done.stdout)["id"]) == (1, "j")
    assert any(f"format={form}" in call[1] for call in server.calls)
    rows = [{"line": 2, "code": "invalid_address", "reason": "address: x"}]
    answer = {"items": rows, "next": None}
    server.answers["GET /v1/suppressions/imports/j/refused"] = (200, answer)
    assert "invalid_address" in rapport("suppression", "refused", "j").stdout


def test_addresses_are_put_on_and_taken_off(server: Answers, rapport: Rapport) -> None:
    server.answers["POST /v1/suppressions/add"] = (200, {"changed": 1})
    server.answers["POST /v1/suppressions/remove"] = (200, {"changed": 0})
    given = ["a@x.example", "b@x.example", "--reason", "phone"]
    assert rapport("suppression", "add", *given).stdout == "1 of 2 changed.\n"
    assert server.calls[-1][2]["purpose"] == "all"
    assert rapport("suppression", "remove", *given).stdout == "0 of 2 changed.\n"


def test_rules_are_set_as_a_whole(server: Answers, rapport: Rapport, tmp_path: Path) -> None:
    server.answers["GET /v1/contact-rules"] = (200, RULES)
    server.answers["PUT /v1/contact-rules"] = (200, {**RULES, "version": 4})
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"caps": []}))
    done = rapport("contact-rules", "set", str(file), "--reason", "spring")
    assert done.stdout == "Version 4 holds.\n"
    assert server.calls[-1][2] == {"caps": [], "version": 3, "reason": "spring"}


def test_paces_are_set_as_a_whole_and_say_how_they_stand(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/mail-paces"] = (200, RULES)
    server.answers["PUT /v1/mail-paces"] = (200, {**RULES, "version": 4})
    file = tmp_path / "paces.json"
    file.write_text(json.dumps({"paces": []}))
    done = rapport("mail-paces", "set", str(file), "--reason", "spring")
    assert done.stdout == "Version 4 holds.\n"
    lane = {"lane": "to:x", "waiting": 7, "in_hand": 1, "percent": 50, "sent_today": 3}
    stands = {"lanes": [{**lane, "allowed_today": None}]}
    server.answers["GET /v1/mail-paces/standing"] = (200, stands)
    assert "to:x" in rapport("mail-paces", "standing").stdout
    assert json.loads(rapport("mail-paces", "standing", "--json").stdout) == stands


def test_pools_are_set_by_who_works_on_the_installation(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    server.answers["GET /v1/mail-pools"] = (200, RULES)
    server.answers["PUT /v1/mail-pools"] = (200, {**RULES, "version": 4})
    file = tmp_path / "pools.json"
    file.write_text(json.dumps({"rules": [{"pool": "a"}], "pools": ["default", "a"]}))
    done = rapport("mail-pools", "set", str(file), "--reason", "spring")
    assert done.stdout == "Version 4 holds.\n"
    sent = {"rules": [{"pool": "a"}], "version": 3, "reason": "spring"}
    assert server.calls[-1][2] == sent


def test_why_is_one_sentence(server: Answers, rapport: Rapport) -> None:
    server.answers["GET /v1/profiles"] = (200, {"id": PERSON})
    told = {"sentence": "It was not sent: they have unsubscribed."}
    server.answers[f"GET /v1/people/{PERSON}/why"] = (200, told)
    server.answers["GET /v1/messages/k/why"] = (200, told)
    for line in (("why", "c", "user_id", "42"), ("why-message", "k")):
        assert rapport("campaign", *line).stdout == f"{told['sentence']}\n"
