"""What files are by their content, and which are not taken."""

import random
import zipfile
import zlib
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain import attached
from rapport_feedback.domain.attached import (
    MOST_OBJECTS,
    MOST_STREAM,
    clean_name,
    judge,
    media_type_of,
    packed_objects,
    pieces,
    room,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(60) + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9"
PDF = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n%%EOF\n"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def archive(*entries: tuple[str, bytes], pack: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", pack) as file:
        for name, content in entries:
            file.writestr(name, content)
    return made.getvalue()


def document(*more: tuple[str, bytes]) -> bytes:
    return archive(("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<w/>"), *more)


ODT = archive(
    ("mimetype", b"application/vnd.oasis.opendocument.text"),
    ("content.xml", b"<x/>"),
    pack=zipfile.ZIP_STORED,
)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("a.JPG", JPEG, "image/jpeg"),
        ("photo", JPEG, "image/jpeg"),
        ("a.gif", b"GIF89a" + bytes(20), "image/gif"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(20), "image/heic"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(20), "video/mp4"),
        ("a.pdf", PDF, "application/pdf"),
        ("a.txt", "Grüße, 5 < 6\r\n".encode(), "text/plain"),
        ("a.docx", document(), DOCX),
        ("a.odt", ODT, "application/vnd.oasis.opendocument.text"),
        ("a.mp3", b"ID3" + bytes(20), "audio/mpeg"),
    ],
)
def test_what_is_taken(name: str, content: bytes, kind: str) -> None:
    found = judge(name, content)
    assert (found.media_type, found.refused) == (kind, "")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", b"", "empty"),
        ("a.txt", b"x" * (attached.MOST_BYTES + 1), "larger than"),
        ("a.exe", b"MZ\x90\0" + bytes(60), "kind"),
        ("a.svg", b"<svg onload='alert(1)'/>", "ends in .svg"),
        ("a.txt", b"hello <SCRIPT>alert(1)</script>", "page or a program"),
        ("a.txt", b"#!/bin/sh\nrm -rf /", "page or a program"),
        ("a.txt", b"<!DOCTYPE html><p>", "page or a program"),
        ("a.txt", b"see javascript:alert(1)", "page or a program"),
        ("a.jpg", b"<html><img src=x onerror=alert(1)>", "ends in .jpg"),
        ("invoice.pdf.exe", PDF, "ends in .exe"),
        ("a.png", PNG + archive(("x", b"y")), "two kinds"),
        ("a.gif", b"GIF89a/*" + b"*/=1;<script>alert(1)</script>", "two kinds"),
        ("a.jpg", JPEG[:20] + b"%PDF-1.7" + JPEG, "two kinds"),
        ("a.pdf", PDF.replace(b"/Type", b"/OpenAction <</S /JavaScript>> /Type"), "programs"),
        ("a.pdf", PDF.replace(b"/Type", b"/J#61vaScript /Type"), "programs"),
        ("a.pdf", PDF.replace(b"/Type", b"/Launch /Type"), "programs"),
        ("a.pdf", PDF + archive(("x", b"y")), "does not end"),
        ("a.pdf", PDF[:-6] + archive(("x", b"y")) + b"%%EOF", "two kinds"),
        ("a.docx", document(("word/vbaProject.bin", b"x")), "macros"),
        ("a.docx", document(("word/embeddings/oleObject1.bin", b"x")), "macros"),
        ("a.docx", document(("word/media/run.exe", b"x")), "macros"),
        ("a.docx", document(("word/bomb.xml", bytes(5_000_000))), "unpacks"),
        ("a.zip", archive(("x", b"y")), "kind"),
        ("a.docx", b"PK\x03\x04" + bytes(100), "kind"),
        ("a.xlsx", document(), "ends in .xlsx"),
        ("a.bin", b"\xfe\xff\0\0", "kind"),
        ("a.txt", b"a\x00b", "kind"),
    ],
)
def test_what_is_not_taken(name: str, content: bytes, reason: str) -> None:
    assert reason in judge(name, content).refused


def test_parts_of_an_archive_that_share_their_bytes_are_a_bomb() -> None:
    """As the smallest bombs are made: many names, one content."""
    whole = document(("word/a.xml", b"".join(sha256(bytes([one])).digest() for one in range(100))))
    end = whole.rindex(b"PK\x05\x06")
    start = whole.index(b"PK\x01\x02")
    directory = whole[start:end]
    last = directory.rindex(b"PK\x01\x02")
    many = directory + directory[last:] * 50
    tail = bytearray(whole[end:])
    tail[8:12] = (53).to_bytes(2, "little") * 2
    tail[12:16] = len(many).to_bytes(4, "little")
    assert "over each other" in judge("a.docx", whole[:start] + many + bytes(tail)).refused


def test_what_nobody_can_look_into_is_not_taken() -> None:
    whole = bytearray(document())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in judge("a.docx", bytes(whole)).refused


@given(st.binary(max_size=300))
@settings(max_examples=examples(300))
def test_any_bytes_have_an_answer(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"%PDF-", b"\x89PNG\r\n\x1a\n"):
        found = judge("x", start + content)
        assert found.refused or found.media_type in attached.ALLOWED
    assert media_type_of(content) in {"", *attached.ALLOWED}


@given(st.text(max_size=400))
@settings(max_examples=examples(300))
def test_a_name_is_one_line_without_folders(name: str) -> None:
    found = clean_name(name)
    assert 0 < len(found) <= attached.MOST_NAME
    assert not set(found) & set('/\\\0\n\r"\u202e')
    assert clean_name(found) == found


def test_names_that_lead_elsewhere() -> None:
    assert clean_name("../../etc/passwd") == "passwd"
    assert clean_name("C:\\x\\photo\u202egpj.exe") == "photogpj.exe"
    assert clean_name("..") == "file"
    assert clean_name("a" * 300 + ".jpeg").endswith(".jpeg")


def test_pieces_are_the_file() -> None:
    content = bytes(attached.PART_BYTES + 5)
    assert [len(one) for one in pieces(content)] == [attached.PART_BYTES, 5]


def test_a_case_has_so_much_room() -> None:
    assert room(0, 5, 0) == ""
    assert "50 MiB" in room(attached.MOST_OF_CASE, 1, 1)
    assert "50 files" in room(0, 1, attached.MOST_FILES)


def random_bytes(seed: int, size: int) -> bytes:
    """As what is packed looks."""
    return random.Random(seed).randbytes(size)


def pdf(*objects: bytes) -> bytes:
    return b"%PDF-1.5\n" + b"\n".join(objects) + b"\nstartxref\n9\n%%EOF\n"


def test_what_is_packed_is_not_taken_for_words() -> None:
    """Photos and scans are random bytes to whoever looks for a few letters in them."""
    stream = b"1 0 obj\n<</Length 1>>\nstream\n" + random_bytes(1, 2 * 2**20) + b"/JS\nendstream"
    assert judge("scan.pdf", pdf(stream)).refused == ""
    for seed in range(50):
        noise = random_bytes(seed, 700) + b"<%" + random_bytes(seed + 100, 300)
        assert judge("a.jpg", b"\xff\xd8\xff" + noise + b"\xff\xd9").refused == ""
    assert judge("a.jpg", b"\xff\xd8\xff" + b"<script>alert(1)</script>").refused


@pytest.mark.parametrize(
    "said",
    [
        b"<</S/JavaScript/JS(app.alert(1))>>",
        b"<</S /J#61vaScript /JS 3 0 R>>",
        b"<</S/Rendition/JS(x)>>",
        b"<</XFA [(a) 3 0 R]>>",
    ],
)
def test_scripts_of_a_pdf_are_found_wherever_they_are(said: bytes) -> None:
    packed = b"5 0 obj\n<</Type/ObjStm/N 1>>\nstream\n" + zlib.compress(said) + b"\nendstream"
    for content in (pdf(said), pdf(packed), pdf(b"<</Type/ObjStm>>stream\nbroken", packed)):
        assert "programs" in judge("a.pdf", content).refused


@pytest.mark.parametrize(
    ("packed", "count"), [(zlib.compress(bytes(50_000_000)), 100), (b"no stream", 400)]
)
def test_packed_objects_are_looked_at_up_to_a_bound(packed: bytes, count: int) -> None:
    content = pdf(*[b"<</Type/ObjStm>>\nstream\n" + packed + b"\nendstream"] * count)
    found = list(packed_objects(content))
    assert sum(map(len, found)) <= MOST_OBJECTS + MOST_STREAM
    assert len(found) < count
    assert judge("a.pdf", content).refused == ""
