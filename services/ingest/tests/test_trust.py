"""Whose word an event is: the kind of its source, the browser that has a server's key, replays."""

from typing import TYPE_CHECKING, Any

import pytest
from services.ingest.tests.driving import drive, repair

from rapport_common.events.reserved import RESERVED_SOURCES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from services.ingest.tests.conftest import Ingest

    Log = Callable[[str], Awaitable[list[dict[str, Any]]]]

pytestmark = pytest.mark.integration

EVENT = {"userId": "u", "event": "x"}


async def created(ingest: "Ingest", status: int = 201, **body: Any) -> Any:
    answer = await ingest.client.post(
        "/v1/sources", json=body, headers=ingest.token("sources:write")
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_source_has_a_kind_that_is_shown_and_changed(ingest: "Ingest") -> None:
    made = await created(ingest, name="Page", kind="web")
    assert (made["id"], made["kind"], made["trust"]) == ("page", "web", "public")
    assert "everybody can read" in made["means"]
    assert (await created(ingest, name="Other"))["trust"] == "trusted"
    listed = await ingest.get("/v1/sources?limit=2", "sources:write")
    assert [(one["id"], one["kind"]) for one in listed["items"]] == [
        ("other", "server"),
        ("page", "web"),
    ]
    rest = await ingest.get(f"/v1/sources?cursor={listed['next']}", "sources:write")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["web-shop"], None)
    changed = await ingest.client.patch(
        "/v1/sources/page", json={"kind": "pos"}, headers=ingest.token("sources:write")
    )
    assert (changed.json()["kind"], changed.json()["trust"]) == ("pos", "trusted")
    await created(ingest, 422, name="Bad", kind="robot")


@pytest.mark.parametrize("name", [*sorted(RESERVED_SOURCES), " Campaign ", "FEEDBACK!"])
async def test_the_services_names_are_no_sources(standing_ingest: "Ingest", name: str) -> None:
    refused = await created(standing_ingest, 422, name=name)
    assert (refused["code"], refused["details"]) == ("reserved_name", {"path": "name"})
    renamed = await standing_ingest.client.patch(
        f"/v1/sources/{standing_ingest.source}",
        json={"name": name},
        headers=standing_ingest.token("sources:write"),
    )
    assert renamed.status_code == 422


async def test_trust_order_and_a_browser_with_a_servers_key(
    ingest: "Ingest", log_of: "Log"
) -> None:
    page = await created(ingest, name="Page", kind="web")
    till = await created(ingest, name="Till", kind="pos")
    batch = {"batch": [{**EVENT, "type": "track", "messageId": f"b{n}"} for n in range(3)]}
    await ingest.send("/v1/batch", batch)
    await ingest.send("/v1/track", {**EVENT, "messageId": "page"}, **bearer(page))
    origin = {"Origin": "https://shop.example"}
    await ingest.send("/v1/track", {**EVENT, "messageId": "leaked"}, **origin)
    await ingest.send("/v1/track", {**EVENT, "messageId": "till"}, **bearer(till), **origin)
    await ingest.send("/v1/track", {**EVENT, "messageId": "node"}, **{"Sec-Fetch-Mode": "cors"})
    found = {one["message_id"]: one for one in await log_of(ingest.workspace)}
    assert [found[f"b{n}"].get("sequence", 0) for n in range(3)] == [0, 1, 2]
    public = {name for name, one in found.items() if one.get("trust") == "public"}
    assert public == {"page", "leaked"}
    await ingest.built.cases.counting.flush()
    [warning] = (await ingest.get(f"/v1/sources/{ingest.source}", "sources:write"))["warnings"]
    assert (warning["code"], warning["events"]) == ("key_in_browser", 1)
    assert "kind web" in warning["message"]


async def test_a_replay_keeps_whose_word_it_was_and_its_place(
    ingest: "Ingest", log_of: "Log"
) -> None:
    bad = {"type": "track", "event": "x", "userId": [1], "anonymousId": "a"}
    batch = {"batch": [{**EVENT, "type": "track"}, {**bad, "messageId": "m"}]}
    await ingest.send("/v1/batch", batch, **{"Sec-Fetch-Site": "same-origin"})
    job = await repair(ingest, {"op": "drop", "path": "userId"})
    await drive(ingest, job)
    [mended] = [one for one in await log_of(ingest.workspace) if one["message_id"] == "m"]
    assert (mended["trust"], mended["sequence"]) == ("public", 1)


async def test_a_workspace_blocks_values_of_its_own(ingest: "Ingest") -> None:
    headers = ingest.token("sources:write")
    patch = {"blocked_identifiers": ["Walk-in-7"]}
    changed = await ingest.client.patch("/v1/policy", json=patch, headers=headers)
    assert changed.json() == patch
    assert await ingest.get("/v1/policy", "sources:write") == patch
    await ingest.built.cases.keys.check()
    made = await created(ingest, name="Later")
    for key in (ingest.basic, bearer(made)):
        answer = await ingest.send("/v1/track", {**EVENT, "userId": "walk-in-7"}, **key)
        assert (answer.status_code, answer.json()["code"]) == (400, "blocked_identifier")
    cases: tuple[Any, ...] = (
        {"blocked_identifiers": [" "]},
        {"blocked_identifiers": "x"},
        {"more": 1},
        [],
    )
    for wrong in cases:
        bad = await ingest.client.patch("/v1/policy", json=wrong, headers=headers)
        assert bad.status_code == 422, wrong
    other = ingest.token("sources:write", workspace="elsewhere")
    seen = await ingest.client.get("/v1/policy", headers=other)
    assert seen.json() == {"blocked_identifiers": []}


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"currency": "EURO"}, "policy.currency"),
        (
            {
                "webhook": {
                    "event": "x",
                    "fields": {"userId": "id", "timestamp": {"path": "at", "layout": "%d/%d/%Y"}},
                }
            },
            "policy.webhook.fields.timestamp.layout",
        ),
        ({"webhook": {"event": "x", "fields": {}}}, "policy.webhook.fields"),
    ],
)
async def test_a_policy_that_can_not_be_followed_is_refused_when_set(
    standing_ingest: "Ingest", policy: Any, path: str
) -> None:
    refused = await created(standing_ingest, 422, name="Bad", policy=policy)
    assert refused["details"] == {"path": path}


async def test_a_currency_is_declared_in_any_case(standing_ingest: "Ingest") -> None:
    await created(standing_ingest, name="Berlin", policy={"currency": " eur"})
    shown = await standing_ingest.get("/v1/sources/berlin", "sources:write")
    assert shown["policy"]["currency"] == "EUR"


def bearer(made: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['write_key']}"}
