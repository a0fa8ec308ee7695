"""Snippets: pieces that templates share, put in when a template is saved.

`{% render "name" %}` and `{% include "name" %}` mean the same here: the piece stands in place of
the tag and sees what the template sees. `{% render "name", title: "Hi" %}` assigns `title` first.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DEEPEST = 5
MOST_CALLS = 200
LARGEST = 256 * 1024
"""Characters of a template with all of its snippets."""

_TAG = re.compile(r"\{%(?P<before>-?)\s*(?P<tag>\w+)(?P<rest>.*?)(?P<after>-?)%\}", re.DOTALL)
_CALLS = ("render", "include")
_KEPT = {name: re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}") for name in ("raw", "comment")}
_NAMED = re.compile(r"""\s*(?P<quote>['"])(?P<name>.*?)(?P=quote)\s*(?P<rest>.*)""", re.DOTALL)
_ARGUMENT = re.compile(
    r"""\s*,?\s*(?P<name>[A-Za-z_]\w*)\s*:\s*(?P<value>"[^"]*"|'[^']*'|[\w.\-\[\]]+)\s*"""
)


class SnippetError(ValueError):
    """A call of a snippet that can't be followed; `at`: the character at which it stands."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Call:
    """A tag that asks for a snippet: from `start` to `end`."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    start: int
    end: int


def calls(source: str) -> list[Call]:
    """The calls of a template in their order; SnippetError for one that can't be read."""
    return [_call(source, one) for one in _tags(source)]


def blanked(source: str) -> str:
    """A template with blanks where its calls are, so that all else stays in its place."""
    for one in list(_tags(source)):
        blank = re.sub(r"[^\n]", " ", one[0])
        source = source[: one.start()] + blank + source[one.end() :]
    return source


def _tags(source: str) -> Iterator[re.Match[str]]:
    """The tags that call snippets; what is raw or a comment has none."""
    # Behind the last end there is no tag: none of them is looked for in vain.
    end, at = source.rfind("%}") + 2, 0
    while (found := _TAG.search(source, at, end)) is not None:
        at = found.end()
        if found["tag"] in _CALLS:
            yield found
        elif found["tag"] in _KEPT:
            closing = _KEPT[found["tag"]].search(source, at)
            if closing is None:
                return
            at = closing.end()


@dataclass
class _Expansion:
    known: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    made: int = 0

    def of(self, source: str, above: tuple[str, ...]) -> str:
        parts: list[str] = []
        done = 0
        for one in calls(source):
            parts += [source[done : one.start], self._put_in(one, above)]
            done = one.end
        whole = "".join([*parts, source[done:]])
        if len(whole) > LARGEST:
            message = f"with its snippets it is larger than {LARGEST // 1024} KiB"
            raise SnippetError(message)
        return whole

    def _put_in(self, one: Call, above: tuple[str, ...]) -> str:
        self.made += 1
        if one.name in above:
            message = f"snippets go round: {' → '.join([*above, one.name])}"
            raise SnippetError(message, one.start)
        if len(above) >= DEEPEST:
            raise SnippetError(f"snippets are nested deeper than {DEEPEST}", one.start)
        if self.made > MOST_CALLS:
            raise SnippetError(f"more than {MOST_CALLS} snippets are put in", one.start)
        if one.name not in self.known:
            raise SnippetError(f"there is no snippet {one.name!r}", one.start)
        self.used.add(one.name)
        assigned = "".join(f"{{% assign {name} = {value} %}}" for name, value in one.arguments)
        try:
            return assigned + self.of(self.known[one.name], (*above, one.name))
        except SnippetError as error:
            # Where the template that is being saved stands, and not some snippet.
            raise SnippetError(error.message, one.start) from error


def expanded(
    source: str, known: Mapping[str, str], above: tuple[str, ...] = ()
) -> tuple[str, set[str]]:
    """A template with its snippets put in, and which they are; SnippetError.

    `above`: the snippet that `source` is itself, so that it is not put into itself.
    """
    expansion = _Expansion(known)
    return expansion.of(source, above), expansion.used


def _call(source: str, found: re.Match[str]) -> Call:
    named = _NAMED.fullmatch(found["rest"].strip())
    if named is None or not NAME.fullmatch(named["name"]):
        message = (
            'a snippet is called by its name in quotes, as {% render "footer" %}: '
            "a-z, 0-9, '_' and '-'"
        )
        raise SnippetError(message, found.start())
    arguments = []
    rest, place = named["rest"], 0
    while place < len(rest):
        one = _ARGUMENT.match(rest, place)
        if one is None:
            message = "a snippet takes arguments as `name: value`, with commas between them"
            raise SnippetError(message, found.start())
        arguments.append((one["name"], one["value"]))
        place = one.end()
    return Call(named["name"], tuple(arguments), *_span(source, found))


def _span(source: str, found: re.Match[str]) -> tuple[int, int]:
    """Where a tag stands, with the blanks that its dashes take away."""
    start, end = found.span()
    if found["before"]:
        start = len(source[:start].rstrip())
    if found["after"]:
        end = len(source) - len(source[end:].lstrip())
    return start, end
