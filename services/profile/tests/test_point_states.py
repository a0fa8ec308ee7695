"""A contact point that takes nothing any more is shown as such until somebody reads there again."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.events.activity import ProfileActivity
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.point_states import (
    MAX_STATES,
    Standing,
    keep_newest,
    key_of,
    standing_said,
)
from rapport_profile.domain.stamps import Stamp

ADDRESS = "zoe@example.com"
PATH = "/v1/contact-points/clear"
HARD: dict[str, Any] = {"class": "hard"}
SOFT: dict[str, Any] = {"class": "soft"}
HERS = event("1", type="identify", user_id="Z", email=ADDRESS, traits={"email": ADDRESS})


def told(name: str, at: int = 1, *, message: str = "", **said: Any) -> Any:
    """What campaign says of her address."""
    source = said.pop("source", "campaign")
    said = {"channel": "email", "contact_point": "Zoe@Example.com", **said}
    return event(message or f"{name}-{at}", source=source, user_id="Z", name=name, at=at, said=said)


CONFIRMED: dict[str, Any] = {"method": "double_opt_in", "state": "granted", "purpose": "promotion"}
GONE = told("Email Bounced", consequence="dead", **HARD)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (GONE, "bounced"),
        (told("Email Bounced", **HARD), "bounced"),
        (told("Email Bounced", consequence="dead", **SOFT), "bounced"),
        (told("Email Complained", consequence="unwanted"), "complained"),
        (told("Consent Updated", **CONFIRMED), "ok"),
        (told("Contact Point Cleared", source="profile"), "ok"),
        (told("Email Bounced", **SOFT), None),
        (told("Email Bounced", source="shop", **HARD), None),
        (told("Email Bounced", source="profile", **HARD), None),
        (told("Message Bounced", channel="whatsapp", **HARD), None),
        (told("Message Bounced", channel="sms", **HARD), None),
        (told("Email Bounced", contact_point=7, **HARD), None),
        (told("Consent Updated", method="link", state="granted"), None),
        (told("Email Opened"), None),
        (event("i", type="identify", source="campaign", user_id="Z"), None),
    ],
)
def test_what_an_event_says_of_a_point(one: Any, state: str | None) -> None:
    said = standing_said(one)
    assert (said and said[1].state) == state
    assert said is None or said[0] == key_of("email", ADDRESS)


def test_the_latest_word_counts_whatever_comes_first() -> None:
    later = told("Consent Updated", at=2, **CONFIRMED)
    for history in ([HERS, GONE, later], [later, GONE, HERS]):
        [point] = fold_all(history).contact_points()
        assert (point.state, point.state_at, point.state_by) == ("ok", None, None)
    again = told("Email Complained", at=3)
    for history in ([HERS, GONE, later, again], [again, HERS, later, GONE]):
        [point] = fold_all(history).contact_points()
        assert (point.state, point.state_by) == ("complained", again.message_id)
        assert point.state_at == START + timedelta(minutes=3)


def test_that_a_source_names_it_again_does_not_make_it_well_and_a_new_one_is() -> None:
    same = event("9", type="identify", user_id="Z", email=ADDRESS, traits={"email": ADDRESS}, at=9)
    [point] = fold_all([HERS, GONE, same]).contact_points()
    assert point.state == "bounced"
    new = "zoe@new.example.com"
    moved = event("9", type="identify", user_id="Z", email=new, traits={"email": new}, at=9)
    [point] = fold_all([HERS, GONE, moved]).contact_points()
    assert (point.value, point.state) == (new, "ok")


def test_what_is_kept_is_bounded_and_what_is_not_well_outlives_the_rest() -> None:
    known = {
        f"email {number}": Standing(
            "bounced" if number < 2 else "ok",
            Stamp(START + timedelta(minutes=number), "m", "campaign"),
        )
        for number in range(MAX_STATES + 5)
    }
    keep_newest(known)
    assert len(known) == MAX_STATES
    assert {"email 0", "email 1", f"email {MAX_STATES + 4}"} <= known.keys()


@pytest.mark.integration
async def test_it_is_shown_told_and_cleared_by_an_operator(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [HERS])
    await feed(engine, [GONE])
    asked = {"kind": "user_id", "value": "Z"}
    shown = (await client.get("/v1/profiles", params=asked)).json()
    [point] = shown["contact_points"]
    assert (point["value"], point["state"], point["state_by"]) == (
        *(ADDRESS, "bounced", GONE.message_id),
    )
    assert shown["computed"]["last_seen_at"] == "2026-01-01T00:00:00Z", "nobody was here"
    body = {"channel": "email", "contact_point": "Zoe@Example.com", "reason": "call 4712"}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    [point] = answer.json()["contact_points"]
    assert "state" not in point
    assert answer.json()["profile_id"] == shown["id"]
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "profile.activity")
    records = [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]
    points = [one.contact_points for one in records if one.contact_points is not None]
    assert [[one.state for one in some] for some in points] == [["ok"], ["bounced"], ["ok"]]
    assert await checked(engine) == NOTHING


@pytest.mark.integration
async def test_who_may_clear_and_what_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [HERS, GONE])
    body = {"channel": "email", "contact_point": ADDRESS, "reason": "call 4712"}
    for who, status in ((bearer("w", "profiles:read"), 403), (bearer("v", "*"), 404)):
        assert (await client.post(PATH, json=body, headers=who)).status_code == status
    for wrong in ({"contact_point": "zoe"}, {"channel": "fax"}, {"reason": ""}, {"state": "ok"}):
        refused = await client.post(PATH, json={**body, **wrong})
        assert refused.status_code == 422, wrong
