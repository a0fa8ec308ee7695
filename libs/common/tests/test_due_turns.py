"""Who is due has his turn, whatever the others have."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.due.turns import Head, Turns

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LANES = st.sets(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "z"])), min_size=1
)


def heads(lanes: set[tuple[str, str]], late: timedelta = timedelta()) -> list[Head]:
    return [Head(workspace, kind, NOW - late) for workspace, kind in lanes]


@given(LANES, LANES, st.integers(1, 5))
def test_each_lane_has_its_turn_in_time(
    first: set[tuple[str, str]], always: set[tuple[str, str]], most: int
) -> None:
    """Within as many batches as there are kinds, times one for each `most` workspaces of it."""
    turns = Turns()
    for lane in sorted(first):
        chosen = turns.next(heads({lane}), NOW, most)
        assert chosen is not None
        turns = chosen[1]
    kinds = {kind for _, kind in always}
    waited = dict.fromkeys(always, 0)
    for _ in range(60):
        chosen = turns.next(heads(always), NOW, most)
        assert chosen is not None
        batch, turns = chosen
        assert batch.share * len(batch.workspaces) <= most
        served = {(one, batch.kind) for one in batch.workspaces}
        assert served <= always
        for lane in always:
            waited[lane] = 0 if lane in served else waited[lane] + 1
            rivals = sum(kind == lane[1] for _, kind in always)
            assert waited[lane] < len(kinds) * -(-rivals // most)


@given(LANES)
def test_nobody_is_served_before_his_time(lanes: set[tuple[str, str]]) -> None:
    assert Turns().next(heads(lanes, -timedelta(microseconds=1)), NOW, 10) is None
    assert Turns().next([], NOW, 10) is None
