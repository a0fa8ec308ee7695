"""AMP parts: what is wrong with one is told when it is saved; other mails stay as they are."""

import email
import hashlib
from datetime import UTC, datetime
from email.policy import default
from typing import Any

import pytest

from rapport_campaign.render.amp import MAX_BYTES, amp_problems
from rapport_campaign.render.mime import Letter, mail_bytes
from rapport_common.mail.parts import parts_of

RUNTIME = '<script async src="https://cdn.ampproject.org/v0.js"></script>'
BOILERPLATE = "<style amp4email-boilerplate>body{visibility:hidden}</style>"
META = '<meta charset="utf-8">'
COMPONENT = (
    '<script async custom-element="{0}" src="https://cdn.ampproject.org/v0/{0}-0.1.js"></script>'
)


def page(
    body: str = "<p>Hi</p>", head: str = "", root: str = "<html ⚡4email data-css-strict>"
) -> str:
    return (
        f"<!doctype html>\n{root}<head>{META}{RUNTIME}{BOILERPLATE}{head}</head>\n"
        f"<body>{body}</body></html>"
    )


GOOD = page(
    "<amp-img src='https://x.example/{{ profile.traits.pic }}.png' width=1 height=1></amp-img>"
    "{% for one in profile.traits.list %}<p style='color:{{ one }}'>{{ one }}</p>{% endfor %}"
    '<form action-xhr="https://x.example/f" method="post"><input type="text" name="a"></form>'
    '<amp-carousel width=1 height=1></amp-carousel><a href="mailto:a@x.example">x</a>',
    "<style amp-custom>p{color:red}</style>"
    + COMPONENT.format("amp-form")
    + COMPONENT.format("amp-carousel"),
)


@pytest.mark.parametrize(
    "part", [page(), page(root="<html amp4email>"), page(root='<html lang="de" ⚡4email>'), GOOD]
)
def test_a_part_by_the_rules_is_fine(part: str) -> None:
    assert amp_problems(part) == []


@pytest.mark.parametrize(
    ("part", "words", "line"),
    [
        (page()[16:], "doctype", 1),
        (page(root="<html>"), "4email", 1),
        (page().replace(META, ""), "charset", None),
        (page().replace(RUNTIME, ""), "v0.js", None),
        (page(head=RUNTIME), "once", None),
        (page().replace(BOILERPLATE, ""), "boilerplate", None),
        (page().replace("visibility", "color"), "boilerplate", None),
        (page().replace("<head>", "").replace("</head>", ""), "<head>", None),
        (page("<img src='https://x.example/a.png'>"), "use amp-img", 3),
        (page("<iframe></iframe>"), "iframe", 3),
        (page("\n<svg></svg>"), "svg", 4),
        (page("<amp-youtube></amp-youtube>"), "no component", 3),
        (page("<amp-list></amp-list>"), "needs", 3),
        (page('<form action-xhr="https://x.example"></form>'), "amp-form needs", 3),
        (
            page('<form action="https://x.example"></form>', COMPONENT.format("amp-form")),
            "action",
            3,
        ),
        (page("<input type=FILE>"), "type file", 3),
        (page("<p onclick='x()'>x</p>"), "onclick", 3),
        (page("<p style='color:red ! important'>x</p>"), "important", 3),
        (page("<a href='javascript:x()'>x</a>"), "javascript", 3),
        (page("<amp-img src='http://x.example/a.png'></amp-img>"), "src can't be of http", 3),
        (page(head="<script>x()</script>"), "one's own", 2),
        (page(head="<script async src='https://evil.example/v0.js'></script>"), "runtime", 2),
        (page(head=COMPONENT.format("amp-list").replace(" async", "")), "async", 2),
        (page(head="<style>p{}</style>"), "amp-custom", 2),
        (
            page('\n<script type=\'application/json\'>{"n": "{{ profile.first_name }}"}</script>'),
            "no JSON then",
            4,
        ),
        (page(head="<style amp-custom>p{}</style>" * 2), "one <style", 2),
        (page(head="<style amp-custom>p{position: fixed}</style>"), "fixed", 2),
        (page(head="<style amp-custom>@im/**/port x;</style>"), "@import", 2),
        (page(head=f"<style amp-custom>{'p{}' * 30_000}</style>"), "75000", 2),
        (page("x" * MAX_BYTES), "at most", None),
    ],
)
def test_what_is_wrong_with_a_part_is_told(part: str, words: str, line: int | None) -> None:
    [problem] = [one for one in amp_problems(part) if words in one.message]
    assert problem.line == line


def test_scripts_of_data_are_fine_and_templates_of_mustache_stay_raw() -> None:
    body = (
        '<amp-list src="https://x.example/l" width=1 height=1><template type="amp-mustache">'
        "{% raw %}{{name}}{% endraw %}</template></amp-list>"
        '<amp-state id="s"><script type="application/json">{"a": 1}</script></amp-state>'
    )
    mustache = COMPONENT.format("amp-mustache").replace("custom-element", "custom-template")
    assert amp_problems(page(body, COMPONENT.format("amp-list") + mustache)) == []


def letter(**more: Any) -> Letter:
    fields: dict[str, Any] = {
        "from_address": "a@shop.example",
        "to_address": "b@x.example",
        "subject": "s",
        "html": "<p>Hi</p>",
        "text": "Hi",
        "date": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "message_id": "abc@shop.example",
    }
    return Letter(**{**fields, **more})


def test_two_readers_find_the_parts_in_the_order_that_amp_asks_for() -> None:
    data = mail_bytes(letter(amp=GOOD))
    read = email.message_from_bytes(data, policy=default)
    kinds = ["text/plain", "text/x-amp-html", "text/html"]
    parts = list(read.iter_parts())
    assert [one.get_content_type() for one in parts] == kinds
    assert parts[1].get_content().replace("\r\n", "\n").rstrip("\n") == GOOD
    [_, *ours] = parts_of(data)
    assert [one.kind for one in ours] == kinds
    assert ours[1].text().replace("\r\n", "\n").rstrip("\n") == GOOD


def test_a_mail_without_one_is_byte_by_byte_as_before() -> None:
    data = mail_bytes(letter())
    assert data == mail_bytes(letter(amp=None)) == mail_bytes(letter(amp=""))
    assert hashlib.sha256(data).hexdigest() == (
        "4f5adf141fcaa207aa43afa1339c561fa36d930361d068bb3ffad313bbb3e1b7"
    )


@pytest.mark.integration
async def test_a_mail_has_its_amp_part_with_its_links_and_its_way_out(scenario: Any) -> None:
    part = page('<p>Hi {{ profile.traits.name }}</p><a href="https://shop.example/a">x</a>')
    campaign = await scenario.started(amp=part)
    shown = (await scenario.client.get(f"/v1/campaigns/{campaign}")).json()
    assert shown["amp"] == part
    await scenario.topics.person("p1", "ada@example.com", name="<b>")
    await scenario.topics.entered("p1")
    while await scenario.turn():
        pass
    [mail] = scenario.mail_server.mails
    [_, amp, html] = list(mail.iter_parts())
    told = amp.get_content()
    assert amp.get_content_type() == "text/x-amp-html"
    assert ("Hi &lt;b&gt;" in told, "shop.example/a" in told, "Unsubscribe" in told) == (
        True,
        False,
        True,
    )
    assert ("/o/" in told, "/o/" in html.get_content()) == (False, True)
    assert amp_problems(told) == []


@pytest.mark.integration
async def test_a_template_has_an_amp_part_in_each_language(scenario: Any) -> None:
    texts = {"subject": "Hi", "body": "<p>Hi</p>", "amp": page("<p>Hi {{ profile.email }}</p>")}
    german = {"subject": "Hallo", "body": "<p>Hallo</p>", "amp": page("<img>")}
    body = {"name": "W", **texts, "languages": {"de": german}}
    refused = await scenario.client.post("/v1/templates", json=body)
    [problem] = refused.json()["details"]["problems"]
    assert (refused.status_code, problem["path"], problem["line"]) == (422, "languages.de.amp", 3)
    unknown = {**texts, "amp": page("{{ profile.nope }}"), "name": "X"}
    assert (await scenario.client.post("/v1/templates", json=unknown)).status_code == 422
    made = (await scenario.client.post("/v1/templates", json={"name": "W", **texts})).json()
    target = f"/v1/templates/{made['id']}"
    preview = (await scenario.client.post(f"{target}/preview", json={})).json()
    assert "<p>Hi someone@example.com</p>" in preview["amp"]
    draft = {**scenario.campaign_body, "template_id": made["id"]}
    for name in ("subject", "html"):
        del draft[name]
    campaign = (await scenario.client.post("/v1/campaigns", json=draft)).json()
    assert campaign["amp"] == texts["amp"]
    change = {"amp": None, "reason": "less"}
    assert (await scenario.client.patch(target, json=change)).status_code == 200
    now = (await scenario.client.get(f"/v1/campaigns/{campaign['id']}")).json()
    assert now["amp"] is None
