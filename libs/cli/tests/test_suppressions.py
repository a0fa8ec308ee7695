"""`rapport suppression` and `contact-rules` against an API that answers as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rapport_cli.suppressions import pieces

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

PERSON = "0197f000-0000-7000-8000-000000000002"
TAKEN = {"rows": 2, "taken": 1, "refused": 0, "refused_rows": []}
RULES = {"timezone": "UTC", "quiet_hours": [], "caps": [], "version": 3}


@pytest.mark.parametrize("size", [1, 9, 20, 40, 1000])
def test_a_long_file_is_sent_in_whole_lines_each_with_the_header(size: int) -> None:
    rows = [f"{number}@x.example\n".encode() for number in range(9)]
    sent = list(pieces(b"email\n" + b"".join(rows), headed=True, size=size))
    assert all(one.startswith(b"email\n") for one in sent)
    assert b"".join(one.removeprefix(b"email\n") for one in sent) == b"".join(rows)
    few = list(pieces(b"".join(rows), headed=False, most=2))
    assert [one.count(b"\n") for one in few] == [2, 2, 2, 2, 1]
    plain = list(pieces(b"".join(rows) + b"last", headed=False, size=size))
    assert b"".join(plain) == b"".join(rows) + b"last"


def test_an_import_counts_over_its_pieces_and_fails_for_refused_rows(
    server: Answers, rapport: Rapport, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email\na@x.example\nb@x.example\n")
    server.answers["POST /v1/suppressions/import"] = (200, TAKEN)
    done = rapport("suppression", "import", str(file), "--reason", "old tool")
    assert "1 of 2 are new on the list." in done.stdout
    refused = {"row": 2, "code": "invalid_address", "reason": "address: x"}
    answer = {**TAKEN, "refused": 1, "refused_rows": [refused]}
    server.answers["POST /v1/suppressions/import"] = (200, answer)
    done = rapport("suppression", "import", str(file), "--reason", "x", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["refused_rows"] == [refused]


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
