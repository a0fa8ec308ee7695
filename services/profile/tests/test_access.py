"""All that is known of somebody, in one file; nothing of others, and readable for some days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.conftest import accessing, bearer, eraser
from services.profile.tests.people import START, event
from services.profile.tests.postgres import feed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.outbox import waiting
from tests.support.telling import rows_of, tells_nothing
from typing_extensions import override

from rapport_common.access.gatherer import Gatherer
from rapport_common.access.parts import COVERED
from rapport_common.events.envelope import Event
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.events.topics import PRIVACY, SERVICES
from rapport_common.kafka.batch import Record
from rapport_common.privacy.eraser import subject_of
from rapport_common.publisher import Publisher
from rapport_profile.domain.deadlines import LAWS, MONTH, Law, due_at, overdue_before
from rapport_profile.handlers.accessing import EndedError

PATH = "/v1/privacy/access"
ZOE = {"kind": "email", "value": "Zoe@Example.com"}
HISTORY = [
    event("1", type="identify", user_id="Z", email="zoe@example.com", traits={"name": "Zoe"}),
    event("2", user_id="Z", anonymous_id="x", at=1, said={"note": "hers"}),
    event("3", user_id="M", email="max@example.com", at=2, said={"note": "of max"}),
]
OTHERS = [one for one in SERVICES if one != "profile"]


class LostError(Exception):
    """A process dies."""


class Dying(Publisher):
    """Dies in the last moment before the commit."""

    @override
    async def tell(self, tx: AsyncConnection, *records: msgspec.Struct | None) -> None:
        raise LostError


async def asked(client: httpx.AsyncClient, key: str = "k") -> dict[str, Any]:
    body = {"identifier": ZOE, "reason": "request 4710"}
    answer = await client.post(PATH, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def brought(engine: AsyncEngine, *records: PrivacyRecord) -> None:
    """Read from the topic."""
    reader = eraser()
    async with engine.begin() as tx:
        await reader.on_privacy([Record("privacy", 0, 0, b"", one) for one in records], tx)


async def told(engine: AsyncEngine) -> list[PrivacyRecord]:
    """What profile has told on `privacy`, in its order."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "privacy")
    return [msgspec.json.decode(one.value, type=PrivacyRecord) for one in rows]


async def gathered(engine: AsyncEngine) -> list[PrivacyRecord]:
    """Profile tells its part, which is brought back to it; what it told."""
    await brought(engine, *(one for one in await told(engine) if one.kind == "access"))
    gatherer = eraser().gatherer.over(engine)
    while await gatherer.turn():
        pass
    answers = [one for one in await told(engine) if one.kind != "access"]
    await brought(engine, *answers, *answers)
    return answers


def silent(request: dict[str, Any], service: str) -> PrivacyRecord:
    """A service that holds nothing."""
    return PrivacyRecord(
        workspace="w",
        request_id=request["id"],
        kind="gathered",
        profile_id=request["id"],
        subjects=[],
        at=datetime.now(UTC),
        service=service,
    )


async def file(client: httpx.AsyncClient, request: str) -> list[dict[str, Any]]:
    answer = await client.get(f"{PATH}/{request}/file")
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(one) for one in answer.text.splitlines()]


async def ready(client: httpx.AsyncClient, engine: AsyncEngine) -> list[dict[str, Any]]:
    """The lines of a file, of which the other services have nothing to tell."""
    request = await asked(client)
    await gathered(engine)
    await brought(engine, *(silent(request, one) for one in OTHERS))
    return await file(client, request["id"])


@pytest.mark.integration
async def test_all_that_is_known_is_told_and_nothing_of_others(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    request = await asked(client)
    assert (await asked(client))["id"] == request["id"], "once"
    assert (request["state"], request["identifiers"], request["downloads"]) == ("running", 3, 0)
    (record,) = await told(engine)
    assert b"zoe" not in msgspec.json.encode(record).lower()
    pieces = await gathered(engine)
    assert all(b"Zoe" not in msgspec.json.encode(one) for one in pieces), "sealed"
    early = await client.get(f"{PATH}/{request['id']}/file")
    assert (early.status_code, early.json()["details"]["waiting_for"]) == (409, OTHERS)
    await brought(engine, *(silent(request, one) for one in OTHERS))
    whole = (await client.get(f"{PATH}/{request['id']}")).json()
    assert whole["state"] == "ready"
    assert (await client.get(PATH)).json()["items"] == [whole]
    lines = await file(client, request["id"])
    first = lines[0]["row"]
    assert lines[0]["section"] == "manifest"
    assert first["format"]["properties"]["row"]
    rows: dict[str, list[Any]] = {}
    for one in lines[1:]:
        if "row" in one:
            rows.setdefault(one["section"], []).append(one["row"])
        else:
            assert one["about"]
    assert [one["event"]["message_id"] for one in rows["profile.timeline"]] == ["1", "2"]
    assert rows["profile.profile"][0]["profile"]["traits"] == {"name": "Zoe"}
    assert {one["value"] for one in rows["profile.identifier"]} == {"Z", "zoe@example.com", "x"}
    assert "of max" not in str(lines)
    assert "max@example.com" not in str(lines)
    mine = next(one for one in first["services"] if one["service"] == "profile")
    assert mine["sections"] == {section: len(found) for section, found in rows.items()}
    assert (await client.get(f"{PATH}/{request['id']}")).json()["downloads"] == 1
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT actor FROM profile.access_download")) == "ada"


@pytest.mark.integration
async def test_a_row_is_a_line_however_it_was_sent(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    sent = msgspec.Raw(b'{\r\n  "note": "one\\ntwo"\n}')
    one = msgspec.structs.replace(event("p", user_id="Z", at=3), properties=sent)
    await feed(engine, [*HISTORY, one])
    lines = await ready(client, engine)
    events = [one["row"]["event"] for one in lines if "event" in one.get("row", {})]
    assert events[-1]["properties"] == {"note": "one\ntwo"}


@pytest.mark.integration
async def test_what_our_staff_wrote_is_told_without_who_and_without_others(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    named = {
        "identifier": ZOE,
        "what": "marketing",
        "reason": "Zoe@example.com by bob@else.example",
    }
    made = await client.post("/v1/privacy/restraints", json=named)
    lifting = {"reason": "by eve@else.example"}
    await client.post(f"/v1/privacy/restraints/{made.json()['id']}/lift", json=lifting)
    word = {
        "contact_point": "zoe@example.com",
        "state": "granted",
        "reason": "by eve@else.example",
        "evidence": "mail of bob@else.example",
    }
    noted = await client.post(f"/v1/profiles/{made.json()['profile_id']}/consents", json=word)
    assert noted.status_code == 202, noted.text
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile", "events")
    await feed(engine, [msgspec.json.decode(one.value, type=Event) for one in rows])
    lines = await ready(client, engine)
    texts = msgspec.json.encode([one for one in lines if one["section"] != "manifest"]).decode()
    assert "else.example" not in texts
    assert '"actor"' not in texts
    assert texts.count(f"Zoe@example.com by {COVERED}") == 1
    assert texts.count(f"mail of {COVERED}") == 2, "in the word, and in its event"


@pytest.mark.integration
async def test_a_page_that_fails_is_told_once_and_a_large_person_page_by_page(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    history = [
        event(f"m{number}", user_id="Z", email="zoe@example.com", at=number, said={"n": "x" * 900})
        for number in range(2_100)
    ]
    await feed(engine, history)
    request = await asked(client)
    await brought(engine, *await told(engine))
    own = eraser().gatherer
    failing = Gatherer("profile", own.parts).over(engine)

    failing._publisher = Dying("profile", PRIVACY)
    while await own.over(engine).turn():
        # Each page is tried by somebody who dies before the commit, too.
        await failing.turn()
        async with engine.begin() as tx:
            await tx.execute(text("UPDATE profile.access SET try_at = now()"))
    pieces = [one for one in await told(engine) if one.kind == "piece"]
    assert [one.number for one in pieces] == list(range(len(pieces)))
    assert len(pieces) > 9
    assert max(len(one.sealed or b"") for one in pieces) < 700_000
    await brought(engine, *(one for one in await told(engine) if one.kind != "access"))
    await brought(engine, *(silent(request, one) for one in OTHERS))
    lines = await file(client, request["id"])
    events = [one["row"] for one in lines if one["section"] == "profile.timeline" and "row" in one]
    assert [one["event"]["message_id"] for one in events] == [one.message_id for one in history]


@pytest.mark.integration
async def test_what_was_told_can_be_read_by_nobody_once_they_are_forgotten_or_it_is_over(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    request = await asked(client)
    answers = await gathered(engine)
    wish = {"identifier": ZOE, "reason": "request 4711"}
    assert (await client.post("/v1/privacy/erasures", json=wish)).status_code == 201
    # What comes after that is not kept.
    await brought(engine, *answers, *(silent(request, one) for one in OTHERS))
    shown = (await client.get(f"{PATH}/{request['id']}")).json()
    assert shown["state"] == "erased"
    assert (await client.get(f"{PATH}/{request['id']}/file")).status_code == 409
    async with engine.begin() as tx:
        for table in ("access_key", "access_piece", "access"):
            assert await tx.scalar(text(f"SELECT count(*) FROM profile.{table}")) == 0, table
        # Its time is over.
        await tx.execute(text("UPDATE profile.access_request SET expires_at = now()"))
    assert (await client.get(f"{PATH}/{request['id']}")).json()["state"] == "expired"


@pytest.mark.integration
async def test_a_file_that_ends_while_it_is_read_is_not_taken_for_whole(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    request = await asked(client)
    await gathered(engine)
    await brought(engine, *(silent(request, one) for one in OTHERS))
    found = (await client.get(f"{PATH}/{request['id']}")).json()
    parts = accessing().content(engine, "w", found)
    assert b"manifest" in await anext(parts)
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.access_key"))
    with pytest.raises(EndedError):
        await anext(parts)


@pytest.mark.integration
async def test_what_is_put_aside_is_told_whatever_the_pages(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    own = eraser().gatherer.parts
    assert await tells_nothing(engine, own)
    await feed(engine, HISTORY)
    await asked(client)
    (record,) = await told(engine)
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO profile.parked_key (grp, topic, partition, key, workspace, reason, "
                "next_try_at) VALUES ('g', 't', 9, 'k', 'w', 'of zoe@example.com', now())"
            )
        )
        await tx.execute(
            text(
                'INSERT INTO profile.parked (grp, topic, partition, key, "offset", value) '
                "SELECT 'g', 't', 9, 'k', n, 'max@example.com' FROM generate_series(1, 5) n"
            )
        )
    who = subject_of(record)
    for part in own:
        whole = await rows_of(engine, part, who)
        assert await rows_of(engine, part, who, size=1) == whole, part.section
        assert len(whole) == 5 or part.section != "profile.parked"
        assert "max@example.com" not in str(whole)


@pytest.mark.integration
async def test_a_lost_piece_is_seen(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await feed(engine, HISTORY)
    request = await asked(client)
    await gathered(engine)
    await brought(engine, *(silent(request, one) for one in OTHERS))
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM profile.access_piece WHERE number = 0"))
    assert (await client.get(f"{PATH}/{request['id']}")).json()["state"] == "incomplete"
    assert (await client.get(f"{PATH}/{request['id']}/file")).status_code == 409


@pytest.mark.integration
async def test_whose_they_are_and_what_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, HISTORY)
    request = await asked(client)
    for path in (f"{PATH}/{request['id']}", f"{PATH}/{request['id']}/file"):
        assert (await client.get(path, headers=bearer("v", "*"))).status_code == 404
        assert (await client.get(path, headers=bearer("w", "profiles:read"))).status_code == 403
    reader = bearer("w", "privacy:read")
    body = {"identifier": ZOE, "reason": "x"}
    assert (await client.post(PATH, json=body, headers=reader)).status_code == 403
    assert (await client.post(PATH, json={})).status_code == 422
    # Answers for nothing, and of nobody, change nothing.
    stray = {**request, "id": "no id"}
    await brought(engine, silent(stray, "campaign"), silent(request, "insight"))
    shown = (await client.get(f"{PATH}/{request['id']}")).json()
    assert all(one["at"] is None for one in shown["services"])


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds it
def test_what_is_due_and_what_is_overdue_agree(now: datetime) -> None:
    for law in LAWS:
        before = overdue_before(now, law)
        assert due_at(before, law) <= now + timedelta(days=3)
        assert due_at(before - timedelta(days=7), law) < now


@pytest.mark.parametrize(
    ("law", "asked_at", "wanted"),
    [
        ("gdpr", START, START + MONTH),
        # A Thursday; three weekends lie between.
        ("pipl", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 22, tzinfo=UTC)),
        ("pipl", datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 23, tzinfo=UTC)),
    ],
)
def test_until_when_it_is_due(law: Law, asked_at: datetime, wanted: datetime) -> None:
    assert due_at(asked_at, law) == wanted
