"""Lists: whoever has an identifier on one is on it, also who comes later, or is two people."""

import gzip
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from services.segment.tests.building import build
from services.segment.tests.test_passing import Published, Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import identifier_digest
from rapport_common.events.profile import AbsorbedId
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.testing.credentials import EVENT_KEY, mint
from rapport_segment.handlers import uploading
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.store import definitions
from rapport_segment.store.access import LISTS
from rapport_segment.store.privacy import sweeps

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

ADA, BOB, EVE = (uuid.UUID(int=number) for number in (1, 2, 3))


def ids(*emails: str) -> dict[str, Any]:
    return {"identifiers": [{"kind": "email", "value": one} for one in emails]}


class Lists:
    """A workspace with one list, and a segment of those who are on it."""

    def __init__(self, client: httpx.AsyncClient, shop: Shop, list_id: str, segment: str) -> None:
        self.client = client
        self.shop = shop
        self.path = f"/v1/lists/{list_id}"
        self.id = list_id
        self.segment = segment

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(f"{self.path}{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def members(self) -> list[list[str]]:
        answer = (await self.client.get(f"{self.path}/members")).json()
        return [[one["kind"], one["value"]] for one in answer["items"]]

    async def inside(self) -> list[str]:
        answer = await self.client.get(f"/v1/segments/{self.segment}/members")
        return [one["id"] for one in answer.json()["items"]]

    async def upload(self, content: bytes, **parameters: Any) -> dict[str, Any]:
        """Give a file, and work all jobs off; the job."""
        answer = await self.client.post(f"{self.path}/uploads", params=parameters, content=content)
        assert answer.status_code == 202, answer.text
        await build(self.shop.engine, now=self.shop.clock)
        return dict((await self.client.get(f"/v1/jobs/{answer.json()['id']}")).json())

    async def refused(self, job: str) -> list[tuple[int, str]]:
        answer = (await self.client.get(f"{self.path}/uploads/{job}/refused")).json()
        return [(one["line"], one["code"]) for one in answer["items"]]

    async def misplaced(self) -> list[uuid.UUID]:
        """Those of whom SQL says otherwise than the records have come to."""
        async with self.shop.engine.begin() as tx:
            found: list[uuid.UUID] = []
            for one in await definitions.active(tx, ["acme"]):
                args = (tx, "acme", one.segment_id, rule_of(one))
                found += await definitions.misplaced(*args, now=self.shop.clock.now)
            return found


@pytest.fixture
async def lists(engine: AsyncEngine, records: "Records", client: httpx.AsyncClient) -> Lists:
    made = (await client.post("/v1/lists", json={"name": "VIP"})).json()
    shop = Shop(engine, records)
    asked = {"name": "On VIP", "text": f'list "{made["id"]}"'}
    segment = (await client.post("/v1/segments", json=asked)).json()
    await build(engine, now=shop.clock)
    return Lists(client, shop, made["id"], segment["id"])


async def test_who_is_on_it_enters_and_leaves_at_once_and_nobody_else_is_judged(
    lists: Lists, records: "Records", published: Published
) -> None:
    await lists.shop.tell(records.state(ADA, emails=("ada@x.org",)), records.state(BOB))
    assert await lists.post("/members/add", ids("Ada@X.org", "late@x.org")) == {"changed": 2}
    # Again it does nothing.
    assert await lists.post("/members/add", ids("ada@x.org")) == {"changed": 0}
    [entered] = await published()
    assert (entered.profile_id, entered.change) == (str(ADA), "entered")
    assert (entered.cause, entered.reason) == ("definition", 'on list "VIP" by email')
    # An address that nobody has yet: it counts from when somebody has it.
    assert await lists.members() == [["email", "ada@x.org"], ["email", "late@x.org"]]
    await lists.shop.tell(records.state(EVE, emails=("late@x.org",)))
    assert await lists.inside() == [str(ADA), str(EVE)]
    assert (await published())[1].cause == "event"
    assert await lists.post("/members/remove", ids("ada@x.org", "no@x.org")) == {"changed": 1}
    assert await lists.post("/members/add", ids("ada@x.org")) == {"changed": 1}
    # Nothing of hers has changed, and she enters again: it is another stay.
    changes = [one.change for one in await published() if one.profile_id == str(ADA)]
    assert changes == ["entered", "exited", "entered"]
    assert await lists.misplaced() == []


async def test_a_merge_and_a_split_follow_the_identifier(
    lists: Lists, records: "Records", published: Published
) -> None:
    await lists.post("/members/add", ids("ada@x.org"))
    await lists.shop.tell(records.state(ADA, emails=("ada@x.org",)), records.state(BOB))
    whole = records.state(BOB, event=False, emails=("ada@x.org",))
    gone = records.merged(ADA, BOB)
    absorbed = [AbsorbedId(profile_id=str(ADA), version=gone.version)]
    await lists.shop.tell(msgspec.structs.replace(whole, absorbed=absorbed), gone)
    assert await lists.inside() == [str(BOB)]
    # The id lives again, with the address.
    await lists.shop.tell(
        records.state(BOB, event=False), records.state(ADA, event=False, emails=("ada@x.org",))
    )
    assert await lists.inside() == [str(ADA)]
    assert await lists.misplaced() == []


async def test_why_names_the_list_and_the_identifier(lists: Lists, records: "Records") -> None:
    await lists.shop.tell(records.state(ADA, emails=("ada@x.org",)), records.state(BOB))
    await lists.post("/members/add", ids("ada@x.org"))
    path = f"/v1/segments/{lists.segment}/members"
    [found] = (await lists.client.get(f"{path}/{ADA}")).json()["explanation"]
    assert (found["subject"], found["result"]) == ('list "VIP"', True)
    assert found["actual"] == [{"kind": "email", "value": "ada@x.org"}]
    other = (await lists.client.get(f"{path}/{BOB}")).json()
    assert (other["reason"], other["explanation"][0]["actual"]) == ('not on list "VIP"', [])


async def test_a_file_is_taken_row_by_row_and_each_broken_one_is_told(
    lists: Lists, records: "Records"
) -> None:
    await lists.shop.tell(
        records.state(ADA, emails=("ada@x.org",)), records.state(BOB, emails=("bob@x.org",))
    )
    content = (
        b"E-Mail;Name;phone\r\n"
        b'ADA@x.org;"Ada\nLovelace";\r\n'
        b"no address;x;\r\n"
        b"\r\n"
        b'"bob@x.org";Bob;+49 171 5550123\r\n'
        b"eve@x.org\r\n"
        b";nobody;\r\n"
        b"null@x.org;x;\r\n"
        b"late@x.org;x;12\r\n"
    )
    job = await lists.upload(gzip.compress(content))
    assert (job["state"], job["done"], job["accepted"], job["rejected"]) == ("done", 7, 2, 5)
    # By lines as an editor counts them: a cell with a line end, and a blank line.
    assert await lists.refused(job["id"]) == [
        (4, "invalid_value"),
        (7, "invalid_row"),
        (8, "no_identifier"),
        (9, "placeholder"),
        (10, "invalid_value"),
    ]
    on_it = [["email", "ada@x.org"], ["email", "bob@x.org"], ["phone", "+491715550123"]]
    assert await lists.members() == on_it
    assert await lists.inside() == [str(ADA), str(BOB)]
    # Nothing of the file is kept but what is on the list.
    async with lists.shop.engine.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM segment.list_part"))).scalar() == 0


async def test_a_file_that_replaces_takes_off_what_it_lacks(
    lists: Lists, records: "Records", published: Published
) -> None:
    people = [records.state(one, emails=(f"{one.int}@x.org",)) for one in (ADA, BOB, EVE)]
    await lists.shop.tell(*people)
    await lists.post("/members/add", ids("1@x.org", "2@x.org"))
    lines = [{"kind": "email", "value": "2@x.org"}, {"Address": "3@x.org"}, {"Address": 5}, 7]
    content = b"\n".join(map(msgspec.json.encode, lines)) + b'\n{"Address": "3@x'
    asked = {"format": "jsonl", "mode": "replace", "column": "email=Address"}
    job = await lists.upload(content, **asked)
    assert (job["state"], job["accepted"], job["rejected"]) == ("done", 2, 3)
    assert [line for line, _code in await lists.refused(job["id"])] == [3, 4, 5]
    assert await lists.inside() == [str(BOB), str(EVE)]
    # Who was on it and stays has not left in between.
    left = [one.profile_id for one in await published() if one.change == "exited"]
    assert left == [str(ADA)]
    assert {one.cause for one in await published()} == {"definition"}
    assert await lists.misplaced() == []


async def test_who_is_judged_while_a_file_is_read_enters_by_it_and_by_no_event(
    lists: Lists, records: "Records", published: Published, engine: AsyncEngine
) -> None:
    await lists.shop.tell(records.state(ADA, emails=("ada@x.org",)))
    path = f"{lists.path}/uploads"
    assert (await lists.client.post(path, content=b"email\nada@x.org\n")).status_code == 202
    from rapport_segment.handlers.uploading import Uploading  # noqa: PLC0415
    from rapport_segment.store.jobs import JOBS  # noqa: PLC0415

    async with engine.begin() as tx:
        job = await JOBS.claim(tx, "test")
    assert job is not None
    steps = Uploading(engine, EVENT_KEY).work(job)
    for _ in range(2):
        await anext(steps)
    shown = (await lists.client.get(f"/v1/segments/{lists.segment}")).json()
    assert (shown["status"], shown["job_id"]) == ("building", job.id)
    await lists.shop.tell(records.state(ADA, emails=("ada@x.org",)))
    assert [one.cause for one in await published()] == ["definition"]


async def test_a_list_that_is_asked_for_stays(lists: Lists, client: httpx.AsyncClient) -> None:
    answer = await client.delete(lists.path)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["details"]["used_by"] == [lists.segment]
    await lists.post("/members/add", ids("ada@x.org"))
    assert (await client.delete(f"/v1/segments/{lists.segment}")).status_code == 204
    assert (await client.delete(lists.path)).status_code == 204
    await build(lists.shop.engine, now=lists.shop.clock)
    assert await lists.members() == []
    answer = await client.post(f"{lists.path}/members/add", json=ids("ada@x.org"))
    assert (answer.status_code, answer.json()["code"]) == (409, "archived")
    # Its name is free, and no rule can name it.
    assert (await client.post("/v1/lists", json={"name": "VIP"})).status_code == 201
    body = {"name": "x", "rule": {"and": [{"list": lists.id}]}}
    answer = await client.post("/v1/segments", json=body)
    assert (answer.status_code, answer.json()["details"]) == (422, {"path": "and[0].list"})
    listed = (await client.get("/v1/lists?archived=true")).json()["items"]
    assert [one["name"] for one in listed] == ["VIP"]


async def test_what_is_asked_wrongly_is_told_with_its_place(
    lists: Lists, client: httpx.AsyncClient, client_of: Any
) -> None:
    assert (await client.patch(lists.path, json={"name": "Best"})).json()["name"] == "Best"
    assert (await client.post("/v1/lists", json={"name": "Best"})).status_code == 409
    body = {"identifiers": [{"kind": "email", "value": "a@x.org"}, {"kind": "phone", "value": "1"}]}
    answer = await client.post(f"{lists.path}/members/add", json=body)
    assert answer.status_code == 422
    assert answer.json()["details"]["problems"][0]["path"] == "identifiers[1]"
    assert await lists.members() == []
    for content, parameters in (
        (b"", {}),
        (b"x", {"column": "email"}),
        (b"x", {"column": "no kind=x"}),
        (b"x", {"encoding": "utf-7"}),
        (b"x", {"delimiter": "\n"}),
    ):
        answer = await client.post(f"{lists.path}/uploads", content=content, params=parameters)
        assert answer.status_code == 422, (content, parameters, answer.text)
    files = (
        (b"name\nAda\n", "No column"),
        (b"ada@x.org,ada@x.org\n", "columns 1 and 2"),
        (b"ada@x.org\n", "No column"),
        (b"PK\x03\x04", "ZIP"),
        (b"\n", "empty"),
    )
    for content, code in files:
        job = await lists.upload(content)
        assert (job["state"], code in job["error"]) == ("failed", True), job
        # A file without a header has somebody's data there.
        assert "ada@x.org" not in job["error"]
    shown = (await client.get(f"/v1/segments/{lists.segment}")).json()
    assert shown["status"] == "ready"
    # Another workspace knows nothing of it.
    async with client_of("other") as foreign:
        for path in ("", "/members", "/uploads/x/refused"):
            assert (await foreign.get(f"{lists.path}{path}")).status_code == 404
        answer = await foreign.post(f"{lists.path}/members/add", json=ids("a@x.org"))
        assert answer.status_code == 404


async def test_who_is_forgotten_leaves_lists_and_who_asks_is_told(
    lists: Lists, engine: AsyncEngine
) -> None:
    await lists.post("/members/add", ids("ada@x.org", "bob@x.org"))
    digest = identifier_digest(EVENT_KEY, "acme", ("email", "ada@x.org")).hex()
    async with engine.begin() as tx:
        now = (await tx.execute(text("SELECT now()"))).scalar_one()
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id=str(ADA),
        subjects=frozenset({digest}),
        kinds=frozenset({"email"}),
        profiles=frozenset({str(ADA)}),
        at=now,
    )
    async with engine.begin() as tx:
        [told] = (await LISTS.page(tx, who, None)).rows
        assert (told["list"], told["value"]) == ("VIP", "ada@x.org")
    answer = await lists.client.post(f"{lists.path}/uploads", content=b"email\nada@x.org\n")
    assert answer.status_code == 202
    *_others, waits, files, on_lists = sweeps(Recogniser(EVENT_KEY))
    async with engine.begin() as tx:
        # Or what has come before the wish would be put on the list behind it.
        assert (await waits.page(tx, who, None)).waits
    await lists.client.post(f"/v1/jobs/{answer.json()['id']}/cancel")
    async with engine.begin() as tx:
        assert not (await waits.page(tx, who, None)).waits
        assert (await files.page(tx, who, None)).removed == 0, "gone with the job"
        assert (await on_lists.page(tx, who, None)).removed == 1
    assert await lists.members() == [["email", "bob@x.org"]]


async def test_what_is_read_after_a_wish_from_a_file_of_before_it_goes_too(
    lists: Lists, engine: AsyncEngine
) -> None:
    answer = await lists.client.post(
        f"{lists.path}/uploads", content=b"email\nada@x.org\nbob@x.org"
    )
    assert answer.status_code == 202
    digest = identifier_digest(EVENT_KEY, "acme", ("email", "ada@x.org")).hex()
    async with engine.begin() as tx:
        # What was received up to five seconds later counts as of before.
        await tx.execute(text("UPDATE segment.job SET created_at = now() - interval '1 h'"))
        at = (await tx.execute(text("SELECT now() - interval '30 min'"))).scalar_one()
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id=str(ADA),
        subjects=frozenset({digest}),
        kinds=frozenset({"email"}),
        profiles=frozenset({str(ADA)}),
        at=at,
    )
    await build(lists.shop.engine, now=lists.shop.clock)
    assert await lists.members() == [["email", "ada@x.org"], ["email", "bob@x.org"]]
    *_others, waits, _files, on_lists = sweeps(Recogniser(EVENT_KEY))
    async with engine.begin() as tx:
        assert not (await waits.page(tx, who, None)).waits
        assert (await on_lists.page(tx, who, None)).removed == 1
    assert await lists.members() == [["email", "bob@x.org"]]


async def test_a_file_that_is_no_list_is_given_up(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "MOST_REFUSED", 3)
    job = await lists.upload(b"email\nada@x.org\n" + b"nobody\n" * 4)
    assert job["state"] == "failed"
    assert "4 rows were refused and 1 taken" in job["error"]
    good = b"".join(b"u%d@x.org\n" % number for number in range(5))
    assert (await lists.upload(b"email\n" + good + b"nobody\n" * 4))["state"] == "done"


async def test_what_is_on_a_list_takes_the_scope_for_peoples_data(lists: Lists) -> None:
    reader = {
        "Authorization": f"Bearer {mint('acme', 'ada', ['segments:read'], timedelta(minutes=5))}"
    }
    refused = await lists.client.get(f"{lists.path}/members", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await lists.client.get(lists.path, headers=reader)).status_code == 200
