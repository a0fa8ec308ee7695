"""Templates and snippets by API: versions, previews, who is concerned, what campaigns say."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from services.campaign.tests.conftest import SEGMENT

pytestmark = pytest.mark.integration
PATH = "/v1/templates"
BODY: dict[str, Any] = {
    "name": "Sale",
    "language": "en",
    "subject": "Sale, {{ profile.traits.first_name | default: 'friend' }}",
    "preheader": "Only today",
    "body": "<p>Hi {{ profile.traits.first_name }}</p><a href='https://shop.example/sale'>Sale</a>",
    "languages": {"zh-hant": {"subject": "特賣", "body": "<p>你好</p>"}},
}


async def posted(client: httpx.AsyncClient, path: str, body: Any, status: int = 201) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def patched(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> Any:
    answer = await client.patch(path, json={"reason": "better", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def seen(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def on(template: Any, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A campaign that says what a template says."""
    bare = {name: one for name, one in body.items() if name not in {"subject", "html", "text"}}
    return {**bare, "template_id": template["id"], **more}


async def test_a_template_has_versions(scenario: Any) -> None:
    made = await posted(scenario.client, PATH, BODY)
    assert (made["version"], made["created_by"], made["reason"]) == (1, "ada", "made")
    assert made["languages"].keys() == {"zh-Hant"}
    assert made["variables"] == ["profile.traits.first_name"]
    path = f"{PATH}/{made['id']}"
    changed = await patched(scenario.client, path, subject="Now", version=1)
    assert (changed["version"], changed["subject"], changed["body"]) == (2, "Now", BODY["body"])
    assert (await patched(scenario.client, path, 409, subject="x", version=1))["details"] == {
        "version": 2
    }
    history = (await seen(scenario.client, f"{path}/versions"))["items"]
    assert [(one["version"], one["reason"], one["subject"]) for one in history] == [
        (2, "better", "Now"),
        (1, "made", BODY["subject"]),
    ]
    assert [one["id"] for one in (await seen(scenario.client, PATH))["items"]] == [made["id"]]
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(path)).status_code == 404
    assert (await scenario.client.delete(path)).status_code == 204
    await patched(scenario.client, path, 409)
    assert (await seen(scenario.client, PATH))["items"] == []


WRONG_PLACES: list[tuple[dict[str, Any], str, int]] = [
    ({"body": "a\n{{ nope }}"}, "body", 2),
    ({"subject": "{% if %}"}, "subject", 1),
    ({"format": "mjml", "body": "<mjml>\n<mj-bdy></mj-bdy></mjml>", "languages": {}}, "body", 2),
    ({"languages": {"de": {"subject": "x", "body": "\n{{ nope }}"}}}, "languages.de.body", 2),
    ({"body": '<p>{% render "none" %}'}, "body", 1),
    ({"body": "<a href='javascript:x'>"}, "body", 1),
]
NO_TEMPLATES: list[dict[str, Any]] = [
    {"languages": {"no language": {"subject": "x", "body": "y"}}},
    {"language": "x"},
    {"body": "\0"},
    {"body": "x" * 70_000},
    {"format": "amp"},
]


async def test_what_is_wrong_is_told_with_its_place(client: httpx.AsyncClient) -> None:
    for wrong, path, line in WRONG_PLACES:
        told = await posted(client, PATH, {**BODY, **wrong}, 422)
        found = [(one["path"], one["line"]) for one in told["details"]["problems"]]
        assert found == [(path, line)], wrong
    for wrong in NO_TEMPLATES:
        assert (await posted(client, PATH, {**BODY, **wrong}, 422))["code"] == "invalid_request"
    lone = await client.post(PATH, content=json.dumps({**BODY, "subject": "\ud800"}))
    assert lone.status_code == 422, lone.text


async def test_a_template_is_shown_as_a_person_gets_it(scenario: Any) -> None:
    await scenario.topics.person("p1", "ada@x.example", locale="zh_TW", first_name="<Ada>")
    path = f"{PATH}/{(await posted(scenario.client, PATH, BODY))['id']}"
    own = await posted(scenario.client, f"{path}/preview", {"profile_id": "p1"}, 200)
    assert (own["language"], own["subject"], own["text"]) == ("zh-Hant", "特賣", "你好\n")
    asked = {"profile_id": "p1", "language": "en", "data": {"last_name": "x"}}
    shown = await posted(scenario.client, f"{path}/preview", asked, 200)
    assert (shown["language"], shown["subject"]) == ("en", "Sale, <Ada>")
    assert (shown["preheader"], shown["warnings"]) == ("Only today", [])
    assert shown["text"] == "Hi <Ada>\n\nSale <https://shop.example/sale>\n"
    assert "&lt;Ada&gt;" in shown["html"]
    # The workspace's language is that of people who have told none, or one that there is not.
    await scenario.client.patch("/v1/policy", json={"language": "zh-tw"})
    assert (await seen(scenario.client, "/v1/policy"))["language"] == "zh-TW"
    usual = await posted(scenario.client, f"{path}/preview", {}, 200)
    assert usual["language"] == "zh-Hant"
    await scenario.client.patch("/v1/policy", json={"language": "fr"})
    nobody = await posted(scenario.client, f"{path}/preview", {}, 200)
    assert [one["code"] for one in nobody["warnings"]] == ["missing"]
    assert (
        await scenario.client.post(f"{path}/preview", json={"profile_id": "p9"})
    ).status_code == 404
    for data in ({"x": 10**30}, {"x": "\ud800"}):
        told = json.dumps({"data": data})
        answer = await scenario.client.post(f"{path}/preview", content=told)
        assert answer.status_code == 422, answer.text


async def test_how_many_people_would_miss_something(scenario: Any) -> None:
    await scenario.topics.person("p1", "a@x.example", first_name="Ada")
    await scenario.topics.person("p2", "b@x.example", first_name="")
    await scenario.topics.person("p3", "c@x.example")
    for one in ("p1", "p2", "p3"):
        await scenario.topics.entered(one)
    path = f"{PATH}/{(await posted(scenario.client, PATH, BODY))['id']}"
    found = await posted(scenario.client, f"{path}/warnings", {"segment_id": SEGMENT}, 200)
    assert found == {
        "version": 1,
        "members": 3,
        "looked_at": 3,
        "lacking": [{"variable": "profile.traits.first_name", "people": 2}],
    }
    unknown = {"segment_id": "99999999-9999-9999-9999-999999999999"}
    assert (await scenario.client.post(f"{path}/warnings", json=unknown)).status_code == 422


async def test_a_started_campaign_keeps_the_version_it_was_started_with(scenario: Any) -> None:
    made = await posted(scenario.client, PATH, BODY)
    path = f"{PATH}/{made['id']}"
    whole = on(made, scenario.campaign_body, utm={"source": "news", "domains": ["shop.example"]})
    draft, running = [await posted(scenario.client, "/v1/campaigns", whole) for _ in range(2)]
    assert (draft["subject"], draft["template_version"]) == (BODY["subject"], 1)
    assert draft["languages"] == ["zh-Hant"]
    await posted(scenario.client, f"/v1/campaigns/{running['id']}/start", None, 200)
    changed = await patched(scenario.client, path, subject="Newer")
    assert [(one["id"], one["template_version"]) for one in changed["campaigns"]] == [
        (draft["id"], 2),
        (running["id"], 1),
    ]
    assert (await seen(scenario.client, f"/v1/campaigns/{draft['id']}"))["subject"] == "Newer"

    # What it says is the template's, until it is taken from it.
    draft_path = f"/v1/campaigns/{draft['id']}"
    answer = await scenario.client.patch(draft_path, json={"subject": "Mine"})
    assert answer.status_code == 409, answer.text
    own = await scenario.client.patch(draft_path, json={"subject": "Mine", "template_id": None})
    assert (own.json()["subject"], own.json()["template_version"]) == ("Mine", None)
    assert BODY["body"][:10] in own.json()["html"]

    await scenario.topics.person("p1", "ada@x.example", language="zh-TW")
    await scenario.client.patch("/v1/policy", json={"language": "zh-Hant"})
    # Who speaks the template's own language gets that, and not the workspace's.
    await scenario.topics.person("p2", "bob@x.example", first_name="Bob", language="en-GB")
    await scenario.topics.entered("p1")
    await scenario.topics.entered("p2")
    while await scenario.turn():
        pass
    mails = {one["To"]: one for one in scenario.mail_server.mails}
    assert {name: one["Subject"] for name, one in mails.items()} == {
        "ada@x.example": "特賣",
        "bob@x.example": "Sale, Bob",
    }
    text = mails["bob@x.example"].get_body(("plain",)).get_content()
    assert "Sale <https://shop.example/sale?utm_source=news&utm_medium=email>" in text
    assert "Only today" not in text
    rows = (await seen(scenario.client, f"/v1/campaigns/{running['id']}/messages"))["items"]
    assert {one["to_address"]: one["language"] for one in rows} == {
        "ada@x.example": "zh-Hant",
        "bob@x.example": "en",
    }


NOWHERE = "99999999-9999-9999-9999-999999999999"
NO_CAMPAIGNS: list[tuple[set[str], dict[str, Any]]] = [
    ({"subject", "html"}, {"template_id": NOWHERE}),
    (set(), {"template_id": NOWHERE}),
    ({"html"}, {}),
    (set(), {"utm": {"source": "x", "domains": []}}),
    (set(), {"utm": {"source": "a\r\nb", "domains": ["shop.example"]}}),
    (set(), {"coupon_pool": "none"}),
    (set(), {"coupon_pool": "No pool"}),
    (set(), {"subject": "{{ coupon.code }}"}),
]


async def test_what_no_campaign_can_say(scenario: Any) -> None:
    for without, more in NO_CAMPAIGNS:
        body = {name: one for name, one in scenario.campaign_body.items() if name not in without}
        await posted(scenario.client, "/v1/campaigns", {**body, **more}, 422)


async def test_who_uses_a_snippet_is_told_when_it_changes(scenario: Any) -> None:
    client, path = scenario.client, "/v1/snippets"
    await posted(client, path, {"name": "inner", "source": "INNER"})
    await posted(client, path, {"name": "footer", "source": '<p>{% render "inner" %}</p>'})
    made = await posted(client, PATH, {**BODY, "body": '{% render "footer" %}'})
    assert made["snippets"] == {"footer": 1, "inner": 1}
    campaign = await posted(client, "/v1/campaigns", on(made, scenario.campaign_body))

    changed = await patched(client, f"{path}/inner", source="OTHER", version=1)
    assert (changed["version"], changed["in_snippets"]) == (2, ["footer"])
    assert [one["id"] for one in changed["in_templates"]] == [made["id"]]
    assert [one["id"] for one in changed["campaigns"]] == [campaign["id"]]
    shown = await seen(client, f"{PATH}/{made['id']}")
    assert (shown["version"], shown["newer_snippets"]) == (1, ["inner"])
    again = await patched(client, f"{PATH}/{made['id']}")
    assert (again["version"], again["newer_snippets"]) == (2, [])
    assert again["snippets"] == {"footer": 1, "inner": 2}
    html = (await seen(client, f"/v1/campaigns/{campaign['id']}"))["html"]
    assert "OTHER" in html

    told = await patched(client, f"{path}/inner", 422, source='{% render "footer" %}')
    assert "go round" in told["message"]
    assert (await client.delete(f"{path}/inner")).status_code == 409
    history = (await seen(client, f"{path}/inner/versions"))["items"]
    assert [(one["version"], one["source"]) for one in history] == [(2, "OTHER"), (1, "INNER")]
    await posted(client, path, {"name": "inner", "source": "x"}, 409)
    await patched(client, f"{PATH}/{made['id']}", body="<p>x</p>")
    assert (await client.delete(f"{path}/footer")).status_code == 204
    assert (await client.delete(f"{path}/inner")).status_code == 204
    assert (await seen(client, path))["items"] == []
    assert (await posted(client, path, {"name": "inner", "source": "x"}))["version"] == 3
    for name in ("a%00b", "None", "a" * 63):
        assert (await client.get(f"{path}/{name}")).status_code in {404, 422}


async def test_snippets_that_are_saved_at_once_do_not_go_round(client: httpx.AsyncClient) -> None:
    path = "/v1/snippets"
    for name in ("a", "b"):
        await posted(client, path, {"name": name, "source": "x"})
    answers = await asyncio.gather(
        client.patch(f"{path}/a", json={"source": '{% render "b" %}', "reason": "x"}),
        client.patch(f"{path}/b", json={"source": '{% render "a" %}', "reason": "x"}),
    )
    assert sorted(one.status_code for one in answers) == [200, 422]
