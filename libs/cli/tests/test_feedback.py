"""`rapport survey` and `rapport case`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.cli.tests.conftest import Answers, Rapport

SURVEY = {"id": "s-1", "name": "After purchase", "kind": "nps", "question": "How?", "wave": 1}
CASE = {"id": "c-1", "number": 7, "state": "received", "subject": "Late"}


def test_a_survey_from_its_question_to_its_score(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/surveys"] = (201, SURVEY)
    server.answers["POST /v1/surveys/s-1/invitations"] = (201, {"url": "http://x/s/token"})
    server.answers["GET /v1/surveys/s-1/score"] = (200, {"wave": 1, "nps": 33.3, "n": 3})
    assert "Survey s-1" in rapport("survey", "create", "After purchase", "How?").stdout
    told = rapport("survey", "invite", "s-1", "--user-id", "42")
    assert told.stdout == "http://x/s/token\n"
    assert server.calls[-1][2] == {"user_id": "42"}
    assert "33.3" in rapport("survey", "score", "s-1").stdout
    nobody = rapport("survey", "invite", "s-1")
    assert (nobody.returncode, "--user-id" in nobody.stderr) == (1, True)


def test_a_list_tells_that_there_is_more(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/surveys"] = (200, {"items": [SURVEY], "next": "abc"})
    told = rapport("survey", "list")
    assert "After purchase" in told.stdout
    assert "--cursor abc" in told.stderr


def test_a_case_is_taken_down_and_moved_on(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/cases"] = (201, CASE)
    server.answers["POST /v1/cases/c-1/state"] = (200, {**CASE, "state": "closed"})
    made = rapport("case", "create", "Late", "Three weeks", "--email", "ada@example.com")
    assert made.stdout == "Case 7 (c-1) is received.\n"
    assert rapport("case", "close", "c-1", "--note", "settled").stdout.endswith("is closed.\n")
    assert server.calls[-1][2] == {"state": "closed", "note": "settled"}
    for verb, state in (("answer", "response_offered"), ("reopen", "reopened")):
        rapport("case", verb, "c-1")
        assert server.calls[-1][2]["state"] == state
