"""The text part of a page that is at hand as a whole."""

from rapport_campaign.render.linked import Linked


def as_text(page: str) -> str:
    """A page's words, with the addresses of its links, for clients that show no HTML."""
    return Linked([page]).as_text()
