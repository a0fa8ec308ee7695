"""Styles go to the tags they are for, as many mail programs read no other.

Which style is for which tag is css-inline's to say. It is asked about a copy of the page, whose
tags have numbers; only `style` attributes of the page itself are changed, and rules that have come
to their tags are taken out. So Liquid may stand anywhere, and nothing else of a page is another.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from rapport_campaign.render.hiding import Hidden
from rapport_campaign.render.scan import VOID, Piece, pieces

if TYPE_CHECKING:
    import css_inline

DEEPEST = 200
"""Tags in each other: of some thousands css-inline takes a minute, or ends the process."""
# Their ends may be left out; they are in each other only by tags that are counted.
_UNCOUNTED = VOID | {"p", "li", "dt", "dd", "option", "td", "th", "tr", "tbody", "thead", "tfoot"}
_NUMBER = "data-rapport-tag"
_IGNORED = ' data-css-inline="ignore"'


class InliningError(ValueError):
    """Styles that can't be read."""


def inlined(page: Hidden, *, only: re.Pattern[str] | None = None) -> str:
    """The page, still without its Liquid, with its styles at their tags; InliningError.

    `only`: what the text of a `<style>` has to match to be looked at. Where Liquid is in it, it
    stays as it is: what it says is known only when the mail is made.
    """
    text = page.text
    found = [one for one in pieces(text) if one.kind in {"start", "raw"}]
    styles = [
        number
        for number, one in enumerate(found)
        if one.kind == "raw" and one.name == "style" and _is_ours(page, one, only)
    ]
    if not styles:
        return text
    if _depth(text) > DEEPEST:
        raise InliningError(f"tags are nested deeper than {DEEPEST}, or not closed")
    copy = _inlined(_numbered(page, found, {number - 1 for number in styles}))
    return _taken_over(page, found, set(styles), _by_number(copy))


def _inlined(text: str) -> str:
    # Only who makes templates needs it: processes that make mails of them are smaller without.
    import css_inline  # noqa: PLC0415

    try:
        return _inliner().inline(text)
    except (css_inline.InlineError, ValueError) as error:
        raise InliningError(f"its styles can't be read: {error}") from error


@cache
def _inliner() -> "css_inline.CSSInliner":
    import css_inline  # noqa: PLC0415

    return css_inline.CSSInliner(
        load_remote_stylesheets=False,
        keep_style_tags=True,
        keep_link_tags=True,
        keep_at_rules=True,
        remove_inlined_selectors=True,
    )


def _depth(text: str) -> int:
    """How many tags are open at once, at most."""
    deepest = now = 0
    for one in pieces(text):
        if one.kind in {"start", "end"} and one.name not in _UNCOUNTED:
            now = max(now + (1 if one.kind == "start" else -1), 0)
            deepest = max(deepest, now)
    return deepest


def _is_ours(page: Hidden, one: Piece, only: re.Pattern[str] | None) -> bool:
    css = page.text[one.start : one.end]
    return not page.word.search(css) and (only is None or bool(only.search(css)))


def _numbered(page: Hidden, found: list[Piece], styles: set[int]) -> str:
    """The copy: each tag has its number, and no style of its own that has Liquid in it."""
    text, parts, done = page.text, [], 0
    for number, one in enumerate(found):
        if one.kind != "start":
            continue
        name_ends = one.start + 1 + len(one.name)
        ignored = _IGNORED if one.name == "style" and number not in styles else ""
        parts += [text[done:name_ends], f' {_NUMBER}="{number}"{ignored}']
        done = name_ends
        own = one.values.get("style")
        if own is not None and page.word.search(text[own.start : own.end]):
            parts += [text[done : own.start], '""']
            done = own.end
    return "".join([*parts, text[done:]])


def _by_number(copy: str) -> dict[int, str]:
    """What the copy has: each tag's style as it stands in its quotes, each `<style>`'s rules."""
    found: dict[int, str] = {}
    last = -1
    for one in pieces(copy):
        number = one.values.get(_NUMBER) if one.kind == "start" else None
        if number is not None:
            last = int(copy[number.start + 1 : number.end - 1])
            style = one.values.get("style")
            # Written anew, values are in double quotes always.
            found[last] = copy[style.start + 1 : style.end - 1] if style else ""
        elif one.kind == "raw" and one.name == "style" and last >= 0:
            found[last + 1] = copy[one.start : one.end]
    return found


def _taken_over(page: Hidden, found: list[Piece], styles: set[int], told: dict[int, str]) -> str:
    text, parts, done = page.text, [], 0
    for number, one in enumerate(found):
        said = told.get(number, "").strip()
        if one.kind == "raw" and number in styles:
            parts += [text[done : one.start], said]
            done = one.end
        elif one.kind == "start" and said and one.name != "style":
            own = one.values.get("style")
            start = own.start if own else one.start + 1 + len(one.name)
            parts += [text[done:start], _attribute(page, one, said)]
            done = own.end if own else start
    return "".join([*parts, text[done:]])


def _attribute(page: Hidden, one: Piece, said: str) -> str:
    own = one.values.get("style")
    if own is None:
        return f' style="{said}"'
    text = page.text[own.start + len(own.quote) : own.end - len(own.quote)]
    # What is at the tag itself comes last, and wins.
    is_left_out = page.word.search(text) is not None
    quote = own.quote or '"'
    told = said.replace('"', "&quot;") if quote == '"' else said.replace("'", "&#39;")
    return f"{quote}{told.rstrip(';')};{text}{quote}" if is_left_out else f"{quote}{told}{quote}"
