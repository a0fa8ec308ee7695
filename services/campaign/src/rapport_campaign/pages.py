"""The pages behind the links of a mail: small, readable on a phone, everything escaped."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from rapport_campaign.domain.model import Content
from rapport_campaign.domain.preferences import Shown
from rapport_campaign.domain.topics import in_language
from rapport_common.pages.brand import Brand
from rapport_common.pages.language import LANGUAGES, own_name, tag
from rapport_common.pages.site import PRIVATE_HEADERS, Page, Site

# One transparent pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
PIXEL_HEADERS = PRIVATE_HEADERS

TEST_MAIL = "This was a test mail"
TEST_MAIL_TEXT = "The link works. Nobody has been unsubscribed by it."
TITLES: Mapping[int, str] = {
    404: "This link is not valid",
    410: "This link has ended",
    422: "Nothing was changed",
}
MESSAGES: Mapping[int, str] = {
    404: "Please open it again from the e-mail it came in; some programs cut long links.",
    410: "Please ask for a new one.",
    422: "Please open the link again and choose once more.",
}

SITE = Site(Path(__file__).parent)


def ask(
    address: str, *, language: str, brand: Brand | None = None, of_surveys: bool = False
) -> Page:
    """The question; only the button's POST unsubscribes, so no link scanner can."""
    return SITE.render(
        "unsubscribe.html", language, brand, address=masked(address), of_surveys=of_surveys
    )


def done(
    address: str, *, language: str, brand: Brand | None = None, of_surveys: bool = False
) -> Page:
    """The confirmation, the same however often the button is pressed."""
    return SITE.render(
        "unsubscribed.html", language, brand, address=masked(address), of_surveys=of_surveys
    )


def preferences(
    shown: Shown, form: str, *, saved: bool, language: str, brand: Brand | None = None
) -> Page:
    """What the owner of an address chooses among; `form` is the right to send it."""
    topics = [
        {
            "id": one.id,
            "name": in_language(one.names, language),
            "description": in_language(one.descriptions, language),
            "wanted": wanted,
        }
        for one, wanted in shown.topics
    ]
    return SITE.render(
        "preferences.html",
        language,
        brand,
        address=masked(shown.holder.address),
        topics=topics,
        any_wanted=any(wanted for _topic, wanted in shown.topics),
        form=form,
        saved=saved,
        languages=[{"tag": tag(one), "name": own_name(one)} for one in LANGUAGES],
    )


def opt_in(
    address: str,
    topic: str,
    form: str,
    *,
    confirmed: bool,
    language: str,
    brand: Brand | None = None,
) -> Page:
    """The question of a double opt-in; only its form, with `form`, confirms. Then: it is done."""
    shown = {"address": masked(address), "topic": topic, "form": form}
    return SITE.render("opt_in.html", language, brand, **shown, confirmed=confirmed)


def opt_in_letter(language: str, data: Mapping[str, str]) -> Content:
    """The mail that asks; `data` has url, topic and brand, of which the last two may be empty."""
    subject = SITE.render("opt_in_subject.html", language).html.strip()
    topic, brand = bool(data["topic"]), bool(data["brand"])
    html = SITE.render("opt_in_mail.html", language, has_topic=topic, has_brand=brand).html
    return Content(subject, html, None, msgspec.json.encode(data))


def test_mail(*, language: str, brand: Brand | None) -> Page:
    """What the link of a test send says: it works, and has changed nothing."""
    return SITE.render(
        "problem.html", language, brand, title=TEST_MAIL, message=TEST_MAIL_TEXT, back=""
    )


def problem(status: int, message: str, *, language: str) -> Page:
    """A page that says what is wrong and what to do."""
    return SITE.problem(status, message, language, titles=TITLES, messages=MESSAGES)


def masked(address: str) -> str:
    """Enough to recognise one's own address, not enough to learn someone else's."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
