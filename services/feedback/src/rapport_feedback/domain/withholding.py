"""Which groups of an anonymous survey are not told, so that nobody's answer can be subtracted."""

from collections.abc import Mapping


def withheld(people: Mapping[str, int], least: int) -> frozenset[str]:
    """Of {group: people} those that are not told: with fewer than `least` people, and the next
    smallest until those are at least two groups with `least` people together.

    One hidden group alone would be the whole less the others (complementary suppression: Hundepool
    et al., Statistical Disclosure Control, 2012, section 4).
    """
    ordered = sorted((many, name) for name, many in people.items() if many)
    hidden = [one for one in ordered if one[0] < least]
    for one in ordered[len(hidden) :]:
        # One that is hidden has too few people, so there are two when there are enough.
        if not hidden or sum(many for many, _ in hidden) >= least:
            break
        hidden.append(one)
    return frozenset(name for _, name in hidden)
