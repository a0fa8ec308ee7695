"""MJML to HTML. What its compiler passes over in silence is found before: it knows no lines."""

import re
from dataclasses import replace

from rapport_campaign.render.hiding import Hidden
from rapport_campaign.render.inlining import inlined
from rapport_campaign.render.scan import VOID, Piece, pieces

DEEPEST = 40
"""Tags in each other; the compiler goes down by its stack."""

# The components of MJML 4; what stands inside those of `_ENDING` is HTML, and the author's.
_ENDING = frozenset(
    [
        "mj-accordion-text",
        "mj-accordion-title",
        "mj-button",
        "mj-html-attribute",
        "mj-html-attributes",
        "mj-navbar-link",
        "mj-preview",
        "mj-raw",
        "mj-social-element",
        "mj-style",
        "mj-table",
        "mj-text",
        "mj-title",
    ]
)
_KNOWN = _ENDING | frozenset(
    [
        "mjml",
        "mj-head",
        "mj-body",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-breakpoint",
        "mj-font",
        "mj-selector",
        "mj-wrapper",
        "mj-section",
        "mj-column",
        "mj-group",
        "mj-accordion",
        "mj-accordion-element",
        "mj-carousel",
        "mj-carousel-image",
        "mj-divider",
        "mj-hero",
        "mj-image",
        "mj-navbar",
        "mj-social",
        "mj-spacer",
    ]
)
_INLINE = re.compile(r'inline\s*=\s*["\']inline["\']')
_POSITION = re.compile(r"position (\d+):")
_TURNED = (
    '<mj-attributes><mj-text align="right" /><mj-table align="right" />'
    '<mj-section direction="rtl" /><mj-column direction="rtl" /><mj-group direction="rtl" />'
    "</mj-attributes>"
)
_MARK = "/*rapport-inline*/"


class MjmlError(ValueError):
    """MJML that can't be compiled; `line` as the author counts them, where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def compiled(page: Hidden, *, from_the_right: bool = False) -> Hidden:
    """The page that MJML stands for; MjmlError.

    `from_the_right`: how it is set where its author does not say.
    """
    # As with css-inline: only who makes templates needs it.
    import mjml  # noqa: PLC0415

    check(page)
    try:
        # No fonts by themselves: each would tell a third party of who reads the mail.
        html = mjml.mjml2html(_marked(page, _TURNED if from_the_right else ""), fonts={})
    except ValueError as error:
        raise MjmlError(f"the MJML can't be read: {error}", _line(page, str(error))) from error
    number = page.lost(html)
    if number is not None:
        place = page.place(number)
        message = f"MJML takes no Liquid here: {page.pieces[number]} would be lost"
        raise MjmlError(message, page.line(place))
    text = inlined(replace(page, text=html), only=re.compile(re.escape(_MARK)))
    return replace(page, text=text.replace(_MARK, ""))


def check(page: Hidden) -> None:
    """MjmlError for tags that are not there, not closed, or nested too deeply."""
    above: list[tuple[str, int]] = []
    seen = False
    for one in pieces(page.text):
        name = one.name
        if one.kind not in {"start", "end"} or not name.startswith("mj"):
            continue
        inside = above[-1][0] if above else ""
        if inside in _ENDING and not (one.kind == "end" and name == inside):
            message = f"<{name}> can't stand in <{inside}>, which has HTML in it"
            raise MjmlError(message, page.line(one.start))
        _one(page, one, above)
        seen = True
    if above:
        name, start = above[-1]
        raise MjmlError(f"<{name}> is never closed", page.line(start))
    if not seen:
        raise MjmlError("there is no <mjml>", 1)


def _one(page: Hidden, one: Piece, above: list[tuple[str, int]]) -> None:
    name, line = one.name, page.line(one.start)
    if name == "mj-include":
        raise MjmlError('there is no <mj-include>: {% render "name" %} puts a snippet in', line)
    if name not in _KNOWN:
        raise MjmlError(f"there is no <{name}> in MJML", line)
    if one.kind == "end":
        if not above or above[-1][0] != name:
            opened = f", <{above[-1][0]}> is open" if above else ""
            raise MjmlError(f"</{name}> closes nothing{opened}", line)
        above.pop()
        return
    if not above and name != "mjml":
        raise MjmlError(f"<{name}> is outside of <mjml>", line)
    if not page.text.endswith("/>", one.start, one.end):
        above.append((name, one.start))
    if len(above) > DEEPEST:
        raise MjmlError(f"tags are nested deeper than {DEEPEST}", line)


def _line(page: Hidden, told: str) -> int | None:
    """Where the compiler stopped; else the first tag, of HTML too, that is not closed in order."""
    place = _POSITION.search(told)
    if place is not None:
        before = page.text.encode()[: int(place[1])].decode("utf-8", "ignore")
        return page.line(len(before))
    above: list[Piece] = []
    for one in pieces(page.text):
        if one.kind == "start" and one.name not in VOID:
            if not page.text.endswith("/>", one.start, one.end):
                above.append(one)
        elif one.kind == "end" and one.name not in VOID:
            if not above or above[-1].name != one.name:
                return page.line(above[-1].start if above else one.start)
            above.pop()
    return page.line(above[-1].start) if above else None


def _marked(page: Hidden, defaults: str) -> str:
    """The source, with a mark in the styles that are to come to their tags, and with defaults of
    ours before the author's.
    """
    text = page.text
    tags = [one for one in pieces(text) if one.kind == "start" and one.name.startswith("mj")]
    [root] = [one for one in tags if one.name == "mjml"][:1]
    head = next((one for one in tags if one.name == "mj-head"), None)
    whole = defaults if head or not defaults else f"<mj-head>{defaults}</mj-head>"
    places = {(head or root).end: whole}
    places |= {
        one.end: _MARK
        for one in tags
        if one.name == "mj-style" and _INLINE.search(text, one.start, one.end)
    }
    parts, done = [], 0
    for place, put_in in sorted(places.items()):
        parts += [text[done:place], put_in]
        done = place
    return "".join([*parts, text[done:]])
