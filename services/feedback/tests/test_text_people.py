"""Texts and people: what was read goes with the words, anonymous ones have no instant, spikes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from services.feedback.tests.test_anonymous_surveys import answered, link, made
from services.feedback.tests.test_privacy import WHO, forget, rows
from services.feedback.tests.test_text_reading import TOPIC, case, read, reader, texts

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_feedback.handlers import spiking
from rapport_feedback.tables import SCHEMA

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

    from rapport_feedback.understanding.reader import Reader

pytestmark = pytest.mark.integration
__all__ = ["reader"]


async def test_who_is_forgotten_takes_along_what_was_read(service: Service, reader: Reader) -> None:
    survey = await service.survey()
    await service.answer(await service.link(survey, **WHO), score="9", comment="I am glad")
    of_them = await service.link(survey, user_id="ben-1")
    await service.answer(of_them, score="2", comment="As ada@example.com said, it is bad")
    kept = await service.link(survey, user_id="cid-1")
    await service.answer(kept, score="2", comment="Nothing of anybody")
    await case(service, "Mine was torn", email="ada@example.com")
    await read(service, reader)
    assert len(await rows(service, "text_enrichment")) == 4
    await forget(service)
    [left] = await rows(service, "text_enrichment")
    assert left["result"]["redacted"] == "Nothing of anybody"


async def test_an_anonymous_text_is_read_and_has_no_instant(
    service: Service, reader: Reader
) -> None:
    path = await link(service, await made(service))
    await answered(service, path, 1, "The delivery was very bad")
    [waits] = await rows(service, "text_enrichment")
    await read(service, reader)
    [found] = await rows(service, "text_enrichment")
    for row in (waits, found):
        instants = [one for one in row.values() if isinstance(one, datetime)]
        assert {one.astimezone(UTC).time() for one in instants} == {time(0)}
    one = f"/v1/texts/{found['text_id']}"
    assert await texts(service) == [], "one of fewer than five is told to nobody"
    assert (await service.client.get(one)).status_code == 404
    await service.change("UPDATE feedback.response SET released = true WHERE workspace = :ws")
    [shown] = await texts(service)
    assert (shown["label"], shown["read_at"], shown["case_id"]) == ("negative", None, None)
    assert shown["response_id"] is None, "it leads to the rest of the answer"


async def test_an_anonymous_text_is_like_no_other(service: Service, reader: Reader) -> None:
    words = "The delivery was very bad, and nobody has ever called me back about it since."
    await answered(service, await link(service, await made(service)), 1, words)
    await case(service, words, email="ada@example.com")
    await read(service, reader)
    await service.change("UPDATE feedback.response SET released = true WHERE workspace = :ws")
    shown = await texts(service)
    assert len(shown) == 2
    for one in shown:
        got = await service.client.get(f"/v1/texts/{one['id']}")
        assert got.json()["alike"] == []


async def score(service: Service) -> dict[str, Any]:
    got = await service.client.get("/v1/text-topics/delivery/score")
    assert got.status_code == 200, got.text
    return dict(got.json())


async def test_scores_by_topic_count_answers_once_and_few_anonymous_ones_not_at_all(
    service: Service, reader: Reader
) -> None:
    await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    survey = await service.survey()
    for number, (points, words) in enumerate(
        [("2", "Slow delivery"), ("10", "Good delivery"), ("1", "All was bad")]
    ):
        path = await service.link(survey, user_id=f"u{number}")
        await service.answer(path, score=points, comment=words)
    await read(service, reader)
    found = await score(service)
    assert (found["answers"], found["detractors"], found["promoters"]) == (2, 1, 1)
    assert (found["share_of_detractors"], found["texts"]) == (0.5, 2)
    await service.change(
        "WITH of_them AS (UPDATE feedback.response SET anonymous = true, score = NULL "
        "WHERE workspace = :ws AND score = 2 RETURNING workspace, response_id) "
        "UPDATE feedback.text_enrichment e SET anonymous = true FROM of_them o "
        "WHERE e.workspace = o.workspace AND e.response_id = o.response_id"
    )
    assert (await score(service))["answers"] is None
    assert (await service.client.get("/v1/text-topics/none/score")).status_code == 404


async def of_days(service: Service, counts: list[int]) -> None:
    """Texts of `delivery`: the last number is today's."""
    today = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await service.change(
        "INSERT INTO feedback.text_enrichment (workspace, text_id, source, part, anonymous, at, "
        "revision, digest, state, read_at, topics) SELECT :ws, gen_random_uuid(), 'case', 'body', "
        "false, CAST(:today AS timestamptz) - make_interval(days => d.days), 1, '', 'done', "
        "clock_timestamp(), ARRAY['delivery'] FROM unnest(CAST(:days AS int[]), "
        "CAST(:counts AS int[])) AS d(days, number), generate_series(1, d.number)",
        today=today,
        days=list(reversed(range(len(counts)))),
        counts=counts,
    )


async def spikes(service: Service) -> list[dict[str, Any]]:
    got = await service.client.get("/v1/text-topics/delivery/spikes")
    assert got.status_code == 200, got.text
    return list(got.json()["items"])


async def look(service: Service, later: timedelta = timedelta(minutes=6)) -> None:
    """Run what is due by then."""
    now = clock.now() + later
    worker = DueWorker(service.engine, DueStore(SCHEMA, now=lambda: now), spiking.KINDS)
    while await worker.turn():
        pass


async def test_a_spike_is_noticed_once_after_texts_have_come(
    service: Service, reader: Reader
) -> None:
    await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    await of_days(service, [2] * 56 + [14])
    await case(service, "Where is my delivery?")
    await read(service, reader)
    assert await spikes(service) == []
    await look(service)
    [found] = await spikes(service)
    assert (found["count"], found["expected"]) == (15, 2.0)
    assert found["p"] < 0.001
    await case(service, "And where is my delivery?")
    await read(service, reader)
    await look(service)
    [again] = await spikes(service)
    assert (again["count"], again["seen_at"]) == (16, found["seen_at"])


async def test_a_topic_that_texts_have_still_to_be_read_by_is_no_spike(
    service: Service, reader: Reader
) -> None:
    """Its newest rules may find in old texts what they find in new ones."""
    await of_days(service, [1] * 56 + [14])
    await service.change(
        "UPDATE feedback.text_enrichment SET topics = '{}' WHERE workspace = :ws "
        "AND at < now() - interval '3 days'"
    )
    await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    today = clock.now().astimezone(UTC).date()
    async with service.engine.begin() as tx:
        assert await spiking.look_at(tx, service.workspace, today) == []
    await service.change(
        "UPDATE feedback.text_enrichment SET read_at = clock_timestamp(), "
        "topics = ARRAY['delivery'] WHERE workspace = :ws"
    )
    for new in (["delivery"], []):
        async with service.engine.begin() as tx:
            assert await spiking.look_at(tx, service.workspace, today) == new
