"""Signatures of mails are what another implementation, dkimpy, takes for right."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime

import dkim as other
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.render.dkim import CLOSED, Key, relaxed_body, relaxed_field, signed
from rapport_campaign.render.mime import Letter, mail_bytes
from rapport_common.testing.examples import examples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RSA = Key("shop.example", "r1", generate_private_key(65537, 2048))
ED25519 = Key("shop.example", "e1", Ed25519PrivateKey.generate())
BOTH = [RSA, ED25519]
LETTER = Letter(
    from_address="The Shop <hello@shop.example>",
    to_address="ada@example.com",
    subject="Hello",
    html="<p>Hi</p>",
    text="Hi\n",
    date=NOW,
    message_id="0123@shop.example",
    headers={
        "List-Unsubscribe": "<https://mail.shop.example/u/x>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
    },
)
MAIL = mail_bytes(LETTER)


def published(name: bytes, **_: object) -> bytes | None:
    """What DNS would have of the keys of these tests."""
    selector = name.split(b".")[0]
    if selector == b"r1":
        public = RSA.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    public = ED25519.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public)


def ended(text: bytes) -> bytes:
    """What comes out of SMTP: its last line has an end."""
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def verified(mail: bytes) -> list[bool]:
    """What dkimpy says of each signature, from the first on."""
    mail = ended(mail)
    number = len(re.findall(rb"(?im)^dkim-signature:", mail.split(b"\r\n\r\n")[0]))
    return [other.DKIM(mail).verify(idx=at, dnsfunc=published) for at in range(number)]


def with_fields(*lines: str, body: bytes = b"Hi\r\n") -> bytes:
    head = "\r\n".join(("From: The Shop <hello@shop.example>", *lines))
    return f"{head}\r\n\r\n".encode() + body


LONG = " ".join(f"word{number}" for number in range(400))
CORPUS = {
    "plain": MAIL,
    "chinese": mail_bytes(replace(LETTER, subject="春节快乐", html="<p>你好，世界</p>" * 50)),
    "emoji": mail_bytes(replace(LETTER, subject="🎉 " * 60, text="👩‍👩‍👧‍👦🇩🇪" * 90)),
    "arabic": mail_bytes(replace(LETTER, from_address="المتجر <hello@shop.example>")),
    "utf-8 address": mail_bytes(replace(LETTER, to_address="用户@例子.example")),
    "long lines": mail_bytes(replace(LETTER, html=f"<p>{'x' * 5000} {LONG}</p>", text=LONG)),
    "long subject": mail_bytes(replace(LETTER, subject=LONG)),
    "dots": mail_bytes(replace(LETTER, text=".\n..\n.\n\n. \n.x\n")),
    "blanks at the end": mail_bytes(replace(LETTER, text="a \t \n b\t\n\n \n\t\n\n")),
    "empty parts": mail_bytes(replace(LETTER, text="", html="")),
    "no body": with_fields("Subject: x", body=b""),
    "a body of empty lines": with_fields("Subject: x", body=b"\r\n\r\n \r\n\t\r\n\r\n"),
    "no end of line": with_fields("Subject: x", body=b"last line \t "),
    "one blank": with_fields("Subject: x", body=b" "),
    "folded": with_fields("Subject: a\r\n b\r\n\tc \t d", "To: a@x.example,\r\n\t b@x.example"),
    "folded to nothing": with_fields("Subject:\r\n a", "X-Empty:", "Date: \t "),
    "blanks and other letters": with_fields("SUBJECT: \t a  b ", "mime-version:1.0"),
    "repeated": with_fields("To: a@x.example", "Subject: 1", "Subject: 2", "To: b@x.example"),
    "8 bit": with_fields("Subject: Grüße", body="Grüße\r\n".encode()),
    "no other field": with_fields(),
}


@pytest.mark.parametrize("name", CORPUS)
def test_each_mail_of_the_corpus_is_signed_twice(name: str) -> None:
    done = signed(CORPUS[name], BOTH, NOW)
    assert verified(done) == [True, True]
    assert done.endswith(CORPUS[name]), "the mail itself is as it was"
    head = done.removesuffix(CORPUS[name]).decode()
    assert "a=rsa-sha256" in head.split("DKIM-Signature:")[1]
    assert "a=ed25519-sha256" in head.split("DKIM-Signature:")[2]
    assert max(map(len, head.split("\r\n"))) <= 78
    assert "l=" not in re.sub(r"b=[^;]*", "", head)
    assert re.findall(r" t=(\d+);", head) == [str(int(NOW.timestamp()))] * 2


NAMES = st.sampled_from(
    ["Subject", "subject", "To", "Date", "X-Own", "List-Unsubscribe", "References", "Cc", "List-Id"]
)
WORDS = st.text(st.sampled_from("ab:;=,.<>@🎉é你"), min_size=1, max_size=8)
GAPS = st.sampled_from([" ", "  ", "\t", "\r\n ", "\r\n\t", " \r\n \t"])
VALUES = st.lists(st.tuples(GAPS, WORDS), max_size=5).map(
    lambda parts: "".join(gap + word for gap, word in parts)
)
FIELDS = st.lists(st.tuples(NAMES, VALUES).map(lambda one: f"{one[0]}:{one[1]}"), max_size=6)
LINES = st.lists(
    st.text(st.sampled_from("ab. \t=🎉你"), max_size=12) | st.just("x" * 1200), max_size=8
)
BODIES = st.builds(
    lambda lines, tail: ("\r\n".join(lines) + tail).encode(),
    LINES,
    st.sampled_from(["", "\r\n", "\r\n\r\n", " \r\n\t\r\n"]),
)


@given(FIELDS, BODIES)
@settings(max_examples=examples(120))
def test_whatever_a_mail_has_dkimpy_finds_it_signed(fields: list[str], body: bytes) -> None:
    assert verified(signed(with_fields(*fields, body=body), [ED25519], NOW)) == [True]


@given(BODIES)
@settings(max_examples=examples(200))
def test_bodies_are_made_plain_as_dkimpy_does(body: bytes) -> None:
    assert relaxed_body(body) == other.canonicalization.Relaxed.canonicalize_body(ended(body))
    assert relaxed_body(relaxed_body(body)) == relaxed_body(body)


@given(NAMES, VALUES)
@settings(max_examples=examples(200))
def test_fields_are_made_plain_as_dkimpy_does(name: str, value: str) -> None:
    pair = (name.encode(), f"{value}\r\n".encode())
    [(their_name, their_value)] = other.canonicalization.Relaxed.canonicalize_headers([pair])
    assert relaxed_field(*(one.removesuffix(b"\r\n") for one in pair)) == (
        their_name + b":" + their_value
    )


@pytest.mark.parametrize("name", CLOSED)
def test_no_field_that_matters_can_be_added(name: str) -> None:
    done = signed(MAIL, BOTH, NOW)
    assert verified(f"{name}: mallory@example.com\r\n".encode() + done) == [False, False]


def test_fields_that_are_there_can_not_be_changed_or_taken_away() -> None:
    done = signed(MAIL, BOTH, NOW)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Precedence"):
        field = re.search(rf"(?m)^{name}: .*\r\n".encode(), done)
        assert field is not None
        assert verified(done.replace(field[0], b"")) == [False, False], name
    for start in (b"List-Unsubscribe: <", b"List-Unsubscribe-Post: L", b"Content-Type: m"):
        assert verified(done.replace(start, start + b"x")) == [False, False], start
    with pytest.raises(other.ValidationError, match="body hash"):
        verified(done + b"more\r\n")


def test_what_is_on_the_way_may_fold_anew_and_stays_signed() -> None:
    done = signed(MAIL, BOTH, NOW)
    folded = done.replace(b"Subject: Hello", b"subject:\r\n   Hello  ")
    assert verified(folded + b"\r\n\r\n") == [True, True]


def test_a_mail_is_not_signed_twice_nor_by_nobody() -> None:
    done = signed(MAIL, [ED25519], NOW)
    assert signed(done, BOTH, NOW) == done
    assert signed(MAIL, [], NOW) == MAIL
    # What stands in the body is no signature.
    quoted = with_fields("Subject: x", body=b"DKIM-Signature: v=1\r\n")
    assert verified(signed(quoted, [RSA], NOW)) == [True]


def test_the_signature_of_rfc_8463_is_made_again() -> None:
    """Its example (appendix A), with the hash of its body and its key."""
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert base64.b64encode(public) == b"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    hashed = hashlib.sha256(relaxed_body(body)).digest()
    assert base64.b64encode(hashed) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    head = [
        (b"from", b" Joe SixPack <joe@football.example.com>"),
        (b"to", b" Suzie Q <suzie@shopping.example.net>"),
        (b"subject", b" Is dinner ready?"),
        (b"date", b" Fri, 11 Jul 2003 21:00:37 -0700 (PDT)"),
        (b"message-id", b" <20030712040037.46341.5F8J@football.example.com>"),
    ]
    order = ("from", "to", "subject", "date", "message-id", "from", "subject", "date")
    fields = {name: relaxed_field(name, value) for name, value in head}
    told = (
        b" v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; "
        b"i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n "
        b"subject : date : message-id : from : subject : date;\r\n "
        b"bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
    )
    signed_once = [fields[name.encode()] for name in order[:5]]
    data = b"".join(signed_once) + relaxed_field(b"DKIM-Signature", told).removesuffix(b"\r\n")
    made = Key("football.example.com", "brisbane", private).signature(data)
    assert base64.b64encode(made) == (
        b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    )


def test_names_of_fields_are_listed_once_more_than_there_are() -> None:
    done = signed(CORPUS["repeated"], BOTH, NOW).decode()
    listed = re.sub(r"\s", "", re.findall(r"h=([^;]*);", done)[0]).split(":")
    assert [listed.count(name) for name in ("from", "to", "subject", "date")] == [2, 3, 3, 1]
