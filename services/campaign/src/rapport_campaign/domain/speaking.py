"""Which data a template speaks of, below names such as `offer`: found without parsing Liquid.

It may find too much (what only looks like a variable) and never too little: so whoever works data
out beforehand passes over what there is not. Who writes a template is told exactly, by its parser.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rapport_campaign.domain.model import Campaign

ANYTHING = "*"
"""In place of a segment of a path that is known only when the template is rendered."""

Path = tuple[str, ...]
"""The names behind a root, as `("summer", "price")` of `offer.summer.price`."""

# What is shown as it stands, or not at all, has no variables; its length stays for the places.
_UNREAD = re.compile(
    r"\{%-?\s*(comment|raw|doc)\b.*?\{%-?\s*end\1\s*-?%\}|\{%-?\s*#.*?%\}", re.DOTALL
)
_TAG = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_NAME = r"[^\W\d][\w-]*\??"
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_STEP = rf"\s*\.\s*[\w-]+\??|\s*\[\s*(?:{_QUOTED}|-?\d+)\s*\]|\s*\["
_WORD = re.compile(rf"{_QUOTED}|(?<![\w.\]-])(?P<root>{_NAME})(?P<path>(?:{_STEP})*)")
_ONE = re.compile(rf"\.\s*(?P<name>[\w-]+\??)|\[\s*(?P<quoted>{_QUOTED}|-?\d+)\s*\]|(?P<any>\[)")


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where data are spoken of: the path behind the root, and the character's index."""

    path: Path
    index: int


def mentions(source: str, root: str) -> Iterator[Mention]:
    """Each place of a template that speaks of data below a root, in their order.

    None where the template makes a variable of that name itself.
    """
    if root not in source:
        return
    text = _UNREAD.sub(lambda found: " " * len(found[0]), source)
    if re.search(rf"\b(?:for|tablerow)\s+{root}\s+in\b|\bassign\s+{root}\s*=", text):
        return
    if re.search(rf"\b(?:capture|increment|decrement)\s+['\"]?{root}\b", text):
        return
    for tag in _TAG.finditer(text):
        for word in _WORD.finditer(tag[0]):
            if word["root"] == root:
                yield Mention(_path(word["path"]), tag.start() + word.start())


def spoken_of(campaign: Campaign, root: str) -> frozenset[Path]:
    """The paths below a root in all that a campaign says, in every language.

    Looked for once for each text: what was started says the same for ever.
    """
    texts = (campaign.subject, campaign.html, campaign.text or "", campaign.content or "")
    said = [*texts, campaign.amp or "", campaign.languages]
    return frozenset[Path]().union(*(_paths(one, root) for one in said if root in one))


# The largest are 2 MiB.
@lru_cache(maxsize=64)
def _paths(source: str, root: str) -> frozenset[Path]:
    # Contents and languages are kept as JSON: quotes in them have a backslash before them.
    return frozenset(one.path for one in mentions(source.replace('\\"', '"'), root))


def _path(steps: str) -> Path:
    return tuple(_names(_ONE.finditer(steps)))


def _names(steps: Iterator[re.Match[str]]) -> Iterator[str]:
    for step in steps:
        if step["name"]:
            yield step["name"]
        elif step["quoted"]:
            yield step["quoted"].strip("\"'")
        else:
            yield ANYTHING
            return


def place_of(source: str, index: int) -> Mapping[str, int]:
    """Line and column of a character, both from 1."""
    return {
        "line": source.count("\n", 0, index) + 1,
        "column": index - source.rfind("\n", 0, index),
    }
