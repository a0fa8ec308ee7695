"""When poison stops a consumer: the numbers of the design, at their edges."""

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.kafka.limit import DeadLetterLimit


def note(limit: DeadLetterLimit, verdicts: list[bool]) -> str | None:
    """Records of a key each."""
    return limit.note([number if dead else None for number, dead in enumerate(verdicts)])


def test_one_hundred_in_a_row_is_too_many() -> None:
    assert note(DeadLetterLimit(), [True] * 99 + [False] * 800) is None
    assert "in a row" in (note(DeadLetterLimit(), [True] * 100) or "")


def test_more_than_one_percent_of_a_thousand_is_too_many() -> None:
    every_100th = [n % 100 == 0 for n in range(1000)]
    assert note(DeadLetterLimit(), every_100th) is None
    assert note(DeadLetterLimit(), [*every_100th[:-1], True]) is not None


def test_one_person_s_poison_stops_nobody_else() -> None:
    limit = DeadLetterLimit()
    assert limit.note([b"nobody"] * 5000) is None
    assert limit.note([b"nobody", b"somebody"] * 5000) is None


def test_a_good_past_does_not_hide_a_bad_present() -> None:
    limit = DeadLetterLimit()
    assert limit.note([None] * 50_000) is None
    assert note(limit, [n % 50 == 0 for n in range(1000)]) is not None


@given(st.lists(st.none() | st.integers(0, 300), max_size=3000), st.integers(1, 700))
def test_the_verdict_does_not_depend_on_the_batching(dead: list[int | None], size: int) -> None:
    whole = DeadLetterLimit().note(dead)
    limit, parts = DeadLetterLimit(), None
    for start in range(0, len(dead), size):
        parts = parts or limit.note(dead[start : start + size])
        if parts:
            break
    assert parts == whole
