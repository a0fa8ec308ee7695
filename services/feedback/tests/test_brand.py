"""A workspace's brand is on its pages, and on nobody else's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration

BRAND = {"name": "Müller & Söhne <b>", "color": "#FC0", "website": "https://shop.example/"}


async def test_the_brand_is_on_the_page_and_in_the_answer(service: Service) -> None:
    before = (await service.client.get("/v1/brand")).json()
    assert (before["name"], before["logo"]) == ("", "")
    told = await service.client.put("/v1/brand", json=BRAND)
    assert told.json() == {
        **BRAND,
        "color": "#ffcc00",
        "logo": "",
        "text_color": "#000000",
    }
    assert (await service.client.get("/v1/brand")).json() == told.json()
    page = await service.client.get(await service.link(await service.survey(), user_id="1"))
    assert "Müller &amp; Söhne &lt;b&gt;" in page.text
    assert "--brand:#ffcc00" in page.text
    async with service.as_operator("feedback:read", workspace="another") as other:
        assert (await other.get("/v1/brand")).json()["name"] == ""


async def test_the_page_speaks_the_readers_language(service: Service) -> None:
    path = await service.link(await service.survey("您会推荐我们吗？"), user_id="1")
    page = await service.client.get(path, headers={"Accept-Language": "zh-CN,en;q=0.5"})
    assert 'lang="zh-Hans"' in page.text
    assert "非常可能" in page.text
    broken = await service.client.post(
        path, data={"score": "11"}, headers={"Accept-Language": "de"}
    )
    assert broken.status_code == 422
    assert "Bitte wählen Sie eine Zahl von 0 bis 10." in broken.text
    lost = await service.client.get("/s/nothing", headers={"Accept-Language": "ar"})
    assert lost.status_code == 404
    assert 'dir="rtl"' in lost.text


@pytest.mark.parametrize(
    "change",
    [
        {"color": "red;}"},
        {"website": "javascript:alert(1)"},
        {"logo": "PHN2Zz4="},
        {"name": "x" * 100},
        {"name": "a\0"},
        {"name": "\ud800"},
        {"website": "https://shop.example/\0"},
        {"colour": "#fff"},
    ],
)
async def test_what_could_not_be_shown_is_refused(service: Service, change: dict[str, str]) -> None:
    body = json.dumps({**BRAND, **change}).encode()
    refused = await service.client.put(
        "/v1/brand", content=body, headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 422
