"""What authors write becomes what mails are made of: MJML, styles, snippets, languages, text."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.waiting import HANG_SECONDS

from rapport_campaign.domain.languages import direction, language_tag, lookup, spoken_by
from rapport_campaign.domain.snippets import (
    DEEPEST,
    MOST_CALLS,
    SnippetError,
    blanked,
    calls,
    expanded,
)
from rapport_campaign.domain.templates import (
    Compiled,
    Format,
    Said,
    Texts,
    Variable,
    kept_languages,
    languages_of,
    others_of,
)
from rapport_campaign.domain.utm import Utm, read, with_utm
from rapport_campaign.render.authoring import Draft, Made, Piecework, looked_at, made
from rapport_campaign.render.hiding import hidden
from rapport_campaign.render.inlining import inlined
from rapport_campaign.render.preview import CLIPPED_AT, View, seen
from rapport_campaign.render.templates import rendered
from rapport_campaign.render.words import as_text
from rapport_common.testing.examples import examples

SECTION = "<mj-section><mj-column>{}</mj-column></mj-section>"
MJML = f"<mjml>\n<mj-body>\n{SECTION}\n</mj-body></mjml>"


def draft(body: str, form: Format = "html", **more: Any) -> Made:
    texts = {name: more.pop(name) for name in ("subject", "preheader", "text") if name in more}
    return made(Draft(form, Texts(body=body, **{"subject": "Hello", **texts}), **more))


def page(body: str, form: Format = "html", **more: Any) -> str:
    found = draft(body, form, **more)
    assert not found.faults, found.faults
    assert found.said is not None
    return found.said.html


# --- styles ----------------------------------------------------------------------------------


def test_styles_come_to_their_tags_and_all_else_stays() -> None:
    source = (
        '<!doctype html><style>.a{color:red;font-family:"Open Sans"} .a:hover{color:blue}'
        "@media(max-width:600px){.a{color:green}}</style><table>{% for x in y %}"
        "<tr class=a><td>{{ x | append: '<b>' }}</td></tr>{% endfor %}</table>&nbsp;<BR/>"
    )
    found = inlined(hidden(source))
    assert "<tr style=\"color: red;font-family: 'Open Sans';\" class=a>" in found
    assert ".a:hover { color: blue; }" in found
    assert "@media(max-width:600px){.a{color:green}}" in found
    assert ".a{color:red" not in found
    # Not one other character: no tbody, no quotes, no entity is another.
    bare = re.sub(r' style="[^"]*"|<style>.*</style>', "", found, flags=re.DOTALL)
    assert bare == re.sub(r"<style>.*</style>", "", hidden(source).text, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ('<p class="a" style="margin:{{ m }}">', 'style="color: red;margin:{{ m }}"'),
        ("<p class='a' style='{{ own }}'>", "style='color: red;{{ own }}'"),
        ('<p class="a {{ k }}">', 'style="color: red;"'),
        ('<p class="a" {% if x > 1 %}title="y"{% endif %}>', '{% if x > 1 %}title="y"{% endif %}'),
        ('<p class="a" title="{{ t | default: "<" }}">', 'title="{{ t | default: "<" }}"'),
    ],
)
def test_liquid_in_attributes_survives(tag: str, wanted: str) -> None:
    source = hidden(f"<style>.a{{color:red}}</style>{tag}x</p>")
    found = source.restored(inlined(source))
    assert wanted in found
    assert "color: red" in found
    assert "class=" in found


def test_a_style_with_liquid_in_it_stays_for_when_the_mail_is_made() -> None:
    source = hidden("<style>.a{color:{{ c }}}</style><p class=a>x</p>")
    assert source.restored(inlined(source)) == "<style>.a{color:{{ c }}}</style><p class=a>x</p>"


@pytest.mark.timeout(HANG_SECONDS)
def test_pages_that_are_too_deep_are_refused_before_their_styles_are_read() -> None:
    for tag in ("<b>", "<div>"):
        [fault] = draft("<style>b{top:1px}</style>" + tag * 10_000).faults
        assert "nested deeper" in fault.problem.message
    # Ends that may be left out, and tags that have none, are no depth.
    for tag in ("<p>x", "<li>x", "<br>", "<b>x</b>"):
        page("<style>b{top:1px}</style>" + tag * 1000)


@settings(max_examples=examples(200))
@given(st.text(alphabet="<a style='\">{{}}%x/ .:;é&\n", max_size=60))
def test_any_page_can_be_made(body: str) -> None:
    found = made(Draft("html", Texts(subject="x", body=f"<style>a{{top:1px}}</style>{body}")))
    assert (found.said is None) == bool(found.faults)


# --- MJML ------------------------------------------------------------------------------------


def test_mjml_becomes_a_page_that_renders() -> None:
    greeting = '{{ profile.traits.name | default: "<b>you</b>" }}'
    words = f'<mj-text css-class="q">Hi {greeting} {{{{ x }}}}</mj-text>'
    loop = "{% for x in (1..2) %}" + SECTION.format(words) + "{% endfor %}"
    styles = '<mj-style inline="inline">.q a{color:red}</mj-style>'
    body = f"<mjml><mj-head>{styles}</mj-head><mj-body>{loop}</mj-body></mjml>"
    found = page(body, "mjml", preheader="For {{ profile.email }}", language="ar")
    html = rendered(found, {"profile": {"email": "a@b.example"}}, html=True)
    assert html.count("you") == 2
    assert "For a@b.example" in html
    assert "googleapis" not in html
    assert '<html lang="ar" dir="rtl"' in html
    assert "direction:ltr" not in html
    # Nobody reads twice what is shown beside the subject.
    assert as_text(html) == "Hi you 1\n\nHi you 2\n"


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("<mj-txt>a</mj-txt>", 3, "there is no <mj-txt>"),
        ("\n<mj-text>a", 4, "<mj-text> is never closed|can't stand in"),
        ("</mj-text>", 3, "closes nothing"),
        ('<mj-image width="{{ now }}" src="x" />', 3, "no Liquid here"),
        ('<mj-include path="/etc/passwd" />', 3, "mj-include"),
        ("<mj-text><mj-button>x</mj-button></mj-text>", 3, "can't stand in"),
        ("\n<mj-text><b>x</mj-text>", 4, "can't be read"),
        ('<mj-button href="javascript:x">x</mj-button>', 3, "javascript"),
        ("{{ nope }}", 3, "no variable nope"),
    ],
)
def test_what_is_wrong_with_mjml_is_told_with_its_line(body: str, line: int, says: str) -> None:
    [fault] = draft(MJML.format(body), "mjml").faults
    assert (fault.path, fault.problem.line) == ("body", line)
    assert re.search(says, fault.problem.message)


@pytest.mark.parametrize("body", ["hello", "", "<mjml>", "<mj-body></mj-body>"])
def test_what_is_no_mjml_is_refused(body: str) -> None:
    assert draft(body or " ", "mjml").faults


@pytest.mark.timeout(HANG_SECONDS)
def test_deep_mjml_is_refused_before_its_compiler_sees_it() -> None:
    # Of 3,000 it dies.
    deep = "<mj-section>" * 2000 + "</mj-section>" * 2000
    [fault] = draft(f"<mjml><mj-body>{deep}</mj-body></mjml>", "mjml").faults
    assert "nested deeper" in fault.problem.message


# --- snippets --------------------------------------------------------------------------------


def test_snippets_are_put_in_with_their_arguments() -> None:
    known = {"a": "[{{ t }}{% include 'b' %}]", "b": "B"}
    found, uses = expanded(
        'x {%- render "a", t: "hi" -%} y {% raw %}{% render "c" %}{% endraw %}', known
    )
    assert found == 'x{% assign t = "hi" %}[{{ t }}B]y {% raw %}{% render "c" %}{% endraw %}'
    assert uses == {"a", "b"}
    assert rendered(found, {}, html=True) == 'x[hiB]y {% render "c" %}'


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('{% render "loop" %}', "go round: loop → pool → loop"),
        ('{% render "none" %}', "no snippet 'none'"),
        ("{% render name %}", "by its name in quotes"),
        ('{% render "deep0" %}', f"deeper than {DEEPEST}"),
        ('{% render "flat" with x %}', "as `name: value`"),
        ('{% render "flat" %}' * (MOST_CALLS + 1), f"more than {MOST_CALLS}"),
        ('{% render "wide" %}' * 9, "larger than"),
    ],
)
def test_snippets_that_can_not_be_put_in(source: str, says: str) -> None:
    known = {"loop": '{% render "pool" %}', "pool": '{% render "loop" %}', "flat": "x"}
    known |= {f"deep{n}": f'{{% render "deep{n + 1}" %}}' for n in range(9)}
    known |= {"wide": "x" * 60_000}
    with pytest.raises(SnippetError, match=says):
        expanded(source, known)


@pytest.mark.timeout(HANG_SECONDS)
@pytest.mark.parametrize("part", ['{% render "x"', "{% raw %}", "{%", '{% render "x" %}'])
def test_hostile_calls_take_no_time(part: str) -> None:
    source = part * 7000
    assert len(calls(source)) in {0, 7000}
    assert len(blanked(source)) == len(source)


def test_a_place_is_the_authors_whatever_is_put_in() -> None:
    wide = {"head": "\n\n\n<p>x</p>\n"}
    [fault] = draft('{% render "head" %}\n{{ nope }}', snippets=wide).faults
    assert (fault.problem.line, fault.problem.variable) == (2, "nope")
    [fault] = looked_at(
        Piecework("a", '\n{% render "b" %}', {"b": '{% render "a" %}', "a": ""})
    ).faults
    assert (fault.path, fault.problem.line) == ("source", 2)


# --- languages, links ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("zh-Hant-TW", "zh-Hant"),
        ("zh_TW.UTF-8", "zh-Hant"),
        ("zh-CN", "zh"),
        ("zh-Hans", "zh"),
        ("de-AT", "de"),
        ("pt-BR", "pt-BR"),
        ("pt", None),
        ("de-x-own", "de"),
        ("", None),
        ("x" * 99, None),
        (17, None),
    ],
)
def test_a_language_is_shortened_from_its_end(wanted: object, found: str | None) -> None:
    having = ("zh", "zh-Hant", "de", "pt-BR")
    assert lookup(language_tag(wanted), having) == found


@pytest.mark.parametrize(
    ("traits", "spoken"),
    [
        (b'{"language": "DE-at", "locale": "fr"}', "de-AT"),
        (b'{"language": 1, "locale": "zh-hant-tw"}', "zh-Hant-TW"),
        (b'{"tags": []}', None),
        (b"[]", None),
    ],
)
def test_what_somebody_speaks(traits: bytes, spoken: str | None) -> None:
    assert spoken_by(traits) == spoken


def test_what_is_written_from_the_right() -> None:
    assert [direction(one) for one in ("ar", "he-IL", "az-Arab", "pa-Guru", "ar-Latn", "de")] == [
        *("rtl", "rtl", "rtl", "ltr", "ltr", "ltr")
    ]
    assert page("<p>x</p>", language="fa").startswith('<div lang="fa" dir="rtl">')
    own = page('<html dir="ltr"><p>x</p></html>', language="fa")
    assert own == '<html lang="fa" dir="ltr"><p>x</p></html>'


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://shop.example", "https://shop.example?utm_source=a%20b&utm_medium=email"),
        ("http://www.shop.example/?x=1#y", "?x=1&utm_source=a%20b&utm_medium=email#y"),
        ("https://shop.example/?UTM_Source=x&utm_medium=", None),
        ("https://shop.example/?utm_source=", "?utm_source=&utm_medium=email"),
        ("https://evilshop.example/", None),
        ("https://shop.example@evil.example/", None),
        ("mailto:a@shop.example", None),
        ("https://[/", None),
        ("https://shop.example/?" + "a=1&" * 300, None),
    ],
)
def test_links_tell_where_a_visit_comes_from(url: str, wanted: str | None) -> None:
    utm = read(
        '{"source": "a b", "medium": "email", "domains": ["shop.example"], "campaign": null}'
    )
    assert isinstance(utm, Utm)
    found = with_utm(url, utm)
    assert found == url if wanted is None else found.endswith(wanted)
    assert with_utm(found, utm) == found


# --- the text part, previews -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Title</h1><p>x<br>y</p>", "Title\n=====\n\nx\ny\n"),
        ("<div style='Display : none'>no<div>no</div></div>yes", "yes\n"),
        ("<img style='display:none' alt=no>yes", "yes\n"),
        ("<table><tr><td>one</td><td>two</td></tr></table>", "one\ntwo\n"),
        ("<table><tr><th>Tea<th>3 €</tr><tr><td>Milk<td>1 €</table>", "Tea | 3 €\nMilk | 1 €\n"),
        ("<table border='1'><tr><td>a</td><td>b</td></tr></table>", "a | b\n"),
        ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n  - b\n2. c\n"),
        ("<a href='https://x.example/?a=1&amp;b=2'>go</a>", "go <https://x.example/?a=1&b=2>\n"),
        ("<a href='https://x.example/'>x.example</a>", "https://x.example/\n"),
        (
            "<a href='https://x.example'><img alt='Our  logo'></a>",
            "[Our logo] <https://x.example>\n",
        ),
        ("<a href='mailto:a@x.example?subject=y'>write</a>", "write <a@x.example>\n"),
        ("<a href='javascript:x'>y</a><a href='#top'>z</a>", "yz\n"),
        ("a<hr>b", "a\n\n----\n\nb\n"),
        ("<head><title>T</title>x</head><body>&lt;b&gt;<script>x</script>", "<b>\n"),
    ],
)
def test_the_text_part_says_what_the_page_says(html: str, text: str) -> None:
    assert as_text(html) == text


def test_a_preview_says_what_to_look_at() -> None:
    body = (
        "<p>{{ profile.traits.name }} {{ profile.traits.plan | default: 'x' }}"
        "{% if profile.traits.city %}{{ profile.traits.city }}{% endif %}</p>"
        "<a href='http://x.example'>x</a><a href='{{ profile.traits.site }}'>y</a>"
        "<img src='https://x.example/i.png'><img src=x alt><img src=x alt=''>"
    )
    found = draft(body, subject="\u202e{{ profile.traits.tags | size }}\u200b")
    assert found.said is not None
    tags = [f"tag {number}" for number in range(2000)]
    data = {"tags": tags, "site": "javascript:alert(1)"}
    view = View(
        said=found.said, address="a@b.example", state=None, variables=found.variables, data=data
    )
    sight = seen(view)
    assert [(one.code, one.part) for one in sight.warnings] == [
        ("missing", ""),
        ("invisible_in_subject", "subject"),
        ("insecure_link", "html"),
        ("refused_link", "html"),
        ("no_alt", "html"),
    ]
    assert "profile.traits.name" in sight.warnings[0].message
    assert sight.subject == "2000"


def test_a_preview_says_what_is_cut_off() -> None:
    said = Said(subject=" ", html="{% for x in (1..2000) %}" + "é" * 30 + "{% endfor %}")
    sight = seen(View(said=said, address="a@b.example", state=None))
    assert sight.size == 2 * 30 * 2000 > CLIPPED_AT
    assert [one.code for one in sight.warnings] == ["empty_subject", "too_large"]


def test_what_a_campaign_says_in_other_languages_is_kept_as_it_is() -> None:
    own, german = Said(subject="a", html="b"), Said(subject="c", html="d", text="e")
    whole = Compiled(own=own, languages={"de": german})
    assert [whole.said(one) for one in ("de", "fr", None)] == [german, own, own]
    assert languages_of(kept_languages(whole)) == {"de": german}
    named = kept_languages(Compiled(own=own, languages={"de": german}, language="en"))
    assert (sorted(languages_of(named)), others_of(named)) == (["de", "en"], ["de"])
    assert Variable(("profile", "email"), bare=True).name == "profile.email"
