"""Coupons: each code goes to one message, once; a dry pool holds nobody up."""

import asyncio
import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from rapport_campaign.domain.coupons import (
    PART_LINES,
    FileError,
    FileFormat,
    Refused,
    Row,
    parts_of,
    rows_of,
)
from rapport_campaign.handlers import coupons as use
from rapport_campaign.store import coupons as store
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock

PATH = "/v1/coupon-pools"
integration = pytest.mark.integration


def lines_of(content: str, form: FileFormat = "csv") -> list[Row | Refused]:
    return [
        one
        for number, part in parts_of(content, form).items()
        for one in rows_of(part, form, number)
    ]


# --- files -----------------------------------------------------------------------------------


def test_a_file_is_read_line_by_line() -> None:
    end = datetime(2027, 1, 1, 22, tzinfo=UTC)
    last = datetime.combine(end, datetime.max.time(), UTC)
    told = (
        f'\ufeffCode, expires_at\r\nA1,\n"B,2",{end.isoformat()}\nC3,2027-01-01\n,x\nD"4,soon\nE 5'
    )
    found = lines_of(told)
    assert found[:3] == [Row("A1"), Row("B,2", end), Row("C3", last)]
    assert [one.line for one in found[3:] if isinstance(one, Refused)] == [5, 6, 7]
    last_line = '{"code": "B", "expires_at": "2027-01-01T22:00:00Z"}'
    jsonl = f'{{"code": "A1"}}\n{{"code": 5}}\nnothing\n\n["A"]\n{last_line}'
    found = lines_of(jsonl, "jsonl")
    assert (found[0], found[-1]) == (Row("A1"), Row("B", end))
    assert [type(one) for one in found[1:-1]] == [Refused] * 3


def test_a_line_that_nothing_can_be_made_of_spoils_no_other() -> None:
    too_early = "0001-01-01T00:00:00+14:00"
    assert isinstance(lines_of(f"code,expires_at\nA,{too_early}\nB,")[0], Refused)
    deep = '{"code": ' + "[" * 100_000
    found = lines_of(f'{deep}\n{{"code": "B"}}', "jsonl")
    assert (type(found[0]), found[1]) == (Refused, Row("B"))


def test_a_long_file_has_parts_whose_lines_go_on() -> None:
    codes = [f"C{number}" for number in range(PART_LINES + 2)]
    for form, content in (
        ("csv", "\n".join(["code", *codes])),
        ("jsonl", "\n".join(f'{{"code": "{one}"}}' for one in codes)),
    ):
        assert len(parts_of(content, form)) == 2  # type: ignore[arg-type] # one of the two
        assert lines_of(content, form) == [Row(one) for one in codes]  # type: ignore[arg-type] # one of the two
    [*_, last] = lines_of("\n".join(["code", *codes, "é"]))
    # More than a CSV field may have.
    too_long = "x" * (csv.field_size_limit() + 1)
    first, second = lines_of(f"code\n{too_long}\nC")
    assert (type(first), second) == (Refused, Row("C"))
    assert last == Refused(PART_LINES + 4, last.reason if isinstance(last, Refused) else "")


@pytest.mark.parametrize("content", ["", "code", "codes\nA", "code,more\nA,B", "code\nA\0", "\n\n"])
def test_what_is_no_file_of_codes(content: str) -> None:
    with pytest.raises(FileError):
        parts_of(content, "csv")


# --- pools -----------------------------------------------------------------------------------


async def pool(scenario: Any, *codes: str, name: str = "summer", **more: Any) -> None:
    made = await scenario.client.post(PATH, json={"name": name, "low_below": 1, **more})
    assert made.status_code == 201, made.text
    if codes:
        await put_in(scenario, "\n".join(["code", *codes]), name)


async def put_in(scenario: Any, content: str, name: str = "summer", form: str = "csv") -> Any:
    answer = await scenario.client.post(f"{PATH}/{name}/imports?format={form}", content=content)
    assert answer.status_code == 202, answer.text
    await scenario.work()
    async with scenario.engine.begin() as tx:
        return await JOBS.find(tx, "acme", answer.json()["id"])


async def stock(client: httpx.AsyncClient, name: str = "summer") -> dict[str, Any]:
    answer = await client.get(f"{PATH}/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def give(scenario: Any, keys: Sequence[str], name: str = "summer") -> dict[Any, str]:
    async with scenario.engine.begin() as tx:
        return await use.give(tx, [(("acme", key), name) for key in keys])


@integration
async def test_a_pool_is_filled_by_a_job_and_shows_its_stock(scenario: Any) -> None:
    await pool(scenario)
    past = (clock.now() - timedelta(days=1)).isoformat()
    job = await put_in(scenario, f"code,expires_at\nA,\nB,{past}\nA,\nno code,\nC,")
    assert (job.state, job.done, job.accepted, job.rejected) == ("done", 5, 4, 1)
    assert (job.report["added"], job.report["already_there"]) == (3, 1)
    assert job.report["refused"][0].startswith("line 5: a code is")
    shown = await stock(scenario.client)
    assert (shown["free"], shown["given"], shown["expired"], shown["low_at"]) == (2, 0, 1, None)
    again = await put_in(scenario, '{"code": "A"}\n{"code": "D"}', form="jsonl")
    assert (again.report["added"], again.report["already_there"]) == (1, 1)
    async with scenario.engine.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM campaign.coupon_file")) == 0

    assert await give(scenario, ["k1", "k2"]) == {("acme", "k1"): "A", ("acme", "k2"): "C"}
    shown = await stock(scenario.client)
    assert (shown["free"], shown["given"]) == (1, 2)
    assert shown["low_at"] is not None
    async with scenario.engine.begin() as tx:
        assert await store.low(tx) == 1
    changed = await scenario.client.patch(f"{PATH}/summer", json={"low_below": 0})
    assert changed.json()["low_at"] is None


@integration
async def test_what_is_no_pool_is_refused(scenario: Any) -> None:
    client = scenario.client
    await pool(scenario)
    assert (await client.post(PATH, json={"name": "summer"})).status_code == 409
    for wrong in ({"name": "No"}, {"name": "x", "low_below": -1}, {"name": "x\0"}):
        assert (await client.post(PATH, json=wrong)).status_code == 422
    for name in ("none", "a%00b"):
        assert (await client.get(f"{PATH}/{name}")).status_code == 404
        assert (await client.post(f"{PATH}/{name}/imports", content="code\nA")).status_code == 404
    for content in (b"", b"code\n\xff", b"nothing"):
        answer = await client.post(f"{PATH}/summer/imports", content=content)
        assert (answer.status_code, answer.json()["details"]) == (422, {"path": "body"})
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(f"{PATH}/summer")).status_code == 404
    assert (await client.delete(f"{PATH}/summer")).status_code == 204
    assert (await client.get(PATH)).json()["items"] == []
    assert (await client.post(PATH, json={"name": "summer"})).status_code == 409


@integration
async def test_who_asks_at_once_gets_no_code_twice_and_misses_none(scenario: Any) -> None:
    """Some roll back, all want the same few codes: what is left is given, to the last one."""
    codes = [f"C{number:02}" for number in range(40)]
    await pool(scenario, *codes)

    async def ask(number: int) -> dict[Any, str]:
        keys = [f"k{number}-{one}" for one in range(5)]
        if number % 3 == 0:
            async with scenario.engine.connect() as tx:
                await use.give(tx, [(("acme", key), "summer") for key in keys])
                await tx.rollback()
        return await give(scenario, keys)

    found = await asyncio.gather(*(ask(number) for number in range(10)))
    given = [code for one in found for code in one.values()]
    assert sorted(given) == codes
    assert sum(len(one) for one in found) == len(codes)
    # Who asks again has the same.
    assert await give(scenario, [key for _, key in found[1]]) == found[1]


@integration
async def test_codes_go_out_with_mails_and_a_dry_pool_holds_nobody_up(scenario: Any) -> None:
    await pool(scenario, "FIRST", "SECOND")
    said = {"html": "<p>Code: {{ coupon.code }}</p>"}
    campaign = await scenario.started(coupon_pool="summer", **said)
    other = await scenario.started(name="Other")
    for number in range(3):
        await scenario.topics.person(f"p{number}", f"p{number}@x.example")
        await scenario.topics.entered(f"p{number}")
    while await scenario.turn():
        pass
    rows = await messages(scenario, campaign)
    sent = {one["to_address"]: one["coupon"] for one in rows if one["state"] == "sent"}
    assert sorted(sent.values()) == ["FIRST", "SECOND"]
    [failed] = [one for one in rows if one["state"] == "failed"]
    assert failed["reason"] == 'coupon pool "summer" is empty'
    assert [one["state"] for one in await messages(scenario, other)] == ["sent"] * 3
    codes = {
        one["To"]: one.get_payload()[0].get_payload(decode=True).decode()
        for one in scenario.mail_server.mails
        if "Code" in str(one)
    }
    assert {address: said.split()[1] for address, said in codes.items()} == sent


@integration
async def test_a_retry_has_its_code_and_what_is_refused_gives_it_back(scenario: Any) -> None:
    await pool(scenario, "FIRST", "SECOND")
    campaign = await scenario.started(coupon_pool="summer", html="<p>{{ coupon.code }}</p>")
    scenario.mail_server.later_replies = 1
    await scenario.topics.person("p1", "later@x.example")
    await scenario.topics.person("p2", "refuse@x.example")
    await scenario.topics.entered("p1")
    await scenario.turn()
    [row] = await messages(scenario, campaign)
    assert (row["state"], row["coupon"]) == ("planned", "FIRST")
    await scenario.topics.entered("p2")
    async with scenario.engine.begin() as tx:
        await tx.execute(text("UPDATE campaign.plan SET due_at = now()"))
    while await scenario.turn():
        pass
    rows = {one["to_address"]: one for one in await messages(scenario, campaign)}
    assert rows["later@x.example"]["state"] == "sent"
    assert rows["later@x.example"]["coupon"] == "FIRST"
    assert rows["refuse@x.example"]["state"] == "failed"
    assert rows["refuse@x.example"]["coupon"] is None
    assert (await stock(scenario.client))["free"] == 1


@integration
async def test_a_test_mail_takes_no_code(scenario: Any) -> None:
    await pool(scenario, "FIRST")
    made = await scenario.client.post(
        "/v1/campaigns",
        json={**scenario.campaign_body, "coupon_pool": "summer", "subject": "{{ coupon.code }}"},
    )
    to = {"to": "me@x.example"}
    await scenario.client.post(f"/v1/campaigns/{made.json()['id']}/test", json=to)
    await scenario.turn()
    assert [one["Subject"] for one in scenario.mail_server.mails] == ["[Test] TEST-COUPON"]
    assert (await stock(scenario.client))["free"] == 1


async def messages(scenario: Any, campaign: str) -> list[dict[str, Any]]:
    answer = await scenario.client.get(f"/v1/campaigns/{campaign}/messages")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
