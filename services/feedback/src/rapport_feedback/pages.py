"""The pages customers see: small, without scripts, and with nothing from elsewhere."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from rapport_common.pages.brand import Brand
from rapport_common.pages.site import Page, Site
from rapport_feedback.domain.nps import HIGHEST, LOWEST
from rapport_feedback.domain.surveys import MAX_COMMENT, Response

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
NO_SUCH_SCORE = f"Please choose a number from {LOWEST} to {HIGHEST}."
UNSTORABLE = "Your text has a character that can't be kept. Please type it again."
EMPTY_COMPLAINT = "Please say what it is about and what happened."

SITE = Site(Path(__file__).parent)


def survey(
    token: str,
    question: str,
    response: Response | None,
    *,
    changeable: bool,
    language: str,
    brand: Brand | None = None,
) -> Page:
    """The question with its scale; after an answer also what else can be said."""
    return SITE.render(
        "survey.html",
        language,
        brand,
        token=token,
        question=question,
        response=response,
        changeable=changeable,
        scores=range(LOWEST, HIGHEST + 1),
        max_comment=MAX_COMMENT,
        max_subject=MAX_SUBJECT,
        max_body=MAX_BODY,
    )


def case_taken(
    token: str, number: int, answer_by: date, *, language: str, brand: Brand | None = None
) -> Page:
    """What a customer sees after complaining: the number, and by when there is an answer."""
    return SITE.render(
        "case_taken.html", language, brand, token=token, number=number, answer_by=answer_by
    )


def problem(status: int, message: str, *, language: str) -> Page:
    """A page that says what is wrong and what to do."""
    return SITE.problem(status, message, language, titles=TITLES, messages=MESSAGES)
