"""The migrations make the tables of `tables`, and can be taken back."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text
from tests.support.former_outbox import beside

from rapport_campaign.domain.addresses import addresses_of
from rapport_campaign.domain.model import NewMessage, State
from rapport_campaign.domain.permission import objections_of
from rapport_campaign.store import ledger, people, plan
from rapport_campaign.store.webhooks import WEBHOOKS
from rapport_common.db import create_engine
from rapport_common.events.profile import ConsentState
from rapport_common.follower.domain import Held
from rapport_common.migrations import alembic_config

ROOT = Path(__file__).resolve().parents[1]
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.integration
def test_up_check_down_up(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", service_database("campaign"))
    config = alembic_config(ROOT)
    command.check(config)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


@pytest.mark.integration
async def test_what_is_stored_takes_the_normal_form(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unsubscribe under an old spelling counts, and so does a stored person's no."""
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0002")
    engine = create_engine(url, application="campaign-test")
    consent = [
        {"contact_point": " Bob@Example.COM", "channel": "Email", "purpose": "marketing"},
        {"contact_point": "eve@example.com", "channel": "sms", "purpose": "promotion"},
    ]
    state = {"consent": [{**one, "state": "withdrawn"} for one in consent]}
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.suppression SELECT 'acme', address, 'promotion', 'r', at "
                "FROM (VALUES (' ADA@Example.com', timestamptz '2026-01-02Z'), "
                "('ada@example.com', timestamptz '2026-01-01Z')) AS v(address, at)"
            )
        )
        await tx.execute(
            text(
                "INSERT INTO campaign.person VALUES ('acme', 'p1', 1, NULL, CAST(:state AS json))"
            ),
            {"state": json.dumps(state)},
        )
    await asyncio.to_thread(command.upgrade, config, "head")
    async with engine.begin() as tx:
        suppressed = (await tx.execute(text("SELECT address, at FROM campaign.suppression"))).all()
        said = (await tx.execute(text("SELECT address, purpose FROM campaign.objection"))).all()
    await engine.dispose()
    assert suppressed == [("ada@example.com", datetime(2026, 1, 2, tzinfo=UTC))]
    assert said == [("bob@example.com", "promotion")]


OLD_WORDS = [
    # contact point, channel, purpose, state; and the objection
    (" Ada@Example.com", "all", "marketing", "withdrawn", ("ada@example.com", "promotion")),
    ("bo@example.com", "email", "promos", "denied", ("bo@example.com", "promotion")),
    ("cy@example.com", "*", "*", "withdrawn", ("cy@example.com", "promotion")),
    ("di@example.com", "letterbox", "promotion", "withdrawn", ("di@example.com", "promotion")),
    ("ed@example.com", "E-Mails", "Marketing Emails", "denied", ("ed@example.com", "promotion")),
    ("fe@example.com", "email", "x_club", "withdrawn", ("fe@example.com", "x_club")),
    ("gi@example.com", "email", "all", "granted", None),
    ("+491701234567", "sms", "promotion", "withdrawn", None),
]


@pytest.mark.integration
async def test_a_no_in_old_words_counts_without_another_activity(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0008")
    engine = create_engine(url, application="campaign-test")
    names = ("contact_point", "channel", "purpose", "state")
    said = [
        {**dict(zip(names, word, strict=False)), "at": "2026-01-01T00:00:00Z"} for word in OLD_WORDS
    ]
    taken_back = [
        {**said[0], "purpose": "Marketing", "state": "withdrawn"},
        {**said[0], "channel": "email", "state": "granted", "at": "2026-01-02T00:00:00.5+02:00"},
    ]
    people = {f"p{number:04}": [one] for number, one in enumerate(said)}
    # More than a page of them, also those who have said nothing.
    people |= {f"q{number:04}": [] for number in range(1200)}
    people |= {f"r{number:04}": [said[4]] for number in range(1200)}
    people["z"] = taken_back
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO campaign.person (workspace, profile_id, version, state) "
                "SELECT 'acme', key, 1, json_build_object('consent', value) "
                "FROM json_each(CAST(:people AS json))"
            ),
            {"people": json.dumps(people)},
        )
        await tx.execute(
            text(_MERGED),
        )
    await asyncio.to_thread(command.upgrade, config, "head")
    async with engine.begin() as tx:
        rows = await tx.execute(
            text("SELECT profile_id, address, purpose, word FROM campaign.objection ORDER BY 1")
        )
        stored = {(one[0], one[1], one[2]): one[3] for one in rows}
    await engine.dispose()
    expected = {
        (f"p{number:04}", *place): state
        for number, (_, _, _, state, place) in enumerate(OLD_WORDS)
        if place is not None
    }
    assert expected.items() <= stored.items()
    assert {profile for profile, _, _ in stored} == {profile for profile, _, _ in expected} | {
        one for one in people if one.startswith("r")
    }


_MERGED = (
    "INSERT INTO campaign.person (workspace, profile_id, version, merged_into) "
    "VALUES ('acme', 'merged', 1, 'p0001')"
)
OLD_STATE = {
    "identifiers": [{"kind": "email", "value": "b@x.example"}, {"kind": "user_id", "value": "u1"}],
    "traits": {"email": "Ada@X.example", "plan": "gold"},
    "computed": {"events": 3, "orders": 1, "revenue": {"USD": "12.30"}, "open_cases": 0},
    "consent": [
        {
            "contact_point": "ada@x.example",
            "channel": "email",
            "purpose": "promotion",
            "state": "granted",
            "at": "2026-01-01T00:00:00Z",
            "source": "shop",
        }
    ],
}
OLD_POINT = {"channel": "email", "value": "new@x.example", "at": "2026-01-01T00:00:00Z"}


@pytest.mark.integration
async def test_people_of_before_are_known_by_section(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Living, merged and gone ones; and the version before could go on with what comes of them."""
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0009")
    engine = create_engine(url, application="campaign-test")
    later = {**OLD_STATE, "contact_points": [OLD_POINT], "omitted": {"consent": 2}}
    insert = text(
        "INSERT INTO campaign.person (workspace, profile_id, version, merged_into, into_version, "
        "state) VALUES ('acme', :id, :version, :heir, :into, CAST(:state AS json))"
    )
    rows = [
        ("gone", 4, None, 0, None),
        ("later", 7, None, 0, later),
        ("merged", 5, "later", 6, None),
        ("old", 3, None, 0, OLD_STATE),
    ]
    async with engine.begin() as tx:
        for who, version, heir, into, state in rows:
            given = {"id": who, "version": version, "heir": heir, "into": into}
            await tx.execute(insert, {**given, "state": state and json.dumps(state)})
    for direction in (command.upgrade, command.downgrade, command.upgrade):
        goal = "head" if direction is command.upgrade else "0009"
        await asyncio.to_thread(direction, config, goal)
    keys = [("acme", row[0]) for row in rows]
    async with engine.begin() as tx:
        held = await people.FOLLOWER.store.held(tx, keys)
        known = await people.load(tx, keys)
        now_ids = await people.resolve(tx, keys)
    await engine.dispose()
    assert [held[key] for key in keys] == [
        Held((0,) * 6, 4),
        Held((*(7,) * 5, 0)),
        Held((0,) * 6, 5, "later", 6),
        Held((*(3,) * 5, 0)),
    ]
    assert now_ids["acme", "merged"] == "later"
    assert [known[key].gone for key in keys] == [True, False, False, False]
    for who, addresses, omitted in (("later", ["new"], 2), ("old", ["ada", "b"], 0)):
        found = known["acme", who].state
        assert found is not None
        assert [one.value for one in addresses_of(found)] == [
            f"{one}@x.example" for one in addresses
        ]
        assert found.omitted_consent == omitted
        _is_the_old_one(found)


def _is_the_old_one(found: State) -> None:
    assert found.values("user_id") == ["u1"]
    assert found.computed.revenue == {"USD": "12.30"}
    assert b"gold" in bytes(found.traits)
    assert [one.state for one in found.consent] == ["granted"]


@pytest.mark.parametrize("word", OLD_WORDS, ids=lambda word: word[2])
def test_it_is_what_a_new_state_would_have_said(word: tuple[Any, ...]) -> None:
    """The migration's own reading, frozen as it is, and the sender's are one."""
    point, channel, purpose, state, place = word
    consent = ConsentState(
        contact_point=point, channel=channel, purpose=purpose, state=state, at=DAY, source="web"
    )
    assert objections_of([consent]) == ({} if place is None else {place: state})


@pytest.mark.integration
async def test_the_release_before_goes_on_beside(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    await beside(url, "campaign", ROOT, "0010")


_FORMER = """
INSERT INTO campaign.message (workspace, send_key, kind, queue, purpose, campaign_id, occasion,
  step, channel, profile_id, needed_version, to_address, state, next_attempt_at, planned_at, token,
  lease_until)
SELECT 'acme', 'old' || n, kind, queue, 'service', NULLIF(queue, '')::uuid, occasion || n, '1',
  'email', 'p' || n, 0, 'ada@x.example', state, now(), now() - n * interval '40 days',
  CASE WHEN state IN ('sending', 'uncertain') THEN gen_random_uuid() END,
  CASE WHEN state = 'sending' THEN now() END
FROM unnest(CAST(:kinds AS text[]), CAST(:queues AS text[]), CAST(:occasions AS text[]),
  CAST(:states AS text[])) WITH ORDINALITY AS v(kind, queue, occasion, state, n)
"""
_CAMPAIGN = """
INSERT INTO campaign.campaign (workspace, campaign_id, name, segment_id, purpose, from_address,
  subject, html, allow_old_events, include_existing, state, created_at)
VALUES ('acme', :id, 'n', 's', 'service', 'a@b.example', 's', 'h', false, false, 'running', now())
"""


@pytest.mark.integration
async def test_messages_of_before_are_where_they_belong_and_are_not_planned_again(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an occasion is called: SQL and Python make one key of it."""
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0018")
    engine = create_engine(url, application="campaign-test")
    campaign = "33333333-3333-3333-3333-333333333333"
    states = ["planned", "sending", "sent", "failed", "suppressed", "uncertain", "planned"]
    kinds = ["entry", "request", "entry", "request", "entry", "request", "test"]
    occasions = ["e", "ß 上海 😀", "3:x", '"\\', "", "\u200b", "t"]
    queues = [campaign if kind == "entry" else "" for kind in kinds]
    async with engine.begin() as tx:
        await tx.execute(text(_CAMPAIGN), {"id": campaign})
        given = {"kinds": kinds, "queues": queues, "occasions": occasions, "states": states}
        await tx.execute(text(_FORMER), given)
    for direction in (command.upgrade, command.downgrade, command.upgrade):
        goal = "head" if direction is command.upgrade else "0018"
        await asyncio.to_thread(direction, config, goal)
    again = [
        NewMessage(
            workspace="acme",
            kind="entry" if kind == "entry" else "request",
            purpose="service",
            campaign_id=campaign if kind == "entry" else None,
            occasion=f"{occasion}{number}",
            profile_id="somebody else",
        )
        for number, (kind, occasion) in enumerate(zip(kinds[:6], occasions, strict=False), 1)
    ]
    async with engine.begin() as tx:
        rows = await tx.execute(
            text("SELECT send_key, state FROM campaign.every_message ORDER BY send_key")
        )
        found = [tuple(row) for row in rows]
        planned = await plan.write(tx, again)
        totals, counted = await ledger.kept(tx), await ledger.counted(tx)
    await engine.dispose()
    assert found == [(f"old{number}", state) for number, state in enumerate(states, 1)]
    assert planned == []
    assert totals == counted == {**dict.fromkeys(states, 1), "planned": 2}


_FORMER_WEBHOOKS = """
INSERT INTO campaign.webhook (workspace, webhook_id, url, events, scope, secret, created_at,
  created_by) VALUES ('acme', '00000000-0000-0000-0000-000000000001', 'https://x.org/',
  '{bounced,sent}', 'all', 'aes:', now(), 'ada');
INSERT INTO campaign.webhook_post (workspace, post_id, webhook_id, send_key, profile_id, body,
  ended_at, dead) SELECT 'acme', gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'key',
  '', body, CASE WHEN body <> '1' THEN now() END, body = '3'
  FROM unnest(ARRAY['1', '2', '3']) AS v(body)
"""


@pytest.mark.integration
async def test_webhooks_of_before_want_the_same_and_their_posts_are_of_the_same_message(
    service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up, down and up again: as whoever posts reads it."""
    url = service_database("campaign")
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    config = alembic_config(ROOT)
    await asyncio.to_thread(command.downgrade, config, "0030")
    engine = create_engine(url, application="campaign-test")
    async with engine.begin() as tx:
        for statement in _FORMER_WEBHOOKS.split(";"):
            await tx.execute(text(statement))
    for direction in (command.upgrade, command.downgrade, command.upgrade):
        goal = "head" if direction is command.upgrade else "0030"
        await asyncio.to_thread(direction, config, goal)
    async with engine.begin() as tx:
        [webhook] = await WEBHOOKS.listed(tx, "acme", limit=10)
        where = ("acme", webhook.webhook_id)
        posts = await WEBHOOKS.posts.listed(tx, *where, state=None, after=None, limit=10)
    await engine.dispose()
    assert webhook.wants == {"events": ["bounced", "sent"], "scope": "all"}
    assert {(one.body, one.subject, one.state) for one in posts} == {
        ("1", "key", "waiting"),
        ("2", "key", "delivered"),
        ("3", "key", "dead"),
    }
