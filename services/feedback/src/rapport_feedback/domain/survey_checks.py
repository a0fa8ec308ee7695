"""Whether a form can be asked: all that is wrong with one, each with its path."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_feedback.domain import survey_conditions as conditions
from rapport_feedback.domain.questions import (
    Date,
    Listed,
    Matrix,
    Multiple,
    Question,
    Scale,
    Text,
    kind_of,
    texts_of,
)
from rapport_feedback.domain.survey_conditions import ConditionError
from rapport_feedback.domain.survey_forms import (
    END,
    MAX_QUESTIONS,
    SCREENED,
    Form,
    PageOf,
    of_document,
    texts_in,
)
from rapport_feedback.domain.survey_texts import by_language, is_unreadable, places

MAX_TOLD = 20
MAX_DEPTH = 30
_HALF = re.compile("[\ud800-\udfff]")
MAX_PAGE_BYTES = 40_000
"""Of a page without what people type, and without a logo: with its style it stays below 50 KB."""

PER_CONTROL, PER_QUESTION = 230, 700
"""Bytes of markup around a field, and around a question."""

Problem = tuple[str, str]
"""(path, what is wrong there)."""


def read_form(document: Mapping[str, Any], before: Form | None = None) -> Form:
    """The form that a document describes; InvalidRequestError lists what is wrong with it.

    `before` is the version that it follows: answers to both are counted together.
    """
    unstorable = next(_unstorable(document, "form"), None)
    if unstorable is not None:
        raise refused([unstorable])
    try:
        form = of_document(document)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        raise refused([("form" + place.rstrip("`"), said)]) from error
    found = [*_ids(form), *_press(form), *_lists(form), *_texts(form), *_ways(form), *_sizes(form)]
    if before is not None:
        found += _unlike(form, before)
    if found:
        raise refused([(f"form.{path}", message) for path, message in found])
    return form


def refused(problems: Sequence[Problem]) -> InvalidRequestError:
    """An error that names each place."""
    told = [{"path": path, "message": message} for path, message in problems[:MAX_TOLD]]
    path, message = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidRequestError(f"{path} {message}{more}.", details={"problems": told})


def _unstorable(value: object, path: str, depth: int = 0) -> Iterator[Problem]:
    if depth > MAX_DEPTH:
        yield path, f"is too deep: {MAX_DEPTH} levels are the most"
    elif isinstance(value, str) and ("\0" in value or _HALF.search(value)):
        yield path, "has a character that can't be kept (NUL, or half a surrogate pair)"
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _unstorable(str(key), path, depth + 1)
            yield from _unstorable(one, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _unstorable(one, f"{path}[{at}]", depth + 1)


def _placed(form: Form) -> Iterator[tuple[str, Question]]:
    for at, page in enumerate(form.pages):
        for place, question in enumerate(page.questions):
            yield f"pages[{at}].questions[{place}]", question


def _ids(form: Form) -> Iterator[Problem]:
    """Each id once; none that means something else."""
    placed = list(_placed(form))
    if len(placed) > MAX_QUESTIONS:
        yield "pages", f"have {len(placed)} questions; {MAX_QUESTIONS} are the most"
    pages = [(f"pages[{at}].id", page.id) for at, page in enumerate(form.pages)]
    yield from _repeated(pages)
    yield from (
        (path, "is what the end is called") for path, one in pages if one in (END, SCREENED)
    )
    yield from _repeated([(f"{path}.id", question.id) for path, question in placed])
    yield from _repeated([(f"quotas[{at}].id", one.id) for at, one in enumerate(form.quotas)])
    tags = [(f"languages[{at}]", one.lower()) for at, one in enumerate(form.languages)]
    yield from _repeated(tags)
    for path, question in placed:
        if isinstance(question, Listed):
            options = enumerate(question.options)
            yield from _repeated([(f"{path}.options[{at}].id", one.id) for at, one in options])
        if isinstance(question, Matrix):
            rows = enumerate(question.rows)
            yield from _repeated([(f"{path}.rows[{at}].id", one.id) for at, one in rows])


def _press(form: Form) -> Iterator[Problem]:
    """A score that counts when it is pressed stands alone; words may follow."""
    if form.layout != "press":
        return
    first, *rest = form.pages
    if len(first.questions) != 1 or not isinstance(first.questions[0], Scale):
        yield "pages[0].questions", "must be one question with a score, for the layout press"
    if len(rest) > 1 or any(not isinstance(one, Text) for page in rest for one in page.questions):
        yield "pages[1]", "must be one page of texts, and the last, for the layout press"


def _repeated(named: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, one in named:
        if one in seen:
            yield path, f"is there twice: {one}"
        seen.add(one)


def _lists(form: Form) -> Iterator[Problem]:
    """Bounds that nobody could keep; an `other` where none can be said."""
    for path, question in _placed(form):
        if isinstance(question, Listed):
            others = [at for at, one in enumerate(question.options) if one.other]
            if isinstance(question, Matrix) and others:
                yield f"{path}.options[{others[0]}].other", "is for choice and multiple"
            elif len(others) > 1:
                yield f"{path}.options[{others[1]}].other", "is there twice"
        if isinstance(question, Multiple) and question.at_least > min(
            question.at_most, len(question.options)
        ):
            yield f"{path}.at_least", "is more than can be chosen"
        if isinstance(question, Date):
            yield from _days(path, question)


def _days(path: str, question: Date) -> Iterator[Problem]:
    for name in ("since", "until"):
        given = getattr(question, name)
        try:
            date.fromisoformat(given or "2000-01-01")
        except ValueError:
            yield f"{path}.{name}", "is no day of the calendar"
    if question.since and question.until and question.since > question.until:
        yield f"{path}.until", "is before since"


def _texts(form: Form) -> Iterator[Problem]:
    """Words are there in the first language, and say only what is known when they are read."""
    where = {one.id: at for at, page in enumerate(form.pages) for one in page.questions}
    for path, texts in texts_in(form):
        for tag, text in by_language(texts, form).items():
            place = path if isinstance(texts, str) else f"{path}.{tag}"
            if tag.lower() not in {one.lower() for one in form.languages}:
                yield place, f"is in a language that the form does not name: {tag}"
            if not text.strip():
                yield place, "is empty"
            if is_unreadable(text):
                yield place, "has {{ … }} other than answer.<id> and trait.<name>"
            yield from ((place, wrong) for wrong in _wrong_places(form, path, text, where))


def _wrong_places(form: Form, path: str, text: str, where: Mapping[str, int]) -> Iterator[str]:
    at = int(path[6 : path.index("]")]) if path.startswith("pages[") else len(form.pages)
    for place in places(text):
        if place.of == "trait" and place.name not in form.traits:
            yield f"names trait.{place.name}, which traits does not list"
        elif place.of == "answer" and where.get(place.name, at) >= at:
            yield f"names answer.{place.name}, which no page before asks"
        elif place.of == "answer" and form.layout == "all":
            yield "names an answer, and all is asked on one page (layout)"


def _ways(form: Form) -> Iterator[Problem]:
    """Where pages lead: only forward, so it ends; and each page is led to."""
    order = {page.id: at for at, page in enumerate(form.pages)}
    led: set[int] = {0}
    for at, page in enumerate(form.pages):
        if page.next and form.layout != "pages":
            yield (
                f"pages[{at}].next",
                "needs the layout pages: what follows is decided page by page",
            )
        if at not in led:
            yield f"pages[{at}]", f"is not reached: nothing leads to {page.id}"
        yield from _rules(form, at, page, order)
        led |= {order[rule.to] for rule in page.next if rule.to in order}
        if all(rule.when is not None for rule in page.next):
            led.add(at + 1)
    for at, quota in enumerate(form.quotas):
        yield from _condition(form, f"quotas[{at}].if", quota.when, len(form.pages))


def _rules(form: Form, at: int, page: PageOf, order: Mapping[str, int]) -> Iterator[Problem]:
    for place, rule in enumerate(page.next):
        path = f"pages[{at}].next[{place}]"
        if rule.to not in order and rule.to not in (END, SCREENED):
            yield f"{path}.to", f"names no page: {rule.to}"
        elif order.get(rule.to, at + 1) <= at:
            yield f"{path}.to", f"leads back to {rule.to}, which would be a loop"
        if rule.when is None and place < len(page.next) - 1:
            yield f"pages[{at}].next[{place + 1}]", "is not reached: the rule before has no if"
        yield from _condition(form, f"{path}.if", rule.when, at + 1)


def _condition(
    form: Form, path: str, document: Mapping[str, Any] | None, pages: int
) -> Iterator[Problem]:
    """`pages` are those that have been answered when it is asked."""
    if document is None:
        return
    known = {one.id: one for page in form.pages[:pages] for one in page.questions}
    try:
        conditions.read(document, known)
    except ConditionError as error:
        yield f"{path}.{error.path}" if error.path else path, error.message


def _sizes(form: Form) -> Iterator[Problem]:
    """No page is larger than a bad connection carries at once."""
    whole = [weight(form, page) for page in form.pages]
    if form.layout == "all":
        whole = [sum(whole)]
    for at, size in enumerate(whole):
        if size > MAX_PAGE_BYTES:
            said = f"would have about {size:,} bytes; {MAX_PAGE_BYTES:,} are the most: split it"
            yield f"pages[{at}]", said


def weight(form: Form, page: PageOf) -> int:
    """About how many bytes of HTML a page takes, in the language that takes most."""
    return sum(PER_QUESTION + _weight(form, question) for question in page.questions)


def _weight(form: Form, question: Question) -> int:
    repeated = len(question.rows) if isinstance(question, Matrix) else 1
    controls, words = 1, 0
    if isinstance(question, Scale):
        controls = question.highest - question.lowest + 1
    if isinstance(question, Listed):
        controls = repeated * len(question.options)
    for path, texts in texts_of(question):
        most = max(len(text.encode()) for text in by_language(texts, form).values())
        words += most * (repeated if path.startswith("options") else 1)
    return controls * PER_CONTROL + words


def _unlike(form: Form, before: Form) -> Iterator[Problem]:
    """What must be as before, since answers to all versions are counted together."""
    if form.anonymous is not before.anonymous:
        yield "anonymous", "can't be changed: answers were given to the one or the other"
    if (form.lead and form.lead.id) != (before.lead and before.lead.id):
        was = before.lead.id if before.lead else "none"
        yield "pages", f"must have the same first question with a score as before: {was}"
    for path, question in _placed(form):
        known = before.questions.get(question.id)
        if known is not None and not _is_alike(question, known):
            said = f"is a {kind_of(known)} in the version before: give it another id"
            yield f"{path}.id", said


def _is_alike(one: Question, other: Question) -> bool:
    if isinstance(one, Scale) and isinstance(other, Scale):
        same = (one.lowest, one.highest) == (other.lowest, other.highest)
        measured = getattr(one, "measured", None) == getattr(other, "measured", None)
        return type(one) is type(other) and same and measured
    return type(one) is type(other)
