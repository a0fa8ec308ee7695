"""Renders templates into pages that fetch nothing and run nothing (Content Security Policy 3)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rapport_common.pages.brand import NO_BRAND, Brand
from rapport_common.pages.language import LANGUAGES, Catalogue, direction, in_words, tag

_HERE = Path(__file__).parent
STYLE = (_HERE / "style.css").read_text()

PRIVATE_HEADERS = {
    "Cache-Control": "no-store",
    # The address of the page is the right to answer: it goes to nobody.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the headers that keep it to itself."""

    html: str
    headers: Mapping[str, str]


class Site:
    """The pages of one service: its folders `templates` and `locale`, over the shared layout."""

    def __init__(self, package: Path) -> None:
        loader = FileSystemLoader([package / "templates", _HERE / "templates"])
        self._by_language = {
            language: _environment(
                loader, Catalogue(language, [_HERE / "locale", package / "locale"]), language
            )
            for language in LANGUAGES
        }

    def render(
        self, template: str, language: str, brand: Brand | None = None, **values: Any
    ) -> Page:
        """A page in a language, with the workspace's brand if it is known whose page it is."""
        brand = brand or NO_BRAND
        style, policy = _style_and_policy(brand.color, brand.on_color)
        html = (
            self._by_language[language]
            .get_template(template)
            .render(brand=brand, style=Markup(style), **values)  # noqa: S704 - ours, checked colours
        )
        return Page(html, {"Content-Security-Policy": policy, **PRIVATE_HEADERS})

    def problem(
        self,
        status: int,
        message: str,
        language: str,
        *,
        titles: Mapping[int, str],
        messages: Mapping[int, str],
    ) -> Page:
        """A page that says what is wrong and what to do, by status (RFC 9110, 15).

        `titles` and `messages` are the service's own words; `message` is read where nobody has
        words for a status.
        """
        return self.render(
            "refused.html",
            language,
            status=status,
            title=titles.get(status, ""),
            message=messages.get(status, ""),
            told=message,
        )


def _environment(loader: FileSystemLoader, texts: Catalogue, language: str) -> Environment:
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_callables(  # type: ignore[attr-defined] # added by the extension
        texts.gettext, lambda one, many, n: texts.gettext(one if n == 1 else many), newstyle=True
    )
    made.globals |= {"language": tag(language), "direction": direction(language)}
    made.filters["in_words"] = lambda day: in_words(day, language)
    made.filters["translated"] = texts.gettext
    return made


@lru_cache(maxsize=1024)
def _style_and_policy(color: str, on_color: str) -> tuple[str, str]:
    style = f":root{{--brand:{color};--on-brand:{on_color}}}\n{STYLE}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return style, policy
