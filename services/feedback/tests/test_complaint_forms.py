"""Complaints of who is not known, by a form that an operator gives out; and files of cases."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from services.feedback.tests.test_attached import PDF, PNG
from typing_extensions import override

from rapport_common.pages.language import LANGUAGES
from rapport_feedback import pages
from rapport_feedback.domain import attached

if TYPE_CHECKING:
    import httpx
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
WORDS = {"subject": "Late <b>", "body": "Three weeks", "email": "Ada@Example.com", "name": "Ada"}


@pytest.fixture
async def form(service: Service) -> dict[str, Any]:
    made = await service.client.post("/v1/complaint-forms", json={"name": "Website"})
    assert made.status_code == 201, made.text
    return dict(made.json())


def path(form: dict[str, Any]) -> str:
    return str(urlsplit(form["url"]).path)


async def cases(service: Service) -> list[dict[str, Any]]:
    return list((await service.client.get("/v1/cases")).json()["items"])


async def post(service: Service, form: dict[str, Any], **fields: str) -> httpx.Response:
    return await service.client.post(path(form), data={**WORDS, **fields})


async def test_a_form_makes_a_case_of_nobody_yet(service: Service, form: dict[str, Any]) -> None:
    page = await service.client.get(path(form), headers={"accept-language": "de"})
    assert page.status_code == 200
    assert "Beschwerde einreichen" in page.text
    assert "<script" not in page.text
    assert await cases(service) == [], "a GET changes nothing"
    answer = await post(service, form, order="A-1")
    assert answer.status_code == 200, answer.text
    assert "Its number is 1" in answer.text
    [case] = await cases(service)
    assert (case["subject"], case["order_id"]) == ("Late <b>", "A-1")
    assert (case["user_id"], case["email"]) == (None, None), "what is typed is a claim"
    [event] = await service.events()
    assert event.identifiers == [("anonymous_id", f"case:{case['id']}")]
    arrived = (await service.client.get(f"/v1/cases/{case['id']}/arrival")).json()
    assert (arrived["channel"], arrived["verified"]) == ("form", False)
    assert (arrived["email"], arrived["name"]) == ("ada@example.com", "Ada")


async def test_staff_say_whose_it_is(service: Service, form: dict[str, Any]) -> None:
    await post(service, form)
    [case] = await cases(service)
    at = f"/v1/cases/{case['id']}/verification"
    made = await service.client.post(at, json={"note": "He has called"})
    assert made.status_code == 200, made.text
    assert made.json()["email"] == "ada@example.com"
    event = (await service.events())[-1]
    assert event.name == "Case Verified"
    assert event.identifiers == [
        ("email", "ada@example.com"),
        ("anonymous_id", f"case:{case['id']}"),
    ]
    other = await service.client.post(at, json={"email": "eve@example.com"})
    assert other.status_code == 409, "it is hers"
    nobody = await service.client.post(at, json={"user_id": "null"})
    assert nobody.status_code == 422


async def test_a_button_pressed_twice_is_one_case(service: Service, form: dict[str, Any]) -> None:
    for _ in range(2):
        assert "Its number is 1" in (await post(service, form)).text
    assert "Its number is 2" in (await post(service, form, body="Another")).text
    # Others, and other things, with the same words.
    for number, fields in enumerate(
        ({"email": "", "phone": "+49301"}, {"email": "", "phone": "+49302"}, {"order": "A-2"}), 3
    ):
        assert f"Its number is {number}" in (await post(service, form, **fields)).text


async def test_the_same_again_after_closing_opens_the_case_again(
    service: Service, form: dict[str, Any]
) -> None:
    await post(service, form)
    [case] = await cases(service)
    for state in ("acknowledged", "assessed", "investigating", "response_offered", "closed"):
        await service.client.post(f"/v1/cases/{case['id']}/state", json={"state": state})
    assert "Its number is 1" in (await post(service, form)).text
    assert [one["state"] for one in await cases(service)] == ["reopened"]
    await service.change(
        "UPDATE feedback.complaint SET state = 'closed', closed_at = now() - interval '91 days' "
        "WHERE workspace = :ws"
    )
    assert "Its number is 2" in (await post(service, form)).text


async def test_programs_that_fill_in_all_fields_make_none(
    service: Service, form: dict[str, Any]
) -> None:
    answer = await post(service, form, website="http://spam.example")
    assert answer.status_code == 200
    assert await cases(service) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"subject": " "}, 422),
        ({"body": ""}, 422),
        ({"email": ""}, 422),
        ({"email": "nobody"}, 422),
        ({"body": "x" * 10_001}, 422),
        ({"body": "x" * 1_000_000}, 413),
        ({"email": "", "phone": "+44 20 7946 0958"}, 200),
        ({"subject": "a\0b\u202ec"}, 200),
    ],
)
async def test_what_is_missing_or_too_long(
    service: Service, form: dict[str, Any], fields: dict[str, str], status: int
) -> None:
    answer = await post(service, form, **fields)
    assert answer.status_code == status, answer.text


async def test_a_form_takes_so_many(service: Service, form: dict[str, Any]) -> None:
    for number in range(5):
        assert (await post(service, form, body=f"n{number}")).status_code == 200
    assert (await post(service, form, body="one more")).status_code == 429, "of this address"
    change = {"per_hour": 5}
    changed = await service.client.patch(f"/v1/complaint-forms/{form['id']}", json=change)
    assert changed.json()["per_hour"] == 5
    full = await post(service, form, email="bob@example.com")
    assert full.status_code == 429, "of all"


async def test_a_link_is_ours_to_the_last_bit(service: Service, form: dict[str, Any]) -> None:
    word = path(form)
    for wrong in (
        word[:-1],
        word + "a",
        word[:-1] + ("A" if word[-1] != "A" else "B"),
        "/complain/x",
    ):
        assert (await service.client.get(wrong)).status_code == 404
    gone = await service.client.delete(f"/v1/complaint-forms/{form['id']}")
    assert gone.status_code == 204
    assert (await service.client.get(word)).status_code == 404
    assert (await post(service, form)).status_code == 404
    assert (await service.client.get("/v1/complaint-forms")).json()["items"] == []


async def test_a_stranger_sees_no_form(service: Service, form: dict[str, Any]) -> None:
    async with service.as_operator("*", workspace="elsewhere") as other:
        at = f"/v1/complaint-forms/{form['id']}"
        assert (await other.patch(at, json={"name": "x"})).status_code == 404
        assert (await other.delete(at)).status_code == 404
        assert (await other.get("/v1/complaint-forms")).json()["items"] == []


async def test_files_come_with_a_form(service: Service, form: dict[str, Any]) -> None:
    sent = [("files", ("crack.png", PNG)), ("files", ("", b""))]
    answer = await service.client.post(path(form), data=WORDS, files=sent)
    assert answer.status_code == 200, answer.text
    [case] = await cases(service)
    at = f"/v1/cases/{case['id']}/attachments"
    [kept] = (await service.client.get(at)).json()["items"]
    assert (kept["name"], kept["media_type"], kept["origin"]) == ("crack.png", "image/png", "form")
    bad = [("files", ("x.png", b"<svg onload=alert(1)>"))]
    refused = await service.client.post(path(form), data={**WORDS, "body": "b"}, files=bad)
    assert refused.status_code == 422
    assert len(await cases(service)) == 1, "all of it or nothing"


async def test_a_file_is_kept_and_given_back(service: Service, form: dict[str, Any]) -> None:
    await post(service, form)
    [case] = await cases(service)
    at = f"/v1/cases/{case['id']}/attachments"
    large = PDF[:-6] + bytes(attached.PART_BYTES + 9) + b"\n%%EOF\n"
    made = await service.client.post(at, params={"name": "bill\u00e4.pdf"}, content=large)
    assert made.status_code == 201, made.text
    again = await service.client.post(at, params={"name": "other.pdf"}, content=large)
    assert again.json() == made.json(), "the same content is kept once"
    one = f"{at}/{made.json()['id']}"
    got = await service.client.get(f"{one}/file")
    assert got.content == large
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''bill%C3%A4.pdf"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["content-type"] == "application/octet-stream"
    async with service.as_operator("*", workspace="elsewhere") as other:
        assert (await other.get(f"{one}/file")).status_code == 404
        assert (await other.get(at)).json()["items"] == []
    assert (await service.client.delete(one)).status_code == 204
    assert (await service.client.get(f"{one}/file")).status_code == 409, "its content is gone"
    assert await service.rows("SELECT 1 FROM feedback.attachment_part WHERE workspace = :ws") == []


async def test_a_file_that_is_not_taken_says_why(service: Service, form: dict[str, Any]) -> None:
    await post(service, form)
    [case] = await cases(service)
    at = f"/v1/cases/{case['id']}/attachments"
    refused = await service.client.post(at, params={"name": "a.exe"}, content=b"MZ")
    assert (refused.status_code, refused.json()["code"]) == (422, "file_refused")
    large = b"x" * (attached.MOST_BYTES + 1)
    assert (await service.client.post(at, params={"name": "a"}, content=large)).status_code == 413
    nowhere = "/v1/cases/00000000-0000-0000-0000-000000000000/attachments"
    assert (
        await service.client.post(nowhere, params={"name": "a.png"}, content=PNG)
    ).status_code == 404


async def test_what_was_typed_is_nowhere_in_what_is_told(
    service: Service, form: dict[str, Any]
) -> None:
    await post(service, form)
    [event] = await service.events()
    assert b"ada" not in bytes(event.properties).lower()
    assert "ada" not in str(event.identifiers).lower()


class Fields(HTMLParser):
    """The fields of a form by their ids, the ids that labels are for, and what is fetched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fetched: list[str] = []
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"input", "textarea", "select"}:
            self.ids.append(given.get("id") or "?")
        if tag == "label":
            self.labelled.add(given.get("for") or "?")
        if tag in {"script", "link", "img", "iframe"} or "onclick" in given:
            self.fetched.append(tag)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("files", [True, False])
def test_each_field_has_its_label_and_nothing_is_fetched(*, language: str, files: bool) -> None:
    """Whoever can't see the page is told what each field is."""
    page = pages.complaint_form(files=files, language=language)
    found = Fields(page.html)
    assert len(found.ids) == len(set(found.ids)) == 7 + files
    assert set(found.ids) == found.labelled
    assert found.fetched == []
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert ('dir="rtl"' in page.html) == (language == "ar")
