"""Which workers take complaints by mail, as the settings name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from services.feedback.tests.conftest import make_settings

from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_feedback.api import cases_of
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.handlers.mails import Mails
from rapport_feedback.intake import UPLOADS, bounds, intakes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.mark.integration
async def test_mails_are_taken_where_the_settings_say(engine: AsyncEngine) -> None:
    settings = make_settings()
    publisher = Publisher("feedback", EVENTS, key_bytes(settings.event_key))
    mails = Mails(engine, Arriving(cases_of(publisher, settings), publisher), b"k" * 32)
    assert intakes(mails, settings) == []
    both = make_settings(complaint_port=8190, complaint_mailbox="imap://a:b@127.0.0.1")
    assert [one.name for one in intakes(mails, both)] == ["intake", "mailbox"]


def test_what_is_taken_has_bounds() -> None:
    found = bounds(make_settings(complaint_port=8190, complaint_host="127.0.0.2"))
    assert (found.host, found.port, found.protocol) == ("127.0.0.2", 8190, "lmtp")
    assert found.size == 15 * 2**20


def test_only_files_are_streams() -> None:
    assert UPLOADS.fullmatch("/v1/cases/x/attachments")
    assert UPLOADS.fullmatch("/complain/x")
    assert not UPLOADS.fullmatch("/v1/cases/x")
    assert not UPLOADS.fullmatch("/complain/x/y")
