"""Mails to addresses for complaints as they are read: any bytes, and whose word counts."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.feedback.tests.hostile_mails import FAIL, MIXED, NO_MAILS, PASS, mail

from rapport_common.testing.examples import examples
from rapport_feedback.domain import letters
from rapport_feedback.domain.letters import Letter, clean, folded, read_letter, text_of
from rapport_feedback.domain.threads import reference, thread

DMARC = "dmarc=pass header.from=example.com"
TRUSTED = frozenset({"mx.shop.example"})


def read(raw: bytes) -> Letter:
    return read_letter(raw, TRUSTED)


def test_a_usual_mail() -> None:
    found = read(mail(extra=PASS))
    assert (found.sender, found.name, found.subject) == ("ada@example.com", "Ada", "Broken")
    assert (found.body, found.quoted, found.verdict) == ("It came broken.", "", "pass")
    assert (found.automatic, found.loop, found.to) == ("", False, ("complaints@shop.example",))


def test_a_page_is_text_and_what_is_enclosed_is_a_file() -> None:
    found = read(MIXED)
    assert found.body == "Schön kaputt"
    assert found.quoted == "> earlier"
    assert [one.name for one in found.files] == ["crack.png", "bill.pdf.exe"]
    assert found.files[0].content.startswith(b"\x89PNG")


@pytest.mark.parametrize("raw", NO_MAILS)
def test_nothing_is_refused_and_nothing_raises(raw: bytes) -> None:
    found = read(raw)
    assert len(found.body) <= letters.MOST_BODY
    assert len(found.subject) <= letters.MOST_SUBJECT
    assert found.verdict == "unknown"
    assert not set(found.body) & {"\0", "\u202e"}


@given(st.binary(max_size=400))
@settings(max_examples=examples(300))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    assert read(raw) == read(raw)
    assert read(raw).body


@pytest.mark.parametrize(
    ("sender", "found"),
    [
        ("ADA@Example.com", "ada@example.com"),
        ('"Ada, the first" <ada@example.com>', "ada@example.com"),
        ("ada@example.com (Ada)", "ada@example.com"),
        ("=?utf-8?q?bob=40example=2Ecom?= <eve@evil.example>", "eve@evil.example"),
        ("a@x.example, b@y.example", ""),
        ("ada@example.com <eve@evil.example> x", ""),
        ("ada@example.com)eve@evil.example", ""),
        ("nobody", ""),
        ("<>", ""),
        ("anna@web.example <anna@web.example>", "anna@web.example"),
        ("Anna (Mobile) <anna@web.example>", "anna@web.example"),
        ('"Anna" Schmidt <anna@web.example>', "anna@web.example"),
        ("(Anna) anna@web.example", "anna@web.example"),
        ("Müller, Anna <anna@web.example>", "anna@web.example"),
        ("Anna <anna@web.example>;", "anna@web.example"),
        ('"bob@x.example" <anna@web.example>', "anna@web.example"),
        ("Bob <bob@x.example>, Anna <anna@web.example>", ""),
        ('"Anna <anna@web.example>', ""),
        ("bob@x.example (Anna <anna@web.example>)", "bob@x.example"),
    ],
)
def test_who_wrote_is_one_address_or_nobody(sender: str, found: str) -> None:
    assert read(mail(sender=sender)).sender == found


def test_two_from_fields_are_nobodys_word() -> None:
    assert read(mail(extra="From: bob@example.com\r\n")).sender == ""


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ("mx.shop.example; dmarc=pass header.from=example.com", "pass"),
        ("MX.shop.example 1; dmarc=pass (p=reject) header.from=example.com", "pass"),
        ("mx.shop.example; dmarc=pass header.from=evil.example", "unknown"),
        ("mx.shop.example; dmarc=fail header.from=example.com; spf=pass", "fail"),
        ("mx.evil.example; dmarc=pass header.from=example.com", "unknown"),
        ("mx.shop.example; dkim=pass header.d=example.com", "pass"),
        ("mx.shop.example; dkim=pass header.i=@example.com", "pass"),
        ("mx.shop.example; dkim=pass header.d=evil.example", "unknown"),
        ("mx.shop.example; dkim=pass header.d=com", "unknown"),
        ("mx.shop.example; spf=pass smtp.mailfrom=bounce@example.com", "pass"),
        ("mx.shop.example; spf=fail smtp.mailfrom=example.com", "fail"),
        ("mx.shop.example; dkim=fail header.d=example.com", "fail"),
        ("mx.shop.example; none", "unknown"),
        (f'mx.shop.example; spf=pass smtp.mailfrom="x; {DMARC} "@evil.example; dmarc=fail', "fail"),
        ('mx.shop.example; spf=pass smtp.mailfrom="x; dmarc=pass', "unknown"),
        ("mx.shop.example; spf=none (a (b; dmarc=pass) c); dmarc=none", "unknown"),
        ("mx.shop.example; dmarc=pass header.from=example.com; dmarc=fail", "fail"),
        ("mx.shop.example; dmarc=none; dmarc=pass header.from=example.com", "unknown"),
        ("(mx.shop.example) evil; dmarc=pass header.from=example.com", "unknown"),
        ("", "unknown"),
    ],
)
def test_whose_word_on_the_sender_counts(results: str, verdict: str) -> None:
    found = read(mail(extra=f"Authentication-Results: {results}\r\n"))
    assert found.verdict == verdict


def test_only_the_topmost_results_count() -> None:
    """What a sender writes into the mail stands below what the server has put on it."""
    assert read(mail(extra=FAIL + PASS)).verdict == "fail"
    assert read(mail(extra=FAIL.replace("shop", "evil") + PASS)).verdict == "unknown"
    assert read_letter(mail(extra=PASS)).verdict == "unknown", "nobody is trusted"


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_a_field_within_a_field_is_none(end: str) -> None:
    """To the server that vouches for senders it is a part of the subject."""
    hidden = f"hi{end}Authentication-Results: mx.shop.example; dmarc=pass header.from=example.com"
    found = read(mail(subject=hidden))
    assert (found.verdict, found.sender) == ("unknown", "ada@example.com")


@pytest.mark.parametrize(
    "body",
    [
        ">\r\n" * 40_000 + "x",
        "hi\r\n" + ">\r\n" * 40_000 + "x",
        "aaaa <" + "@" * 100_000,
        "a <b" * 30_000,
    ],
)
def test_a_long_mail_is_read_by_its_length(body: str) -> None:
    """Minutes if each line is held against all that follow: a hang is what would be seen."""
    assert read(mail(body)).body


def test_a_page_that_cites_deeply_is_read_by_its_length() -> None:
    cited = text_of("mine" + "<blockquote>a" * 8000)
    assert cited.startswith("mine")
    assert "> a" in cited


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("Auto-Submitted: auto-replied\r\n", "auto-submitted"),
        ("Auto-Submitted: no\r\n", ""),
        ("Precedence: bulk\r\n", "precedence"),
        ("X-Autoreply: yes\r\n", "x-autoreply"),
        ("Return-Path: <>\r\n", "machine"),
        ("Content-Type: message/disposition-notification\r\n", "receipt"),
    ],
)
def test_machines_are_known(extra: str, why: str) -> None:
    assert read(mail(extra=extra)).automatic == why


def test_machines_are_known_by_more() -> None:
    assert read(mail(subject="Out of office: Broken")).automatic == "subject"
    assert read_letter(mail(), envelope="").automatic == "machine"


def test_what_goes_in_a_circle() -> None:
    own = reference("complaints@shop.example", "a" * 42)
    assert read(mail(own_id=own)).loop
    assert read(mail(extra="X-Loop: complaints@shop.example\r\n")).loop
    assert read(mail(extra="Received: x\r\n" * 31)).loop
    assert not read(mail(extra="Received: x\r\n" * 10)).loop


def test_what_may_lead_to_a_thread() -> None:
    word = "b" * 42
    found = read(
        mail(
            subject="Re: [Case 12] and order #99",
            extra=f"In-Reply-To: <x@y.example>\r\nReferences: <c.{word}@shop.example> <z@y>\r\n",
        )
    )
    assert found.words == (word,)
    assert found.numbers == (12, 99)
    assert set(found.answers) == {f"<c.{word}@shop.example>", "<z@y>", "<x@y.example>"}
    assert len(thread(b"k" * 32, "acme", CASE)) == 42


CASE = UUID(int=7)


@pytest.mark.parametrize(
    ("text", "body", "quoted"),
    [
        (
            "Hi\n\nOn Mon, 1 Jan 2026, Shop wrote:\n> a\n> b",
            "Hi",
            "On Mon, 1 Jan 2026, Shop wrote:",
        ),
        ("Hallo\nAm 1.1.2026 um 10:00 schrieb Shop:\n> a", "Hallo", "Am 1.1.2026"),
        ("Hi\n> a\n> b\n", "Hi", "> a"),
        ("Hi\n-----Original Message-----\nFrom: x\n", "Hi", "-----Original"),
        ("> a\nI say no\n> b\nand no", "> a\nI say no\n> b\nand no", ""),
        ("> only cited", "> only cited", ""),
        ("plain", "plain", ""),
    ],
)
def test_what_is_cited_is_folded_and_nothing_is_lost(text: str, body: str, quoted: str) -> None:
    found = folded(text)
    assert found[0] == body
    assert found[1].startswith(quoted)


@given(st.text(alphabet="a>\n :", max_size=60))
@settings(max_examples=examples(300))
def test_folding_loses_no_word(text: str) -> None:
    body, quoted = folded(text)
    assert "".join(f"{body}{quoted}".split()) == "".join(text.split())


def test_text_of_a_page() -> None:
    page = "<title>t</title><p>One <b>two</b><br>three</p><style>x{}</style><ul><li>four</ul>"
    assert text_of(page) == "One two\nthree\nfour"
    assert text_of("") == ""


def test_what_turns_words_round_is_left_out() -> None:
    assert clean("a\u202eb\0c\r\nd\te", 100) == "abc\nd\te"


def test_a_mail_is_known_again_by_what_it_is() -> None:
    """An id is chosen by who sends it, and others may know it."""
    hers = read(mail()).mark
    assert read(mail(extra="Received: from x\r\n")).mark == hers
    assert read(mail("It came whole.")).mark != hers
    assert read(mail(sender="eve@evil.example")).mark != hers
    assert read(mail(own_id="<>")).mark != read(mail("Other", own_id="<>")).mark
