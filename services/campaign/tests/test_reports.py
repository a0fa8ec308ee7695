"""Mails that come back: what they say, whose they are, and that no bytes are too odd to be read."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests import bounce_mails as mails

from rapport_campaign.domain import returning
from rapport_campaign.domain.answers import answer_of
from rapport_campaign.domain.bounces import grade
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.outcomes import MOST_TEXT, BouncePolicy, Report, consequence, went_out
from rapport_campaign.domain.reports import MOST_REPLY, read_mail
from rapport_common.mail.parts import MOST_BYTES, MOST_PARTS, parts_of
from rapport_common.testing.examples import examples

KEY = b"k" * 32
SEND_KEY = "0123456789abcdef" * 4
TOKEN = returning.signed(KEY, "acme", SEND_KEY)


@pytest.mark.parametrize(
    ("template", "kind", "its_grade", "code"),
    [
        (mails.POSTFIX, "bounced", "hard", "5.1.1"),
        (mails.EXCHANGE, "bounced", "hard", "5.1.10"),
        (mails.FULL, "bounced", "soft", "5.2.2"),
        (mails.VAGUE, "bounced", "hard", "5.0.0"),
        (mails.CITED, "bounced", "hard", "5.1.1"),
        (mails.REFUSED, "bounced", "blocked", "5.7.1"),
        (mails.EXPIRED, "bounced", "soft", "4.4.7"),
        (mails.NO_ACTION, "bounced", "hard", "5.1.1"),
        (mails.DELAYED, "delayed", "", "4.4.1"),
        (mails.DELIVERED, "delivered", "", "2.0.0"),
        (mails.PASSED_ON, "delivered", "", "2.0.0"),
        (mails.COMPLAINT, "complained", "", "abuse"),
        (mails.NOT_SPAM, "auto_replied", "", "not-spam"),
        (mails.QMAIL, "bounced", "unclear", "5.1.1"),
        (mails.CHINESE, "bounced", "unclear", ""),
        (mails.VACATION, "auto_replied", "", ""),
        (mails.OUTLOOK, "auto_replied", "", ""),
        (mails.READ_RECEIPT, "auto_replied", "", ""),
        (mails.ANSWER, "replied", "", ""),
    ],
)
def test_what_a_mail_reports(template: bytes, kind: str, its_grade: str, code: str) -> None:
    for raw in (mails.mail(template, TOKEN), mails.mail(template.replace(b"\r\n", b"\n"), TOKEN)):
        found = read_mail(raw)
        assert (found.report.kind, found.report.grade, found.report.code) == (kind, its_grade, code)
        assert found.said[:1] == [returning.read(TOKEN)], "whose it is"


def test_what_the_server_said_is_kept_on_one_line() -> None:
    found = read_mail(mails.mail(mails.POSTFIX, TOKEN)).report
    assert found.text == (
        "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown in virtual "
        "mailbox table"
    )


def test_an_answer_is_read_in_its_own_characters() -> None:
    found = read_mail(mails.mail(mails.ANSWER, TOKEN)).report
    assert (found.text, found.reply) == ("Re: Grüße", "Danke, schön!")


def test_characters_that_nobody_knows_are_read_all_the_same() -> None:
    raw = (
        b"From: ada@example.com\nSubject: =?x-nothing?q?a?=\n"
        b"Content-Type: text/plain; charset=x-nothing\n\nf\xc3\xbcr\xff"
    )
    found = read_mail(raw).report
    assert (found.text, found.reply) == ("=?x-nothing?q?a?=", "für\ufffd")
    half = b"Content-Type: text/plain; charset=unicode_escape\n\n\\ud800x"
    assert read_mail(half).report.reply == "?x"


def test_a_token_in_an_encoded_part_is_found() -> None:
    whole = mails.mail(mails.COMPLAINT, "x").replace(
        b"Content-Type: message/feedback-report\r\n",
        b"Content-Type: message/feedback-report\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    )
    split = f"b+{TOKEN[:20]}=\r\n{TOKEN[20:]}@bounces.shop.example".encode()
    raw = whole.replace(b"b+x@bounces.shop.example", split)
    assert read_mail(raw).said == [returning.read(TOKEN)]


def test_the_same_mail_has_the_same_mark_and_another_another() -> None:
    one, again = (read_mail(mails.mail(mails.POSTFIX, TOKEN)).report.mark for _ in range(2))
    assert one == again != read_mail(mails.mail(mails.FULL, TOKEN)).report.mark


# --- whose it is ----------------------------------------------------------------------------------


@given(st.text(max_size=20), st.binary(min_size=32, max_size=32), st.booleans())
@settings(max_examples=examples(40))
def test_a_token_leads_back_and_no_other_does(workspace: str, key: bytes, shout: Any) -> None:
    send_key = key.hex()
    token = returning.signed(KEY, workspace, send_key)
    address = f"b+{token}@Bounces.example"
    assert len(address.partition("@")[0]) <= 64, "RFC 5321, 4.5.3.1.1"
    said = returning.in_address(address.upper() if shout else address, ["bounces.example"])
    assert said is not None
    assert returning.is_of(KEY, workspace, said)
    assert said.mark == returning.mark_of(KEY, workspace)
    assert send_key.startswith(said.key)
    assert not returning.is_of(KEY, workspace + "x", said)
    assert not returning.is_of(b"j" * 32, workspace, said)
    for place in range(len(token) - 1):
        other = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        forged = returning.read(other)
        assert forged is None or forged == said or not returning.is_of(KEY, workspace, forged)


@pytest.mark.parametrize(
    "address",
    [
        *(f"b+{TOKEN}@other.example", f"x+{TOKEN}@bounces.example", f"b+{TOKEN}1@bounces.example"),
        *(
            "b+@bounces.example",
            "",
            "@",
            f"b+{TOKEN[:-1]}\n@bounces.example",
            "b+é@bounces.example",
        ),
    ],
)
def test_what_is_no_address_of_ours(address: str) -> None:
    assert returning.in_address(address, ["bounces.example"]) is None


@pytest.mark.parametrize("text", ["", "a", "1" * len(TOKEN), "é" * len(TOKEN)])
def test_what_is_no_token(text: str) -> None:
    assert returning.read(text) is None
    assert returning.in_text(f"m.{text}@x") == []


def test_no_more_tokens_are_tried_than_some() -> None:
    texts = [returning.signed(KEY, "acme", f"{one:02x}" * 32) for one in range(100)]
    mail = " ".join(f"m.{one}@x" for one in texts)
    assert len(returning.in_text(mail)) == returning.MOST_CANDIDATES


# --- any bytes ------------------------------------------------------------------------------------


def _mutated(raw: bytes, chance: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(chance.randrange(1, 30)):
        place = chance.randrange(len(found) + 1)
        piece = chance.choice(
            [
                bytes([chance.randrange(256)]) * chance.choice([1, 1, 70]),
                *(b"\r\n\r\n", b"\n", b"\0", b"--", b"=?x?q?=", b"charset=punycode", b"\xff\xfe"),
                b"Content-Transfer-Encoding: base64\r\n",
                b"Content-Type: multipart/mixed; boundary=",
                raw[chance.randrange(len(raw)) :][: chance.randrange(200)],
            ]
        )
        if chance.random() < 0.4:
            del found[place : place + chance.randrange(60)]
        found[place:place] = piece
    return bytes(found)


@given(st.sampled_from(mails.ALL), st.randoms(use_true_random=False))
@settings(max_examples=examples(400))
def test_a_mail_that_is_broken_anywhere_is_read(template: bytes, chance: random.Random) -> None:
    _read(_mutated(mails.mail(template, TOKEN), chance))


@given(st.binary(max_size=2000))
@settings(max_examples=examples(200))
def test_any_bytes_are_read(raw: bytes) -> None:
    _read(raw)


def _read(raw: bytes) -> None:
    for sender in (None, "", "ada@example.com"):
        found = read_mail(raw, sender).report
        assert len(found.text) <= MOST_TEXT
        assert found.text.isprintable()
        assert len(found.reply) <= MOST_REPLY
        assert "\0" not in found.reply
        found.reply.encode()
        assert "\ud800" not in found.text


def _nested(depth: int) -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (one, one)
        for one in range(depth)
    )
    return head + b"\nend"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n" * 1000,
        b"x" * (30 * 2**20),
        mails.POSTFIX + b"y\r\n" * (10 * 2**20),
        b"A: b\n" * 100_000,
        _nested(5000),
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 100_000,
        b"Content-Type: message/rfc822\n\n" * 50_000,
        b"Content-Type: text/plain; charset=punycode\n\n" + b"a-b" * 500_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 50_000,
        b"Content-Type: x" + b'; a="\\' * 200_000,
        b"Content-Transfer-Encoding: base64\n\n" + b"=" * 2**20,
    ],
    ids=range(12),
)
def test_large_and_deep_mails_are_read(raw: bytes) -> None:
    assert len(list(parts_of(raw))) <= MOST_PARTS
    _read(raw)


def test_what_is_beyond_the_bound_is_not_looked_at() -> None:
    raw = b"Subject: x\n\n" + b" " * MOST_BYTES + f"m.{TOKEN}@x".encode()
    assert read_mail(raw).said == []


# --- what follows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "found"),
    [
        ("5.1.2", "", "hard"),
        ("5.1.3", "", "hard"),
        ("5.2.1", "", "hard"),
        ("5.4.1", "Recipient address rejected: Access denied", "unclear"),
        ("5.1.0", "550 No such user here", "hard"),
        ("5.1.0", "550 blocked by Spamhaus, user unknown", "blocked"),
        ("5.3.4", "message too big", "blocked"),
        ("5.6.0", "", "blocked"),
        ("5.4.4", "", "soft"),
        ("4.2.1", "no such user", "soft"),
        ("550", "mailbox unavailable", "unclear"),
        ("550", "Mailbox has been disabled", "hard"),
        ("450", "user unknown", "soft"),
        ("", "", "unclear"),
    ],
)
def test_how_bad_a_failure_is(status: str, said: str, found: str) -> None:
    assert grade(status, said) == found


@pytest.mark.parametrize(
    ("outcome", "channel", "found"),
    [
        (Outcome("failed", "550 5.1.1 no such user"), "email", ("bounced", "hard", "5.1.1")),
        (Outcome("failed", "550 5.2.2 full"), "email", None),
        (Outcome("failed", "550 no such user"), "email", None),
        (Outcome("failed", "550 5.1.0 Sender rejected: user unknown"), "email", None),
        (Outcome("failed", "550 5.1.1 no such user"), "sms", None),
        (Outcome("retry", "550 5.1.1 no such user"), "email", None),
        (Outcome("sent"), "email", None),
        (Outcome("failed", "30005", contact="dead"), "sms", ("bounced", "hard", "")),
        (Outcome("failed", "30006", contact="unsuitable"), "sms", None),
        (Outcome("failed", "21610", contact="opted_out"), "sms", ("complained", "", "")),
    ],
)
def test_what_an_answer_says_of_an_address(
    outcome: Outcome, channel: str, found: tuple[str, str, str] | None
) -> None:
    report = answer_of(outcome, channel)
    assert (report and (report.kind, report.grade, report.code)) == found


@pytest.mark.parametrize(
    ("report", "soft", "then"),
    [
        (Report("bounced", "1", "hard"), 0, "dead"),
        (Report("bounced", "1", "soft"), 4, None),
        (Report("bounced", "1", "soft"), 5, "dead"),
        (Report("bounced", "1", "unclear"), 5, "dead"),
        (Report("bounced", "1", "blocked"), 9, None),
        (Report("complained", "1"), 0, "unwanted"),
        (Report("delayed", "1"), 9, None),
        (Report("replied", "1"), 9, None),
    ],
)
def test_what_follows_from_a_report(report: Report, soft: int, then: str | None) -> None:
    assert consequence(report, soft, BouncePolicy()) == then
    if report.grade != "hard" and report.kind != "complained":
        assert consequence(report, 100, BouncePolicy(soft_bounces=0)) is None


def test_what_proves_that_a_mail_went_out() -> None:
    assert went_out(Report("bounced", "1", "soft"))
    assert not went_out(Report("replied", "1"))
