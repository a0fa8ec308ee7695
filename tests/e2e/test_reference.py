"""The pages of the five OpenAPI documents: served without the internet."""

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.documents import document_of
from tests.support.loopback import NOBODY
from tests.support.waiting import HANG_SECONDS

from rapport_common.events.topics import SERVICES

if TYPE_CHECKING:
    from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e


def asked(stack: "Stack", service: str, path: str) -> httpx.Response:
    return httpx.get(stack.url(service) + path, timeout=HANG_SECONDS, verify=NOBODY)


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_asks_nobody_but_the_service(stack: "Stack", service: str) -> None:
    page = asked(stack, service, "/docs").raise_for_status()
    assert "default-src 'none'; script-src 'self';" in page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    for one in named:
        assert "//" not in one
        assert asked(stack, service, f"/{one}").raise_for_status().content
    assert "<script>" not in page.text


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_is_the_one_that_the_convention_is_held_by(
    stack: "Stack", service: str
) -> None:
    served = asked(stack, service, "/openapi.json").raise_for_status().json()
    assert served["paths"].keys() == document_of(service)["paths"].keys()
    assert served["components"] == document_of(service)["components"]
