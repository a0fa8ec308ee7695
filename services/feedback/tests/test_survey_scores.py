"""Scores by three measures and by what was so when people answered; their trend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def answered(
    service: Service, survey: str, who: str, score: int, *, days: int = 0, store: str = ""
) -> None:
    """Somebody's answer, given so many days before noon."""
    context = {"store": store} if store else {}
    path = await service.link(survey, user_id=who, context=context)
    assert (await service.answer(path, score=str(score))).status_code == 200
    await service.change(
        "UPDATE feedback.response SET answered_at = CAST(:noon AS timestamptz) - "
        "make_interval(days => :days), revised_at = CAST(:noon AS timestamptz) - "
        "make_interval(days => :days) WHERE workspace = :ws AND value = :who AND wave = "
        "(SELECT wave FROM feedback.survey WHERE workspace = :ws "
        "AND survey_id = CAST(:survey AS uuid))",
        noon=NOON,
        days=days,
        who=who,
        survey=survey,
    )


async def test_a_wave_a_time_and_what_each_said_last_are_three_measures(service: Service) -> None:
    survey = await service.survey()
    await answered(service, survey, "ada", 0, days=50)
    await answered(service, survey, "bob", 10, days=40)
    await service.client.post(f"/v1/surveys/{survey}/waves")
    await answered(service, survey, "ada", 10, days=5)
    wave = await service.score(survey, compare=True)
    assert (wave["wave"], wave["nps"], wave["n"]) == (2, 100, 1)
    assert (wave["change"]["before"]["score"], wave["change"]["difference"]) == (0, 100)
    assert wave["change"]["significant"] is False
    told: dict[str, Any] = {"measure": "rolling", "until": NOON.isoformat()}
    rolling = await service.score(survey, **told, days=45)
    assert (rolling["n"], rolling["counts"]) == (2, {"10": 2})
    before = await service.score(survey, **told, days=30, compare=True)
    assert (before["n"], before["change"]["before"]["counts"]) == (1, {"0": 1, "10": 1})
    latest = await service.score(survey, measure="latest")
    assert (latest["n"], latest["nps"], latest["wave"]) == (2, 100, None)
    assert (await service.client.get(f"/v1/surveys/{survey}/score?wave=3")).status_code == 404


async def test_a_score_is_told_apart_by_what_was_so_when_they_answered(service: Service) -> None:
    survey = await service.survey()
    for who, score, store in (("a", 10, "7"), ("b", 9, "7"), ("c", 0, "8"), ("d", 8, "")):
        await answered(service, survey, who, score, store=store)
    # A link that is asked for again tells what is so now; the answer keeps what was.
    await service.link(survey, user_id="a", context={"store": "9"})
    shown = await service.score(survey, by="store")
    found = {one["value"]: (one["n"], one["score"]) for one in shown["groups"]}
    assert found == {"7": (2, 100), "8": (1, -100), "": (1, 0)}
    assert (shown["n"], shown["nps"]) == (4, 25), "pooled, not a mean of 100, -100 and 0"
    assert (shown["invited"], shown["rate"]) == (4, 1)
    for wrong in ("by=name", "question=comment", "measure=mean", "days=0", "until=2026-01-01"):
        refused = await service.client.get(f"/v1/surveys/{survey}/score?{wrong}")
        assert refused.status_code == 422, wrong


async def test_another_question_has_a_score_of_its_own(service: Service) -> None:
    questions = [
        {"kind": "csat", "id": "all", "text": "All in all?"},
        {"kind": "ces", "id": "ease", "text": "How easy?", "measured": "share"},
    ]
    form = {"layout": "all", "pages": [{"id": "a", "questions": questions}]}
    made = await service.client.post("/v1/surveys", json={"name": "Two", "form": form})
    survey = made.json()["id"]
    for number, (whole, ease) in enumerate([(5, 7), (4, 1), (1, None)]):
        path = await service.link(survey, user_id=f"u{number}")
        body = {"all": whole, "ease": ease}
        assert (await service.client.post(path, json=body)).status_code == 303
    lead = await service.score(survey)
    assert (lead["kind"], lead["unit"], lead["score"], lead["nps"]) == (
        "csat",
        "share",
        66.67,
        None,
    )
    other = await service.score(survey, question="ease")
    assert (other["kind"], other["n"], other["score"]) == ("ces", 2, 50)


async def test_a_time_has_its_end_and_not_its_beginning(service: Service) -> None:
    survey = await service.survey()
    for who, days in (("now", 0), ("in", 29), ("edge", 30), ("out", 31)):
        await answered(service, survey, who, 10, days=days)
    told = await service.score(survey, measure="rolling", until=NOON.isoformat(), days=30)
    assert told["n"] == 2
    earlier = (NOON - timedelta(seconds=1)).isoformat()
    assert (await service.score(survey, measure="rolling", until=earlier, days=30))["n"] == 2
    for wrong in ("1969-12-31T00:00:00Z", "2100-01-02T00:00:00Z"):
        refused = await service.client.get(
            f"/v1/surveys/{survey}/score", params={"measure": "rolling", "until": wrong}
        )
        assert refused.status_code == 422


async def test_what_was_another_question_long_ago_has_no_score(service: Service) -> None:
    """An answer under the name of a score that is no number, or none of its scale."""
    ease = {"kind": "ces", "id": "ease", "text": "How easy?"}
    whole = {"kind": "nps", "id": "all", "text": "All in all?"}
    form = {"layout": "all", "pages": [{"id": "a", "questions": [whole, ease]}]}
    made = await service.client.post("/v1/surveys", json={"name": "Two", "form": form})
    survey = made.json()["id"]
    for number, given in enumerate(('"good"', "[5]", "99", "null", "5")):
        path = await service.link(survey, user_id=f"u{number}")
        assert (await service.client.post(path, json={"all": 9})).status_code == 303
        await service.change(
            "UPDATE feedback.response SET answers = CAST(:given AS jsonb) "
            "WHERE workspace = :ws AND value = :who",
            given=f'{{"ease": {given}}}',
            who=f"u{number}",
        )
    assert (await service.score(survey, question="ease"))["counts"] == {"5": 1}


async def test_the_trend_is_a_picture_and_a_table_that_says_the_same(service: Service) -> None:
    survey = await service.survey()
    await answered(service, survey, "ada", 10)
    await service.client.post(f"/v1/surveys/{survey}/waves")
    told = (await service.client.get(f"/v1/surveys/{survey}/trend")).json()
    assert [(one["wave"], one["n"], one["score"]) for one in told["points"]] == [
        (1, 1, 100),
        (2, 0, None),
    ]
    page = await service.client.get(f"/v1/surveys/{survey}/trend/page")
    assert 'role="img" aria-labelledby="trend-t trend-d"' in page.text
    assert '<th scope="row">1</th><td>1</td><td>100.0</td>' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
