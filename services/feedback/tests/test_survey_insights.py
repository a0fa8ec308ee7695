"""What is behind a score, asked for by HTTP: weights of who did not answer, and drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from services.feedback.tests.test_anonymous_surveys import made as anonymous

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
QUESTIONS: list[dict[str, Any]] = [
    {"kind": "nps", "id": "all", "text": "All in all?"},
    {"kind": "ces", "id": "ease", "text": {"en": "How easy?"}},
    {"kind": "csat", "id": "price", "text": "The price?"},
    {"kind": "rating", "id": "seldom", "text": "The lift?", "to": 10},
]
FORM: dict[str, Any] = {"layout": "all", "pages": [{"id": "a", "questions": QUESTIONS}]}

# Straight into the tables: 60 people through their pages would take longer than all that is asked.
_PEOPLE = """
INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, value, score, comment,
    revision, answered_at, revised_at, answers, context)
SELECT :ws, gen_random_uuid(), CAST(:survey AS uuid), 1, 'user_id', 'u' || n,
    CASE WHEN n % 7 > 3 THEN 10 ELSE 2 END, '', 1, now(), now(), jsonb_strip_nulls(
        jsonb_build_object('ease', n % 7 + 1, 'price', n % 5 + 1,
        'seldom', CASE WHEN n < 10 THEN 3 END)),
    jsonb_build_object('segment', CASE WHEN n % 7 > 3 THEN 'new' ELSE 'old' END)
FROM generate_series(1, 70) n
"""
_INVITED = """
INSERT INTO feedback.invitation (workspace, invitation_id, survey_id, wave, kind, value, user_id,
    created_at, expires_at, context)
SELECT :ws, gen_random_uuid(), CAST(:survey AS uuid), 1, 'user_id', 'u' || n, 'u' || n, now(),
    now() + interval '1 day', jsonb_build_object('segment', CASE WHEN n <= 60 THEN 'new'
    ELSE 'old' END) FROM generate_series(1, 260) n
"""


async def filled(service: Service) -> str:
    told = await service.client.post("/v1/surveys", json={"name": "All", "form": FORM})
    survey = str(told.json()["id"])
    await service.change(_PEOPLE, survey=survey)
    await service.change(_INVITED, survey=survey)
    return survey


async def test_a_score_is_weighted_by_who_did_not_answer(service: Service) -> None:
    survey = await filled(service)
    shown = (await service.client.get(f"/v1/surveys/{survey}/weighted?by=segment")).json()
    strata = {one["value"]: one for one in shown["strata"]}
    assert (strata["new"]["invited"], strata["new"]["n"], strata["new"]["rate"]) == (60, 30, 0.5)
    assert (strata["old"]["invited"], strata["old"]["rate"]) == (200, 0.2)
    assert strata["new"]["weight"] == pytest.approx(70 / 260 * 2, abs=1e-4)
    assert shown["unweighted"]["score"] == pytest.approx(100 * (30 - 40) / 70, abs=0.01)
    assert shown["weighted"]["score"] == pytest.approx(100 * (60 - 200) / 260, abs=0.01)
    assert shown["weighted"]["effective_n"] < shown["unweighted"]["n"] == 70
    assert shown["why_not"] is None
    few = (await service.client.get(f"/v1/surveys/{survey}/weighted?by=store")).json()
    assert (few["weighted"], few["why_not"]) == (None, "it needs two groups with 20 answers each")
    nobody = await service.client.get(f"/v1/surveys/{await anonymous(service)}/weighted?by=store")
    assert (nobody.status_code, nobody.json()["code"]) == (409, "anonymous")
    for wrong, status in (("", 422), ("?by=x", 422), ("?by=store&wave=2", 404)):
        refused = await service.client.get(f"/v1/surveys/{survey}/weighted{wrong}")
        assert refused.status_code == status, wrong


async def test_what_the_score_goes_with(service: Service) -> None:
    survey = await filled(service)
    # An old answer under the name of a question that is no number of its scale says nothing.
    await service.change(
        "UPDATE feedback.response SET answers = jsonb_set(answers, '{price}', '\"good\"') "
        "WHERE workspace = :ws AND value = 'u1'"
    )
    await service.change(
        "UPDATE feedback.response SET answers = jsonb_set(answers, '{price}', '99') "
        "WHERE workspace = :ws AND value = 'u2'"
    )
    # Who is one person by now is counted once.
    await service.change(
        "INSERT INTO feedback.identity SELECT :ws, 'user_id', v, 'p' "
        "FROM unnest(ARRAY['u3', 'u4']) v"
    )
    shown = (await service.client.get(f"/v1/surveys/{survey}/drivers")).json()
    assert (shown["n"], shown["left_out"], shown["why_not"]) == (67, ["seldom"], None)
    first, second = shown["drivers"]
    assert (first["question"], first["text"], first["certain"]) == ("ease", "How easy?", True)
    assert (second["question"], second["certain"]) == ("price", False)
    assert first["why"].startswith("Who gives more to ease gives more to all:")
    assert "chance" in second["why"]
    assert shown["r2"] == pytest.approx(first["weight"] + second["weight"], abs=1e-3)
    alone = await service.survey()
    told = (await service.client.get(f"/v1/surveys/{alone}/drivers")).json()
    assert (told["drivers"], told["why_not"]) == ([], "no other question has a score")
    plain = {"layout": "all", "pages": [{"id": "a", "questions": QUESTIONS[:2]}]}
    empty = (await service.client.post("/v1/surveys", json={"name": "Two", "form": plain})).json()
    told = (await service.client.get(f"/v1/surveys/{empty['id']}/drivers")).json()
    assert (told["n"], told["r2"], told["why_not"]) == (
        0,
        None,
        "0 people have answered all of them; 50 are needed",
    )
