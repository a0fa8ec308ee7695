"""Whose word counts when complaints come in, and what leads to a case; without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.feedback.tests.hostile_mails import FAIL, PASS, mail

from rapport_common.testing.examples import examples
from rapport_feedback.domain import threads
from rapport_feedback.domain.arrivals import Thread, Writer, course, digest
from rapport_feedback.domain.attached import MOST_AT_ONCE
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.letters import read_letter
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.posted import posted_form

KEY, CASE = b"k" * 32, UUID(int=7)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
HERS = frozenset({"ada@example.com"})


def thread(
    *, signed: bool = True, state: State = State.WAITING_CUSTOMER, messages: int = 1
) -> Thread:
    closed_at = NOW if state is State.CLOSED else None
    return Thread(CASE, state, HERS, signed, messages, "ada@example.com", closed_at)


@pytest.mark.parametrize(
    ("writer", "contact"),
    [
        (Writer(email="a@b.example"), Contact(anonymous_id=f"case:{CASE}")),
        (Writer(email="a@b.example", verified=True), Contact(email="a@b.example")),
        (Writer(phone="+491", verified=True), Contact(anonymous_id=f"case:{CASE}")),
        (Writer(verified=True, contact=Contact("u")), Contact("u")),
        (Writer(contact=Contact("u")), Contact(anonymous_id=f"case:{CASE}")),
    ],
)
def test_a_claim_is_nobody(writer: Writer, contact: Contact) -> None:
    assert writer.contact_of(CASE) == contact


def test_the_same_words_of_a_day_are_the_same() -> None:
    said = ("form", "a@b", "Late", "Very")
    assert digest(*said, NOW) == digest(*said, NOW + timedelta(hours=1))
    assert digest(*said, NOW) != digest(*said, NOW + timedelta(days=1))
    assert digest("form", "a", "bc", "d", NOW) != digest("form", "ab", "c", "d", NOW)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("state", [State.WAITING_CUSTOMER, State.CLOSED])
@pytest.mark.parametrize("automatic", ["", "Precedence: bulk\r\n"])
@pytest.mark.parametrize("word", [PASS, FAIL, ""])
@pytest.mark.parametrize("sender", ["ada@example.com", "eve@evil.example", ""])
def test_nothing_moves_a_case_but_its_customer(
    *, signed: bool, state: State, automatic: str, word: str, sender: str
) -> None:
    """Over all there is: a stranger, a forger or a machine moves nothing and proves nothing."""
    letter = read_letter(mail(sender=sender, extra=word + automatic), {"mx.shop.example"})
    then = course(letter, [thread(signed=signed, state=state)], "reopen", 200, LONG_AGO)
    is_hers = letter.sender in HERS and letter.verdict != "fail"
    if then.moves:
        assert is_hers
        assert not letter.automatic
        assert signed or letter.verdict == "pass"
    if then.verifies:
        assert is_hers
        assert letter.verdict == "pass"
    if not signed and not is_hers:
        assert then.thread is None, "a number alone leads nowhere"
    if then.thread is None:
        assert then.what == ("automatic" if letter.automatic else "opened")


def test_what_becomes_of_a_mail() -> None:
    hers = read_letter(mail())
    assert course(hers, [], "reopen", 9, LONG_AGO).what == "opened"
    assert (
        course(read_letter(mail(extra="X-Loop: x\r\n")), [thread()], "reopen", 9, LONG_AGO).what
        == "loop"
    )
    assert course(hers, [thread(messages=9)], "reopen", 9, LONG_AGO).what == "too_many"
    assert course(hers, [thread(state=State.CLOSED)], "new_case", 9, LONG_AGO).what == "opened"
    kept = course(hers, [thread(state=State.CLOSED)], "keep", 9, LONG_AGO)
    assert (kept.what, kept.moves) == ("continued", True)


def test_nothing_is_put_where_nobody_looks() -> None:
    """At a case that stays closed: too late, emptied, or an answer of somebody else."""
    hers, closed = read_letter(mail()), thread(state=State.CLOSED)
    assert course(hers, [closed], "reopen", 9, NOW).what == "continued"
    assert course(hers, [closed], "reopen", 9, NOW + timedelta(seconds=1)).what == "opened"
    emptied = replace(closed, emails=frozenset(), claimed=None)
    assert course(hers, [emptied], "reopen", 9, LONG_AGO).what == "opened"
    other = read_letter(mail(sender="bob@example.com"))
    assert course(other, [closed], "reopen", 9, LONG_AGO).what == "opened"
    machine = read_letter(mail(extra="Precedence: bulk\r\n"))
    assert course(machine, [closed], "reopen", 9, NOW + timedelta(days=1)).what == "continued"


def test_the_proof_of_one_verifies_no_case_of_another() -> None:
    """Bob's case was merged into hers: who proves to be Bob has not proved to be her."""
    both = replace(thread(), emails=HERS | {"bob@example.com"})
    bob = read_letter(mail(sender="bob@example.com", extra=PASS), {"mx.shop.example"})
    then = course(bob, [both], "reopen", 9, LONG_AGO)
    assert (bob.verdict, then.moves, then.verifies) == ("pass", True, False)
    ada = read_letter(mail(extra=PASS), {"mx.shop.example"})
    assert course(ada, [both], "reopen", 9, LONG_AGO).verifies


def test_the_surest_thread_comes_first() -> None:
    other = Thread(UUID(int=8), State.RECEIVED, frozenset({"x@y"}), signed=False, messages=0)
    then = course(read_letter(mail()), [other, thread()], "reopen", 9, LONG_AGO)
    assert then.thread is not None
    assert then.thread.case_id == CASE


def test_a_threads_word_is_ours_and_of_its_workspace() -> None:
    word = threads.thread(KEY, "acme", CASE)
    assert threads.case_of(KEY, "acme", word) == CASE
    assert threads.case_of(KEY, "other", word) is None
    assert threads.case_of(b"x" * 32, "acme", word) is None
    for wrong in ("", "a" * 42, "1" * 42, "é" * 42, word[:-1], word + "a"):
        assert threads.case_of(KEY, "acme", wrong) is None
    address = threads.reply_address("complaints@shop.example", word)
    assert threads.parted(address) == ("complaints@shop.example", word)
    assert threads.parted("Complaints@Shop.example") == ("complaints@shop.example", "")
    local = "x" * threads.LONGEST_LOCAL
    assert len(threads.reply_address(f"{local}@y", word).partition("@")[0]) == 64
    reference = threads.reference("complaints@shop.example", word)
    assert threads.words_in(f"{reference} {reference.upper()}") == [word]
    assert len(threads.words_in(" ".join(f"<c.{'a' * 40}{n:02d}@x>" for n in range(90)))) <= 20


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=examples(200))
def test_a_place_leads_back_to_itself(workspace: str, name: str) -> None:
    try:
        word = threads.place(KEY, "form", workspace.replace("\0", ""), name)
    except UnicodeEncodeError:
        return
    assert threads.at_place(KEY, "form", word) == (workspace.replace("\0", ""), name)
    assert threads.at_place(KEY, "connector", word) is None


@given(st.text(max_size=80))
@settings(max_examples=examples(300))
def test_nobody_else_can_make_a_place(word: str) -> None:
    assert threads.at_place(KEY, "form", word) is None


def test_a_place_has_one_spelling() -> None:
    word = threads.place(KEY, "form", "acme", "0")
    assert all(threads.at_place(KEY, "form", word + end) is None for end in ("=", "==", "A", "\n"))


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + one + b"\r\n" for one in parts) + b"--b--\r\n"


def field(name: str, value: bytes, filename: str | None = None) -> bytes:
    extra = "" if filename is None else f'; filename="{filename}"'
    head = f'Content-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + value


KIND = "multipart/form-data; boundary=b"


def test_a_form_with_files_is_read() -> None:
    binary = b"\r\n\x00\xff\r\n--b is not the end\r\n"
    found = posted_form(
        KIND,
        form(
            field("subject", "späť".encode()),
            field("subject", b"last"),
            field("files", binary, "a%22b.png"),
            field("files", b"", ""),
            b"Content-Disposition: form-data\r\n\r\nno name",
        ),
    )
    assert found.fields == {"subject": "last"}
    assert [(one.name, one.content) for one in found.files] == [('a"b.png', binary)]


def test_one_file_too_many_is_seen() -> None:
    parts = [field("files", b"x", f"{n}.txt") for n in range(MOST_AT_ONCE + 9)]
    assert len(posted_form(KIND, form(*parts)).files) == MOST_AT_ONCE + 1


@given(st.binary(max_size=300))
@settings(max_examples=examples(200))
def test_any_bytes_are_a_form(raw: bytes) -> None:
    assert posted_form(KIND, raw).fields is not None
    assert posted_form("multipart/form-data", raw).fields == {}
