"""The pages customers see: small, without scripts, and with nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from rapport_common.pages.brand import NO_BRAND, Brand
from rapport_common.pages.language import language_of
from rapport_common.pages.site import Page, Site
from rapport_feedback.domain.question_fields import CHOOSE_NUMBER, AnswerError
from rapport_feedback.domain.question_fields import MESSAGES as OF_ANSWERS
from rapport_feedback.domain.questions import Scale, Texts, Value, kind_of
from rapport_feedback.domain.scores import Estimate, measured
from rapport_feedback.domain.survey_charts import chart
from rapport_feedback.domain.survey_forms import MAIN_REASON, Form, PageOf
from rapport_feedback.domain.survey_texts import Reader
from rapport_feedback.domain.surveys import NOT_YET, Response, State, Survey

MAX_SUBJECT, MAX_BODY = 200, 10_000

TITLES: Mapping[int, str] = {
    404: "This page does not exist",
    409: "You have answered already",
    410: "This link has ended",
    422: "Something is missing",
}
MESSAGES: Mapping[int, str] = {
    404: "Please open the link again from the message it came in; some programs cut long links.",
    409: "Your answer stands and can't be changed any more.",
    410: "If you would still like to tell us something, please write to us.",
    429: "We have your complaints and are working on them. Please write to us for more.",
    503: "Please send it again in a moment.",
}
"""What people read in place of what a program is told, beside what every service says."""

TOO_LONG = "What you sent is too long. Please shorten it."
TOO_MANY_FIELDS = "This form has too many fields."
NOT_AN_OBJECT = "Send an object with score, comment, subject or body."
WRONG: Mapping[str, str] = {one: one for one in OF_ANSWERS}
"""What is told at a question; with the bounds of the question put in."""

NUMBERS: Mapping[str, str] = {
    kind: CHOOSE_NUMBER % {"lowest": lowest, "highest": highest}
    for kind, lowest, highest in (("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7))
}
"""The same where a question is asked by itself, and pressed."""

NOT_NOW = NOT_YET
REASON = MAIN_REASON
EMPTY_COMPLAINT = "Please say what it is about and what happened."
NO_ADDRESS = "Please give an e-mail address or a phone number at which we can answer."
FILE_REFUSED = "A file was not taken. Please send pictures, PDF, plain text or documents."

SITE = Site(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a link shows.

    `pages` are asked now, `before` is where a way back leads; `chosen` was pressed in a mail,
    `typed` is what came with answers that were `wrong`; `key` goes on with an answer that is
    nobody's.
    """

    token: str
    form: Form
    response: Response | None = None
    changeable: bool = True
    pages: tuple[PageOf, ...] = ()
    before: str | None = None
    number: int = 1
    key: str | None = None
    is_full: bool = False
    may_complain: bool = True
    traits: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    typed: Mapping[str, Sequence[str]] | None = None
    wrong: Mapping[str, AnswerError] = field(default_factory=dict)

    @property
    def answers(self) -> Mapping[str, Value]:
        """What this link has answered."""
        return self.response.answers if self.response else {}

    @property
    def ended(self) -> str:
        """How it ended, as `ends` of a form names it; empty while something is asked."""
        state = self.response.state if self.response else State.OPEN
        if self.is_full or state is State.FULL:
            return "full"
        if state is State.SCREENED:
            return "screened"
        return "" if self.pages else "thanks"

    def given(self, name: str) -> list[str]:
        """What a field holds: what was typed, else what was answered, else what was pressed."""
        if self.typed is not None:
            return list(self.typed.get(name, ()))
        question, _, row = name.partition(".")
        value = self.answers.get(name, self.answers.get(question))
        if row and isinstance(value, Mapping):
            value = value.get(row)
        elif row and name not in self.answers:
            value = None
        if value is None:
            return list(self.chosen.get(name, ()))
        listed = value if isinstance(value, list) else [value]
        return ["yes" if one is True else str(one) for one in listed]


def survey(
    sheet: Sheet, *, language: str, wanted: Sequence[str] = (), brand: Brand | None = None
) -> Page:
    """The questions that are asked now, or how it ended; `wanted` are the reader's languages."""
    reader = Reader(sheet.form, [*wanted, language], sheet.answers, sheet.traits)
    color = sheet.form.theme.color
    look = replace(brand or NO_BRAND, color=color.lower()) if color else brand
    return SITE.render(
        "survey.html" if sheet.form.layout == "press" else "survey_pages.html",
        language,
        look,
        sheet=sheet,
        token=sheet.token,
        says=reader.says,
        kind_of=kind_of,
        max_subject=MAX_SUBJECT,
        max_body=MAX_BODY,
        **(_pressed(sheet) if sheet.form.layout == "press" else {}),
    )


def _pressed(sheet: Sheet) -> dict[str, object]:
    """What a survey shows that is one question, whose score counts when it is pressed."""
    lead, *others = sheet.form.questions.values()
    chosen = next(iter(sheet.chosen.get(lead.id, ())), None)
    return {
        "lead": lead,
        "score": sheet.answers.get(lead.id),
        "scores": range(getattr(lead, "lowest", 0), getattr(lead, "highest", 10) + 1),
        "others": others,
        "chosen": chosen if sheet.response is None else None,
    }


@dataclass(frozen=True, slots=True)
class Mail:
    """What an invitation says, as Liquid: `{{ data.url }}` is the link, and the same for all."""

    subject: str
    html: str
    text: str


_link, _way_out = "https://link.invalid", "https://way-out.invalid"


def invitation(
    form: Form,
    *,
    language: str,
    subject: Texts | None,
    intro: Texts | None,
    is_reminder: bool,
    brand: Brand | None,
) -> Mail:
    """A mail with the scores as links: each opens the page, where it waits for one press.

    In `language` (what a person's traits say, or nothing) as far as there are words in it.
    """
    wanted = language or form.languages[0]
    reader = Reader(form, [wanted], {}, {})
    lead = form.lead
    is_first = lead is not None and lead in form.pages[0].questions
    question = lead.text if lead is not None and is_first else form.pages[0].questions[0].text
    scores = range(lead.lowest, lead.highest + 1) if lead is not None and is_first else ()
    words = reader.says(subject or question).text
    values = {
        "says": reader.says,
        "subject": words,
        "intro": intro,
        "question": question,
        "lead": lead,
        "scores": scores,
        "is_reminder": is_reminder,
        "url": _link,
        "way_out": _way_out,
    }
    told = language_of(wanted)
    page = SITE.render("survey_mail.html", told, brand, **values).html
    plain = SITE.render("survey_mail_text.html", told, brand, **values).html
    # What people wrote is no Liquid; in a page an entity stands for each brace.
    return Mail(
        subject=_filled(words, "{ "),
        html=_filled(page, "&#123;"),
        text=_filled(plain.strip() + "\n", "{ "),
    )


def _filled(told: str, brace: str) -> str:
    for mark in ("{", "%"):
        told = told.replace("{" + mark, brace + mark.replace("{", brace))
    return told.replace(_link, "{{ data.url }}").replace(_way_out, "{{ unsubscribe_url }}")


def case_taken(
    token: str, number: int, answer_by: date, *, language: str, brand: Brand | None = None
) -> Page:
    """What a customer sees after complaining: the number, and by when there is an answer."""
    return SITE.render(
        "case_taken.html", language, brand, token=token, number=number, answer_by=answer_by
    )


def complaint_form(*, files: bool, language: str, brand: Brand | None = None) -> Page:
    """The form for complaints; whether it takes files."""
    return SITE.render(
        "complaint_form.html",
        language,
        brand,
        files=files,
        max_subject=MAX_SUBJECT,
        max_body=MAX_BODY,
    )


def complaint_taken(
    number: int | None, answer_by: date | None, *, language: str, brand: Brand | None = None
) -> Page:
    """What follows it: the number, and by when there is an answer."""
    return SITE.render("complaint_taken.html", language, brand, number=number, answer_by=answer_by)


def trend(
    survey: Survey,
    question: Scale,
    points: Sequence[tuple[int, Estimate]],
    *,
    language: str,
    brand: Brand | None = None,
) -> Page:
    """The scores of a survey's waves, as a chart and as a table."""
    return SITE.render(
        "trend.html",
        language,
        brand,
        survey=survey,
        unit=measured(question),
        chart=chart(question, points),
        points=points,
    )


def problem(status: int, message: str, *, language: str) -> Page:
    """A page that says what is wrong and what to do."""
    return SITE.problem(status, message, language, titles=TITLES, messages=MESSAGES)
