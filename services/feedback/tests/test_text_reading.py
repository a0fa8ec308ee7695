"""Texts are read as they come, by whoever is free: kept with their words, and gone with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from services.feedback.tests.text_support import DELIVERY
from sqlalchemy import text
from typing_extensions import override

from rapport_common.jobs.store import Job
from rapport_feedback.handlers.enriching import Enricher
from rapport_feedback.handlers.rewinding import JOBS
from rapport_feedback.handlers.text_work import Learning, Rereading
from rapport_feedback.store import texts as store
from rapport_feedback.understanding.reader import Reader
from rapport_feedback.understanding.wire import Batch, Failed, Read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.feedback.tests.conftest import Service
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.integration
LATE = "The delivery was late, and the box was broken. Call me: +44 20 7946 0958"
TOPIC = {"label": "Delivery", "rules": {"en": {"words": ["deliver*"]}}, "version": 0, "reason": "x"}


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Reader]:
    made = Reader()
    yield made
    await made.close()


async def read(service: Service, reader: Reader) -> None:
    """Read what waits, in all workspaces."""
    enricher = Enricher(service.engine, reader)
    while await enricher.turn():
        pass


async def worked(service: Service, reader: Reader) -> list[dict[str, Any]]:
    """Do the workspace's jobs that wait; their reports."""
    rows = await service.rows(
        "SELECT id FROM feedback.job WHERE workspace = :ws AND state = 'queued' ORDER BY id"
    )
    reports = []
    for row in rows:
        async with service.engine.begin() as tx:
            job = await JOBS.find(tx, service.workspace, row["id"])
        assert job is not None
        reports += [step.report async for step in _work(service.engine, reader, job)]
        await service.change(
            "UPDATE feedback.job SET state = 'done' WHERE workspace = :ws AND id = :id", id=job.id
        )
    return reports


def _work(engine: AsyncEngine, reader: Reader, job: Job) -> AsyncIterator[Any]:
    if job.kind == "read_texts":
        return Rereading(engine).work(job)
    return Learning(engine, reader).work(job)


async def case(service: Service, body: str, **more: Any) -> str:
    given = {"user_id": "u1", "subject": "Hello", "body": body, **more}
    made = await service.client.post("/v1/cases", json=given)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def texts(service: Service, **query: Any) -> list[dict[str, Any]]:
    got = await service.client.get("/v1/texts", params=query)
    assert got.status_code == 200, got.text
    return list(got.json()["items"])


async def shown(service: Service, text_id: str) -> dict[str, Any]:
    got = await service.client.get(f"/v1/texts/{text_id}")
    assert got.status_code == 200, got.text
    return dict(got.json())


async def test_a_text_waits_and_then_is_read_with_reasons(service: Service, reader: Reader) -> None:
    declared = await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    assert declared.status_code == 200, declared.text
    case_id = await case(service, LATE)
    [waits] = await texts(service)
    assert (waits["state"], waits["language"], waits["sentiment"]) == ("waiting", None, None)
    assert (waits["source"], waits["case_id"]) == ("case", case_id)
    await read(service, reader)
    [found] = await texts(service, topic="delivery", sentiment="negative", language="en")
    whole = await shown(service, found["id"])
    assert whole["state"] == "done"
    assert "delivery 1" in whole["read_by"]
    assert whole["redacted"].endswith("Call me: [phone]")
    assert [one["kind"] for one in whole["personal"]] == ["phone"]
    assert {"late", "broken"} <= {one["word"] for one in whole["words"]}
    [reason] = whole["reasons"]
    start, end = reason["places"][0]
    assert f"Hello\n{LATE}"[start:end] == "delivery"
    assert await texts(service, topic="delivery", sentiment="positive") == []
    # Nobody else's.
    async with service.as_operator("*", workspace="ws-other") as other:
        assert (await other.get(f"/v1/texts/{found['id']}")).status_code == 404
        assert (await other.get("/v1/texts")).json()["items"] == []


async def test_an_answer_that_is_changed_is_read_anew(service: Service, reader: Reader) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.answer(path, score="3", comment="Very slow delivery")
    await read(service, reader)
    [before] = await texts(service)
    assert (before["part"], before["label"]) == ("comment", "negative")
    said = {"sentiment": "neutral"}
    await service.client.post(f"/v1/texts/{before['id']}/corrections", json=said)
    await service.answer(path, score="9", comment="Great service, thank you")
    [after] = await texts(service)
    assert (after["id"], after["revision"]) == (before["id"], 2)
    assert (after["state"], after["label"], after["corrected"]) == ("waiting", None, False)
    await read(service, reader)
    [again] = await texts(service)
    assert (again["state"], again["label"]) == ("done", "positive")
    # The same words again are nothing to read.
    await service.answer(path, score="8", comment="Great service, thank you")
    [same] = await texts(service)
    assert (same["state"], same["revision"]) == ("done", 2)
    await service.answer(path, score="8", comment="")
    assert await texts(service) == []


async def test_what_was_edited_meanwhile_is_not_overwritten(
    service: Service, reader: Reader
) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.answer(path, score="3", comment="Very slow delivery")
    await first_of_all(service)
    async with service.engine.begin() as tx:
        [taken] = await store.take(tx, 1)
        again = await store.take(tx, 1)
    assert taken.workspace == service.workspace
    assert service.workspace not in {one.workspace for one in again}
    await service.answer(path, score="9", comment="Great service")
    [answer] = await reader.read(Batch([taken.words]))
    assert isinstance(answer, Read)
    async with service.engine.begin() as tx:
        await store.settle(tx, [(taken, answer.enrichment)], "1")
    [found] = await texts(service)
    assert found["state"] == "waiting"
    await read(service, reader)
    [found] = await texts(service)
    assert found["label"] == "positive"


async def first_of_all(service: Service) -> None:
    """Let the workspace's texts be those that have waited longest."""
    await service.change(
        "UPDATE feedback.text_enrichment SET free_at = now() - interval '1 year' "
        "WHERE workspace = :ws"
    )


class _Hopeless(Reader):
    """Reads nothing: it is asked for texts that no process survives."""

    @override
    async def read(self, batch: Batch) -> list[Read | Failed]:
        return [Failed("ended the process") for _ in batch.texts]


async def test_a_text_that_can_not_be_read_is_given_up_and_says_why(service: Service) -> None:
    await case(service, "Anything")
    for _ in range(store.MOST_ATTEMPTS):
        [found] = await texts(service)
        assert found["state"] == "waiting"
        await first_of_all(service)
        await Enricher(service.engine, _Hopeless(), batch=1).turn()
    [found] = await texts(service, state="failed")
    assert found["reason"] == "ended the process"


async def test_a_process_that_dies_of_a_text_costs_that_text_only(tmp_path: Any) -> None:
    program = tmp_path / "fragile.py"
    program.write_text(
        "import os, sys\n"
        "from rapport_feedback.domain.texts.enriching import Knowledge\n"
        "from rapport_feedback.understanding.__main__ import answers\n"
        "from rapport_feedback.understanding.wire import ASKED\n"
        "import msgspec\n"
        "for line in sys.stdin.buffer:\n"
        "    asked = ASKED.decode(line)\n"
        "    for one, answer in zip(asked.texts, answers(asked, Knowledge({}, list))):\n"
        "        if one == 'die': os._exit(1)\n"
        "        sys.stdout.buffer.write(msgspec.json.encode(answer) + b'\\n')\n"
        "        sys.stdout.buffer.flush()\n"
    )
    reader = Reader(program=(str(program),))
    try:
        found = await reader.read(Batch(["one good text", "die", "another good text"]))
    finally:
        await reader.close()
    assert [isinstance(one, Read) for one in found] == [True, False, True]
    assert found[1] == Failed("ended the process")


async def test_corrections_hold_at_once_and_outlive_reading_again(
    service: Service, reader: Reader
) -> None:
    await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    await service.client.put(
        "/v1/text-topics/packing", json={**TOPIC, "rules": {"en": {"words": ["wrap"]}}}
    )
    await case(service, LATE)
    [found] = await texts(service)
    at = f"/v1/texts/{found['id']}/corrections"
    early = await service.client.post(at, json={"sentiment": "neutral"})
    assert early.status_code == 409
    await read(service, reader)
    wrong = await service.client.post(at, json={"topics": ["delivery", "nothing"]})
    assert (wrong.status_code, wrong.json()["details"]) == (422, {"field": "topics.1"})
    assert (await service.client.post(at, json={})).status_code == 422
    for _ in range(2):
        said = await service.client.post(at, json={"topics": ["packing"], "sentiment": "neutral"})
        assert said.status_code == 200, said.text
    whole = said.json()
    assert (whole["topics"], whole["label"], whole["corrected"]) == (["packing"], "neutral", True)
    assert [(one["number"], one["actor"]) for one in whole["corrections"]] == [(1, "ann")]
    # What was read is still told as the reason.
    assert [one["topic"] for one in whole["reasons"]] == ["delivery"]
    await worked(service, reader)
    [waits] = await texts(service)
    assert (waits["state"], waits["topics"]) == ("waiting", ["packing"])
    await read(service, reader)
    [again] = await texts(service)
    assert (again["state"], again["topics"], again["label"]) == ("done", ["packing"], "neutral")


async def test_old_texts_are_read_by_a_job(service: Service, reader: Reader) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.answer(path, score="3", comment="Very slow delivery")
    await case(service, LATE)
    await service.change("DELETE FROM feedback.text_enrichment WHERE workspace = :ws")
    asked = await service.client.post("/v1/texts/enrich")
    assert asked.status_code == 202
    await worked(service, reader)
    rows = await service.rows("SELECT old FROM feedback.text_enrichment WHERE workspace = :ws")
    assert [one["old"] for one in rows] == [True, True]
    await read(service, reader)
    assert {one["source"] for one in await texts(service, state="done")} == {"answer", "case"}


async def test_texts_that_are_nearly_the_same_are_found(service: Service, reader: Reader) -> None:
    same = "My parcel was left in the rain by the driver, and all of it was wet when I found it"
    for body in (same, f"{same}!!", "Thank you, all was well and I was very content with it"):
        await case(service, body)
    await read(service, reader)
    found = [await shown(service, one["id"]) for one in await texts(service)]
    counts = sorted(len(one["alike"]) for one in found)
    assert counts == [0, 1, 1]


async def test_topics_are_declared_in_versions_and_refused_with_the_path(
    service: Service,
) -> None:
    put = service.client.put
    wrong = {**TOPIC, "rules": {"en": {"any": [{"words": ["*"]}]}}}
    refused = await put("/v1/text-topics/delivery", json=wrong)
    assert refused.status_code == 422
    assert refused.json()["details"] == {"field": "rules.en.any.0.words.0"}
    for rules in ({}, {"xx": {"words": ["a"]}}, {"en": {"wrds": ["a"]}}, {"en": {"any": "a"}}):
        refused = await put("/v1/text-topics/delivery", json={**TOPIC, "rules": rules})
        assert refused.status_code == 422, rules
    assert (await put("/v1/text-topics/delivery", json=TOPIC)).json()["version"] == 1
    assert (await put("/v1/text-topics/delivery", json=TOPIC)).status_code == 409
    second = await put("/v1/text-topics/delivery", json={**TOPIC, "version": 1})
    assert second.json()["version"] == 2
    assert (await service.client.delete("/v1/text-topics/delivery")).status_code == 204
    assert (await service.client.get("/v1/text-topics/delivery")).status_code == 404
    assert (await put("/v1/text-topics/delivery", json=TOPIC)).json()["version"] == 4
    history = (await service.client.get("/v1/text-topics/delivery/history")).json()["items"]
    assert [(one["version"], one["label"]) for one in history] == [
        (4, "Delivery"),
        (3, None),
        (2, "Delivery"),
        (1, "Delivery"),
    ]
    assert DELIVERY.label == "Delivery"


async def test_what_was_read_goes_with_the_words(service: Service, reader: Reader) -> None:
    path = await service.link(await service.survey(), user_id="u1")
    await service.answer(path, score="3", comment="Very slow delivery")
    await read(service, reader)
    [found] = await texts(service)
    said = {"sentiment": "neutral"}
    await service.client.post(f"/v1/texts/{found['id']}/corrections", json=said)
    await service.change(
        "UPDATE feedback.text_enrichment SET state = 'waiting' WHERE workspace = :ws"
    )
    # Blanked by whatever: a row whose words are not there is dropped when it is read.
    await service.change("UPDATE feedback.response SET comment = '' WHERE workspace = :ws")
    await first_of_all(service)
    await read(service, reader)
    assert await texts(service) == []
    left = "SELECT count(*) AS number FROM feedback.text_correction WHERE workspace = :ws"
    assert (await service.rows(left))[0]["number"] == 0


async def labelled(service: Service, reader: Reader, bodies: Sequence[tuple[str, str]]) -> None:
    """Cases of which somebody has said the topic."""
    for body, _topic in bodies:
        await case(service, body)
    await read(service, reader)
    rows = await service.rows(
        "SELECT e.text_id, c.body FROM feedback.text_enrichment e JOIN feedback.complaint c "
        "USING (workspace, case_id) WHERE workspace = :ws"
    )
    topics = dict(bodies)
    for row in rows:
        async with service.engine.begin() as tx:
            await tx.execute(
                text(
                    "UPDATE feedback.text_enrichment SET said_topics = :topics, topics = :topics, "
                    "language = 'en' WHERE workspace = :ws AND text_id = :id"
                ),
                {"topics": [topics[row["body"]]], "ws": service.workspace, "id": row["text_id"]},
            )


async def test_a_model_that_beats_the_rules_holds_and_gives_its_reasons(
    service: Service, reader: Reader
) -> None:
    # Rules that are of no use: nobody says "deliver".
    await service.client.put("/v1/text-topics/delivery", json=TOPIC)
    await service.client.put(
        "/v1/text-topics/staff", json={**TOPIC, "rules": {"en": {"words": ["clerk"]}}}
    )
    few = await service.client.post("/v1/text-models", json={"language": "en"})
    assert few.status_code == 202
    with pytest.raises(Exception, match="No topic has enough"):
        await worked(service, reader)
    await service.change("UPDATE feedback.job SET state = 'failed' WHERE workspace = :ws")
    bodies = [
        (f"The {what} came {when} and the courier was lost, number {one}", "delivery")
        for one, (what, when) in enumerate(
            (what, when)
            for what in ("parcel", "package", "box")
            for when in ("late", "broken", "wet", "open")
        )
    ] + [
        (f"The {who} in the shop was {how} with me at the counter, number {one}", "staff")
        for one, (who, how) in enumerate(
            (who, how)
            for who in ("man", "lady", "manager")
            for how in ("rude", "kind", "curt", "loud")
        )
    ]
    await labelled(service, reader, bodies)
    await service.client.post("/v1/text-models", json={"language": "en"})
    [report] = await worked(service, reader)
    assert report["low"] > 0
    [model] = (await service.client.get("/v1/text-models")).json()["items"]
    assert (model["active"], model["told_by"], model["version"]) == (True, None, 1)
    assert model["model"]["right"] > model["rules"]["right"]
    await worked(service, reader)
    await case(service, "A package came late again, the courier was lost for hours")
    await read(service, reader)
    new = [one for one in await texts(service, topic="delivery") if not one["corrected"]]
    [reason] = (await shown(service, new[0]["id"]))["reasons"]
    assert (reason["by"], "en 1" in new[0]["read_by"]) == ("model", True)
    assert "courier" in reason["because"]
    at = f"/v1/text-models/{model['id']}"
    off = await service.client.patch(at, json={"active": False})
    assert (off.json()["active"], off.json()["told_by"]) == (False, "ann")
    assert (
        await service.client.patch(f"/v1/text-models/{UUID(int=0)}", json={"active": True})
    ).status_code == 404
