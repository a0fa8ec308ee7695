"""Every page in every language, in a real browser, at the width of a phone and of a desk."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e]

# A mail stands in a page of the mailbox, which has the landmarks: in there it is an article.
NOT_OF_MAILS = ("landmark-one-main:", "region:")
Seen = list[dict[str, Any]]


def where(seen: Seen, wrong: Callable[[dict[str, Any]], Any]) -> list[str]:
    return [f"{one['page']} at {one['asked']}, {one['scheme']}" for one in seen if wrong(one)]


def test_nothing_is_in_the_way_of_anybody(seen: Seen) -> None:
    """No violation of the checker's rules (WCAG 2.2 A and AA, and its best practices)."""
    found = {
        f"{one['page']}: {violation}"
        for one in seen
        for violation in one["violations"]
        if not (one["page"].startswith("mail-") and violation.startswith(NOT_OF_MAILS))
    }
    assert not found


def test_no_page_is_wider_than_its_window(seen: Seen) -> None:
    assert where(seen, lambda one: one["width"] > one["asked"]) == []


def test_the_scale_stays_in_one_row(seen: Seen) -> None:
    assert where(seen, lambda one: "survey" in one["page"] and one["rows"] != 1) == []


def test_the_pages_fetch_nothing(seen: Seen) -> None:
    assert where(seen, lambda one: one["fetched"]) == []


def test_a_complaint_can_be_made_without_a_mouse(seen: Seen) -> None:
    """The tabulator comes to each field that is seen, in the order of the page, and to no other."""
    forms = [one for one in seen if one["page"].startswith("complain-")]
    assert {one["asked"] for one in forms} == {320, 375, 1280}
    order = ["subject", "body", "order", "name", "email", "phone", "files", "send"]
    assert where(forms, lambda one: one["fields"] != order) == []
    assert where(forms, lambda one: [at for at in one["reached"] if at in order] != order) == []
    assert where(forms, lambda one: "website" in one["reached"]) == []
    assert where(forms, lambda one: one["unnamed"]) == []


def test_a_complaint_needs_no_script_and_little_to_load(seen: Seen) -> None:
    forms = [one for one in seen if one["page"].startswith("complain")]
    assert where(forms, lambda one: one["scripts"] or one["bytes"] >= 50_000) == []
