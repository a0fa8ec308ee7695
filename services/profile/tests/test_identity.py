"""Who is who, from links alone: each rule of `identity.py` for any links at all."""

from hypothesis import given
from hypothesis import strategies as st

from rapport_profile.domain.identity import components, keep_ids, resolve

KINDS = {
    **dict.fromkeys("ABC", "user_id"),
    **dict.fromkeys("de", "email"),
    **dict.fromkeys("uvwxyz", "anonymous_id"),
}
links = st.lists(st.tuples(st.sampled_from("ABCdeuvwxyz"), st.sampled_from("ABCdeuvwxyz")))


def users_of(told: list[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Of each user id all that are the same user: a link between two says so."""
    between = [link for link in told if set(link) <= set("ABC")]
    return {one: frozenset(part) for part in components("ABC", between) for one in part}


def owners(one: str, told: list[tuple[str, str]]) -> set[frozenset[str]]:
    """The users that an identifier is linked to."""
    near = {end for link in told if one in link for end in link}
    return {users_of(told)[end] for end in near if KINDS[end] == "user_id"}


@given(links)
def test_each_rule_holds_for_any_links(told: list[tuple[str, str]]) -> None:
    found = resolve(KINDS, told, ())
    assert sorted(one for group in found.groups for one in group) == sorted(KINDS)
    assert sorted(one for part in found.clusters for one in part) == sorted(KINDS)
    weak = [one for one in KINDS if KINDS[one] != "user_id"]
    # Two users are never one person; who knows several is shared and alone.
    of = {one: group for group in found.groups for one in group}
    assert all(of[one] & set("ABC") == user for one, user in users_of(told).items())
    assert found.shared == {one for one in weak if len(owners(one, told)) > 1}
    assert all(of[one] == {one} for one in found.shared)
    # What else is connected is its user's, whole; or is split if there are several.
    plain = [one for one in weak if one not in found.shared]
    contested: set[str] = set()
    for component in map(frozenset, components(plain, told)):
        users = {user for one in component for user in owners(one, told)}
        if len(users) > 1:
            contested |= component
            for one in component:
                assert of[one] & set("ABC") == frozenset().union(*owners(one, told))
        else:
            assert {of[one] for one in component} == {of[min(component)]}
            assert (
                of[min(component)] == component
                if not users
                else users <= {of[min(component)] & set("ABC")}
            )
    assert found.contested >= contested
    several = {one for user in users_of(told).values() if len(user) > 1 for one in user}
    assert found.contested - contested == {one for user in several for one in of[user]} - contested


@given(links, links)
def test_only_what_is_asked_for_is_resolved(
    told: list[tuple[str, str]], beyond: list[tuple[str, str]]
) -> None:
    """Links to identifiers that were not given count for nothing."""
    outside = [(one, f"other {other}") for one, other in beyond]
    reached = [*outside, *((other, one) for one, other in outside)]
    plain, with_others = resolve(KINDS, told, ()), resolve(KINDS, [*reached, *told], ())
    assert set(with_others.groups) == set(plain.groups)
    assert set(with_others.clusters) == set(plain.clusters)


def test_who_is_known_to_be_shared_connects_nobody() -> None:
    """The users that share it need not be among those that are asked for."""
    kinds = {one: KINDS[one] for one in "Axyz"}
    found = resolve(kinds, [("A", "x"), ("x", "y"), ("y", "z")], {"x"})
    assert set(found.groups) == {frozenset("A"), frozenset("x"), frozenset("yz")}
    assert set(found.clusters) == set(found.groups)


def test_an_id_goes_on_with_its_user_else_with_the_smallest_identifier() -> None:
    groups = [frozenset(one) for one in ("Ax", "Bd", "uv", "wy", "z")]
    before = {"A": "p5", "x": "p1", "d": "p5", "u": "p3", "v": "p2", "w": "p3", "y": "p2"}
    kept = keep_ids(groups, before, KINDS)
    assert {min(group): id_ for group, id_ in kept.items()} == {
        "A": "p5",
        # The id of its address went on with A.
        "B": None,
        "u": "p2",
        "w": "p3",
        "z": None,
    }
