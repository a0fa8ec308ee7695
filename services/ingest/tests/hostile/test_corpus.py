"""The corpus against the domain: each body has its verdict, and takes no other with it."""

from datetime import UTC, datetime

import msgspec
import pytest
from services.ingest.tests.hostile import corpus
from services.ingest.tests.hostile.corpus.case import GOOD, Case
from tests.support.wording import python_in

from rapport_common.errors import AppError, TooLargeError
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_ingest.domain.body import MAX_BODY_BYTES, open_batch, open_single, unpack
from rapport_ingest.domain.event import Judged, Origin, judge
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.source import Caller, SourcePolicy
from rapport_ingest.domain.verdict import Refusal
from rapport_ingest.routes import KINDS

ORIGIN = Origin(
    compiled(Caller("demo", "web"), SourcePolicy(ip="keep"), []),
    SenderClock(None, datetime(2026, 3, 1, tzinfo=UTC)),
)
NAMES = [one.name for one in corpus.ALL]


def items_of(case: Case) -> list[msgspec.Raw]:
    if len(case.body) > MAX_BODY_BYTES:
        raise TooLargeError(MAX_BODY_BYTES)  # as the reader of requests does before it unpacks
    plain = unpack(case.body, case.headers.get("Content-Encoding", "").lower())
    if case.route == "batch":
        return open_batch(plain).batch
    open_single(plain)
    return [msgspec.Raw(plain)]


def judged(case: Case) -> tuple[str, list[Judged]]:
    """("ok", the code of the only refusal, or "!" and the request's error; all verdicts)."""
    try:
        found = [judge(one, KINDS[case.route], ORIGIN, "spare") for one in items_of(case)]
    except AppError as error:
        return "!" + error.code, []
    codes = [one.code for one in found if isinstance(one, Refusal)]
    assert len(codes) <= 1
    return (codes or ["ok"])[0], found


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(NAMES) >= 300
    assert len(set(NAMES)) == len(NAMES)


def test_each_body_has_the_verdict_it_deserves() -> None:
    wrong = []
    for case in corpus.ALL:
        code, found = judged(case)
        paths = [one.path for one in found if isinstance(one, Refusal)]
        if code != case.expected or (case.path is not None and paths != [case.path]):
            wrong.append((case.name, code, paths, case.expected, case.path))
    assert not wrong


def test_what_is_accepted_can_be_read_again_and_what_is_refused_says_why() -> None:
    for case in corpus.ALL:
        for one in judged(case)[1]:
            if isinstance(one, Refusal):
                assert one.message_id, case.name
                assert len(one.message_id) <= 100, case.name
                assert len(one.reason) <= 300, case.name
                assert "\0" not in one.reason + one.path + one.message_id, case.name
            else:
                assert msgspec.json.decode(encode(one[0]), type=Event) == one[0], case.name


@pytest.mark.parametrize("route", [one for one in KINDS if KINDS[one]])
def test_between_good_events_only_it_is_refused(route: str) -> None:
    for case in (*corpus.BYTES, *corpus.FIELDS):
        if case.route != route or case.headers or case.expected[0] == "!":
            continue
        event = case.body.removeprefix(b"\xef\xbb\xbf")
        if event != event.strip():
            continue  # in a batch the space around an event is not part of it
        if len(event) > 2**20:
            continue  # a batch with it and what no strict reader takes is over its own limits
        batch = open_batch(b'{"batch":[%s,%s,\n%s ]}' % (GOOD, event, GOOD)).batch
        found = [judge(one, KINDS[route], ORIGIN, "spare") for one in batch]
        codes = [one.code if isinstance(one, Refusal) else "ok" for one in found]
        good = "ok" if KINDS[route] in {"track", "identify", "page", "screen"} else codes[0]
        assert codes == [good, case.expected, good], case.name


def test_nobody_has_to_know_our_language() -> None:
    wrong = []
    for case in corpus.ALL:
        try:
            found = [judge(one, KINDS[case.route], ORIGIN, "spare") for one in items_of(case)]
            said = [one.reason for one in found if isinstance(one, Refusal)]
        except AppError as error:
            said = [str(error.body())]
        wrong += [(case.name, word) for one in said if (word := python_in(one))]
    assert not wrong
