"""What is written to customers at cases: templates with an end to everything.

Liquid as in campaigns, of which answers need little: what is said, conditions, loops, filters by
which no text grows. So nothing can be spent but the turns of loops and the output, and both are
counted over one rendering.
"""

from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import Any, Final

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError
from typing_extensions import override

from rapport_feedback.domain.cases import Complaint

MOST_SOURCE: Final = 16 * 1024
MOST_OUTPUT: Final = 10_000
MOST_TURNS: Final = 200
_TAGS: Final = frozenset({"if", "unless", "case", "for", "break", "continue", "comment", "#"})
_FILTERS: Final = frozenset({"default", "upcase", "downcase", "capitalize", "strip", "size"})
KNOWN: Final = frozenset({"case", "customer", "brand", "agent", "answer_by"})
"""What an answer can speak of."""


class TemplateError(ValueError):
    """A template that can't be used; the message says what is wrong, and where."""


class _Limited(Environment):
    output_stream_limit = MOST_OUTPUT
    loop_iteration_limit = MOST_TURNS
    context_depth_limit = 8
    strict_filters = True

    @override
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        # The two that the engine itself makes of what stands between tags.
        own = {"content", "output", "illegal"}
        for name in [one for one in self.tags if one not in _TAGS | own]:
            del self.tags[name]
        for name in [one for one in self.filters if one not in _FILTERS]:
            del self.filters[name]


_LIQUID = _Limited()


@lru_cache(maxsize=64)
def _compiled(source: str) -> BoundTemplate:
    if len(source) > MOST_SOURCE:
        raise TemplateError(f"the template is longer than {MOST_SOURCE} characters")
    try:
        return _LIQUID.from_string(source)
    except LiquidError as error:
        raise TemplateError(_told(error)) from error


def require_template(source: str) -> None:
    """TemplateError for what is no template, or speaks of what no case has."""
    found = _compiled(source).analyze()
    for what, named, known in (
        ("variable", set(found.globals), KNOWN),
        ("filter", set(found.filters), _FILTERS),
    ):
        if unknown := ", ".join(sorted(named - known)):
            raise TemplateError(f"unknown {what}: {unknown}; there are {', '.join(sorted(known))}")


def rendered(source: str, values: Mapping[str, Any]) -> str:
    """The text; TemplateError when it becomes too long, or the template and a case don't fit."""
    try:
        return _compiled(source).render(**values).strip()
    except LiquidError as error:
        raise TemplateError(_told(error)) from error


def _told(error: LiquidError) -> str:
    place = error.context()
    where = f"line {place[0]}: " if place else ""
    return f"{where}{error.args[0] if error.args else error}"


def values_of(complaint: Complaint, *, name: str, agent: str, brand: str) -> dict[str, Any]:
    """What a template can speak of at a case."""
    case, fields = complaint.case, complaint.fields
    return {
        "case": {
            "number": complaint.number,
            "subject": complaint.subject,
            "state": str(case.state),
            "opened_on": case.opened_at.date().isoformat(),
            "order_id": fields.order_id,
            "product": fields.product,
            "category": fields.category,
        },
        "customer": {"name": name, "email": complaint.contact.email or ""},
        "agent": agent,
        "brand": brand,
        "answer_by": case.due_at.date().isoformat() if case.due_at else "",
    }


def page_of(text: str) -> str:
    """A text as a page, in which nothing is markup, nor anything of Liquid, of which who sends it
    would make more.
    """
    lines = escape(text).replace("{", "&#123;").replace("}", "&#125;").splitlines()
    return f"<p>{'<br>'.join(lines)}</p>"
