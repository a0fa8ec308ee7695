"""Templates with limits, tracked links, and the bytes of a mail."""

import email
from collections.abc import Callable
from datetime import UTC, datetime
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.waiting import HANG_SECONDS

from rapport_campaign.render.addresses import web_address
from rapport_campaign.render.linked import Linked, pixel, way_out
from rapport_campaign.render.mime import Letter, mail_bytes
from rapport_campaign.render.templates import MAX_SOURCE, TemplateError, compiled, rendered
from rapport_campaign.render.words import as_text
from rapport_common.testing.examples import examples

BIG = "x" * 30_000


def with_links(page: str, track: Callable[[str], str]) -> str:
    linked = Linked([page])
    linked.replace(track)
    return str(linked)


def with_more(page: str, tags: str) -> str:
    linked = Linked([page])
    linked.append(tags)
    return str(linked)


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("a\nb\n{% if %}", 3, "missing expression"),
        ("a\n{% for x in %}{% endfor %}", 2, "expression"),
        ("a\n\n{{ name | nope }}", 3, "there is no filter 'nope'"),
        ("{{ name | safe }}", 1, "there is no filter 'safe'"),
        ("{% include 'x' %}", 1, "include"),
        ("{% render 'x' %}", 1, "render"),
        ("{% if a %}", None, "end"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, None, "nest"),
        ("x" * (MAX_SOURCE + 1), None, "64 KiB"),
    ],
)
def test_what_is_wrong_is_found_when_a_template_is_made(
    source: str, line: int | None, says: str
) -> None:
    with pytest.raises(TemplateError, match=says) as caught:
        compiled(source, html=True)
    if line is not None:
        assert caught.value.line == line


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..10000000000) %}{% endfor %}",
        "{% for i in (1..5000) %}{% for j in (1..5000) %}{% endfor %}{% endfor %}",
        "{% tablerow i in (1..10000000000) %}{% endtablerow %}",
        "{{ (1..1000000000) | join: ',' }}",
        "{% assign x = (1..1000000000) | size %}{{ (1..1000000000) | reverse | first }}",
        f"{{{{ '{BIG}' | replace: 'x', '{BIG}' }}}}",
        "{% assign a = big | split: '' %}{{ a | join: big }}",
        "{% assign x = 'xx' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}",
        "{% assign x = 99999 %}{% for i in (1..40) %}{% assign x = x | times: x %}{% endfor %}",
        "{% assign a = l %}{% for i in (1..20) %}{% assign a = a | concat: a %}{% endfor %}{{ a }}",
        "{% for i in (1..9999) %}{{ big }}{% endfor %}",
        "{% for i in (1..9999) %}{% assign y = big | upcase | downcase | upcase %}{% endfor %}",
    ],
)
@pytest.mark.timeout(HANG_SECONDS)
def test_no_template_works_for_ever(source: str) -> None:
    with pytest.raises(TemplateError):
        rendered(source, {"big": BIG, "l": [BIG]}, html=False)


def test_data_is_escaped_and_objects_stay_closed() -> None:
    variables: dict[str, Any] = {"profile": {"traits": {"name": "<b>&"}, "email": "a@x.example"}}
    assert rendered("{{ profile.traits.name }}", variables, html=True) == "&lt;b&gt;&amp;"
    assert rendered("{{ profile.traits.name }}", variables, html=False) == "<b>&"
    closed = "{{ profile.__class__ }}{{ profile.email.__class__ }}"
    assert not rendered(closed, variables, html=True)
    assert rendered("{{ profile.traits.x | default: 'friend' }}", variables, html=True) == "friend"


# --- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ('<a href="https://x.example/a?b=1&amp;c=2">', "https://x.example/a?b=1&c=2"),
        ("<A class='b' HREF='http://x.example/'>", "http://x.example/"),
        ("<a href=https://x.example/q>", "https://x.example/q"),
        ('<a title="a > b" href="https://x.example/ä">', "https://x.example/%C3%A4"),
        ('<a\nhref = " https://x.example/ ">', "https://x.example/"),
        ('<a href="mailto:a@x.example">', None),
        ('<a href="#top">', None),
        ('<a href="//x.example/">', None),
        ('<a href="https://">', None),
        ('<a href="">', None),
        ('<a name="x">', None),
        ('<abbr href="https://x.example/">', None),
        ('<img src="https://x.example/i.png">', None),
    ],
)
def test_web_links_are_tracked_and_others_stay(page: str, target: str | None) -> None:
    seen: list[str] = []

    def track(url: str) -> str:
        seen.append(url)
        return "https://t.example/c/1?&"

    changed = with_links(page, track)
    assert seen == ([target] if target else [])
    assert (changed == page) is (target is None)
    if target:
        assert 'href="https://t.example/c/1?&amp;"' in changed.lower().replace(" = ", "=")


@pytest.mark.parametrize("said", ["javascript:alert(1)", " JAVA&#x53;cript:x", "data:text/html,x"])
def test_links_that_would_run_something_lead_nowhere(said: str) -> None:
    assert with_links(f'<a href="{said}">x</a>', lambda url: url) == '<a href="#">x</a>'


@settings(max_examples=examples(300))
@given(st.text(alphabet="<a href='\">= https://x.example/é\r\n\0", max_size=80))
def test_any_page_can_be_rewritten(page: str) -> None:
    assert with_links(page, lambda url: url).count("<a") == page.count("<a")
    as_text(page)


@given(st.text())
def test_an_address_is_safe_in_a_header(text: str) -> None:
    for one in (web_address(text), web_address(f"https://x.example/{text}")):
        if one is not None:
            assert one.isascii()
            assert one.isprintable()
            assert " " not in one
            assert one.startswith(("http://", "https://", "HTTP", "Http"))


@pytest.mark.timeout(HANG_SECONDS)
def test_hostile_pages_take_no_time() -> None:
    for page in (
        '<a "' * 50_000,
        "<a href='" * 50_000,
        "<a " + " " * 200_000,
        "</body " * 50_000,
        "<!--" * 50_000,
        "<style>" + "</style" * 50_000,
    ):
        with_links(page, lambda url: url)
        with_more(page, pixel("x"))
        as_text(page)


def test_pixel_and_way_out_go_before_the_end() -> None:
    page = "<html><body>Hi</BODY ></html>"
    assert with_more(page, pixel("https://t/o?a&b")).index("a&amp;b") < page.index("</BODY") + 60
    assert with_more("no body", way_out("https://t/u")).endswith("</p>")


def test_text_version() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><h1>Hi  Ada</h1>"
        "<p>Buy\nnow &amp; <a href='https://x.example/?a=1&amp;b=2'>here</a></p>"
        "<ul><li>one<li>two</ul><script>x</script></body></html>"
    )
    assert (
        as_text(page)
        == "Hi Ada\n======\n\nBuy now & here <https://x.example/?a=1&b=2>\n\n- one\n- two\n"
    )


# --- the mail --------------------------------------------------------------------------------


def letter(**changes: Any) -> Letter:
    fields: dict[str, Any] = {
        "from_address": "Shop <a@shop.example>",
        "to_address": "b@x.example",
        "subject": "Hello",
        "html": "<p>Hi</p>",
        "text": "Hi",
        "date": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "message_id": "abc@shop.example",
    }
    return Letter(**{**fields, **changes})


@settings(max_examples=examples(200))
@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=2000))
def test_what_goes_in_comes_out(subject: str, header: str, body: str) -> None:
    data = mail_bytes(letter(subject=subject, html=body, text=body, headers={"X-Test": header}))
    lines = data.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    mail = email.message_from_bytes(data, policy=default)
    assert mail.keys() == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "X-Test",
        "MIME-Version",
        "Content-Type",
    ]
    parts = {part.get_content_subtype(): part for part in mail.walk()}
    wanted = body.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    for kind in ("plain", "html"):
        raw = parts[kind].get_payload(decode=True)
        assert isinstance(raw, bytes)
        assert raw.decode().replace("\r\n", "\n") == wanted


def test_no_header_can_be_smuggled_in() -> None:
    data = mail_bytes(letter(subject="Hi\r\nBcc: evil@x.example", headers={"X-A": "1\r\n Bcc: e"}))
    mail = email.message_from_bytes(data, policy=default)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Hi Bcc: evil@x.example"


def test_long_subjects_survive() -> None:
    subject = "Grüße an alle " * 15
    mail = email.message_from_bytes(mail_bytes(letter(subject=subject)), policy=default)
    assert mail["Subject"] == subject.strip()[:250].strip()
