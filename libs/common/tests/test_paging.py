"""Pages of a list: complete, in order, and deaf to garbage."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.api import patient_app

from rapport_common.errors import InvalidRequestError
from rapport_common.paging import MAX_BIGINT, Page, Paging

KEYS = st.tuples(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-MAX_BIGINT - 1, MAX_BIGINT),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.uuids(),
)


@given(st.lists(KEYS, unique=True), st.integers(1, 5))
def test_the_pages_together_are_the_list(keys: list[tuple[object, ...]], limit: int) -> None:
    rows, found, cursor = sorted(keys), [], None
    while True:
        page = Page(limit, cursor)
        after = page.after(datetime, int, str, UUID)
        rest = [row for row in rows if after is None or row > after]
        answer = page.answer(rest[: page.ask], key=lambda row: row)
        found += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert found == rows


def coded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@example("")
@example("=")
@example("a")
@example("\ud800")
@example("é")
@example(coded(None))
@example(coded([]))
@example(coded([2**63, "x"]))
@example(coded([-(2**63) - 1, "x"]))
@example(coded([1e300, "x"]))
@example(coded([True, "x"]))
@example(coded([1, "\0"]))
@example(coded([1, "\ud800"]))
@example(coded([1, "x", "y"]))
@example(base64.urlsafe_b64encode(b"[" * 100_000).decode())
@example(base64.urlsafe_b64encode(b"[1," + b"9" * 6000 + b"]").decode())
def test_garbage_is_refused_and_never_breaks(cursor: str) -> None:
    try:
        key = Page(cursor=cursor).after(int, str)
    except InvalidRequestError:
        return
    assert key is not None
    number, text = key
    assert -(2**63) <= number < 2**63
    assert "\0" not in text.encode().decode()


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", ""]
)
def test_a_time_that_has_no_place_in_utc_is_refused(moment: str) -> None:
    with pytest.raises(InvalidRequestError):
        Page(cursor=coded([moment])).after(datetime)


def application() -> FastAPI:
    app = patient_app("segment")

    @app.get("/numbers")
    async def numbers(page: Paging) -> dict[str, object]:
        (start,) = page.after(int) or (-1,)
        rows = [one for one in range(7) if one > start][: page.ask]
        return page.answer(rows, key=lambda one: [one], show=str)

    return app


async def test_over_http() -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        first = (await client.get("/numbers", params={"limit": 4})).json()
        assert first["items"] == ["0", "1", "2", "3"]
        last = (await client.get("/numbers", params={"cursor": first["next"]})).json()
        assert last == {"items": ["4", "5", "6"], "next": None}
        for wrong in ({"cursor": "x"}, {"limit": 0}, {"limit": 10**30}, {"cursor": "x" * 3000}):
            refused = await client.get("/numbers", params=wrong)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_other_types_than_the_lists_are_refused() -> None:
    page = Page(1).answer([uuid4(), uuid4()], key=lambda one: [one])
    with pytest.raises(InvalidRequestError):
        Page(cursor=page["next"]).after(int)
    later = Page(1).answer([datetime.now(UTC), datetime.now(UTC) + timedelta(1)], key=lambda t: [t])
    with pytest.raises(InvalidRequestError):
        Page(cursor=later["next"]).after(UUID)


def test_a_search_that_was_given_up_goes_on_behind_its_end() -> None:
    for rows, at in (([], 9), ([1, 2], 9), ([1, 2, 3], 2)):
        page = Page(2).answer(rows, key=lambda one: [one], ended_at=[9])
        assert page["items"] == rows[:2]
        assert Page(cursor=page["next"]).after(int) == (at,)
