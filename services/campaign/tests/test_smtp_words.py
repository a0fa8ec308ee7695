"""What is read of answers, what is said before mails, and how a mail goes over the wire."""

from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.smtp import Letter, Server, UnreachableError
from rapport_campaign.smtp.envelope import UnsendableError, stuffed, with_line_ends, worded
from rapport_campaign.smtp.extensions import Offers
from rapport_campaign.smtp.opening import Opening
from rapport_campaign.smtp.replies import MAX_LINE, MAX_LINES, BrokenReplyError, ReplyReader
from rapport_common.testing.examples import examples

ALL = Offers(pipelining=True, eight_bit=True, utf8=True, has_size=True)


def read_all(*pieces: bytes) -> list[str]:
    """The answers in these pieces; the last is what is wrong with them, if anything is."""
    reader, found = ReplyReader(), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (reply := reader.read()) is not None:
                found.append(str(reply))
    except BrokenReplyError as error:
        found.append(f"broken: {error}")
    return found


@pytest.mark.parametrize(
    ("said", "replies"),
    [
        (b"250 ok\r\n", ["250 ok"]),
        (b"250\r\n", ["250"]),
        (b"250 bare\n354 go\n", ["250 bare", "354 go"]),
        (b"250-a\r\n250-b\r\n250 c\r\n220 x\r\n", ["250 a b c", "220 x"]),
        (b"550 5.1.1 \xfc\x00\x1b[31m\r\n", ["550 5.1.1 � [31m"]),
        ("450 später\r\n".encode(), ["450 später"]),
        (b"250 ok", []),
        (b"250 " + b"x" * (MAX_LINE - 5) + b"\r\n", ["250 " + "x" * (MAX_LINE - 5)]),
    ],
)
def test_answers(said: bytes, replies: list[str]) -> None:
    assert read_all(said) == read_all(*(bytes([one]) for one in said)) == replies


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n",
        b"\r\n",
        b"25 ok\r\n",
        b"150 ok\r\n",
        b"650 ok\r\n",
        b"250ok\r\n",
        b"250-a\r\n550 b\r\n",
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"x" * (MAX_LINE + 1),
        b"250-a\r\n" * MAX_LINES,
        b"\x00" * 9 + b"\r\n",
    ],
)
def test_what_is_no_answer_is_refused(said: bytes) -> None:
    whole, single = read_all(said), read_all(*(bytes([one]) for one in said))
    assert len(whole) == len(single) == 1
    assert whole[0].startswith("broken: ")


def test_enhanced_codes_count_only_when_they_fit() -> None:
    reader = ReplyReader()
    reader.feed(b"550 5.1.1 who\r\n550 2.1.1 who\r\n550 5.1 who\r\n452 4.3.1\r\n")
    found = [reply.enhanced for _ in range(4) if (reply := reader.read()) is not None]
    assert found == [(1, 1), None, None, (3, 1)]


@given(st.binary(max_size=60), st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b""])))
@settings(max_examples=examples(400))
def test_a_body_is_what_it_was_after_the_dots_are_taken_off(some: bytes, more: list[bytes]) -> None:
    data = with_line_ends(some + b"".join(more))
    wire = stuffed(data)
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3, "it ends once, at its end"
    *lines, dot, rest = wire.split(b"\r\n")
    assert (dot, rest) == (b".", b"")
    assert b"".join(line.removeprefix(b".") + b"\r\n" for line in lines) == data
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")


@pytest.mark.parametrize(
    ("letter", "offers", "mail"),
    [
        (Letter("a@x.example", "b@x.example", b"hi\n"), Offers(), b"MAIL FROM:<a@x.example>"),
        (Letter("", "b@x.example", b"hi\n"), ALL, b"MAIL FROM:<> SIZE=4"),
        (
            Letter("a@x.example", "b@x.example", b"h\xc3\xa4\r\n.\r\n"),
            ALL,
            b"MAIL FROM:<a@x.example> SIZE=8 BODY=8BITMIME",
        ),
        (
            Letter("a@x.example", "jürgen@x.example", b"hi"),
            ALL,
            b"MAIL FROM:<a@x.example> SIZE=4 SMTPUTF8",
        ),
    ],
)
def test_mail_names_what_the_server_offers(letter: Letter, offers: Offers, mail: bytes) -> None:
    wording = worded(letter, offers)
    assert wording.mail == mail + b"\r\n"
    assert wording.rcpt == f"RCPT TO:<{letter.recipient}>\r\n".encode()


@pytest.mark.parametrize(
    ("recipient", "data", "offers"),
    [
        ("a@x>\r\nDATA", b"", ALL),
        ("a@x> NOTIFY=NEVER", b"", ALL),
        ("a b@x.example", b"", ALL),
        ("a\x85b@x.example", b"", ALL),
        ("\ud800@x.example", b"", ALL),
        ("a" * 400 + "@x.example", b"", ALL),
        ("", b"", ALL),
        ("jürgen@x.example", b"", Offers(eight_bit=True)),
        ("a@x.example", b"\xe4", Offers()),
        ("a@x.example", b"x" * 99, Offers(size=100)),
    ],
)
def test_what_this_server_can_never_be_given(recipient: str, data: bytes, offers: Offers) -> None:
    with pytest.raises(UnsendableError):
        worded(Letter("s@x.example", recipient, data), offers)


def opened(server: Server, *answers: bytes | None) -> tuple[list[bytes], Opening]:
    """What was said after each answer; None stands for the handshake of TLS."""
    opening, said = Opening(server), []
    for answer in answers:
        opening.secured() if answer is None else opening.feed(answer)
        said.append(opening.output())
    return said, opening


PLAIN = Server("mail.example", 25, greeting="shop.example")
SECURE = Server("mail.example", 25, greeting="shop.example", tls="starttls")
KNOWN = Server("mail.example", 25, username="ada", password="s3cret", greeting="shop.example")
EHLO = b"EHLO shop.example\r\n"


def test_a_server_tells_what_it_offers() -> None:
    answer = b"250-hi PIPELINING\r\n250-Size 1000\r\n250-8bitmime\r\n250-AUTH=LOGIN\r\n250 smtputf8"
    said, opening = opened(PLAIN, b"220-a\r\n220 b\r\n", answer + b"\r\n")
    assert (said, opening.state) == ([EHLO, b""], "open")
    assert opening.offers == Offers(
        eight_bit=True, utf8=True, has_size=True, size=1000, mechanisms=frozenset({"LOGIN"})
    ), "PIPELINING is in the greeting only"


def test_an_old_server_is_greeted_again() -> None:
    said, opening = opened(PLAIN, b"220 a\r\n", b"502 what\r\n", b"250 hello\r\n")
    assert (said[-2], opening.state, opening.offers) == (b"HELO shop.example\r\n", "open", Offers())


def test_after_tls_nothing_counts_that_was_said_before() -> None:
    said, opening = opened(
        SECURE,
        b"220 a\r\n",
        b"250-a\r\n250-PIPELINING\r\n250 STARTTLS\r\n",
        b"220 go\r\n",
        None,
        b"250-a\r\n250 SIZE 5\r\n",
    )
    assert said == [EHLO, b"STARTTLS\r\n", b"", EHLO, b""]
    assert (opening.state, opening.offers) == ("open", Offers(has_size=True, size=5))


def test_a_login_by_each_way() -> None:
    said, opening = opened(KNOWN, b"220 a\r\n", b"250-a\r\n250 AUTH PLAIN LOGIN\r\n", b"235 y\r\n")
    assert b64decode(said[1].removeprefix(b"AUTH PLAIN ")) == b"\0ada\0s3cret"
    assert opening.state == "open"
    said, opening = opened(
        KNOWN,
        b"220 a\r\n",
        b"250-a\r\n250-AUTH LOGIN PLAIN\r\n250 OK\r\n",
        b"334 \r\n",
        b"504 not that\r\n",
        b"334 VXNlcg==\r\n",
        b"334 whatever\r\n",
        b"235 y\r\n",
    )
    assert [b64decode(one) for one in (said[2], said[4], said[5])] == [
        b"\0ada\0s3cret",
        b"ada",
        b"s3cret",
    ]
    assert (said[3], opening.state) == (b"AUTH LOGIN\r\n", "open")


@pytest.mark.parametrize(
    ("server", "answers", "why"),
    [
        (PLAIN, [b"554 no\r\n"], "the connection was refused: 554 no"),
        (PLAIN, [b"421 busy\r\n"], "421 busy"),
        (PLAIN, [b"220 a\r\n250 early\r\n"], "without being asked"),
        (PLAIN, [b"220 a\r\n", b"250 ok\r\n250 again\r\n"], "without being asked"),
        (PLAIN, [b"220 a\r\n", b"250 ok\r\n4"], "without being asked"),
        (PLAIN, [b"220 a\r\n", b"421 bye\r\n"], "EHLO was refused: 421 bye"),
        (PLAIN, [b"220 a\r\n", b"550 no\r\n", b"550 no\r\n"], "HELO was refused: 550 no"),
        (PLAIN, [b"HTTP/1.1 400 Bad Request\r\n"], "no answer of SMTP"),
        (PLAIN, [b"220-" + b"x" * 5000], "a line of more than"),
        (PLAIN, [b"220-x\r\n" * 200], "lines"),
        (Server("h", 1, greeting="köln"), [b"220 a\r\n"], "ascii"),
        (SECURE, [b"220 a\r\n", b"250 a\r\n"], "offers no STARTTLS"),
        (SECURE, [b"220 a\r\n", b"500 a\r\n", b"250 a\r\n"], "offers no STARTTLS"),
        (SECURE, [b"220 a\r\n", b"250-a\r\n250 STARTTLS\r\n", b"454 no\r\n"], "STARTTLS was"),
        (
            SECURE,
            [b"220 a\r\n", b"250-a\r\n250 STARTTLS\r\n", b"220 go\r\n250-mine\r\n"],
            "without being asked",
        ),
        (
            SECURE,
            [b"220 a\r\n", b"250-a\r\n250 STARTTLS\r\n", b"220 go\r\n", b"250 mine\r\n"],
            "spoke between",
        ),
        (KNOWN, [b"220 a\r\n", b"250 a\r\n"], "neither AUTH PLAIN nor"),
        (KNOWN, [b"220 a\r\n", b"250-a\r\n250 AUTH CRAM-MD5\r\n"], "neither AUTH PLAIN nor"),
        (KNOWN, [b"220 a\r\n", b"250-a\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 no\r\n"], "535 5.7.8"),
        (KNOWN, [b"220 a\r\n", b"250-a\r\n250 AUTH LOGIN\r\n", b"334 a\r\n", b"421 x\r\n"], "421"),
    ],
)
def test_a_server_that_can_not_be_talked_to(server: Server, answers: list[bytes], why: str) -> None:
    with pytest.raises(UnreachableError, match=why) as raised:
        opened(server, *answers)
    assert "s3cret" not in str(raised.value)
