"""Who may say a member's tier, points and groups: this service and trusted sources, no web page."""

from typing import Any

import msgspec
import pytest
from services.profile.tests.loyal import day, facts, programme, since_ever
from services.profile.tests.people import event

from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.groups import told
from rapport_profile.domain.loyalty.news import traits_of
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.domain.own_traits import OWN_TRAITS
from rapport_profile.domain.telling import traits_said


def shown(trust: str, traits: dict[str, Any]) -> Any:
    one = event("m", type="identify", user_id="U", traits=traits, trust=trust)
    assert set(traits_said(one)) == set(msgspec.json.decode(fold_all([one]).visible_traits()))
    return msgspec.json.decode(fold_all([one]).visible_traits())


@pytest.mark.parametrize("name", sorted(OWN_TRAITS))
@pytest.mark.parametrize("once", [False, True])
def test_a_web_page_does_not_say_them_and_a_till_does(*, name: str, once: bool) -> None:
    said = {name: "gold", "city": "Bern"}
    traits = {"$set_once": said} if once else said
    assert shown("public", traits) == {"city": "Bern"}
    assert shown("trusted", traits) == said


def test_they_are_all_that_is_told_of_members_and_groups() -> None:
    standing = replay(since_ever(programme()), facts(), [], day(1))
    assert {told.TRAIT} | set(traits_of(standing)) == OWN_TRAITS
