"""Changes to a rendered page as they were made before `linked`: the whole page is read for each.

Slow, simple, and what the quick way is held against.

"""

import html
from collections.abc import Callable

from rapport_campaign.render.addresses import EDGE, is_refused, web_address
from rapport_campaign.render.scan import decoded, pieces

_LINKS = {"a", "area"}


def with_links(page: str, track: Callable[[str], str]) -> str:
    """The page with each web link replaced by what `track` gives for its address.

    Other schemes, anchors and what is not a usable address stay as they are, and so does every
    other character of the page.
    """
    parts: list[str] = []
    done = 0
    for piece in pieces(page):
        href = piece.values.get("href") if piece.name in _LINKS else None
        if href is None:
            continue
        said = decoded(page, href)
        target = web_address(said)
        if is_refused(said):
            # A person's data may have brought it: their mail goes, and this leads nowhere.
            parts += [page[done : href.start], '"#"']
            done = href.end
        elif target is not None:
            parts += [page[done : href.start], f'"{html.escape(track(target))}"']
            done = href.end
    return "".join([*parts, page[done:]])


def with_pixel(page: str, address: str) -> str:
    """The page with an invisible image whose loading means: opened."""
    image = f'<img src="{html.escape(address)}" width="1" height="1" alt="" style="border:0">'
    return _before_end(page, image)


def with_way_out(page: str, address: str) -> str:
    """The page with an unsubscribe line, for promotions that have forgotten it."""
    style = "font-size:12px;color:#666;margin-top:24px"
    line = f'<p style="{style}"><a href="{html.escape(address)}">Unsubscribe</a></p>'
    return _before_end(page, line)


def has_link(page: str, address: str) -> bool:
    """Whether a link of the page leads to an address."""
    return any(
        piece.name in _LINKS
        and (href := piece.values.get("href")) is not None
        and decoded(page, href).strip(EDGE) == address
        for piece in pieces(page)
    )


def _before_end(page: str, piece: str) -> str:
    end = None
    for found in pieces(page):
        if found.kind == "end" and found.name == "body":
            end = found.start
        elif found.kind == "comment" and found.end == len(page):
            # What comes after a tag that never ends is shown to nobody.
            end = found.start if end is None else end
    return page + piece if end is None else page[:end] + piece + page[end:]
