"""Which pages somebody is asked, by what was answered so far."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rapport_feedback.domain.questions import Value, keys_of
from rapport_feedback.domain.survey_conditions import holds
from rapport_feedback.domain.survey_forms import END, Form, PageOf


@dataclass(frozen=True, slots=True)
class Walk:
    """The pages that were answered in their order, then the one to ask, or how it ended."""

    answered: tuple[PageOf, ...]
    page: PageOf | None
    end: str | None

    @property
    def pages(self) -> tuple[PageOf, ...]:
        """All that may be shown: those answered and the one that is next."""
        return self.answered if self.page is None else (*self.answered, self.page)


def walk(form: Form, answers: Mapping[str, Value], done: Collection[str]) -> Walk:
    """Where somebody stands who has answered the pages `done`."""
    answered: list[PageOf] = []
    at: str | None = form.pages[0].id
    while at is not None:
        page = form.page(at)
        if page is None:
            return Walk(tuple(answered), None, at)
        if page.id not in done:
            return Walk(tuple(answered), page, None)
        answered.append(page)
        at = follows(form, page, answers)
    return Walk(tuple(answered), None, END)


def follows(form: Form, page: PageOf, answers: Mapping[str, Value]) -> str | None:
    """The id of what comes after a page, `end` or `screened`; None after the last page."""
    for rule in page.next:
        condition = form.condition(rule.when)
        if condition is None or holds(condition, answers):
            return rule.to
    later = form.pages[form.pages.index(page) + 1 :]
    return later[0].id if later else None


def kept(way: Walk, answers: Mapping[str, Value]) -> dict[str, Value]:
    """The answers to what was asked on the way: of another way nothing is kept."""
    keys = {key for page in way.answered for one in page.questions for key in keys_of(one)}
    return {key: value for key, value in answers.items() if key in keys}
