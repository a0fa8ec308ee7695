"""The inbox of an app: by its workspace, by its user's token, as a stream, and by a campaign."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests.test_channel_campaigns import entered, person, shown, started

from rapport_campaign.api.inbox import Streams, changes
from rapport_campaign.domain.inbox import Bearer, read, sign
from rapport_common import clock
from rapport_common.testing.credentials import LINK_KEY
from rapport_common.testing.examples import examples

pytestmark = pytest.mark.integration
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)


@settings(max_examples=examples(200))
@given(WORDS, WORDS, st.integers(0, 2**40), st.integers(0, 400))
def test_a_token_opens_one_inbox_until_it_ends(
    workspace: str, profile: str, until: int, place: int
) -> None:
    bearer = Bearer(workspace, profile, until)
    token = sign(LINK_KEY, bearer)
    if len(token) > 800:
        return
    assert read(LINK_KEY, token, until - 1) == bearer
    assert read(LINK_KEY, token, until) is None
    assert read(b"x" * 32, token, until - 1) is None
    spot = place % (len(token) - 1)
    other = token[:spot] + ("A" if token[spot] != "A" else "B") + token[spot + 1 :]
    assert read(LINK_KEY, other, until - 1) is None
    for strange in ("", "x", "é", token + "\n", "A" * 900):
        assert read(LINK_KEY, strange, 0) in {None, bearer if strange.strip() == token else None}


async def token_of(scenario: Any, profile_id: str = "p1", **more: Any) -> str:
    answer = await scenario.client.post("/v1/inbox-tokens", json={"profile_id": profile_id, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def put(scenario: Any, title: str, profile_id: str = "p1", **more: Any) -> dict[str, Any]:
    item = {"profile_id": profile_id, "title": title, **more}
    answer = await scenario.client.post("/v1/inbox-items", json=item)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def opened(scenario: Any, token: str) -> tuple[int, list[str]]:
    async with scenario.client_of() as app:
        app.headers.pop("Authorization")
        answer = await app.get(f"/i/{token}")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return told["unread"], [one["title"] for one in told["items"]]


async def test_what_is_put_in_is_seen_and_read(scenario: Any) -> None:
    await scenario.topics.told("p1", 1, person())
    await scenario.topics.told("p2", 1, person())
    token = await token_of(scenario)
    assert await opened(scenario, token) == (0, [])
    first = await put(scenario, "One", body="Hello", data={"order": "7"})
    await put(scenario, "Two")
    await put(scenario, "Another's", "p2")
    assert await opened(scenario, token) == (2, ["Two", "One"])
    path = f"/i/{token}/items/{first['id']}/read"
    assert (await scenario.client.post(path)).json() == {"unread": 1}
    read_at = (await scenario.client.get(f"/i/{token}")).json()["items"][1]["read_at"]
    assert (await scenario.client.post(path)).json() == {"unread": 1}
    again = (await scenario.client.get(f"/i/{token}")).json()["items"][1]
    assert (again["read_at"], again["data"]) == (read_at, {"order": "7"})
    assert (await scenario.client.post(f"/i/{token}/read")).json() == {"unread": 0}
    listed = await scenario.client.get("/v1/inbox-items", params={"profile_id": "p1", "limit": 1})
    rest = await scenario.client.get(
        "/v1/inbox-items", params={"profile_id": "p1", "cursor": listed.json()["next"]}
    )
    titles = [one["title"] for page in (listed, rest) for one in page.json()["items"]]
    assert titles == ["Two", "One"]
    assert (await scenario.client.delete(f"/v1/inbox-items/{first['id']}")).status_code == 204
    assert await opened(scenario, token) == (0, ["Two"])


async def test_nobody_reads_anothers(scenario: Any) -> None:
    await scenario.topics.told("p1", 1, person())
    await scenario.topics.told("p2", 1, person())
    item = await put(scenario, "Mine")
    other = await token_of(scenario, "p2")
    answer = await scenario.client.post(f"/i/{other}/items/{item['id']}/read")
    assert answer.json() == {"unread": 0}
    assert (await opened(scenario, await token_of(scenario)))[0] == 1
    for path in ("/i/x", f"/i/{other}x", f"/i/{other}/items/x/read"):
        assert (await scenario.client.get(path)).status_code in {404, 405, 422}
    async with scenario.client_of("other") as elsewhere:
        assert (await elsewhere.delete(f"/v1/inbox-items/{item['id']}")).status_code == 404
        for path, body in (
            ("/v1/inbox-tokens", {"profile_id": "p1"}),
            ("/v1/inbox-items", {"profile_id": "p1", "title": "x"}),
        ):
            assert (await elsewhere.post(path, json=body)).status_code == 404


async def test_a_token_ends_and_so_does_an_item(
    scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scenario.topics.told("p1", 1, person())
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    await put(scenario, "Until then", expires_at=soon)
    await put(scenario, "Longer")
    token = await token_of(scenario, hours=3)
    assert (await opened(scenario, token))[1] == ["Longer", "Until then"]
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr("rapport_campaign.api.inbox.clock.now", lambda: later)
    async with scenario.engine.begin():
        found = (await scenario.client.get(f"/i/{token}")).json()
    assert [one["title"] for one in found["items"]] == ["Longer"]
    end = datetime.now(UTC) + timedelta(hours=4)
    monkeypatch.setattr("rapport_campaign.api.inbox.clock.now", lambda: end)
    assert (await scenario.client.get(f"/i/{token}")).status_code == 404


async def test_the_newest_stay(scenario: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapport_campaign.handlers.inbox.MOST_ITEMS", 3)
    await scenario.topics.told("p1", 1, person())
    for number in range(5):
        await put(scenario, str(number))
    assert (await opened(scenario, await token_of(scenario)))[1] == ["4", "3", "2"]


async def test_two_profiles_that_are_one_have_one_inbox(scenario: Any) -> None:
    await scenario.topics.told("p1", 1, person())
    await scenario.topics.told("p2", 1, person())
    await put(scenario, "Of the first")
    await put(scenario, "Of the second", "p2")
    before = await token_of(scenario)
    await scenario.topics.merged("p1", "p2", version=2)
    for token in (before, await token_of(scenario, "p2")):
        assert (await opened(scenario, token))[1] == ["Of the second", "Of the first"]


async def test_an_item_is_put_in_once(scenario: Any) -> None:
    await scenario.topics.told("p1", 1, person())
    item = {"profile_id": "p1", "title": "Once"}
    answers = [
        await scenario.client.post("/v1/inbox-items", json=item, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert (await opened(scenario, await token_of(scenario)))[1] == ["Once"]


async def test_a_stream_tells_of_each_change(scenario: Any) -> None:
    await scenario.topics.told("p1", 1, person())
    bearer = read(LINK_KEY, await token_of(scenario), clock.now().timestamp())
    assert bearer is not None
    streams = Streams()
    lines = changes(scenario.engine, bearer, streams, looks=4, pause=0)
    assert await anext(lines) == b"retry: 2000\n\n"
    assert streams.number == 1
    assert b'"unread":0' in await anext(lines)
    assert await anext(lines) == b": still here\n\n"
    item = await put(scenario, "New")
    told = json.loads((await anext(lines)).split(b"data: ")[1])
    assert told == {"unread": 1, "newest": item["id"]}
    assert await anext(lines) == b": still here\n\n"
    assert [line async for line in lines] == []
    assert streams.number == 0


async def test_a_campaign_speaks_in_an_app(scenario: Any) -> None:
    content = {"title": "Hi {{ profile.traits.name }}", "text": "A present", "parameters": {}}
    path = await started(scenario, channel="inbox", content=content)
    await entered(scenario, person(points=[]))
    await scenario.turn()
    assert (await shown(scenario, path))["state"] == "sent"
    assert await opened(scenario, await token_of(scenario)) == (1, ["Hi Ada"])
