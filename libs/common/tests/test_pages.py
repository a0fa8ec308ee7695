"""Pages for people: their language, a brand that can be read, nothing fetched, nothing run."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.pages import brand as rules
from rapport_common.pages.brand import Brand, contrast
from rapport_common.pages.language import LANGUAGES, direction, language_of
from rapport_common.pages.site import Site

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
COLORS = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)
SITE = Site(Path(rules.__file__).parent)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("zh-CN,zh;q=0.9", "zh_Hans"),
        ("zh", "zh_Hans"),
        ("zh-Hans-CN", "zh_Hans"),
        ("ar-EG", "ar"),
        ("fr, de;q=0.1", "de"),
        ("de;q=0, ar;q=0.2", "ar"),
        ("en;q=0.2, de;q=0.8", "de"),
        ("de;q=nonsense", "en"),
        ("x" * 5000, "en"),
        ("*", "en"),
        ("é, ,;;q=, \u200f", "en"),
    ],
)
def test_the_reader_chooses_the_language(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


@given(st.text())
def test_any_header_gives_a_language(accepted: str) -> None:
    assert language_of(accepted) in LANGUAGES


def test_arabic_runs_from_right_to_left() -> None:
    assert [direction(one) for one in LANGUAGES] == ["ltr", "ltr", "ltr", "rtl"]
    page = SITE.render("problem.html", "ar", title="t", message="m", back="").html
    assert '<html lang="ar" dir="rtl">' in page


@given(COLORS)
def test_what_stands_on_the_brand_can_be_read(color: str) -> None:
    assert contrast(color, Brand(color=color).on_color) >= 4.5


def test_a_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@given(COLORS, st.text(), st.text())
def test_the_policy_allows_the_one_style_and_no_text_becomes_markup(
    color: str, name: str, message: str
) -> None:
    brand = Brand(name, color, rules.logo(PNG), "https://shop.example")
    page = SITE.render("problem.html", "en", brand, title=name, message=message, back="")
    style = re.search(r"<style>(.*?)</style>", page.html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["Content-Security-Policy"]
    plain = SITE.render("problem.html", "en", brand, title="a", message="b", back="")
    assert page.html.count("<") - style[1].count("<") == plain.html.count("<")


@pytest.mark.parametrize("text", ["red", "#12", "#12345g", "#fff;}", "url(x)", "", "#1234567"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        rules.color(text)


def test_a_short_colour_is_written_out() -> None:
    assert rules.color(" #FA0 ") == "#ffaa00"


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "shop.example", "https://", "https://a b", 'https://a"b', "x" * 400],
)
def test_what_is_no_website_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="website"):
        rules.website(text)


@pytest.mark.parametrize(
    "text",
    [
        "no base64!",
        base64.b64encode(b"<svg onload=alert(1)>").decode(),
        base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(rules.MAX_LOGO_BYTES)).decode(),
        "data:text/html;base64," + base64.b64encode(b"<script>").decode(),
    ],
)
def test_what_is_no_logo_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="logo"):
        rules.logo(text)


def test_a_logo_says_what_it_is_by_its_bytes() -> None:
    assert rules.logo(f"data:text/html;base64,{PNG}") == f"data:image/png;base64,{PNG}"
    assert rules.logo(" ") == ""
