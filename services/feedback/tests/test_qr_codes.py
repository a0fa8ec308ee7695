"""Codes to scan: what they say is read back from their modules, as a scanner does it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain import qr_codes

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

LINK = "https://feedback.example.com/s/" + "A" * 44
# (length, modules of a side, digest) of texts of one letter, as another encoder (segno 1.6) draws
# them: full ones, where nothing is filled up, and of which it takes the same mask.
KNOWN = {
    "b": (62, 33, "e3c7ac23632a"),
    "c": (106, 41, "3c6a661acfae"),
    "d": (152, 49, "e75808a19199"),
    "e": (180, 53, "a71159e38a12"),
}


def digest(modules: qr_codes.Matrix) -> str:
    told = "".join("1" if one else "0" for line in modules for one in line)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def read(modules: qr_codes.Matrix) -> str:
    """The text of a code that is not damaged (ISO/IEC 18004, 12)."""
    size = len(modules)
    version = (size - 17) // 4
    told = [(8, at) for at in (0, 1, 2, 3, 4, 5, 7, 8)] + [(at, 8) for at in (7, 5, 4, 3, 2, 1, 0)]
    format_ = int("".join("1" if modules[row][column] else "0" for row, column in told), 2) ^ 0x5412
    assert format_ >> 13 == 0, "level M"
    mask = qr_codes._MASKS[format_ >> 10 & 7]
    fixed = qr_codes._fixed(version, size).keys() | qr_codes._format(size, 0).keys()
    if version >= 7:
        fixed |= qr_codes._version(version, size).keys()
    bits = "".join(
        "1" if modules[row][column] != mask(row, column) else "0"
        for row, column in qr_codes._snake(size)
        if (row, column) not in fixed
    )
    words = [int(bits[at : at + 8], 2) for at in range(0, 8 * qr_codes._BYTES[version - 1], 8)]
    data = "".join(f"{one:08b}" for one in _joined(words, version))
    width = 16 if version >= 10 else 8
    assert data[:4] == "0100", "bytes"
    length = int(data[4 : 4 + width], 2)
    begin = 4 + width
    return bytes(int(data[begin + 8 * at : begin + 8 * at + 8], 2) for at in range(length)).decode()


def _joined(words: list[int], version: int) -> list[int]:
    """The data of all blocks, one after the other; each has the correction it should."""
    number, most = qr_codes._BLOCKS[version - 1], qr_codes._room(version)
    blocks: list[list[int]] = [[] for _ in range(number)]
    short, longer = most // number, most % number
    at = 0
    for row in range(short + (longer > 0)):
        for one in range(number):
            if row < short or one >= number - longer:
                blocks[one].append(words[at])
                at += 1
    length = qr_codes._CORRECTION[version - 1]
    for place, block in enumerate(blocks):
        found = [words[most + row * number + place] for row in range(length)]
        assert found == qr_codes._correction(block, length)
    return [one for block in blocks for one in block]


@settings(max_examples=examples(60))
@given(st.text(max_size=60))
def test_a_code_says_what_was_put_in(text: str) -> None:
    assert read(qr_codes.matrix(text)) == text


@pytest.mark.parametrize("length", [0, 14, 15, 62, 106, 107, 152, 180, 181, 213])
def test_each_version_is_read(length: int) -> None:
    text = "https://s.example/s/abc-_"[:length].ljust(length, "x")
    assert read(qr_codes.matrix(text)) == text


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="213 at most"):
        qr_codes.matrix("x" * 214)


def test_codes_are_those_that_others_draw() -> None:
    made = {one: qr_codes.matrix(one * length) for one, (length, *_) in KNOWN.items()}
    found = {one: (KNOWN[one][0], len(drawn), digest(drawn)) for one, drawn in made.items()}
    assert found == KNOWN


def test_a_picture_has_a_name_a_margin_and_contrast() -> None:
    told = qr_codes.svg(LINK, "How was it?")
    assert told.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 45 45" role="img"')
    assert "<title>How was it?</title>" in told
    assert 'fill="#fff"' in told
    assert "M4 4h1v1h-1z" in told


@pytest.mark.integration
async def test_a_poster_is_the_link_for_all(service: Service) -> None:
    question = {"kind": "nps", "id": "score", "text": 'Is 1 < 2 & "so"?'}
    form = {"anonymous": True, "pages": [{"id": "p", "questions": [question]}]}
    made = await service.client.post("/v1/surveys", json={"name": "Shop", "form": form})
    path = f"/v1/surveys/{made.json()['id']}"
    body = {"context": {"store": "7"}}
    got = await service.client.post(f"{path}/qr", json=body)
    assert got.status_code == 200, got.text
    link = await service.client.post(f"{path}/links", json=body)
    assert got.json()["url"] == link.json()["url"]
    assert "<title>Is 1 &lt; 2 &amp; " in got.json()["svg"]
    personal = await service.client.post(f"/v1/surveys/{await service.survey()}/qr", json={})
    assert (personal.status_code, personal.json()["code"]) == (409, "not_anonymous")


@pytest.mark.integration
async def test_the_script_for_other_pages_is_small_and_sets_nothing(service: Service) -> None:
    got = await service.client.get("/w/survey.js", headers={"Authorization": ""})
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("text/javascript")
    assert "set-cookie" not in got.headers
    assert len(got.content) <= 10_000
    for forbidden in ("cookie", "eval", "innerHTML", "fetch(", "XMLHttp", "http://", "import("):
        assert forbidden not in "".join(
            line for line in got.text.splitlines() if not line.startswith("//")
        )
