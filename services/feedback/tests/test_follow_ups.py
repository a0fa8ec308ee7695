"""Answers become cases: by rules, once each, and whoever works on them is told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from rapport_feedback.domain import follow_ups
from rapport_feedback.domain.follow_ups import FollowUp, FollowUps, NewCase
from rapport_feedback.domain.questions import Text
from rapport_feedback.domain.survey_forms import Form, PageOf, simple

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

DETRACTOR = {"answer": "score", "op": "lte", "value": 6}
RULE = FollowUp(id="detractor", when=DETRACTOR)
FORM = simple("Would you recommend us?")
WORDS = Form(pages=[PageOf(id="p", questions=[Text(id="why", text="Why?")])])


def test_a_rule_holds_of_answers_that_are_such() -> None:
    assert follow_ups.called_for(RULE, FORM, {"score": 6})
    assert not follow_ups.called_for(RULE, FORM, {"score": 7})
    assert not follow_ups.called_for(RULE, WORDS, {"why": "so"}), "a version without the question"


def test_nothing_follows_from_what_is_not_answered_yet() -> None:
    no_promoter = FollowUp(id="x", when={"not": {"answer": "score", "op": "gte", "value": 9}})
    assert follow_ups.called_for(no_promoter, FORM, {"score": 3})
    assert not follow_ups.called_for(no_promoter, FORM, {"comment": "hello"})


def test_the_case_is_the_same_however_often_it_is_asked_for() -> None:
    other = FollowUp(id="other", when=DETRACTOR)
    ids = [follow_ups.case_id(UUID(int=1), one) for one in (RULE, RULE, other)]
    assert ids[0] == ids[1] != ids[2]
    assert follow_ups.case_id(UUID(int=2), RULE) != ids[0]


def test_a_case_says_what_it_is_about() -> None:
    assert follow_ups.subject_of(RULE, "NPS", FORM, {"score": 3}) == "NPS: 3"
    assert follow_ups.subject_of(RULE, "Words", WORDS, {"why": "so"}) == "Words"
    named = FollowUp(id="x", when=DETRACTOR, case=NewCase(subject="Call them"))
    assert follow_ups.subject_of(named, "NPS", FORM, {"score": 3}) == "Call them"
    assert follow_ups.words_of(WORDS, {"why": "so"}) == ""


def test_what_has_changed_is_told_and_the_same_is_not() -> None:
    before = {"score": 3}
    assert follow_ups.change_of(FORM, before, before, still=True) == ""
    better = follow_ups.change_of(FORM, before, {"score": 9}, still=False)
    assert better == "The score was changed from 3 to 9. It no longer calls for this case."
    more = follow_ups.change_of(FORM, before, {"score": 3, "comment": "late"}, still=True)
    assert more == "They wrote: late"
    assert follow_ups.change_of(WORDS, {}, {"why": "so"}, still=False) == ""


def test_rules_are_checked_against_the_form() -> None:
    unknown = FollowUp(id="x", when={"answer": "nothing", "op": "eq", "value": 1})
    told = FollowUps(rules=[RULE, RULE, unknown])
    assert [path for path, _ in follow_ups.problems(told, FORM)] == ["rules[1].id", "rules[2].if"]


async def declare(service: Service, survey: str, *rules: dict[str, Any]) -> dict[str, Any]:
    got = await service.client.put(f"/v1/surveys/{survey}/follow-ups", json={"rules": list(rules)})
    assert got.status_code == 200, got.text
    return dict(got.json())


async def cases(service: Service) -> list[dict[str, Any]]:
    return list((await service.client.get("/v1/cases")).json()["items"])


@pytest.mark.integration
async def test_a_detractor_has_one_case_with_owner_and_deadline(service: Service) -> None:
    survey = await service.survey()
    rule = {"id": "low", "if": DETRACTOR, "case": {"severity": "high", "owner": "ben"}}
    first = await declare(service, survey, rule)
    again = await declare(service, survey, rule)
    assert first["version"] == again["version"] == 1
    shown = (await service.client.get(f"/v1/surveys/{survey}/follow-ups")).json()
    assert shown["rules"][0]["case"]["owner"] == "ben"
    happy, angry = (
        await service.link(survey, user_id="u1"),
        await service.link(survey, email="a@x.de"),
    )
    await service.answer(happy, score="9")
    assert await cases(service) == []
    for _ in range(2):
        await service.answer(angry, score="3")
    [case] = await cases(service)
    assert (case["severity"], case["owner"], case["subject"]) == ("high", "ben", "NPS: 3")
    assert case["due_at"] is not None
    await service.answer(angry, comment="It was broken")
    await service.answer(angry, score="9")
    await service.answer(angry, score="2")
    assert len(await cases(service)) == 1, "a revision makes no second case"
    record = (await service.client.get(f"/v1/cases/{case['id']}")).json()
    notes = [one["note"] for one in record["entries"]]
    assert notes == [
        "They wrote: It was broken",
        "The score was changed from 3 to 9. It no longer calls for this case.",
        "The score was changed from 9 to 2.",
    ]
    told = [one for one in await service.events() if one.name == "Survey Answered"]
    groups = [msgspec.json.decode(one.properties)["group"] for one in told]
    assert groups == ["promoter", "detractor", "detractor", "promoter", "detractor"]


@pytest.mark.integration
async def test_a_change_is_told_at_what_the_case_was_merged_into(service: Service) -> None:
    survey = await service.survey()
    await declare(service, survey, {"id": "low", "if": DETRACTOR})
    link = await service.link(survey, user_id="u1")
    await service.answer(link, score="3")
    [case] = await cases(service)
    body = {"user_id": "u1", "subject": "Late", "body": "x"}
    heir = (await service.client.post("/v1/cases", json=body)).json()
    merge = {"into_id": heir["id"]}
    merged = await service.client.post(f"/v1/cases/{case['id']}/merge", json=merge)
    assert merged.status_code == 200, merged.text
    await service.answer(link, score="2")
    record = (await service.client.get(f"/v1/cases/{heir['id']}")).json()
    notes = [one["note"] for one in record["entries"]]
    assert notes[-1] == "The score was changed from 3 to 2."


@pytest.mark.integration
async def test_an_answer_that_gets_worse_opens_the_case_then(service: Service) -> None:
    survey = await service.survey()
    await declare(service, survey, {"id": "low", "if": DETRACTOR})
    link = await service.link(survey, user_id="u1")
    await service.answer(link, score="7")
    assert await cases(service) == []
    await service.answer(link, score="6")
    assert [one["subject"] for one in await cases(service)] == ["NPS: 6"]


@pytest.mark.integration
async def test_rules_that_make_no_sense_are_told_with_their_paths(service: Service) -> None:
    survey = await service.survey()
    bad = {"id": "x", "if": {"answer": "nothing", "op": "eq", "value": 1}}
    path = f"/v1/surveys/{survey}/follow-ups"
    refused = await service.client.put(path, json={"rules": [bad]})
    assert refused.status_code == 422
    assert refused.json()["details"]["problems"][0]["path"] == "rules[0].if"
