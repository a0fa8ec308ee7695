"""Conversations without sockets: whatever is said, and wherever it ends, each mail ends once."""

from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests.smtp_peer import ONE_BY_ONE, PIPELINING, Peer, Plan, letters, talk

from rapport_campaign.smtp.extensions import Offers
from rapport_campaign.smtp.session import Session
from rapport_common.testing.examples import examples

YES = [b"250 ok\r\n", b"250-2.0.0 a\r\n250 2.0.0 b\r\n", b"251 elsewhere\r\n"]
NO = [b"550 5.1.1 no\r\n", b"450 4.2.1 later\r\n", b"552-too\r\n552 much\r\n", b"451 x\x00\xff\r\n"]
plans = st.builds(
    Plan,
    mail=st.sampled_from([*YES * 4, *NO, b"530 5.7.0 log in\r\n"]),
    rcpt=st.sampled_from(YES * 3 + NO),
    data=st.sampled_from([b"354 go\r\n"] * 8 + NO),
    body=st.sampled_from(YES * 3 + NO),
)
offered = st.sampled_from([PIPELINING, ONE_BY_ONE])
whole = repeat(1 << 20)


def meaning(reply: bytes) -> str:
    return "retry" if reply.startswith(b"4") else "failed"


def due(plan: Plan) -> str:
    """What a plan means for its mail."""
    if not plan.mail.startswith(b"2"):
        return "released" if plan.mail.startswith(b"530") else meaning(plan.mail)
    for reply, good in ((plan.rcpt, b"2"), (plan.data, b"354"), (plan.body, b"2")):
        if not reply.startswith(good):
            return meaning(reply)
    return "sent"


@given(st.lists(plans, min_size=1, max_size=8), offered, st.lists(st.integers(1, 90), min_size=1))
@settings(max_examples=examples(400))
def test_answers_mean_the_same_in_whatever_pieces(
    plans: list[Plan], offers: Offers, sizes: list[int]
) -> None:
    expected = {number: due(plan) for number, plan in enumerate(plans)}
    for pieces in (iter(sizes * 10_000), repeat(1), whole):
        peer = Peer(plans)
        found = talk(peer, offers, pieces)
        assert {number: one.result for number, one in found.outcomes.items()} == expected
        assert peer.taken == [number for number, due in expected.items() if due == "sent"]
        assert (found.session.over, found.session.is_idle) == (None, True)


@given(st.lists(plans, min_size=1, max_size=5), offered, st.data())
@settings(max_examples=examples(600))
def test_dropped_at_any_byte_each_mail_ends_once(
    plans: list[Plan], offers: Offers, data: st.DataObject
) -> None:
    length = len(talk(Peer(plans), offers, whole).heard)
    cut = data.draw(st.integers(0, length))
    sizes = data.draw(st.lists(st.integers(1, 60), min_size=1))
    peer = Peer(plans)
    found = talk(peer, offers, iter(sizes * 10_000), cut=cut)
    results = {number: one.result for number, one in found.outcomes.items()}
    assert sorted([*results, *found.returned, *found.waiting]) == list(range(len(plans)))
    uncertain = [number for number, one in results.items() if one == "uncertain"]
    assert len(uncertain) <= 1
    assert peer.begun.issuperset(uncertain)
    sent = [number for number, one in results.items() if one == "sent"]
    assert peer.taken[: len(sent)] == sent, "what it said yes to"
    assert peer.taken[len(sent) :] in ([], uncertain), "nothing else that it has can be sent again"


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*YES, *NO, b"354 go\r\n", b"421 bye\r\n", b"220 a\r\n", b"221 b\r\n"]),
            st.binary(max_size=20),
        ),
        max_size=24,
    ),
    offered,
    st.integers(1, 30),
)
@settings(max_examples=examples(1000))
def test_whatever_is_said_each_mail_ends_once_and_none_is_sent_without_a_yes(
    said: list[bytes], offers: Offers, most: int
) -> None:
    session, waiting, output, given_out = Session(offers), letters(6), b"", []
    for words in said:
        while session.has_room and waiting:
            given_out.append(waiting.pop(0))
            session.add(given_out[-1])
        output += session.output(most)
        session.feed(words)
    session.lost("the end", closed=True)
    told = [letter for letter, _ in session.ended] + session.returned
    assert len(told) == len(given_out)
    assert set(told) == set(given_out)
    for letter, outcome in session.ended:
        if outcome.result in ("sent", "uncertain"):
            assert letter.data + b".\r\n" in output, "its end was given out"
    assert [one.result for _, one in session.ended].count("uncertain") <= 1
    sent = [one.result for _, one in session.ended].count("sent")
    assert sent <= said.count(b"354 go\r\n")
    assert 3 * sent <= sum(words in YES for words in said), "to MAIL, RCPT and the body"


def test_the_next_envelope_goes_with_the_body_before() -> None:
    peer = Peer([Plan()] * 3)
    found = talk(peer, PIPELINING, whole)
    assert found.writes == [
        b"MAIL FROM:<0@s.example>\r\nRCPT TO:<r@r.example>\r\nDATA\r\n",
        b"mail 0\r\n.\r\nMAIL FROM:<1@s.example>\r\nRCPT TO:<r@r.example>\r\nDATA\r\n",
        b"mail 1\r\n.\r\nMAIL FROM:<2@s.example>\r\nRCPT TO:<r@r.example>\r\nDATA\r\n",
        b"mail 2\r\n.\r\n",
    ]
    assert peer.taken == [0, 1, 2]
    assert len(talk(Peer([Plan()] * 3), ONE_BY_ONE, whole).writes) == 12


def test_a_mail_for_nobody_ends_with_a_lone_dot() -> None:
    """Its DATA is taken, though its recipient is not (RFC 2920 §3.1)."""
    peer = Peer([Plan(rcpt=b"550 no\r\n"), Plan(), Plan(rcpt=b"451 no\r\n", data=b"503 no\r\n")])
    found = talk(peer, PIPELINING, whole)
    assert [found.outcomes[number].result for number in range(3)] == ["failed", "sent", "retry"]
    assert peer.empty == 1
    assert found.writes[1].startswith(b".\r\nRSET\r\nMAIL FROM:<1@")


def test_a_letter_is_added_only_where_there_is_room() -> None:
    session, _ = begun(b"250 a\r\n", count=1)
    with pytest.raises(ValueError, match="no room"):
        session.add(letters(1)[0])


def test_what_stands_of_a_refused_mail_is_taken_back_before_the_next() -> None:
    for offers in (PIPELINING, ONE_BY_ONE):
        peer = Peer([Plan(rcpt=b"550 no\r\n", data=b"503 no\r\n"), Plan()])
        assert talk(peer, offers, whole).outcomes[1].result == "sent"
        assert peer.commands.count(b"RSET") == 1


def test_a_connection_takes_only_so_many() -> None:
    found = talk(Peer([Plan()] * 5), PIPELINING, whole, most=3)
    assert (list(found.outcomes), found.waiting) == ([0, 1, 2], [3, 4])
    assert not found.session.is_usable


def begun(*said: bytes, offers: Offers = PIPELINING, count: int = 2) -> tuple[Session, list[str]]:
    """A session that was told this, each after everything was written that it had to say."""
    session, waiting = Session(offers), letters(count)
    for words in said:
        while session.has_room and waiting:
            session.add(waiting.pop(0))
        while session.output():
            pass
        session.feed(words)
    return session, [one.result for _, one in session.ended]


ENVELOPE = b"250 a\r\n250 b\r\n354 c\r\n"


@pytest.mark.parametrize(
    ("said", "results", "returned"),
    [
        # 421 to each part: of the first mail, and of one on a connection that has worked.
        ([b"421 x\r\n"], ["retry"], 0),
        ([b"250 a\r\n421 x\r\n"], ["retry"], 0),
        ([b"250 a\r\n250 a\r\n421 x\r\n"], ["retry"], 0),
        ([ENVELOPE, b"421 x\r\n"], ["retry"], 1),
        ([ENVELOPE, b"250 a\r\n421 x\r\n"], ["sent"], 1),
        ([ENVELOPE, b"250 a\r\n250 a\r\n421 x\r\n"], ["sent"], 1),
        ([ENVELOPE, b"250 a\r\n" + ENVELOPE, b"421 x\r\n"], ["sent", "retry"], 0),
        ([b"550 a\r\n421 x\r\n"], ["failed"], 0),
        # Out of order, or more than was asked for.
        ([b"354 a\r\n"], ["retry"], 0),
        ([b"250 a\r\n354 a\r\n"], ["retry"], 0),
        ([b"250 a\r\n250 a\r\n250 a\r\n"], ["retry"], 0),
        ([ENVELOPE, b"354 a\r\n"], ["uncertain"], 1),
        ([ENVELOPE, b"220 a\r\n"], ["uncertain"], 1),
        ([ENVELOPE, b"250 a\r\n250 again\r\n250 a\r\n250 a\r\n354 b\r\n"], ["sent", "retry"], 0),
        # An answer before the mail can have been read: a no is one, a yes is none.
        ([ENVELOPE + b"250 a\r\n"], ["retry"], 0),
        ([ENVELOPE + b"552 a\r\n"], ["failed"], 0),
        ([ENVELOPE + b"421 a\r\n"], ["retry"], 0),
        # A recipient that a server takes after it has refused the sender would get an empty mail.
        ([b"550 a\r\n250 a\r\n354 a\r\n"], ["failed"], 0),
        # Endless, and not SMTP.
        ([ENVELOPE, b"250 " + b"x" * 4000], ["uncertain"], 1),
        ([ENVELOPE, b"250-x\r\n" * 200], ["uncertain"], 1),
        ([ENVELOPE, b"\x00\xff\r\n"], ["uncertain"], 1),
        ([ENVELOPE, b"250-a\r\n550 b\r\n"], ["uncertain"], 1),
    ],
)
def test_what_a_hostile_server_says(said: list[bytes], results: list[str], returned: int) -> None:
    session, found = begun(*said)
    assert (found, len(session.returned)) == (results, returned)
    assert session.over is not None
    assert session.output() == b""


@pytest.mark.parametrize("said", [b"250 hi\r\n", b"421 bye\r\n", b"x\r\n"])
def test_what_nobody_asked_for_ends_an_idle_connection(said: bytes) -> None:
    session, found = begun(ENVELOPE, b"250 taken\r\n", said, count=1)
    assert (found, session.is_usable) == (["sent"], False)


def test_a_mail_that_ends_two_connections_is_to_blame() -> None:
    session, _ = begun(ENVELOPE, b"250 a\r\n")
    session.lost("closed", closed=True)
    (suspect,) = session.returned
    again = Session(PIPELINING)
    again.add(letters(1)[0])
    again.output()
    again.feed(ENVELOPE)
    again.add(suspect)
    again.output()
    again.feed(b"250 a\r\n")
    again.lost("closed", closed=True)
    assert [one.result for _, one in again.ended] == ["sent", "retry"]


def test_a_time_out_is_not_the_server_closing() -> None:
    session, _ = begun(ENVELOPE, b"250 a\r\n")
    session.lost("no answer")
    assert [one.result for _, one in session.ended] == ["sent", "retry"]


def test_without_its_end_a_mail_is_not_taken() -> None:
    session = Session(PIPELINING)
    (letter,) = letters(1)
    session.add(letter)
    session.output()
    session.feed(ENVELOPE)
    session.output(len(letter.data) + len(b".\r"))
    session.lost("closed", closed=True)
    assert [one.result for _, one in session.ended] == ["retry"]


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (b"550 5.7.1 no\r\n", "failed"),
        (b"501 5.1.7 bad address\r\n", "failed"),
        (b"501 5.5.4 bad parameter\r\n", "released"),
        (b"530 5.7.0 log in first\r\n", "released"),
        (b"503 out of sequence\r\n", "released"),
        (b"452 4.3.1 full\r\n", "retry"),
    ],
)
def test_what_a_refusal_of_the_sender_is_about(reply: bytes, result: str) -> None:
    assert begun(reply, offers=ONE_BY_ONE)[1] == [result]


def test_who_offers_8bitmime_and_does_not_know_it_stops_one_mail_only() -> None:
    session = Session(Offers(pipelining=True, eight_bit=True))
    (letter,) = letters(1)
    letter.data = "später".encode()
    session.add(letter)
    session.feed(b"501 5.5.4 what is BODY\r\n")
    assert [one.result for _, one in session.ended] == ["failed"]
