"""When poison stops a consumer: the numbers of the design, at their edges."""

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.kafka.limit import DeadLetterLimit


def test_one_hundred_in_a_row_is_too_many() -> None:
    assert DeadLetterLimit().note([True] * 99 + [False] * 800) is None
    assert "in a row" in (DeadLetterLimit().note([True] * 100) or "")


def test_more_than_one_percent_of_a_thousand_is_too_many() -> None:
    every_100th = [n % 100 == 0 for n in range(1000)]
    assert DeadLetterLimit().note(every_100th) is None
    assert DeadLetterLimit().note([*every_100th[:-1], True]) is not None


def test_a_good_past_does_not_hide_a_bad_present() -> None:
    limit = DeadLetterLimit()
    assert limit.note([False] * 50_000) is None
    assert limit.note([n % 50 == 0 for n in range(1000)]) is not None


@given(st.lists(st.booleans(), max_size=3000), st.integers(1, 700))
def test_the_verdict_does_not_depend_on_the_batching(verdicts: list[bool], size: int) -> None:
    whole = DeadLetterLimit().note(verdicts)
    limit, parts = DeadLetterLimit(), None
    for start in range(0, len(verdicts), size):
        parts = parts or limit.note(verdicts[start : start + size])
        if parts:
            break
    assert parts == whole
