"""Files for advertising platforms: who is in one, and how; and the files themselves."""

import asyncio
import csv
import hashlib
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from rapport_common import clock
from rapport_common.due.store import DueStore
from rapport_common.due.worker import DueWorker
from rapport_common.errors import UnavailableError
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ConsentState
from rapport_common.jobs.worker import Jobs
from rapport_common.privacy.subject import Subject
from rapport_segment.domain.audiences import (
    REASONS,
    Platform,
    Reached,
    UnfitPurposeError,
    heading,
    line,
    reached,
    require_fit,
)
from rapport_segment.domain.sections import CONSENT, CONTACT_POINTS, RESTRAINTS, Facts, Section
from rapport_segment.handlers import audiences
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.audiences import Making, Scheduled
from rapport_segment.handlers.building import Building
from rapport_segment.store.jobs import AUDIENCE_FILE, BUILD, JOBS
from rapport_segment.store.privacy import FILES

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADA, TEL = "ada@example.com", "+8613912345678"
PEOPLE = [uuid.UUID(int=number) for number in range(1, 6)]


def sha(text_: str) -> str:
    return hashlib.sha256(text_.encode()).hexdigest()


def word(
    point: str = ADA,
    state: Any = "granted",
    *,
    purpose: str = "third_party",
    channel: str = "email",
    **more: Any,
) -> ConsentState:
    return ConsentState(
        contact_point=point,
        channel=channel,
        purpose=purpose,
        state=state,
        at=NOW - timedelta(days=1),
        source="shop",
        **more,
    )


def point(value: str = ADA, channel: str = "email", *, verified: bool = True) -> ContactPoint:
    return ContactPoint(channel=channel, value=value, verified=verified)


def facts(
    points: list[ContactPoint], words: list[ConsentState], restraints: tuple[str, ...] = ()
) -> Facts:
    told = {CONTACT_POINTS: points, CONSENT: words, RESTRAINTS: list(restraints)}
    return Facts([Section(place, told.get(place)) for place in range(6)])


def outcome(
    points: list[ContactPoint],
    words: list[ConsentState],
    platform: Platform = "google",
    restraints: tuple[str, ...] = (),
) -> Any:
    return reached(facts(points, words, restraints), platform, "third_party", NOW)


def test_hashes_are_those_that_the_platforms_document() -> None:
    points = [point(" ADA@Example.com"), point(TEL, "sms")]
    words = [word(), word(TEL, channel="sms")]
    assert outcome(points, words) == Reached([sha(ADA)], [sha(TEL)])
    assert outcome(points, words, "meta") == Reached([sha(ADA)], [sha("8613912345678")])
    assert outcome(points, words, "tencent") == Reached([], [sha("13912345678")])
    # Published by Google: developers.google.com/google-ads/api, the hash of test@example.com.
    assert sha("test@example.com") == (
        "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    )


@pytest.mark.parametrize(
    "words",
    [
        [],
        [word(purpose="promotion")],
        [word("other@example.com")],
        [word(state="denied")],
        [word(state="withdrawn")],
        [word(confirmed=False)],
        [word(lacks="double_opt_in")],
        [word(expires_at=NOW)],
        [word(channel="all")],
        [word(), word(purpose="all", state="withdrawn", channel="all")],
        [word(), word(purpose="all", state="denied")],
        [word(), word(state="denied", purpose="promotion")],
        [word(), word(state="withdrawn", channel="all")],
    ],
    ids=range(13),
)
def test_without_a_yes_to_that_nobody_is_in(words: list[ConsentState]) -> None:
    assert outcome([point()], words) == "no_consent"


def test_why_somebody_is_left_out() -> None:
    assert outcome([point()], [word()], restraints=("processing",)) == "restrained"
    assert outcome([point()], [word()], restraints=("marketing",)) == "objects_to_marketing"
    assert outcome([], [word()]) == "no_contact_point"
    assert outcome([point(verified=False)], [word()]) == "no_contact_point"
    assert outcome([point()], [word()], "tencent") == "no_contact_point"
    us = "+12125550100"
    assert outcome([point(us, "sms")], [word(us, channel="sms")], "tencent") == "not_in_form"
    assert isinstance(outcome([point()], [word(expires_at=NOW + timedelta(seconds=1))]), Reached)
    no_by_phone = [word(TEL, channel="sms"), word(TEL, "denied", channel="whatsapp")]
    assert outcome([point(TEL, "sms")], no_by_phone) == "no_consent"


@pytest.mark.parametrize("purpose", ["advertising", "promotion", "service", "all", "", "x_", "ads"])
def test_a_yes_to_letters_is_none_to_a_platform(purpose: str) -> None:
    with pytest.raises(UnfitPurposeError):
        require_fit(purpose)


@pytest.mark.parametrize("purpose", ["third_party", "x_ads"])
def test_a_yes_to_third_parties_or_to_something_of_ones_own_may_be_one(purpose: str) -> None:
    require_fit(purpose)


def test_a_file_has_a_column_for_each_address_and_number_or_a_line_for_each_number() -> None:
    somebody = Reached(["a"], ["b", "c"])
    assert heading("google") == b"Email,Email,Email,Phone,Phone,Phone\r\n"
    assert heading("meta") == b"email,email,email,phone,phone,phone\r\n"
    assert line("google", somebody) == line("meta", somebody) == b"a,,,b,c,\r\n"
    assert heading("tencent") == b""
    assert line("tencent", somebody) == b"b\r\nc\r\n"


PLACES = st.sampled_from([ADA, "bob@example.com"])
SAID = st.builds(
    word,
    PLACES,
    st.sampled_from(["granted", "denied", "withdrawn"]),
    purpose=st.sampled_from(["third_party", "promotion", "all", "survey"]),
    channel=st.sampled_from(["email", "all", "sms"]),
    confirmed=st.booleans(),
    expires_at=st.none() | st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)]),
)


@given(said=st.lists(SAID, max_size=6), held=st.lists(PLACES, max_size=2, unique=True))
def test_only_who_said_yes_and_no_no_is_in(*, said: list[ConsentState], held: list[str]) -> None:
    found = outcome([point(one) for one in held], said)
    hashes = set(found.emails) if isinstance(found, Reached) else set()
    for place in held:
        of_it = [one for one in said if one.contact_point == place]
        has_yes = any(
            (one.state, one.purpose, one.channel) == ("granted", "third_party", "email")
            and one.confirmed
            and (one.expires_at is None or one.expires_at > NOW)
            for one in of_it
        )
        if sha(place) in hashes:
            assert has_yes
            assert not any(
                one.state != "granted" and one.purpose == "all" and one.channel != "sms"
                for one in of_it
            )


class Shop:
    """A shop with a segment of buyers; `tell` makes one of somebody."""

    def __init__(self, engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> None:
        self.engine, self.client = engine, client
        self._records, self._judging = records, Judging()
        self.segment = ""
        self.late = timedelta(0)

    def now(self) -> datetime:
        return clock.now() + self.late

    async def tell(self, who: uuid.UUID, email: str, *words: ConsentState) -> None:
        told = self._records.state(
            who, orders=1, contact_points=[point(email)], consent=list(words)
        )
        async with self.engine.begin() as tx:
            await self._judging.on_activity([self._records.record(told)], tx)

    async def gone(self, who: uuid.UUID) -> None:
        async with self.engine.begin() as tx:
            await self._judging.on_activity([self._records.record(self._records.gone(who))], tx)

    async def work(self, making: Making | None = None) -> None:
        """What is due, and the jobs that come of it."""
        due = DueStore("segment", now=self.now)
        while await DueWorker(self.engine, due, Scheduled(due).kinds).turn():
            pass
        works = {
            BUILD: Building(self.engine).work,
            AUDIENCE_FILE: (making or Making(self.engine)).work,
        }
        worker = Jobs(self.engine, JOBS, works)
        while await worker.turn(asyncio.Event()):
            pass

    async def audience(self, **told: Any) -> str:
        body = {"name": "a", "segment_id": self.segment, "platform": "google", **told}
        answer = await self.client.post("/v1/audiences", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def files(self, audience: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"/v1/audiences/{audience}/files")
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def shop(engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> Shop:
    made = Shop(engine, records, client)
    rule = {"computed": "orders", "op": "gte", "value": 1}
    answer = await client.post("/v1/segments", json={"name": "buyers", "rule": rule})
    made.segment = answer.json()["id"]
    await made.tell(PEOPLE[0], ADA, word())
    await made.tell(PEOPLE[1], "bob@example.com")
    await made.tell(PEOPLE[2], "cleo@example.com", word("cleo@example.com"))
    return made


@pytest.mark.integration
async def test_a_file_is_made_on_time_and_says_who_is_not_in_it(shop: Shop) -> None:
    audience = await shop.audience(every_hours=24)
    await shop.work()
    [first] = await shop.files(audience)
    assert (first["rows"], first["left_out"]["no_consent"]) == (2, 1)
    assert set(first["left_out"]) == set(REASONS)
    answer = await shop.client.get(f"/v1/audiences/{audience}/file")
    names, *rows = csv.reader(io.StringIO(answer.text))
    assert names == ["Email"] * 3 + ["Phone"] * 3
    assert sorted(row[0] for row in rows) == sorted([sha(ADA), sha("cleo@example.com")])
    assert hashlib.sha256(answer.content).hexdigest() == first["sha256"]
    assert answer.headers["rapport-sha256"] == first["sha256"]
    assert "no_consent=1" in answer.headers["rapport-left-out"]
    # A yes that is taken back counts from the next file on; times that were missed are not made up.
    await shop.tell(PEOPLE[0], ADA, word(state="withdrawn"))
    shop.late = timedelta(hours=23)
    await shop.work()
    assert len(await shop.files(audience)) == 1
    shop.late = timedelta(days=5)
    await shop.work()
    async with shop.engine.begin() as tx:
        ahead = await tx.scalar(text("SELECT at FROM segment.due WHERE kind = 'audience'"))
    assert shop.now() < ahead <= shop.now() + timedelta(hours=24)
    newest, before = await shop.files(audience)
    assert (newest["rows"], newest["left_out"]["no_consent"]) == (1, 2)
    assert before == first
    again = await shop.client.post(f"/v1/audiences/{audience}/build")
    assert again.status_code == 202
    await shop.work()
    assert len(await shop.files(audience)) == 2, "the newest, and the one before"
    assert (await shop.client.delete(f"/v1/audiences/{audience}")).status_code == 204
    async with shop.engine.begin() as tx:
        for table in ("audience_file", "audience_part", "audience", "due"):
            left = await tx.scalar(
                text(f"SELECT count(*) FROM segment.{table} WHERE workspace = 'acme'")
            )
            assert left == 0 or table == "due"


@pytest.mark.integration
async def test_whoever_is_forgotten_is_in_no_file(shop: Shop) -> None:
    audience = await shop.audience()
    await shop.client.post(f"/v1/audiences/{audience}/build")

    class Meanwhile(Making):
        """Somebody is forgotten after they were written, and before the file is whole."""

        times = 0

        @override
        async def _end(self, making: Any) -> None:
            if not Meanwhile.times:
                await shop.gone(PEOPLE[2])
            Meanwhile.times += 1
            await super()._end(making)

    making = Meanwhile(shop.engine)
    await shop.work(making)
    async with shop.engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM segment.audience_file WHERE whole")) == 0
        await tx.execute(text("UPDATE segment.job SET held_until = NULL"))
    await shop.work(making)
    [file] = await shop.files(audience)
    assert (file["rows"], Meanwhile.times) == (1, 2)
    # And of one that is there: the file goes.
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id=str(PEOPLE[0]),
        subjects=frozenset(),
        kinds=frozenset(),
        profiles=frozenset({str(PEOPLE[0])}),
        at=NOW,
    )
    async with shop.engine.begin() as tx:
        assert await FILES.count(tx, who) == 1
        assert (await FILES.page(tx, who, None)).removed == 1
    assert await shop.files(audience) == []
    assert (await shop.client.get(f"/v1/audiences/{audience}/file")).status_code == 404


@pytest.mark.integration
async def test_a_file_that_is_given_up_goes_and_a_page_of_it_was_no_progress(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audiences, "PAGE", 1)
    monkeypatch.setattr(audiences, "PART_BYTES", 1)
    audience = await shop.audience()
    async with shop.engine.begin() as tx:
        await audiences.build(tx, "acme", uuid.UUID(audience))
        await tx.execute(text("DELETE FROM segment.job WHERE kind = 'build'"))
        job = await JOBS.claim(tx, "test")
    assert job is not None
    first = Making(shop.engine).work(job)
    page = await anext(first)
    # Who takes it after a crash begins anew: what is done is what it has done.
    assert (page.done, page.gets_on) == (1, False)
    second = Making(shop.engine).work(replace(job, done=5))
    assert (await anext(second)).done == 1 - 5
    with pytest.raises(UnavailableError):
        async for _page in first:
            pass
    cancelled = await shop.client.post(f"/v1/jobs/{job.id}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    async with shop.engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM segment.audience_file")) == 0
    with pytest.raises(UnavailableError):
        async for _page in second:
            pass


@pytest.mark.integration
async def test_audiences_take_the_scope_of_exports_and_no_nonsense(
    shop: Shop, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    audience = await shop.audience(name="one", platform="tencent")
    body = {"name": "two", "segment_id": shop.segment, "platform": "meta"}
    async with client_of(scopes=("segments:read", "segments:write")) as writer:
        assert (await writer.post("/v1/audiences", json=body)).status_code == 403
        assert (await writer.get(f"/v1/audiences/{audience}/file")).status_code == 403
    async with client_of("globex") as stranger:
        for path in ("", "/files", "/file"):
            answer = await stranger.get(f"/v1/audiences/{audience}{path}")
            assert answer.status_code == 404
        assert (await stranger.post("/v1/audiences", json=body)).status_code == 404
    for wrong in (
        {"purpose": "advertising"},
        {"platform": "x"},
        {"every_hours": 0},
        {"name": "\0"},
    ):
        answer = await shop.client.post("/v1/audiences", json={**body, **wrong})
        assert answer.status_code == 422, wrong
    again = await shop.client.post("/v1/audiences", json={**body, "name": "one"})
    assert (again.status_code, again.json()["details"]["id"]) == (409, audience)
    listed = (await shop.client.get("/v1/audiences")).json()
    assert [one["name"] for one in listed["items"]] == ["one"]
    assert json.loads((await shop.client.get(f"/v1/audiences/{audience}")).text)["job_id"] is None
