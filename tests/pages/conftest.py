"""Renders the pages into files; what a browser says of them is asked once."""

import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.support.waiting import HANG_SECONDS

from rapport_campaign import pages as campaign
from rapport_campaign.domain.preferences import Holder, Shown
from rapport_campaign.domain.templates import Texts
from rapport_campaign.domain.topics import Topic
from rapport_campaign.render.authoring import Draft, made
from rapport_campaign.render.preview import View
from rapport_campaign.render.preview import seen as seen_as
from rapport_common.pages import brand as rules
from rapport_common.pages.brand import Brand
from rapport_common.pages.language import LANGUAGES, tag
from rapport_common.pages.site import Page
from rapport_feedback import pages as feedback
from rapport_feedback.domain.question_fields import CHOOSE_NUMBER, AnswerError
from rapport_feedback.domain.scores import estimate
from rapport_feedback.domain.survey_forms import of_document, simple
from rapport_feedback.domain.surveys import Kind, Response, Survey
from rapport_feedback.pages import Sheet

GUIDE = Path(__file__).parents[2] / "docs/guides/content"
NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
# One red pixel, as a shop's logo.
LOGO = rules.logo(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dwn4EIAAAf/gP/JHEu1QAAAABJRU5ErkJggg=="
)
BRANDS = {
    "en": Brand("Flowers", "#ffcc00", LOGO, "https://shop.example"),
    "de": Brand("Donaudampfschifffahrtsgesellschaft", "#ffffff", LOGO, "https://shop.example"),
    "zh_Hans": Brand("花店", "#000000", "", "https://shop.example"),
    "ar": Brand("متجر", "#0b6e4f", LOGO, "https://shop.example"),
}
QUESTIONS = {
    "en": "How likely are you to recommend us to a friend or colleague?",
    "de": "Würden Sie unsere "
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzesdurchführung empfehlen?",
    "zh_Hans": "您向朋友推荐我们的可能性有多大？",
    "ar": "ما مدى احتمال أن توصي بنا لصديق أو زميل؟",
}


@pytest.fixture(scope="session")
def seen(run_folder: Path) -> list[dict[str, Any]]:
    """What the browser tells of each page in each view (see look.mjs).

    With RAPPORT_PICTURES set to a folder, pictures of all of them are kept there.
    """
    from tests.support import node  # noqa: PLC0415 - the folder is found only now

    folder = run_folder / "pages"
    folder.mkdir()
    for name, html in _pages().items():
        (folder / f"{name}.html").write_text(html)
    script = Path(__file__).with_name("look.mjs")
    pictures = os.environ.get("RAPPORT_PICTURES")
    done = subprocess.run(
        [node.NODE, script, folder, *([pictures] if pictures else [])],
        check=False,
        env=node.environment(node.packages()),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _choice() -> Shown:
    """A page of preferences with short and long topics."""
    long = "Rindfleischetikettierungsüberwachungsaufgabenübertragung"
    topics = [
        (Topic(id="news", purpose="promotion", names={}), True),
        (Topic(id="a", purpose="x_a", names={"en": "Events"}, descriptions={"en": long}), False),
        (Topic(id="b", purpose="x_b", names={"en": long, "ar": "فعاليات", "zh": "活动"}), True),
    ]
    return Shown(Holder("w", "ada@example.com", "p"), 1, topics)


def _mail(language: str) -> str:
    """The template of the guide as somebody would get it."""
    source, footer = [(GUIDE / f"{name}.mjml").read_text() for name in ("welcome", "footer")]
    texts = Texts(subject="Welcome", preheader="A present", body=source)
    found = made(Draft("mjml", texts, language, {"footer": footer}))
    assert found.said is not None, found.faults
    more = {"coupon": {"code": "WELCOME-42"}, "unsubscribe_url": "https://x.example/u"}
    data = {"name": "Donaudampfschifffahrtsgesellschaftskapitän", "plan": "gold"}
    view = View(said=found.said, address="ada@example.com", state=None, data=data, more=more)
    return seen_as(view).html


def _forms(about: dict[str, Any]) -> dict[str, Page]:
    """A form with each kind of question: new, with all wrong, at its end; and a trend."""
    long = QUESTIONS[about["language"]]
    options = [{"id": "a", "text": long}, {"id": "b", "text": "B", "other": True}]
    matrix = {
        "rows": [{"id": "r", "text": long}],
        "options": [options[0], {"id": "c", "text": "C"}],
    }
    more: dict[str, dict[str, Any]] = {
        "nps": {"required": True, "help": long},
        "csat": {},
        "ces": {"low": "Hard", "high": long},
        "rating": {"to": 10},
        "choice": {"options": options},
        "multiple": {"options": options, "help": long},
        "matrix": matrix,
        "text": {"required": True, "help": long},
        "date": {},
        "consent": {"required": True},
    }
    asked = [{"kind": kind, "id": kind, "text": long, **one} for kind, one in more.items()]
    form = of_document(
        {"pages": [{"id": "p", "questions": asked}], "languages": [tag(about["language"])]}
    )
    page = Sheet("t", form, pages=tuple(form.pages), before="p", number=2)
    wrong = {one["id"]: AnswerError(CHOOSE_NUMBER, lowest=0, highest=10) for one in asked}
    ended = replace(page, pages=(), response=Response(UUID(int=1), {}, 1, NOON, NOON))
    survey = Survey("w", UUID(int=1), long, Kind.NPS, long, 3, NOON)
    points = [(1, {10: 30, 0: 10}), (2, {}), (3, {10: 40, 7: 9}), (4, {10: 44, 0: 2})]
    lead = next(iter(form.questions.values()))
    drawn = [(wave, estimate(lead, given)) for wave, given in points]  # type: ignore[arg-type] # the first has a score
    return {
        "form": feedback.survey(page, **about),
        "formwrong": feedback.survey(replace(page, typed={"text": ["x"]}, wrong=wrong), **about),
        "formended": feedback.survey(ended, **about),
        "trend": feedback.trend(survey, lead, drawn, **about),  # type: ignore[arg-type] # as above
    }


def _pages() -> dict[str, str]:
    pages: dict[str, str] = {}
    answer = Response(UUID(int=1), {"score": 9}, 1, NOON, NOON, finished_at=NOON)
    for language in LANGUAGES:
        about = {"language": language, "brand": BRANDS[language]}
        for name, response in (("survey", None), ("answered", answer)):
            sheet = Sheet("t", simple(QUESTIONS[language]), response=response)
            page = feedback.survey(sheet, **about)  # type: ignore[arg-type] # the keywords are right, their union is not
            pages[f"{name}-{language}"] = page.html.replace("<details>", "<details open>")
        pages |= {f"{name}-{language}": one.html for name, one in _forms(about).items()}
        day = NOON.date()
        pages[f"case-{language}"] = feedback.case_taken("t", 7, day, **about).html  # type: ignore[arg-type] # as above
        pages[f"complain-{language}"] = feedback.complaint_form(files=True, **about).html  # type: ignore[arg-type] # as above
        pages[f"complained-{language}"] = feedback.complaint_taken(7, day, **about).html  # type: ignore[arg-type] # as above
        pages[f"lost-{language}"] = feedback.problem(404, "", language=language).html
        pages[f"leave-{language}"] = campaign.ask("ada@example.com", **about).html  # type: ignore[arg-type] # as above
        pages[f"left-{language}"] = campaign.done("ada@example.com", **about).html  # type: ignore[arg-type] # as above
        pages[f"choose-{language}"] = campaign.preferences(_choice(), "f", saved=True, **about).html  # type: ignore[arg-type] # as above
        for name, confirmed in (("confirm", False), ("confirmed", True)):
            opt_in = campaign.opt_in("ada@example.com", "", "f", confirmed=confirmed, **about)  # type: ignore[arg-type] # as above
            pages[f"{name}-{language}"] = opt_in.html
        pages[f"busy-{language}"] = campaign.problem(503, "", language=language).html
    return pages | {f"mail-{language}": _mail(language) for language in ("en", "ar")}
