"""Who was seen when: by what people do, not by what is done to them."""

import pytest
from services.profile.tests.people import START, event
from services.profile.tests.test_values import known

from rapport_common.events.reserved import UNSEEN_EVENTS, service_of


@pytest.mark.parametrize("name", sorted(UNSEEN_EVENTS))
def test_what_is_done_to_somebody_is_no_sign_of_them(name: str) -> None:
    case = {"case_id": "c", "state": "closed"}
    later = event("2", name=name, user_id="U", said=case, at=60, source=service_of(name))
    assert later.timestamp > START
    computed = known(event("1", user_id="U", received=0), later).computed
    assert computed.events == 2
    assert computed.first_seen_at == computed.last_seen_at == START


@pytest.mark.parametrize("name", ["Email Opened", "Email Link Clicked"])
def test_a_machine_that_opens_a_mail_is_no_sign_of_anybody(name: str) -> None:
    said = {"send_key": "k", "machine": True, "by": "scanner"}
    sent, opened = (
        event(one, name=one, user_id="U", at=at, source="campaign", said=said)
        for at, one in ((30, "Email Sent"), (60, name))
    )
    assert known(event("1", user_id="U", received=0), sent, opened).computed.last_seen_at == START


def test_whoever_opens_a_mail_was_here() -> None:
    sent, opened = (
        event(name, name=name, user_id="U", at=at, source="campaign")
        for at, name in ((30, "Email Sent"), (60, "Email Opened"))
    )
    computed = known(sent, opened).computed
    assert computed.first_seen_at == computed.last_seen_at == opened.timestamp
