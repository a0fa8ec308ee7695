"""Forgetting in any service: who is recognised, pages that go on where they were, one receipt."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.engines import patient_engine
from tests.support.outbox import waiting
from typing_extensions import override

from rapport_common.db import metadata
from rapport_common.errors import InvalidEvent
from rapport_common.events.envelope import Identifier, identifier_digest
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.kafka.batch import Record
from rapport_common.kafka.store import read_tallies
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.eraser import Eraser, subject_of
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import Found, Page, Read, Sweep, changing
from rapport_common.privacy.tables import privacy_tables
from rapport_common.testing.credentials import EVENT_KEY

AT = datetime(2026, 3, 1, tzinfo=UTC)
PROFILE = "0190a5c0-0000-7000-8000-000000000001"
REQUEST = "0190a5c0-0000-7000-8000-0000000000e1"
ADA: list[Identifier] = [
    ("email", "ada@example.com"),
    ("user_id", "ada 1"),
    ("phone", "+4917012345678"),
]
SHORT: list[Identifier] = [("user_id", "42"), ("anonymous_id", "may"), ("loyalty_card", "A-77123")]
KNOWN = Recogniser(EVENT_KEY)


def wish(*identifiers: Identifier, **more: object) -> PrivacyRecord:
    told = {
        "workspace": "w",
        "request_id": REQUEST,
        "kind": "erase",
        "profile_id": PROFILE,
        "subjects": [identifier_digest(EVENT_KEY, "w", one).hex() for one in identifiers],
        "kinds": sorted({kind for kind, _value in identifiers}),
        "profiles": [EndedProfile(profile_id=PROFILE, version=3)],
        "at": AT,
    }
    return msgspec.convert({**told, **more}, PrivacyRecord)


ADA_GOES = subject_of(wish(*ADA))


@pytest.mark.parametrize(
    "said",
    [
        '{"email": "Ada@Example.com"}',
        '{"a": [{"userId": "ada 1"}]}',
        '{"identifiers": [["user_id", "ada 1"]]}',
        '{"body": "{\\"customer_id\\": \\"ada 1\\"}"}',
        "/c?user.id=ada+1&x=1",
        '{"phone": "+49 170 12345678"}',
        '{"note": "call ada@example.com, please."}',
        '{"body": "{\\"email\\": \\"ada@example.com\\"}"}',
        '{"broken": "ada@example.com", "and',
        f"email={quote_plus('ada@example.com')}&x=1",
        "1;ada@example.com;Berlin",
        f"see {PROFILE}",
        '"ada@\\u0065xample.com"',
        b'\xff{"email": "ada@example.com"}',
    ],
)
def test_somebody_is_recognised_in(said: str | bytes) -> None:
    assert KNOWN.speaks_of(ADA_GOES, said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        None,
        '{"email": "bob@example.com"}',
        "ada",
        "[]",
        '{"email": "ada@example.com.au"}',
        b"\xff",
    ],
)
def test_nobody_else_is(said: str | bytes | None) -> None:
    assert not KNOWN.speaks_of(ADA_GOES, said)
    assert not KNOWN.speaks_of(
        msgspec.structs.replace(ADA_GOES, workspace="v"), '{"userId": "ada 1"}'
    )


@pytest.mark.parametrize(
    ("said", "speaks"),
    [
        ('{"user_id": 42}', True),
        ('{"userId": "42"}', True),
        ('{"anonymousId":"may"}', True),
        ('{"quantity": 42, "size": "42", "user_id": "43"}', False),
        ('{"user_id": 421}', False),
        ('{"user_id": {"a": "42"}}', False),
        ('{"name": "may", "note": "I paid 42 euros for user 7"}', False),
        ('{"product_id": 42, "price": 42.0}', False),
        ("42", False),
        ('{"card": "A-77123"}', True),
    ],
)
def test_a_short_id_is_one_where_the_field_says_so(said: str, *, speaks: bool) -> None:
    """Or whoever is called `42` would take with them what others have bought 42 of."""
    assert KNOWN.speaks_of(subject_of(wish(*ADA, *SHORT)), said) is speaks


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("I paid 42 euros. It may come tomorrow.", None),
        ("My card is A-77123.", "My card is [erased]."),
        ("please answer ada@example.com, too", "please answer [erased], too"),
        ("<ada@example.com>", "<[erased]>"),
        ("call +49 170 1234 5678 at ten", "call [erased] at ten"),
        (f"see {PROFILE}", "see [erased]"),
        ("https://shop.example/?mail=ada%40example.com&x=1", ""),
        ("bob@example.com and +49 170 99999999", None),
    ],
)
def test_what_people_wrote_goes_on_without_somebody(said: str, left: str | None) -> None:
    who = subject_of(wish(*ADA, *SHORT))
    assert KNOWN.is_mentioned(who, said) is (left is not None)
    assert KNOWN.without(who, said) == (said if left is None else left)


@given(st.text())
def test_nothing_of_somebody_is_left_of_any_text(said: str) -> None:
    who = subject_of(wish(*ADA, *SHORT))
    for one in (said, f"{said} ada@example.com", f"{said}ada@example.com{said}"):
        assert not KNOWN.is_mentioned(who, KNOWN.without(who, one))


@given(st.text(), st.binary(), st.sampled_from(["email", "phone", "user_id", "own"]))
def test_no_text_breaks_it(said: str, raw: bytes, kind: str) -> None:
    who = subject_of(wish((kind, "x@y.z")))
    for one in (said, raw, json.dumps({"a": said})):
        KNOWN.speaks_of(who, one)
    KNOWN.is_named(who, kind, said)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_an_id_in_json_is_found_whatever_it_is_made_of(value: str) -> None:
    normal = value.strip()
    who = subject_of(wish(("user_id", normal)))
    if KNOWN.is_named(who, "user_id", normal):
        assert KNOWN.speaks_of(who, json.dumps({"userId": normal}))


def test_without_the_key_only_profiles_are_known() -> None:
    known = Recogniser(None)
    assert known.speaks_of(ADA_GOES, PROFILE)
    assert not known.speaks_of(ADA_GOES, "ada@example.com")


# --- the work ------------------------------------------------------------------------------------


@pytest.fixture
async def engine(database_url: str, service: str) -> AsyncIterator[AsyncEngine]:
    """The tables of a service, and `note`, in which it keeps what people say."""
    tables = metadata(service)
    for declare in (consumer_tables, outbox_tables, privacy_tables):
        declare(tables)
    made = patient_engine(database_url, application="tests", pool=10)
    async with made.begin() as tx:
        await tx.execute(text(f"CREATE SCHEMA {service}"))
        await tx.run_sync(tables.create_all)
        note = "CREATE TABLE segment.note (workspace text, id bigint, profile_id text, said text)"
        await tx.execute(text(note))
    yield made
    await made.dispose()


async def noted(engine: AsyncEngine, *rows: tuple[str, str, str]) -> None:
    async with engine.begin() as tx:
        for number, (workspace, profile, said) in enumerate(rows):
            await tx.execute(
                text("INSERT INTO segment.note VALUES (:w, :n, :p, :s)"),
                {"w": workspace, "n": number, "p": profile, "s": said},
            )


BY_PROFILE = Found(
    "segment.note",
    "DELETE FROM segment.note WHERE ctid IN (SELECT ctid FROM segment.note WHERE "
    "workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[])) LIMIT :limit)",
    "SELECT count(*) FROM segment.note WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:profiles AS text[]))",
)
KEY = {"id": "bigint"}
BY_TEXT = Read(
    "segment.note",
    KEY,
    ("said",),
    KNOWN,
    changing("UPDATE segment.note SET said = ''", KEY),
    size=2,
)


def eraser(engine: AsyncEngine, *sweeps: Sweep) -> Eraser:
    return Eraser("segment", sweeps).over(engine)


async def ask(one: Eraser, engine: AsyncEngine, *records: PrivacyRecord) -> None:
    async with engine.begin() as tx:
        batch = [Record("privacy", 0, at, b"", record) for at, record in enumerate(records)]
        await one.on_privacy(batch, tx)


async def work_off(one: Eraser) -> None:
    while await one.turn():
        pass


async def receipts(engine: AsyncEngine) -> list[PrivacyRecord]:
    async with engine.begin() as tx:
        rows = await waiting(tx, "segment")
    return [msgspec.json.decode(row.value, type=PrivacyRecord) for row in rows]


@pytest.mark.integration
async def test_pages_go_through_a_table_and_one_receipt_counts_them(engine: AsyncEngine) -> None:
    other = PROFILE.replace("1", "2")
    await noted(
        engine,
        ("w", PROFILE, "x"),
        ("w", other, "of ada@example.com"),
        ("w", other, "nobody"),
        ("v", PROFILE, "of ada@example.com"),
        *(("w", other, f"{number} ada@example.com") for number in range(5)),
    )
    one = eraser(engine, BY_PROFILE, BY_TEXT)
    record = wish(*ADA)
    await ask(one, engine, record, record)
    await ask(one, engine, record)
    await work_off(one)
    async with engine.begin() as tx:
        rows = await tx.execute(text("SELECT workspace, said FROM segment.note ORDER BY id"))
        left = [(row.workspace, row.said) for row in rows]
    assert left == [("w", ""), ("w", "nobody"), ("v", "of ada@example.com"), *[("w", "")] * 5]
    (receipt,) = await receipts(engine)
    assert (receipt.kind, receipt.service, receipt.rows) == ("receipt", "segment", 7)
    assert receipt.tables == {"segment.note": 7}
    assert receipt.subjects == []
    await ask(one, engine, record)
    await work_off(one)
    assert len(await receipts(engine)) == 1, "what is done is not done again"


class Failing(Sweep):
    """Fails every other time, after it has changed something."""

    table = "segment.note"

    def __init__(self) -> None:
        self.calls = 0

    @override
    async def page(self, tx: AsyncConnection, who: Subject, after: str | None) -> Page:
        self.calls += 1
        done = int(after or 0)
        await tx.execute(
            text("UPDATE segment.note SET said = said || '!' WHERE id = :id"), {"id": done}
        )
        if self.calls % 2:
            message = "killed in the middle of ada@example.com"
            raise RuntimeError(message)
        return Page(1, str(done + 1) if done < 2 else None)


@pytest.mark.integration
async def test_what_breaks_off_goes_on_where_it_was_and_counts_nothing_twice(
    engine: AsyncEngine,
) -> None:
    await noted(engine, *[("w", PROFILE, "")] * 3)
    one, again = eraser(engine, Failing()), text("UPDATE segment.erasure SET try_at = now()")
    await ask(one, engine, wish(*ADA))
    for _ in range(20):
        await one.turn()
        async with engine.begin() as tx:
            await tx.execute(again)
    async with engine.begin() as tx:
        said = (await tx.execute(text("SELECT said FROM segment.note ORDER BY id"))).scalars().all()
    assert said == ["!"] * 3
    (receipt,) = await receipts(engine)
    assert receipt.rows == 3


@pytest.mark.integration
async def test_others_go_on_beside_one_that_fails(engine: AsyncEngine) -> None:
    await noted(engine, ("w", PROFILE, "x"))
    failing = Failing()
    one = eraser(engine, failing)
    await ask(one, engine, wish(*ADA))
    await one.turn()
    other = eraser(engine, BY_PROFILE)
    await ask(other, engine, wish(("email", "b@example.com"), request_id=REQUEST[:-1] + "2"))
    # Whoever failed is not to be due again before the other is done, however slow the machine is.
    async with engine.begin() as tx:
        late = (
            "UPDATE segment.erasure SET try_at = now() + interval '1 day' WHERE error IS NOT NULL"
        )
        await tx.execute(text(late))
    await work_off(other)
    (receipt,) = await receipts(engine)
    assert receipt.request_id.endswith("2")
    async with engine.begin() as tx:
        error = await tx.scalar(text("SELECT error FROM segment.erasure WHERE finished_at IS NULL"))
        assert await other.store.oldest(tx) > 0
    assert "RuntimeError" in error


@pytest.mark.integration
async def test_what_was_put_aside_goes_and_the_ledger_counts_it(engine: AsyncEngine) -> None:
    about, other = b'{"workspace":"w","email":"ada@example.com"}', b'{"workspace":"w"}'
    insert = "INSERT INTO segment.{} (grp, topic, partition, {}) VALUES ('segment', 't', 0, {})"
    async with engine.begin() as tx:
        for at, value in enumerate((about, other, about)):
            columns = '"offset", key, value, reason, workspace'
            given = {"o": at, "v": value}
            row = insert.format("dead_letter", columns, ":o, '', :v, 'r', 'w'")
            await tx.execute(text(row), given)
        parked_key = insert.format("parked_key", "key, reason, next_try_at", "'k', 'r', now()")
        await tx.execute(text(parked_key))
        for at, value in enumerate((about, other)):
            row = insert.format("parked", 'key, "offset", value', "'k', :o, :v")
            await tx.execute(text(row), {"o": at, "v": value})
        await tx.execute(
            text(
                "INSERT INTO segment.outbox_refused (id, topic, key, value, reason, created_at) "
                "VALUES (1, 't', '', :v, 'r', now())"
            ),
            {"v": about},
        )
    one = eraser(engine, *aside_sweeps("segment", KNOWN))
    await ask(one, engine, wish(*ADA))
    await work_off(one)
    (receipt,) = await receipts(engine)
    assert receipt.tables == {
        "segment.dead_letter": 2,
        "segment.parked": 1,
        "segment.outbox_refused": 1,
    }
    async with engine.begin() as tx:
        tallies = await read_tallies(tx, "segment")
        reason = await tx.scalar(text("SELECT reason FROM segment.parked_key"))
    assert (tallies["skipped t"], reason) == (3, "erased")


@pytest.mark.integration
async def test_it_waits_until_the_outbox_has_sent_what_it_held(engine: AsyncEngine) -> None:
    row = (
        "INSERT INTO segment.outbox_batch (topic, keys, payloads, records, bytes) "
        "VALUES ('t', ARRAY[''::bytea], ARRAY[''::bytea], 1, 0)"
    )
    async with engine.begin() as tx:
        await tx.execute(text(row))
    one = eraser(engine, aside_sweeps("segment", KNOWN)[0])
    await ask(one, engine, wish(*ADA))
    again = text("UPDATE segment.erasure SET try_at = now()")
    for _ in range(3):
        await one.turn()
        async with engine.begin() as tx:
            # What comes later is not waited for.
            await tx.execute(text(row))
            await tx.execute(again)
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT finished_at FROM segment.erasure")) is None
        await tx.execute(text("DELETE FROM segment.outbox_batch WHERE id = 1"))
    await work_off(one)
    async with engine.begin() as tx:
        assert await tx.scalar(text("SELECT finished_at FROM segment.erasure")) is not None


@pytest.mark.integration
@pytest.mark.parametrize(
    "more",
    [
        {"subjects": ["not hex"]},
        {"kinds": ["\0"]},
        {"profiles": [EndedProfile(profile_id="x", version=1)]},
        {"workspace": "\0"},
    ],
)
async def test_a_wish_that_cant_be_read_is_named(
    engine: AsyncEngine, more: dict[str, object]
) -> None:
    with pytest.raises(InvalidEvent) as found:
        await ask(eraser(engine), engine, wish(*ADA), wish(*ADA, **more))
    assert found.value.index == 1
