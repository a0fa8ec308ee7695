"""Mails are made the quick way and mean what the slow way means: the same, byte by byte."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from services.campaign.tests.whole_pages import has_link, with_links, with_pixel, with_way_out
from services.campaign.tests.whole_words import as_text

from rapport_campaign.render import linked, meter
from rapport_campaign.render.engine import Limited
from rapport_campaign.render.linked import Linked
from rapport_common.testing.examples import examples

ENGINES = {True: Limited(autoescape=True), False: Limited(autoescape=False)}

VALUES: dict[str, Any] = {
    "plain": "Ada",
    "markup": "<b>&\"'</b><a href='https://x.example/'>",
    "wide": "上海\u200b\ufeffé",
    "ends": "a\r\nb\rc\n",
    "void": "",
    "none": None,
    "yes": True,
    "no": False,
    "number": 7,
    "part": 1.5,
    "amount": "12.50",
    "link": "https://x.example/?a=1&b=2",
    "script": " JavaScript:alert(1)",
    "items": ["tea", "<i>", 3, None, ["x", "y"]],
    "object": {"size": 3, "first": "f", "a b": 1, "below": {"name": "n"}},
    "big": "x" * 70_000,
}
NAMES = [f"v.{name}" for name in VALUES if name != "big"] + [
    *("v.missing", "missing", "missing.below", "v.items.size", "v.items.first", "v.items.last"),
    *("v.plain.size", "v.object.below.name", "v.object['a b']", "v.items[1]", "v.items[9]"),
    *("v[v.plain]", "x", "x.y", "forloop.index", "forloop.last", "'it\\'s <b>'", "5", "1.0"),
    *("true", "nil", "blank", "empty", "(1..3)", "partial", "today.year", "a", "v.object.size"),
]
FILTERS = [
    *("upcase", "capitalize", "escape", "default: 'x<'", "default: v.plain", "append: v.markup"),
    *("newline_to_br", "strip_html", "plus: 1", "times: v.number", "date: '%Y'", "join: ', '"),
    *("split: 'a'", "size", "first", "round: 1", "truncate: 3, '…'", "url_encode", "sort", "json"),
]
TESTS = ["==", "!=", "<", ">", "<=", ">=", "contains"]
TEXTS = [
    *("<p>", "</p>", "Dear ", "\r\n", "\r", " & ", "上海", "\u200b", '<a href="', '">x</a>'),
    *("<a href=https://x.example/1>one</a>", "<style>", "</style>", "<!--", "-->", "<", "</body>"),
]


def outputs() -> st.SearchStrategy[str]:
    filtered = st.lists(st.sampled_from(FILTERS), max_size=2).map(
        lambda some: "".join(f" | {one}" for one in some if not one.startswith("json"))
    )
    return st.tuples(st.sampled_from(NAMES), filtered).map(lambda two: f"{{{{ {''.join(two)} }}}}")


def conditions() -> st.SearchStrategy[str]:
    name = st.sampled_from(NAMES)
    one = name | st.tuples(name, st.sampled_from(TESTS), name).map(" ".join)
    return one | st.tuples(one, st.sampled_from(["and", "or"]), one).map(" ".join)


def tags(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    name = st.sampled_from(NAMES)
    some = st.lists(inner, max_size=3).map("".join)
    return st.one_of(
        st.tuples(st.sampled_from(["if", "unless"]), conditions(), some, conditions(), some).map(
            lambda one: (
                f"{{% {one[0]} {one[1]} %}}{one[2]}{{% elsif {one[3]} %}}{one[4]}"
                f"{{% else %}}{one[4]}{one[2]}{{% end{one[0]} %}}"
            )
        ),
        st.tuples(name, st.sampled_from(["", " limit: 2", " reversed", " offset: 1"]), some).map(
            lambda one: f"{{% for x in {one[0]}{one[1]} %}}{one[2]}{{% else %}}none{{% endfor %}}"
        ),
        st.tuples(conditions(), st.sampled_from(["break", "continue"])).map(
            lambda one: f"{{% if {one[0]} %}}{{% {one[1]} %}}{{% endif %}}"
        ),
        st.tuples(name, some).map(
            lambda one: (
                f"{{% case {one[0]} %}}{{% when 7, 'Ada' %}}{one[1]}"
                f"{{% else %}}{one[1]}{{% endcase %}}"
            )
        ),
        some.map(lambda one: f"{{% capture a %}}{one}{{% endcapture %}}"),
        some.map(lambda one: f"{{% ifchanged %}}{one}{{% endifchanged %}}"),
        name.map(lambda one: f"{{% assign a = {one} %}}"),
        some.map(lambda one: f"{{% tablerow x in v.items cols: 2 %}}{one}{{% endtablerow %}}"),
        st.sampled_from(
            ["{% cycle 'a', '<b>' %}", "{% increment n %}", "{% raw %}{{ x }}{% endraw %}"]
        ),
    )


TEMPLATES = st.lists(
    st.recursive(st.sampled_from(TEXTS) | outputs(), tags, max_leaves=8), max_size=6
).map("".join)
RAW = "{% raw %}{{ x }}<p>{% endraw %}"
LOOP = "{% for i in (1..9999) %}"


def outcome(source: str, *, html: bool, quick: bool) -> tuple[str, Any, list[int]]:
    """What became of a template: its text, or what is wrong and where; and what the meter says."""
    template = ENGINES[html].from_string(source)
    account = meter.begin()
    spent = meter.account()
    try:
        text = "".join(template.pieces({"v": VALUES})) if quick else template.render(v=VALUES)
        return "text", text, [spent.steps, spent.turns, spent.work]
    except Exception as error:  # noqa: BLE001 - whatever the one raises the other has to
        where = getattr(getattr(error, "token", None), "start_index", None)
        return type(error).__name__, (str(error), where), []
    finally:
        meter.end(account)


@settings(max_examples=examples(600), deadline=None)
@given(TEMPLATES, st.booleans())
@example("{% for x in v.items %}{{ x }}{% if x == 3 %}{% break %}{% endif %},{% endfor %}", True)
@example("{{ v.ends }}{{ v.markup | newline_to_br }}", True)
def test_a_template_gives_what_the_engine_gives_and_costs_the_same(
    source: str,
    html: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    try:
        ENGINES[html].from_string(source)
    except Exception:  # noqa: BLE001 - no template
        return
    assert outcome(source, html=html, quick=True) == outcome(source, html=html, quick=False)


@pytest.mark.parametrize(
    "source",
    [
        f"a\n{LOOP}{'{% if true %} {% endif %}' * 30}{{% endfor %}}",
        f"a\n{LOOP}{'{% if true %}x{% endif %}' * 30}{{% endfor %}}",
        f"{LOOP}{{{{ v.big }}}}{{% endfor %}}",
        f"{LOOP}{'y' * 600}{{% endfor %}}",
        f"{LOOP}{{% capture a %}}{{{{ v.big }}}}{{% endcapture %}}{{% endfor %}}",
        "{% for i in (1..200) %}{% for j in (1..200) %}{% endfor %}{% endfor %}",
        f"{LOOP}{{{{ v.big | upcase | downcase }}}}{{% endfor %}}",
        f"{LOOP}{{% if v.big == v.big %}}{{% endif %}}{{% endfor %}}",
        "{% break %}",
        "x{% continue %}",
        "{% for a in v.items %}" * 25 + "{% endfor %}" * 25,
    ],
)
def test_no_limit_is_lost(source: str) -> None:
    quick, slow = (outcome(source, html=True, quick=one) for one in (True, False))
    assert quick[0] == slow[0] != "text"
    assert quick[1][0] == slow[1][0]


# --- pages -----------------------------------------------------------------------------------

PIECES = [
    *("<a ", "<area ", "</a>", "</a href=x>", ' href="https://x.example/?a=1&lt=2&copy=3"'),
    *(" href='https://x.example/&amp;'", " href=https://x.example/q", " href=javascript:x"),
    *(' href="', "https://x.example/own", "mailto:a@x.example", ' title="<a href=x>"', "=", "/"),
    *(">", "<!--", "-->", "--", "<!", "<style>", "</style>", "<title>", "</title >", "</titl"),
    *("<p>", "text & more", '"', "'", " ", "<", "<?", "</", "é\u200b", "</body>", "</BODY x>"),
    *("<a href='https://x.example/2'>two</a>", "body>", "<script>", "</script", "\0", "\n"),
]
WORDS = [
    *("<ul>", "</ul>", "<ol>", "</ol>", "<li>", "</li>", "<table>", "<table border=1>", "</table>"),
    *("<tr>", "</tr>", "<td>", "</td>", "<th>", "</th>", "<h1>", "</h1>", "<h3>", "</h3>", "<br>"),
    *('<img alt="a &amp;  b">', "<img style=display:none alt=x>", "<hr>", "<b>", "</b>", "<p>"),
    *("<div style='display : none'>", "<div>", "</div>", "<title style=display:none>", "</title>"),
    *("<head>", "</head>", "<body>", "&am", "p;", "&lt", "&#6", "5;", "&", "two words", "\n ", "é"),
    *("<a href=mailto:a@x.example?b>", "<a href='https://x.example/3'>", "https://x.example/3"),
]
OWN = "https://x.example/own"


def tracking(seen: list[str]) -> Callable[[str], str]:
    def track(url: str) -> str:
        seen.append(url)
        return f"https://t.example/?{len(seen)}&x"

    return track


def slowly(page: str, forgotten: str) -> tuple[str, list[str], list[str]]:
    seen: list[str] = []
    told = [as_text(page)]
    if not has_link(page, OWN):
        page = with_way_out(page, forgotten)
    told.append(as_text(page))
    page = with_links(page, lambda url: url if url == OWN else f"{url}#'&")
    told.append(as_text(page))
    page = with_links(page, tracking(seen))
    page = with_pixel(page, "https://t.example/o")
    return page, seen, [*told, as_text(page)]


def quickly(parts: list[str], ours: frozenset[str], known: Any, forgotten: str) -> Any:
    seen: list[str] = []
    page = Linked(parts, ours, known)
    told = [page.as_text()]
    if not page.has_link(OWN):
        page.append(linked.way_out(forgotten))
    told.append(page.as_text())
    page.replace(lambda url: url if url == OWN else f"{url}#'&")
    told.append(page.as_text())
    page.replace(tracking(seen))
    page.append(linked.pixel("https://t.example/o"))
    return str(page), seen, [*told, page.as_text()]


def cut(some: list[str], longest: int) -> st.SearchStrategy[list[str]]:
    """Pages of these, in parts."""
    return st.lists(st.lists(st.sampled_from(some), max_size=longest).map("".join), max_size=8)


@settings(max_examples=examples(1600), deadline=None)
@given(
    cut(PIECES, 5) | cut(WORDS, 9) | cut([*PIECES, *WORDS], 9),
    st.sampled_from([OWN, "https://x.example/\u00e9?a=1&b"]),
    st.integers(0, 255),
)
@example(["<a href=", "x>y</a><", "p>z"], OWN, 0)
@example(["<style", "></style", " x></body>"], OWN, 255)
@example(["<a href='https://x.example/own'>", "<!--", "x", "-->"], OWN, 255)
@example(["<p>a &am", "p;b<b>&amp;lt;</b>&l", "t;c</p></body>"], OWN, 255)
@example(["<table><td>a<td>b<table border=1><td>c<td>d</table><th>e</table>f"], OWN, 255)
@example(["<title style=display:none>a</title>b<img style=display:none>c<head>d</head>e"], OWN, 1)
def test_a_page_in_pieces_is_the_page(parts: list[str], forgotten: str, mask: int) -> None:
    """However it is cut, and whichever of its pieces are the template's, the second time too; its
    words are those of all of it, as it stands at each step.
    """
    ours = frozenset(part for at, part in enumerate(parts) if mask >> at & 1)
    known: dict[str, Any] = {}
    wanted = slowly("".join(parts), forgotten)
    assert quickly(parts, ours, known, forgotten) == wanted
    assert quickly(parts, ours, known, forgotten) == wanted
    assert all(any(part.endswith(one) for part in ours) for one in known)


def test_a_tag_that_never_ends_is_read_a_few_times_only() -> None:
    parts = ["<style>", *["x"] * 100, "</style><a href=https://x.example/1>y</a>"]
    assert quickly(parts, frozenset(), {}, OWN) == slowly("".join(parts), OWN)
