"""What was sent stands beside what it is read as, with its source and time."""

from typing import Any

import httpx
import pytest
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.readings import readings


@pytest.mark.parametrize(
    ("name", "raw", "field", "normal"),
    [
        ("email", " Ada@EXAMPLE.com ", "e-mail", "ada@example.com"),
        ("email", "noreply@example.com", "e-mail", None),
        ("phone", "+49 (170) 927-4481", "phone", "+491709274481"),
        ("phone", "0170 9274481", "phone", "1709274481"),
        ("birthday", "04/05/1990", "birthday", "1990-05-04"),
        ("birthday", "1990年5月4日", "birthday", "1990-05-04"),
        ("birthday", "0000-00-00", "birthday", None),
        ("gender", "Ｆrau", "gender", "f"),
        ("gender", True, "gender", None),
        ("name", "Dr. Ada Lovelace", "name", {"given": "ada", "family": "lovelace"}),
        (
            "姓名",
            "欧阳小明",
            "name",
            {"given": "xiaoming", "family": "ouyang", "characters": "欧阳小明"},
        ),
        ("first_name", "Zoë", "name", {"given": "zoe"}),
        ("lastName", "O'Brien", "name", {"family": "obrien"}),
        ("name", ["Ada"], "name", None),
        ("passport", "C 01-X", "number", "c01x"),
        ("zip", "LS1 4AP", "address", {"code": "ls14ap"}),
        (
            "address",
            {"street": "12 Main St", "city": "Leeds", "zip": 12345},
            "address",
            {"code": "12345", "place": "leeds", "street": "main street", "house": "12"},
        ),
        (
            "address",
            "上海市浦东新区世纪大道100号",
            "address",
            {"place": "上海 浦东新", "street": "世纪大道", "house": "100"},
        ),
        ("address", [], "address", None),
    ],
)
def test_what_it_is_read_as(name: str, raw: Any, field: str, normal: Any) -> None:
    said = event("1", type="identify", user_id="A", traits={name: raw, "plan": "gold"})
    (found,) = readings(fold_all([said]))
    assert (found.name, found.field, found.normal) == (name, field, normal)
    assert found.stamp.source == "shop"
    assert not found.put_right


def test_a_number_without_its_country_is_the_one_that_the_door_has_read() -> None:
    phone = "+491709274481"
    names = [("user_id", "A"), ("phone", phone)]
    traits = {"phone": "0170 9274481"}
    said = event("1", type="identify", identifiers=names, traits=traits)
    (found,) = readings(fold_all([said]))
    assert found.normal == phone


def test_null_is_no_reading() -> None:
    said = event("1", type="identify", user_id="A", traits={"email": None})
    assert readings(fold_all([said])) == []


@pytest.mark.integration
async def test_what_was_put_right_stands_beside_what_sources_say(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    traits = {"birthday": "04.05.1990", "gender": "w", "name": "Ada"}
    await feed(engine, [event("1", type="identify", user_id="A", traits=traits)])
    who = {"kind": "user_id", "value": "A"}
    right = {"identifier": who, "traits": {"birthday": "1991-05-04", "gender": None}, "reason": "r"}
    assert (await client.post("/v1/privacy/rectifications", json=right)).status_code == 201
    person = (await client.get("/v1/profiles", params=who)).json()["id"]
    path = f"/v1/profiles/{person}/readings"
    first = (await client.get(path, params={"limit": 2})).json()
    assert [(one["raw"], one["normal"], one["put_right"]) for one in first["items"]] == [
        ("1991-05-04", "1991-05-04", True),
        (None, None, True),
    ]
    assert [one["said"]["raw"] for one in first["items"]] == ["04.05.1990", "w"]
    assert {one["source"] for one in first["items"]} == {"profile"}
    rest = (await client.get(path, params={"cursor": first["next"]})).json()
    assert [(one["name"], one["source"], one["said"]) for one in rest["items"]] == [
        ("name", "shop", None)
    ]
