"""Templates: what campaigns say, as data of their own with versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

Format = Literal["html", "mjml"]
MOST_LANGUAGES = 40
OWN = "own"
"""Under which the texts of a template itself are told, beside those of its languages."""


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """What a template says in one language, as its author has written it."""

    subject: str
    body: str
    preheader: str = ""
    text: str | None = None
    amp: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A template as its author has written it.

    `language` is that of its own `texts`, which everybody gets for whom `languages` has nothing.
    """

    format: Format
    texts: Texts
    language: str | None = None
    languages: dict[str, Texts] = {}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to be filled with a person's data: Liquid; `text` None is made of the page.

    `amp`: the page again for mail programs that show AMP, if it has one.
    """

    subject: str
    html: str
    preheader: str = ""
    text: str | None = None
    amp: str | None = None


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A template as mails are made of it; `language`: that of its own texts, where it is told."""

    own: Said
    languages: dict[str, Said] = {}
    language: str | None = None

    @property
    def having(self) -> list[str]:
        """The languages that somebody may want it in."""
        return [*self.languages, *([self.language] if self.language else [])]

    def said(self, language: str | None) -> Said:
        """In a language that it has; else its own."""
        return self.languages.get(language or "", self.own)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a template by its path; `bare`: it is printed without a `default`."""

    path: tuple[str, ...]
    bare: bool

    @property
    def name(self) -> str:
        """As it is written in a template."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Template:
    """A template at its newest version, without what it says."""

    workspace: str
    template_id: str
    name: str
    version: int
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a template: what it says, by whom and why.

    `uses`: the versions of the snippets in it, by their names, as they were when it was saved.
    """

    workspace: str
    template_id: str
    version: int
    source: Source
    compiled: Compiled
    created_at: datetime
    created_by: str
    reason: str
    uses: Mapping[str, int] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece that templates share, at one version."""

    workspace: str
    name: str
    version: int
    source: str
    created_at: datetime
    created_by: str
    reason: str


# All languages of one are up to 2 MiB.
@lru_cache(maxsize=16)
def languages_of(kept: str) -> Mapping[str, Said]:
    """What a campaign says beside its own language, as it is kept with it (JSON)."""
    return msgspec.json.decode(kept, type=dict[str, Said])


def others_of(kept: str) -> list[str]:
    """The languages beside its own that a campaign has."""
    return [tag for tag, said in languages_of(kept).items() if said.html]


def kept_languages(compiled: Compiled) -> str:
    """That as it is kept: with a place for its own language, in which nothing is said again."""
    own = {compiled.language: Said(subject="", html="")} if compiled.language else {}
    return msgspec.json.encode(own | compiled.languages).decode()
