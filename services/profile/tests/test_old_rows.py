"""Rows as they were written before consents had one form, read by the code of today."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from alembic import command
from services.profile.tests.conftest import hands
from services.profile.tests.people import IDS, event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app
from tests.support.engines import patient_engine
from tests.support.servers import create_database

from rapport_common.events.envelope import Event
from rapport_common.kafka.batch import Record
from rapport_common.migrations import alembic_config
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import EVENT_KEY, mint
from rapport_profile.api import routers
from rapport_profile.handlers import events as handlers
from rapport_profile.handlers.arrivals import Arrivals

pytestmark = pytest.mark.integration
CONFIG = alembic_config(Path(__file__).parents[1])
NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
Said = tuple[str, str, str, str, datetime]
"""(channel, purpose, contact point, state, at), as an event said it."""


def stamp(at: datetime) -> list[Any]:
    return [at, f"m-{at.isoformat()}", "till"]


def fold(traits: Mapping[str, Any] | None = None, consents: list[Said] | None = None) -> str:
    """A fold as the columns `fold` and `expired` had it."""
    made: dict[str, Any] = {
        "events": 2,
        "orders": 1,
        "revenue": {"EUR": "12.50"},
        "first_seen_at": NOON,
        "last_seen_at": NOON,
    }
    if traits:
        made["traits"] = {name: [value, stamp(NOON)] for name, value in traits.items()}
    if consents:
        made["consent"] = {
            msgspec.json.encode(said[:3]).decode(): [said[3], "v1", stamp(said[4])]
            for said in consents
        }
    return msgspec.json.encode(made).decode()


class Old:
    """A database as it was, and what today's API says of it."""

    def __init__(self, engine: AsyncEngine, client: httpx.AsyncClient) -> None:
        self._engine = engine
        self._client = client

    async def write(self, folds: Mapping[str, str], *, expired: str | None = None) -> UUID:
        """One profile, with a fold for each of its user ids."""
        profile = uuid4()
        async with self._engine.begin() as tx:
            await tx.execute(
                text("INSERT INTO profile.profile (workspace, id, version) VALUES ('w', :id, 1)"),
                {"id": profile},
            )
            for value, one in folds.items():
                await tx.execute(
                    text(
                        "INSERT INTO profile.identifier (workspace, id, kind, value, profile_id, "
                        "fold, expired) VALUES ('w', :id, 'user_id', :value, :profile, "
                        "CAST(:fold AS json), CAST(:expired AS json))"
                    ),
                    {
                        "id": UUID(IDS.of("w", ("user_id", value))),
                        "value": value,
                        "profile": profile,
                        "fold": one,
                        "expired": expired,
                    },
                )
        return profile

    async def upgrade(self) -> None:
        await asyncio.to_thread(command.upgrade, CONFIG, "head")

    async def get(self, profile: UUID, path: str = "") -> Any:
        answer = await self._client.get(f"/v1/profiles/{profile}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def feed(self, one: Event) -> None:
        async with self._engine.begin() as tx:
            await handlers.on_events(IDS, [Record("events", 0, 0, b"", one)], tx)

    async def stats(self) -> Any:
        return (await self._client.get("/v1/stats")).json()

    async def words(self, profile: UUID) -> dict[tuple[str, str, str], str]:
        """All consents by (channel, purpose, point), page by page."""
        found, cursor = {}, ""
        while True:
            page = await self.get(profile, f"/consents?limit=100{cursor}")
            for one in page["items"]:
                found[one["channel"], one["purpose"], one["contact_point"]] = one["state"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"


@pytest.fixture(scope="module")
async def former(service_database: Callable[[str], str]) -> str:
    """The URL of a database as it was, to be copied."""
    url = service_database("profile")
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("RAPPORT_DATABASE_URL", url)
        changed.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
        # Threads: alembic's environment runs an event loop of its own.
        await asyncio.to_thread(command.downgrade, CONFIG, "0002")
    return url


@pytest.fixture
async def old(former: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Old]:
    server, _, template = former.rpartition("/")
    name = f"profile_{uuid4().hex[:12]}"
    create_database(server, name, template)
    url = f"{server}/{name}"
    monkeypatch.setenv("RAPPORT_DATABASE_URL", url)
    monkeypatch.setenv("RAPPORT_EVENT_KEY", EVENT_KEY.hex())
    engine = patient_engine(url, application="tests")
    app = patient_app("profile")
    add_routes(app, *routers(engine, IDS, hands(Arrivals(engine))))
    token = mint("w", "ada", ["*"], timedelta(hours=1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield Old(engine, client)
    await engine.dispose()


async def test_two_spellings_become_one_consent_and_the_latest_word_counts(old: Old) -> None:
    half = NOON + timedelta(microseconds=500_000)
    said: list[Said] = [
        # Withdrawn half a second after it was granted, in another spelling.
        ("email", "promotion", "ada@example.com", "granted", NOON),
        ("Email", "promotion", "ADA@Example.com ", "withdrawn", half),
        # Two of one kind: the later one, whose time has a fraction and sorts first as a text.
        ("email", "promotion", "bob@example.com", "withdrawn", NOON),
        ("email", "Promotion", "\ufeffbob@example.com", "denied", half),
        # Granted again later.
        ("email", "promotion", "eve\u200b@example.com", "withdrawn", NOON),
        ("email", "marketing", "Eve@example.com", "granted", half),
        # At the same moment the more restrictive word counts.
        ("email", "promotion", "dan@example.com", "granted", NOON),
        ("email", "promotion", "Dan@example.com", "denied", NOON),
        ("sms", "promotion", "+49 170 1234567", "granted", NOON),
    ]
    profile = await old.write({"1": fold(consents=said[::2]), "2": fold(consents=said[1::2])})
    in_one = await old.write({"3": fold(consents=said), "4": fold()})
    await old.upgrade()
    expected = {
        ("email", "promotion", "ada@example.com"): "withdrawn",
        ("email", "promotion", "bob@example.com"): "denied",
        ("email", "promotion", "eve@example.com"): "granted",
        ("email", "promotion", "dan@example.com"): "denied",
        ("sms", "promotion", "+491701234567"): "granted",
    }
    assert await old.words(profile) == expected
    assert await old.words(in_one) == expected


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"email": "Ada@EXAMPLE.com"}, {("email", "ada@example.com")}),
        ({"email": "\ufeffada@example.com\u200b "}, {("email", "ada@example.com")}),
        ({"email": "info@Stra\u00dfe.example"}, {("email", "info@stra\u00dfe.example")}),
        ({"phone": "+49 (170) 123-4567"}, {("sms", "+491701234567")}),
        # Without its country's code a number is nobody's in particular.
        ({"phone": 491701234567}, set()),
        ({"email": "a@example.com", "phone": "12345"}, {("email", "a@example.com")}),
        ({"email": None}, set()),
        ({"email": "null"}, set()),
        ({"email": "no address"}, set()),
        ({"email": ["a@example.com"], "phone": True}, set()),
        ({"email": {}, "name": "email"}, set()),
    ],
)
async def test_a_trait_of_an_address_is_a_contact_point(
    old: Old, traits: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    profile = await old.write({"1": fold(traits)}, expired=fold(traits))
    await old.upgrade()
    shown = await old.get(profile)
    assert {(one["channel"], one["value"]) for one in shown["contact_points"]} == expected
    for name, value in traits.items():
        if value is not None:
            assert shown["traits"][name] == value


async def test_a_thousand_consents_and_a_thousand_people_are_all_there(old: Old) -> None:
    many: list[Said] = [
        (
            "Email",
            "promotion",
            f"User{number}@example.com",
            "granted",
            NOON + timedelta(seconds=number),
        )
        for number in range(1_000)
    ]
    profile = await old.write({"many": fold(consents=many)})
    others = [
        await old.write({f"user-{number}": fold({"email": f"User{number}@example.com"})})
        for number in range(1_100)  # more than one page of the migration
    ]
    await old.upgrade()
    words = await old.words(profile)
    assert words == {
        ("email", "promotion", f"user{number}@example.com"): "granted" for number in range(1_000)
    }
    shown = await old.get(profile)
    assert len(shown["consent"]) == 200
    assert {one["contact_point"] for one in shown["consent"]} == {
        f"user{number}@example.com" for number in range(800, 1_000)
    }
    for number in (0, 999, 1_099):
        [point] = (await old.get(others[number]))["contact_points"]
        assert point["value"] == f"user{number}@example.com"


async def test_what_has_nothing_to_convert_stays_as_it_is(old: Old) -> None:
    plain = fold({"name": "Ada", "plan": {"a": [1, 2.5, None]}})
    profile = await old.write({"1": plain, "2": "{}"})
    await old.upgrade()
    shown = await old.get(profile)
    assert shown["traits"] == {"name": "Ada", "plan": {"a": [1, 2.5, None]}}
    assert (shown["consent"], shown["contact_points"]) == ([], [])


async def test_people_count_before_an_event_touches_them_again(old: Old) -> None:
    await old.write({"1": fold(), "2": fold()})
    await old.write({"3": fold()})
    await old.write({})  # nobody has it any more
    await old.upgrade()
    assert await old.stats() == {
        "profiles": 2,
        "events": 6,
        "orders": 3,
        "revenue": {"EUR": "37.50"},
    }


async def test_the_next_event_of_an_old_person_changes_what_it_says_and_nothing_else(
    old: Old,
) -> None:
    many: list[Said] = [
        ("Email", "promotion", f"User{number}@example.com", "granted", NOON)
        for number in range(1_000)
    ]
    profile = await old.write({"many": fold({"email": "Ada@example.com"}, consents=many)})
    await old.upgrade()
    said = {"channel": "email", "purpose": "promotion", "contact_point": "user7@example.com"}
    await old.feed(
        event(
            "new",
            user_id="many",
            name="Consent Updated",
            said={**said, "state": "withdrawn"},
            at=60 * 24 * 30,
            received=60 * 24 * 30,
        )
    )
    expected = {
        ("email", "promotion", f"user{number}@example.com"): "granted" for number in range(1_000)
    }
    expected["email", "promotion", "user7@example.com"] = "withdrawn"
    assert await old.words(profile) == expected
    shown = await old.get(profile)
    assert [one["value"] for one in shown["contact_points"]] == ["ada@example.com"]
    assert await old.stats() == {
        "profiles": 1,
        "events": 3,
        "orders": 1,
        "revenue": {"EUR": "12.50"},
    }
