"""Which variables a template prints of people, and which of them it can do without."""

import re
from collections.abc import Iterable

from rapport_campaign.domain.templates import Variable
from rapport_campaign.render.templates import MAX_COMPILED, compiled

_DEFAULT = re.compile(r"\|\s*default\s*:")
_ASKING = re.compile(r"\{%-?\s*(?:if|elsif|unless|case|when)\b")
_MOST = 500


def used(parts: Iterable[tuple[str, bool]]) -> tuple[Variable, ...]:
    """The variables of some parts of a template (each with whether it is HTML), by their names.

    `bare` are those that are printed, somewhere, without a `default`, and that no part asks for
    in an `if`, `unless` or `case`: whose value is missing there finds nothing in their place.
    """
    printed: dict[tuple[str, ...], bool] = {}
    asked: set[tuple[str, ...]] = set()
    for source, is_html in parts:
        for path, before, after in _places(source, is_html=is_html):
            if _ASKING.match(before):
                asked.add(path)
            is_bare = before.startswith("{{") and not _DEFAULT.search(after)
            printed[path] = printed.get(path, False) or is_bare
    found = [Variable(path, bare and path not in asked) for path, bare in printed.items()]
    return tuple(sorted(found, key=lambda one: one.path)[:_MOST])


def _places(source: str, *, is_html: bool) -> Iterable[tuple[tuple[str, ...], str, str]]:
    """Each variable's path, the tag up to it, and what comes behind it."""
    analysis = compiled(source, html=is_html, most=MAX_COMPILED).analyze()
    for root, variables in analysis.globals.items():
        for variable in variables:
            path = tuple(str(one) for one in variable.segments)
            if root in analysis.locals or not all(
                isinstance(one, str) for one in variable.segments
            ):
                continue
            at = variable.span.index
            start = max(source.rfind("{{", 0, at + 1), source.rfind("{%", 0, at + 1), 0)
            ends = [one for one in (source.find("}}", at), source.find("%}", at)) if one >= 0]
            yield path, source[start:at], source[at : min(ends, default=len(source))]
