"""Files of addresses: put on the suppression list by a job, and taken out again."""

import csv
import gzip
import io
from typing import Any

import pytest

from rapport_campaign.handlers.suppression_files import Imports, put_away
from rapport_campaign.store.jobs import JOBS
from rapport_common.errors import ConflictError
from rapport_common.jobs.ending import Endings

pytestmark = pytest.mark.integration
TARGET = "/v1/suppressions/imports"
ADA, BEN = "ada@example.com", "ben@example.com"


async def begun(scenario: Any, file: bytes, **asked: str) -> str:
    answer = await scenario.client.post(
        TARGET, params={"reason": "old tool", **asked}, content=file
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def ended(scenario: Any, file: bytes, **asked: str) -> Any:
    job = await begun(scenario, file, **asked)
    await scenario.work()
    async with scenario.engine.begin() as tx:
        return await JOBS.find(tx, "acme", job)


async def listed(scenario: Any) -> list[tuple[str, str, str]]:
    items = (await scenario.client.get("/v1/suppressions")).json()["items"]
    return [(one["address"], one["reason"], one["purpose"]) for one in items]


async def parts(scenario: Any) -> int:
    [row] = await scenario.ledger.query("SELECT count(*) AS n FROM campaign.suppression_part")
    return int(row["n"])


async def test_a_file_is_put_on_the_list_and_comes_out_as_it_is(scenario: Any) -> None:
    file = (
        "\ufeffEmail;Reason;Purpose\r\n"
        "Ada@Example.com;bounced;all\r\n"
        "nobody;x;all\r\n"
        "ben@example.com;;promotion\r\n"
        '"c@example.com";"=1+1";\r\n'
    ).encode()
    done = await ended(scenario, gzip.compress(file))
    assert (done.state, done.done, done.accepted, done.rejected) == ("done", 4, 3, 1)
    assert (done.report["added"], done.total, await parts(scenario)) == (3, 5, 0)
    refused = (await scenario.client.get(f"{TARGET}/{done.id}/refused")).json()
    [row] = refused["items"]
    assert (row["line"], row["code"], "nobody" in str(row)) == (3, "invalid_address", False)
    assert await listed(scenario) == [
        (ADA, "bounced", "all"),
        (BEN, "old tool", "promotion"),
        ("c@example.com", "=1+1", "all"),
    ]
    made = await scenario.client.post(
        "/v1/suppressions/export", json={"format": "csv", "formulas": "keep"}
    )
    assert [one["address"] for one in csv.DictReader(io.StringIO(made.text))] == [
        ADA,
        BEN,
        "c@example.com",
    ]
    again = await ended(scenario, made.text.encode())
    assert (again.accepted, again.report["added"]) == (3, 0)
    pages = await scenario.client.get("/v1/suppressions", params={"limit": 2})
    assert pages.json()["next"] is not None
    found = await scenario.client.get("/v1/suppressions", params={"address": "ADA@example.com"})
    assert [one["address"] for one in found.json()["items"]] == [ADA]


@pytest.mark.parametrize(
    ("form", "file", "taken", "refused"),
    [
        ("jsonl", b'{"phone": "+49 170 1234567"}\n\n{"phone": 5}\nnot json\n', 1, 2),
        ("lines", b"ada@example.com\r\nben@example.com,BOUNCE\n\nnobody", 2, 1),
        ("lines", "k\u00e4the@example.com\n\u00df@example.com".encode(), 2, 0),
    ],
)
async def test_lines_and_json_are_read(
    scenario: Any, form: str, file: bytes, taken: int, refused: int
) -> None:
    done = await ended(scenario, file, format=form, purpose="promotion")
    assert (done.state, done.accepted, done.rejected) == ("done", taken, refused)
    assert {one[2] for one in await listed(scenario)} == {"promotion"}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"name,city\nAda,Ulm\n", "is called address"),
        (b"PK\x03\x04xxxx", "ZIP"),
        (b"\x1f\x8bxxxx", "damaged"),
    ],
)
async def test_a_file_that_is_none_ends_its_job_in_words(
    scenario: Any, file: bytes, words: str
) -> None:
    done = await ended(scenario, file)
    assert (done.state, words in done.error) == ("failed", True)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("reason=x", b""),
        ("", b"x"),
        ("reason=%00", b"x"),
        ("reason=x&format=xlsx", b"x"),
        ("reason=x&purpose=service", b"x"),
        ("reason=x&delimiter=%22", b"x"),
    ],
)
async def test_a_bad_import_is_refused_in_words(scenario: Any, query: str, body: bytes) -> None:
    answer = await scenario.client.post(f"{TARGET}?{query}", content=body)
    assert (answer.status_code, bool(answer.json()["message"])) == (422, True)


async def test_an_import_goes_on_where_it_was_and_repeats_nothing(scenario: Any) -> None:
    file = b"email\n" + b"".join(b"%d@x.example\n" % number for number in range(7))
    job_id = await begun(scenario, file)
    async with scenario.engine.begin() as tx:
        job = await JOBS.claim(tx, "first")
    assert job is not None
    steps = Imports(scenario.engine, rows=3).work(job)
    first, second = await anext(steps), await anext(steps)
    async with scenario.engine.begin() as tx:
        await JOBS.advance(tx, job, "first", first)
        await JOBS.advance(tx, job, "first", second)
    # The third piece is written, and its process dies before it says so.
    await anext(steps)
    await steps.aclose()  # type: ignore[attr-defined] # it is a generator
    assert len(await listed(scenario)) == 6
    await scenario.ledger.change("UPDATE campaign.job SET held_until = now()")
    await scenario.work()
    async with scenario.engine.begin() as tx:
        done = await JOBS.find(tx, "acme", job_id)
    assert done is not None
    assert (done.state, done.done, done.accepted, len(await listed(scenario))) == ("done", 7, 7, 7)


async def test_a_cancelled_import_stops_and_its_file_goes(scenario: Any) -> None:
    file = b"email\n" + b"".join(b"%d@x.example\n" % number for number in range(7))
    job_id = await begun(scenario, file)
    async with scenario.engine.begin() as tx:
        job = await JOBS.claim(tx, "first")
    assert job is not None
    steps = Imports(scenario.engine, rows=3).work(job)
    await anext(steps)
    await anext(steps)
    endings = Endings(scenario.engine, JOBS, {job.kind: put_away})
    assert await endings.cancel("acme", job_id)
    with pytest.raises(ConflictError):
        await anext(steps)
    assert (len(await listed(scenario)), await parts(scenario)) == (3, 0)


async def test_imports_are_apart(scenario: Any) -> None:
    job_id = await begun(scenario, b"email\nx\n")
    await scenario.work()
    async with scenario.client_of("other") as other:
        assert (await other.get(f"{TARGET}/{job_id}/refused")).status_code == 404
    async with scenario.client_of(scopes=("campaigns:read",)) as reader:
        answer = await reader.post(f"{TARGET}?reason=x", content=b"email\nx\n")
        assert answer.status_code == 403
