"""Of an anonymous survey nothing is told that is somebody's, whatever is asked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.feedback.tests.test_anonymous_surveys import FORM, answered, key_in, link, made

from rapport_common.testing.examples import examples
from rapport_feedback.domain.withholding import withheld

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(0, 30)))
@settings(max_examples=examples(200))
def test_nothing_can_be_subtracted_but_many_people(people: dict[str, int]) -> None:
    hidden = withheld(people, 5)
    told = {name: many for name, many in people.items() if name not in hidden and many}
    assert all(many >= 5 for many in told.values())
    rest = sum(people.values()) - sum(told.values())
    assert rest == 0 or rest >= 5 or not told
    if len(told) >= 1 and hidden:
        assert len(hidden) >= 2
    if all(many >= 5 for many in people.values() if many):
        assert not hidden, "no more is hidden than must be"


@pytest.mark.integration
async def test_no_two_looks_differ_by_fewer_than_five(service: Service) -> None:
    """Groups, answers and the whole, looked at after each answer, by whoever subtracts."""
    survey = await made(service)
    paths = {store: await link(service, survey, store=store) for store in ("7", "8")}
    looks: list[dict[str, int]] = []
    for number in range(14):
        await answered(service, paths["8" if number % 3 == 0 else "7"], number % 5 + 1)
        shown = await service.score(survey, by="store")
        listed = (await service.client.get(f"/v1/surveys/{survey}/responses")).json()["items"]
        groups = {one["value"]: one["n"] for one in shown["groups"]}
        by_store = dict.fromkeys(groups, 0)
        for one in listed:
            by_store[one["context"]["store"]] += 1
        assert by_store == groups, "the answers are those of the groups"
        assert shown["n"] + shown["held"] == number + 1
        looks.append({"": shown["n"], "7": 0, "8": 0, **groups})
    for before, after in pairwise(looks):
        moved = [after[one] - before[one] for one in ("7", "8")]
        assert all(one == 0 or one >= 5 for one in moved)
    assert looks[-1] == {"": 10, "7": 5, "8": 5}


@pytest.mark.integration
async def test_what_is_too_little_by_context_is_told_without_it_when_the_wave_ends(
    service: Service,
) -> None:
    survey = await made(service)
    for store in "123456":
        await answered(service, await link(service, survey, store=store), 5)
    open_path = await link(service, survey, store="7")
    key = key_in(await service.client.get(open_path))
    await service.answer(open_path, _page="a", _key=key, score="1")
    assert (await service.score(survey))["n"] == 0
    await service.client.post(f"/v1/surveys/{survey}/waves")
    shown = await service.score(survey, wave=1, by="store")
    assert [(one["value"], one["n"]) for one in shown["groups"]] == [("", 6)]
    listed = (await service.client.get(f"/v1/surveys/{survey}/responses")).json()["items"]
    assert [one["context"] for one in listed] == [{}] * 6
    # Who had not finished goes on.
    last = await service.answer(open_path, _page="b", _key=key, comment="late")
    assert "Thank you for your answers" in last.text


@pytest.mark.integration
async def test_an_answer_that_others_see_stands(service: Service) -> None:
    """One that was begun on a day before counts though it was left; then it is not gone on with."""
    survey = await made(service)
    path = await link(service, survey)
    key = key_in(await service.client.get(path))
    await service.answer(path, _page="a", _key=key, score="1")
    await service.change(
        "UPDATE feedback.response SET answered_at = answered_at - interval '1 day' "
        "WHERE workspace = :ws"
    )
    for _ in range(4):
        await answered(service, path, 5)
    assert (await service.score(survey))["n"] == 5
    late = await service.answer(path, _page="b", _key=key, comment="more")
    assert (late.status_code, (await service.score(survey))["n"]) == (409, 5)
    times = await service.rows(
        "SELECT DISTINCT answered_at, revised_at FROM feedback.response WHERE workspace = :ws"
    )
    assert len(times) == 1, "a batch is of one day, so no time of days has a part of it"


@pytest.mark.integration
async def test_neither_quotas_nor_other_questions_tell_of_one_answer(service: Service) -> None:
    low = {"id": "low", "limit": 99, "if": {"answer": "score", "op": "lte", "value": 2}}
    ease = {"kind": "ces", "id": "ease", "text": "How easy?"}
    questions = [FORM["pages"][0]["questions"][0], ease]
    form: dict[str, Any] = {
        "anonymous": True,
        "layout": "all",
        "pages": [{"id": "a", "questions": questions}],
        "quotas": [low, {"id": "all", "limit": 99}],
    }
    told = await service.client.post("/v1/surveys", json={"name": "Staff", "form": form})
    survey = told.json()["id"]
    for store, many in (("7", 6), ("8", 5), ("9", 5)):
        path = await link(service, survey, store=store)
        for number in range(many):
            body: dict[str, Any] = {"score": 1}
            if store != "7" or number < 3:
                body["ease"] = 7
            await service.client.post(path, json=body)
    shown = (await service.client.get(f"/v1/surveys/{survey}")).json()["quotas"]
    assert {one["id"]: one["taken"] for one in shown} == {"low": None, "all": 16}
    groups = (await service.score(survey, question="ease", by="store"))["groups"]
    found = {one["value"]: (one["n"], one["score"]) for one in groups}
    assert found == {"7": (3, None), "8": (5, None), "9": (5, 7)}
    for measure in ("latest", "rolling"):
        refused = await service.client.get(
            f"/v1/surveys/{survey}/score", params={"measure": measure, "question": "ease"}
        )
        assert refused.status_code == 422
