"""Header fields as an independent reader, Python's email parser, sees them."""

import email
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_campaign.render.headers import MAX_SUBJECT, clean_subject
from rapport_campaign.render.mime import Letter, mail_bytes

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
NEW_EMOJI = "\U0001fae9"
PERSIAN = "می\u200cخواهم"


def lines_of(**changes: Any) -> list[bytes]:
    fields: dict[str, Any] = {
        "from_address": "a@shop.example",
        "to_address": "b@x.example",
        "subject": "s",
        "html": "<p>Hi</p>",
        "text": "Hi",
        "date": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "message_id": "abc@shop.example",
    }
    head, _, _ = mail_bytes(Letter(**{**fields, **changes})).partition(b"\r\n\r\n")
    return head.split(b"\r\n")


def parsed(**changes: Any) -> EmailMessage:
    head = b"\r\n".join(lines_of(**changes)) + b"\r\n\r\n"
    found = email.message_from_bytes(head, policy=default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.mark.parametrize(
    "subject",
    [
        FAMILY,
        f"For you {SCOTLAND}!",
        f"New {NEW_EMOJI}",
        PERSIAN,
        "10\u00a0% für alle",
        "全場\u3000八折",
        "a =?utf-8?q?b?= c",
        "Grüße " * 30 + "Ende",
        "x" * 200,
    ],
)
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    assert parsed(subject=subject)["Subject"] == subject


def test_a_long_subject_is_not_cut_inside_a_character() -> None:
    for lead in range(12):
        cut = clean_subject("x" * (MAX_SUBJECT - lead) + FAMILY + SCOTLAND)
        left = cut.lstrip("x")
        assert left in {"", FAMILY, FAMILY + SCOTLAND}


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Shop: News <hello@example.com>", "Shop: News"),
        ('"Shop: News" <hello@example.com>', "Shop: News"),
        ('Ada "the" Shop, Ltd. <hello@example.com>', 'Ada "the" Shop, Ltd.'),
        ("Bücher & Söhne <hello@example.com>", "Bücher & Söhne"),
        ("=?utf-8?b?QsO8Y2hlcg==?= <hello@example.com>", "Bücher"),
        ("hello@example.com", ""),
        (f"{FAMILY} Shop <hello@example.com>", f"{FAMILY} Shop"),
        ("A " * 60 + "<hello@example.com>", ("A " * 60).strip()),
    ],
)
def test_a_senders_name_arrives_whole(sender: str, name: str) -> None:
    (found,) = parsed(from_address=sender)["From"].addresses
    assert found == Address(name, addr_spec="hello@example.com")


def test_a_long_name_in_many_words_arrives_whole() -> None:
    """Python 3.11 puts blanks between the words of a name, its older reader does not."""
    name = ("書店 " * 20).strip()
    lines = lines_of(from_address=f"{name} <hello@example.com>")
    field = b"".join(lines[: lines.index(b"To: b@x.example")])
    assert str(make_header(decode_header(field.decode()))) == f"From: {name} <hello@example.com>"


@given(st.text(max_size=300), st.text(max_size=120))
def test_lines_and_encoded_words_are_short_and_nothing_is_smuggled_in(
    subject: str, name: str
) -> None:
    quoted = name.replace("\\", "").replace("<", "").replace(">", "").replace('"', "")
    lines = lines_of(
        subject=subject, from_address=f'"{quoted}" <a@shop.example>', headers={"X-A": subject}
    )
    fields = [line for line in lines if not line.startswith(b" ")]
    assert [field.partition(b":")[0] for field in fields] == [
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"X-A",
        b"MIME-Version",
        b"Content-Type",
    ]
    assert all(len(line) <= 998 for line in lines)
    words = [word for line in lines for word in line.split() if word.startswith(b"=?utf-8?b?")]
    assert all(len(word) <= 75 for word in words)
    found = parsed(subject=subject)["Subject"]
    assert found == clean_subject(subject)
