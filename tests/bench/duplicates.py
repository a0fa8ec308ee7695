"""`make duplicates-table`: how good the finder of duplicates is on FEBRL's data sets 1 to 3.

With `--weights` also what data set 4, which the weights are from, shows beside what they are.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random

from services.profile.tests.febrl import Pair, Table, load, measured, scores

from rapport_profile.domain.duplicates.comparing import compared
from rapport_profile.domain.duplicates.weights import LIKELY, PROPOSE, WEIGHTS


def shares(table: Table, pairs: Iterable[Pair]) -> dict[str, dict[str, float]]:
    """How often pairs show each level, of those of which both have the field."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one, other in pairs:
        for each in compared(table.people[one], table.people[other]):
            counts[each.field][each.level] += 1
    return {
        field: {level: number / some.total() for level, number in some.items()}
        for field, some in counts.items()
    }


def main() -> None:
    print(f"{'data set':23}{'pairs':>6}{'compared':>9}{'of these':>9}", end="")
    print("".join(f"{f'from {one:g}:':>9} precision  recall     F1" for one in (PROPOSE, LIKELY)))
    for papers in (True, False):
        for name in "123":
            table = load(name, papers=papers)
            found = scores(table)
            label = f"FEBRL {name}{'' if papers else ', no soc_sec_id'}"
            reached = len(found.keys() & table.pairs) / len(table.pairs)
            print(f"{label:22}{len(table.pairs):7}{len(found):9}{reached:9.4f}", end="")
            for threshold in (PROPOSE, LIKELY):
                one = measured(table, found, threshold)
                print(f"{one.found:9}{one.precision:10.4f}{one.recall:8.4f}{one.f1:7.4f}", end="")
            print()
    if "--weights" in sys.argv:
        _print_weights()


def _print_weights() -> None:
    """What data set 4 shows beside what stands in `weights.py`."""
    table, chance = load("4a", "4b"), Random(0)
    records = sorted(table.people)
    strangers = {tuple(sorted(chance.sample(records, 2))) for _ in range(400_000)} - table.pairs
    same = shares(table, table.pairs)
    other = shares(table, ((one[0], one[1]) for one in strangers))
    print(
        f"\n{'field':16}{'level':12}{'same':>10}{'measured':>10}{'strangers':>12}{'measured':>12}"
    )
    for field, levels in WEIGHTS.items():
        for level, weight in levels.items():
            seen = (same.get(field, {}).get(level, 0), other.get(field, {}).get(level, 0))
            print(f"{field:16}{level:12}{weight.same:10.3f}{seen[0]:10.3f}", end="")
            print(f"{weight.strangers:12.6f}{seen[1]:12.6f}")


if __name__ == "__main__":
    main()
