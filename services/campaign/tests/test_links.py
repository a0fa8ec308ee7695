"""Links as a parser of the HTML standard reads them, and pages that stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from rapport_campaign.render.addresses import web_address
from rapport_campaign.render.linked import Linked
from rapport_campaign.render.words import as_text

TRACKED = "https://t.example/c/1"


def targets(page: str) -> tuple[str, list[str]]:
    seen: list[str] = []

    def track(url: str) -> str:
        seen.append(url)
        return TRACKED

    linked = Linked([page])
    linked.replace(track)
    return str(linked), seen


@pytest.mark.parametrize(
    ("page", "target", "changed"),
    [
        (
            '<a href="https://x.example/?id=1&currency=EUR&region=EU">',
            "https://x.example/?id=1&currency=EUR&region=EU",
            '<a href="*">',
        ),
        (
            '<a href="https://x.example/?a&amp;b&#38;c&copy;">',
            "https://x.example/?a&b&c%C2%A9",
            '<a href="*">',
        ),
        ('<a title="a < b" href=https://x.example/q/>', "https://x.example/q/", None),
        ("<AREA shape=rect HREF='https://x.example/'>", "https://x.example/", None),
        ("<a/href=https://x.example/>", "https://x.example/", '<a/href="*">'),
        ("<a href='https://x.example/' href=https://y.example>", "https://x.example/", None),
        ("<a href='\n https://x.example/\na'>", "https://x.example/a", None),
        ('<a href="&#104;ttps://x.example/">', "https://x.example/", None),
        ('<!-- > --><a href="https://x.example/">', "https://x.example/", None),
        (
            '<textarea><a href="https://y.example"></textarea ><a href="https://x.example/">',
            None,
            "",
        ),
        ('<!--[if mso]><a href="https://x.example/"><![endif]-->', None, ""),
        ('<script>"<a href=https://x.example/>"</script>', None, ""),
        ('<a href="https://x.example/', None, ""),
        ('<img srcset="https://x.example/ 1x"><link href="https://x.example/">', None, ""),
        ('<a href="mailto:a@x.example"><a href="tel:1"><a href="#x"><a href="/y">', None, ""),
    ],
)
def test_links_are_what_the_standard_says(
    page: str, target: str | None, changed: str | None
) -> None:
    found, seen = targets(page)
    if "textarea" in page:
        assert seen == ["https://x.example/"]
        return
    assert seen == ([target] if target else [])
    if changed == "":
        assert found == page
    elif changed is not None:
        assert found == changed.replace("*", TRACKED)


PARTS = [
    "<a ",
    "<area ",
    "</a>",
    ' href="https://x.example/?a=1&lt=2&copy=3"',
    " href='https://x.example/&amp;'",
    " href=https://x.example/q",
    ' title="<a href=x>"',
    "=",
    "/",
    ">",
    "<!--",
    "-->",
    "<style>",
    "</style>",
    "<title>",
    "</title >",
    "<p>",
    "text & more",
    '"',
    "'",
    " ",
    "<",
    "<?",
    "</",
    "é",
]


@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_a_parser_finds_the_same_links(parts: list[str]) -> None:
    """Of any page; with HTML's tree rules out of the way, which drop tags and move them."""
    page = "<body>" + "".join(parts)
    found, seen = targets(page)
    tree = LexborHTMLParser(page).css("a[href], area[href]")
    wanted = [web_address(node.attributes["href"] or "") for node in tree]
    assert seen == [one for one in wanted if one]
    again = LexborHTMLParser(found).css("a[href], area[href]")
    assert [node.attributes["href"] for node in again if node.attributes["href"] == TRACKED] == [
        TRACKED for _ in seen
    ]
    as_text(page)


def test_every_other_character_stays() -> None:
    page = (
        "<!DOCTYPE html>\r\n<html ><BODY  bgcolor=#fff>\t<A\n  class='b' HREF = 'https://x.example/'"
        '\n>&nbsp;&copy x</A ><br/><p title="a<b">é\0</p><![CDATA[x]]></BODY></html>\n'
    )
    found, seen = targets(page)
    assert seen == ["https://x.example/"]
    assert found == page.replace("'https://x.example/'", f'"{TRACKED}"')
