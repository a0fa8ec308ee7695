"""How often people are asked: two clocks, a day on which each opens, and no way around."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.locks import somebody_waits

from rapport_common import clock
from rapport_common.testing.examples import examples
from rapport_feedback.domain.contact_policy import (
    ContactPolicy,
    Exemption,
    united,
    why_not,
)
from rapport_feedback.domain.naming import Contact
from rapport_feedback.store import contact_history, survey_links
from rapport_feedback.store import surveys as survey_store

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NPS, CSAT, CES = (UUID(int=one) for one in (1, 2, 3))
AGO = st.integers(0, 400 * 24).map(lambda hours: NOON - timedelta(hours=hours))
HISTORY = st.dictionaries(st.sampled_from([NPS, CSAT, CES]), AGO)
DAYS = st.integers(0, 120)
EXEMPTION = st.builds(
    Exemption, any_survey_days=st.none() | DAYS, this_survey_days=st.none() | DAYS
)
POLICY = st.builds(
    ContactPolicy,
    any_survey_days=DAYS,
    this_survey_days=DAYS,
    surveys=st.dictionaries(st.sampled_from([str(NPS), str(CSAT)]), EXEMPTION),
)


def test_who_was_never_asked_may_be() -> None:
    assert why_not({}, NPS, ContactPolicy(), NOON) is None


def test_each_clock_opens_on_its_day() -> None:
    policy = ContactPolicy()
    other = why_not({CSAT: NOON - 29 * DAY}, NPS, policy, NOON)
    assert other is not None
    assert (other.clock, other.since, other.opens_at) == (
        "any_survey",
        NOON - 29 * DAY,
        NOON + DAY,
    )
    same = why_not({NPS: NOON - 60 * DAY, CSAT: NOON - 40 * DAY}, NPS, policy, NOON)
    assert same is not None
    assert (same.clock, same.opens_at) == ("this_survey", NOON + 30 * DAY)
    assert why_not({CSAT: NOON - 30 * DAY}, NPS, policy, NOON) is None, "the very instant is open"


def test_of_two_the_one_that_opens_last_is_told() -> None:
    closed = why_not({NPS: NOON - 80 * DAY, CSAT: NOON - DAY}, NPS, ContactPolicy(), NOON)
    assert closed is not None
    assert (closed.clock, closed.opens_at) == ("any_survey", NOON + 29 * DAY)


def test_an_exemption_is_of_its_survey_and_clock_alone() -> None:
    policy = ContactPolicy(surveys={str(CSAT): Exemption(any_survey_days=0)})
    asked = {NPS: NOON - DAY}
    assert why_not(asked, CSAT, policy, NOON) is None
    assert why_not(asked, CES, policy, NOON) is not None
    again = why_not({CSAT: NOON - DAY}, CSAT, policy, NOON)
    assert again is not None
    assert again.clock == "this_survey"


@settings(max_examples=examples(200))
@given(HISTORY, POLICY)
def test_on_the_day_that_is_told_it_is_open_and_not_before(
    history: Mapping[UUID, datetime], policy: ContactPolicy
) -> None:
    closed = why_not(history, NPS, policy, NOON)
    if closed is None:
        return
    assert closed.opens_at > NOON
    assert why_not(history, NPS, policy, closed.opens_at) is None
    assert why_not(history, NPS, policy, closed.opens_at - timedelta(seconds=1)) is not None


@settings(max_examples=examples(200))
@given(HISTORY, HISTORY, POLICY)
def test_who_turns_out_to_be_one_person_is_never_asked_more(
    history: Mapping[UUID, datetime], other: Mapping[UUID, datetime], policy: ContactPolicy
) -> None:
    both = united([history, other])
    assert both == united([other, history])
    alone = [why_not(one, NPS, policy, NOON) for one in (history, other)]
    together = why_not(both, NPS, policy, NOON)
    ends = [one.opens_at for one in alone if one is not None]
    assert (together.opens_at if together else NOON) == max(ends, default=NOON)


async def invite(service: Service, survey_id: str, **who: Any) -> Any:
    return await service.client.post(f"/v1/surveys/{survey_id}/invitations", json=who)


async def known_as(service: Service, profile: str, *names: tuple[str, str]) -> None:
    for kind, value in names:
        await service.change(
            "INSERT INTO feedback.identity VALUES (:ws, :kind, :value, :profile)",
            kind=kind,
            value=value,
            profile=profile,
        )


async def why(service: Service, survey_id: str, **who: str) -> dict[str, Any]:
    got = await service.client.get(f"/v1/surveys/{survey_id}/why-not", params=who)
    assert got.status_code == 200, got.text
    return dict(got.json())


async def declare(service: Service, **policy: Any) -> dict[str, Any]:
    body = {"version": 0, "reason": "as the board has decided", **policy}
    got = await service.client.put("/v1/contact-policy", json=body)
    assert got.status_code == 200, got.text
    return dict(got.json())


@pytest.mark.integration
async def test_an_invitation_obeys_and_says_when(service: Service) -> None:
    nps, csat = await service.survey(), await service.survey("How was it?")
    await known_as(service, "p1", ("user_id", "u1"), ("email", "ada@example.com"))
    first = await invite(service, nps, user_id="u1")
    assert (await why(service, nps, user_id="u1"))["rule"] == "this_survey"
    again = await invite(service, nps, user_id="u1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json(), "the link that is out is no new invitation"
    refused = await invite(service, csat, email="ada@example.com")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_soon")
    told = refused.json()["details"]
    assert told["rule"] == "any_survey"
    assert datetime.fromisoformat(told["opens_at"]) - datetime.fromisoformat(
        told["invited_at"]
    ) == timedelta(days=30)
    asked = await why(service, csat, email="ada@example.com")
    assert asked["allowed"] is False
    assert datetime.fromisoformat(asked["opens_at"]) == datetime.fromisoformat(told["opens_at"])
    assert (await why(service, csat, user_id="u2"))["allowed"] is True
    without = await invite(service, csat, email="ada@example.com", override=True)
    assert without.status_code == 422
    given = await invite(
        service, csat, email="ada@example.com", override=True, reason="she has called"
    )
    assert given.status_code == 201
    [kept] = await service.rows(
        "SELECT override_by, override_reason FROM feedback.invitation "
        "WHERE workspace = :ws AND override_by IS NOT NULL"
    )
    assert kept == {"override_by": "ann", "override_reason": "she has called"}


@pytest.mark.integration
async def test_why_not_tells_what_no_day_opens(service: Service) -> None:
    nps = await service.survey()
    await known_as(service, "p9", ("user_id", "kept"))
    await service.change("INSERT INTO feedback.restricted VALUES (:ws, 'p9')")
    assert (await why(service, nps, user_id="kept"))["rule"] == "restricted"
    nobody = await service.client.get(f"/v1/surveys/{nps}/why-not", params={"user_id": "null"})
    assert nobody.status_code == 422
    await service.client.delete(f"/v1/surveys/{nps}")
    assert (await why(service, nps, user_id="u1"))["rule"] == "archived"


@pytest.mark.integration
async def test_the_policy_is_kept_in_versions(service: Service) -> None:
    nps, csat = await service.survey(), await service.survey("How was it?")
    before = (await service.client.get("/v1/contact-policy")).json()
    assert (before["version"], before["any_survey_days"], before["this_survey_days"]) == (0, 30, 90)
    first = await declare(service, any_survey_days=10, surveys={csat: {"any_survey_days": 0}})
    assert (first["version"], first["actor"]) == (1, "ann")
    stale = await service.client.put("/v1/contact-policy", json={"reason": "x", "version": 0})
    assert (stale.status_code, stale.json()["details"]) == (409, {"version": 1})
    for unknown in (str(uuid4()), csat.upper()):
        other = {"version": 1, "reason": "x", "surveys": {unknown: {}}}
        assert (await service.client.put("/v1/contact-policy", json=other)).status_code == 422
    await invite(service, nps, user_id="u1")
    assert (await invite(service, csat, user_id="u1")).status_code == 201
    second = await declare(service, version=1, any_survey_days=5)
    assert second["version"] == 2
    history = (await service.client.get("/v1/contact-policy/history")).json()["items"]
    assert [one["version"] for one in history] == [2, 1]
    hostile = {"reason": "x", "any_survey_days": 10**9}
    assert (await service.client.put("/v1/contact-policy", json=hostile)).status_code == 422


@pytest.mark.integration
async def test_races_by_all_names_of_a_person_give_one_invitation(service: Service) -> None:
    """Eight at once, by names that only profile knows to be one person's; and surveys by turns."""
    names = [("user_id", "u1"), ("email", "ada@example.com"), ("anonymous_id", "a1")]
    await known_as(service, "p1", *names)
    surveys = [await service.survey(), await service.survey("How was it?")]
    answers = await asyncio.gather(
        *(invite(service, surveys[at % 2], **dict([names[at % 3]])) for at in range(8))
    )
    made = [one for one in answers if one.status_code == 201]
    assert len(made) == 1, [one.status_code for one in answers]
    rows = await service.rows("SELECT 1 FROM feedback.invitation WHERE workspace = :ws")
    assert len(rows) == 1


@pytest.mark.integration
async def test_an_invitation_waits_for_one_under_a_name_that_was_merged_meanwhile(
    service: Service,
) -> None:
    """u1 is held as a person alone; profiles are merged; by the other name it is waited for."""
    nps = await service.survey()
    await known_as(service, "p1", ("user_id", "u1"))
    await known_as(service, "p2", ("email", "ada@example.com"))
    async with service.engine.begin() as tx:
        await contact_history.hold(tx, service.workspace, [[("user_id", "u1")]])
        await service.change("UPDATE feedback.identity SET profile_id = 'p2' WHERE workspace = :ws")
        waiting = asyncio.ensure_future(invite(service, nps, email="ada@example.com"))
        await somebody_waits(service.engine)
        survey = await survey_store.survey(tx, service.workspace, UUID(nps))
        assert survey is not None
        await survey_links.invite(
            tx,
            survey,
            Contact(user_id="u1"),
            uuid4(),
            at=clock.now(),
            until=clock.now() + DAY,
        )
    assert (await waiting).json()["code"] == "too_soon"
