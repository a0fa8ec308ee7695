"""How many posts may be begun: never more than is allowed, and fairly between workspaces."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.outside.room import ALL, EACH, OF_A_WORKSPACE, Place, rooms

PLACES = st.tuples(st.sampled_from("abcdefg"), st.integers(1, 8).map(lambda n: UUID(int=n)))
WANTED = st.dictionaries(PLACES, st.integers(1, EACH), max_size=40)
BUSY = st.dictionaries(PLACES, st.integers(1, EACH), max_size=12)


def by_workspace(some: Counter[Place]) -> Counter[str]:
    found: Counter[str] = Counter()
    for place, number in some.items():
        found[place[0]] += number
    return found


@given(WANTED, BUSY)
def test_no_bound_is_passed_and_nothing_is_left_that_could_be_given(
    wanted: dict[Place, int], busy: dict[Place, int]
) -> None:
    given_ = rooms(wanted, busy)
    together = Counter(busy) + given_
    whole = by_workspace(together)
    for place, number in given_.items():
        assert 0 < number <= wanted[place]
        assert together[place] <= EACH
        assert whole[place[0]] <= OF_A_WORKSPACE
    assert not given_ or together.total() <= ALL
    if together.total() < ALL:
        for place, number in wanted.items():
            is_full = together[place] >= EACH or whole[place[0]] >= OF_A_WORKSPACE
            assert is_full or given_[place] == number


@given(WANTED, BUSY)
def test_nobody_is_given_a_place_that_somebody_with_fewer_wants(
    wanted: dict[Place, int], busy: dict[Place, int]
) -> None:
    given_ = rooms(wanted, busy)
    together = Counter(busy) + given_
    whole = by_workspace(together)
    for place, number in wanted.items():
        wants_more = given_[place] < number and together[place] < EACH
        if not wants_more or whole[place[0]] >= OF_A_WORKSPACE:
            continue
        for other in given_:
            if other[0] != place[0]:
                assert whole[other[0]] <= whole[place[0]] + 1
            elif other != place:
                assert together[other] <= together[place] + 1


def test_one_who_is_alone_has_the_room_of_a_workspace() -> None:
    place = [("a", UUID(int=number)) for number in range(1, 5)]
    assert rooms(dict.fromkeys(place, EACH), {}) == Counter(dict.fromkeys(place, 4))
    assert rooms({place[0]: EACH}, {}) == {place[0]: EACH}
    assert rooms(dict.fromkeys(place, EACH), {place[0]: EACH, place[1]: EACH}) == {}
