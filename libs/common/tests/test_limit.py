"""When poison stops a consumer: the numbers of the design, at their edges."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.kafka.limit import DeadLetterLimit


def dead_keys(verdicts: Iterable[bool], *, of: int = 10) -> list[bytes | None]:
    """What happened to records of so many keys in turn."""
    return [b"%d" % (n % of) if dead else None for n, dead in enumerate(verdicts)]


def test_one_hundred_in_a_row_is_too_many() -> None:
    assert DeadLetterLimit().note(dead_keys([True] * 99 + [False] * 800)) is None
    assert "in a row" in (DeadLetterLimit().note(dead_keys([True] * 100)) or "")


def test_one_sender_of_poison_does_not_stop_the_others() -> None:
    assert DeadLetterLimit().note(dead_keys([True] * 5000, of=4)) is None
    assert DeadLetterLimit().note(dead_keys([True] * 5000, of=5)) is not None


def test_a_long_run_of_one_sender_does_not_hide_that_all_fail() -> None:
    limit = DeadLetterLimit()
    assert limit.note(dead_keys([True] * 300, of=1)) is None
    assert limit.note(dead_keys([True] * 20)) is not None


def test_more_than_one_percent_of_a_thousand_is_too_many() -> None:
    every_100th = dead_keys((n % 100 == 0 for n in range(1000)), of=900)
    assert DeadLetterLimit().note(every_100th) is None
    assert DeadLetterLimit().note([*every_100th[:-1], b"one more"]) is not None


def test_a_good_past_does_not_hide_a_bad_present() -> None:
    limit = DeadLetterLimit()
    assert limit.note([None] * 50_000) is None
    assert limit.note(dead_keys((n % 50 == 0 for n in range(1000)), of=900)) is not None


@given(st.lists(st.booleans(), max_size=3000), st.integers(1, 700))
def test_the_verdict_does_not_depend_on_the_batching(verdicts: list[bool], size: int) -> None:
    keys = dead_keys(verdicts)
    whole = DeadLetterLimit().note(keys)
    limit, parts = DeadLetterLimit(), None
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        if any(part) or not limit.note_applied(len(part)):
            parts = limit.note(part)
        if parts:
            break
    assert parts == whole
