"""What a record costs by how many segments there are, and how many of them it touches; and what
somebody costs who comes.

`python -m tests.bench.touched`: in memory, CPU time, the two in turn.
"""

import statistics
import time
import uuid

from services.segment.tests.judging import People, key_of

from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.membership import Person
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse

ADA = uuid.UUID(int=1)
TOUCHED, FEW, MANY = 20, 100, 10_000
RECORDS, ROUNDS, NEWCOMERS = 300, 15, 100


def _definitions(number: int) -> list[Definition]:
    """So many on traits, of which the first twenty read the plan."""
    judges, found = Judges(), []
    for index in range(number):
        name = "plan" if index < TOUCHED else f"t{index}"
        rule = {
            "and": [
                {"trait": name, "op": "in", "value": ["gold", f"{index}"]},
                {"not": {"trait": f"x{index}", "op": "exists"}},
            ]
        }
        found.append(Definition.of(uuid.UUID(int=index + 9), 1, name, parse(rule), judges=judges))
    return found


class _Shop:
    def __init__(self, number: int) -> None:
        self._people = People(_definitions(number), {key_of(ADA): Person("acme", ADA)})
        self._profiles = Profiles()
        self._traits = {f"own{index}": f"value {index}" for index in range(10)}
        self._tell("none")

    def _tell(self, plan: str) -> None:
        traits = sections((), {**self._traits, "plan": plan})["traits"]
        self._people.apply(self._profiles.event(str(ADA), traits=traits))

    def microseconds(self) -> float:
        """CPU for each record, of which every one changes the plan."""
        began = time.process_time()
        for index in range(RECORDS):
            self._tell("gold" if index % 2 else "free")
        return (time.process_time() - began) / RECORDS * 1e6


def _microseconds_of_newcomers(definitions: list[Definition]) -> float:
    """CPU for each person of whom something is told for the first time."""
    some = [uuid.UUID(int=number) for number in range(1, NEWCOMERS + 1)]
    people = People(definitions, {key_of(one): Person("acme", one) for one in some})
    told = sections([("user_id", "u")], {**{f"own{one}": one for one in range(10)}, "plan": "x"})
    profiles = Profiles()
    records = [profiles.event(str(one), **told) for one in some]
    began = time.process_time()
    people.apply(*records)
    return (time.process_time() - began) / NEWCOMERS * 1e6


def main() -> None:
    """Print both, and how they compare."""
    few, many = _Shop(FEW), _Shop(MANY)
    pairs = [(few.microseconds(), many.microseconds()) for _ in range(ROUNDS)]
    ratio = statistics.median(more / less for less, more in pairs)
    less, more = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{TOUCHED} touched: {less:.0f} µs a record of {FEW} segments, {more:.0f} µs of {MANY}: "
        f"{ratio:.2f} times"
    )
    for number in (FEW, MANY):
        definitions = _definitions(number)
        each = [_microseconds_of_newcomers(definitions) for _ in range(ROUNDS)]
        print(f"a newcomer: {statistics.median(each):.0f} µs with {number} segments")


if __name__ == "__main__":
    main()
