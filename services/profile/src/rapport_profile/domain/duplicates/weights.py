"""How much each likeness and each difference says, as data.

After Fellegi and Sunter, "A Theory for Record Linkage", JASA 64 (1969): for each field and each
level of agreement the share of pairs that show it, among pairs that are one person (`same`) and
among pairs that are not. Those are of two sorts here, for they agree in different fields:
`household`, two who live together and share address, number and family name, and `strangers`.

Where the numbers are from: `same` and `strangers` of names, birthdays, numbers of papers and
addresses were measured on FEBRL's data set 4, which is none of those that the finder is judged
by, and rounded (`make duplicates-table ARGS=--weights` prints one beside the other). Where FEBRL
is not like life they were changed: a quarter of all people are taken to have moved, and the parts
of an address depend on each other, so their `strangers` are raised, and an address of which no
part agrees is one difference. What FEBRL has not (e-mail, phone, gender) and all of `household` is
judgement, on the side of caution.
"""

from typing import NamedTuple

SAME, SWAPPED, CLOSE, WEAK, DIFFERENT = "same", "swapped", "close", "weak", "different"
COMMON = "common"


class Level(NamedTuple):
    """Shares of pairs that show it, 0 to 1, and how it is told; `{0}` is a measure, if any."""

    same: float
    household: float
    strangers: float
    told: str


WEIGHTS: dict[str, dict[str, Level]] = {
    "given name": {
        SAME: Level(0.75, 0.008, 0.004, "same given name"),
        CLOSE: Level(0.15, 0.01, 0.003, "given name {0}"),
        WEAK: Level(0.02, 0.02, 0.01, "given name may be the same: {0}"),
        DIFFERENT: Level(0.08, 0.962, 0.983, "different given name"),
    },
    "family name": {
        SAME: Level(0.73, 0.75, 0.004, "same family name"),
        CLOSE: Level(0.19, 0.05, 0.002, "family name {0}"),
        WEAK: Level(0.02, 0.02, 0.01, "family name may be the same: {0}"),
        DIFFERENT: Level(0.06, 0.18, 0.984, "different family name"),
    },
    "order of names": {
        SWAPPED: Level(0.08, 0.08, 1.0, "given and family name swapped"),
    },
    "name": {
        COMMON: Level(0.015, 0.015, 1.0, "many people have this name"),
    },
    "birthday": {
        SAME: Level(0.94, 0.005, 0.00003, "same birthday"),
        SWAPPED: Level(0.005, 0.0005, 0.00002, "birthday with day and month swapped"),
        CLOSE: Level(0.015, 0.005, 0.001, "birthday {0}"),
        DIFFERENT: Level(0.04, 0.9895, 0.99895, "different birthday"),
    },
    "gender": {
        SAME: Level(0.98, 0.45, 0.5, "same gender"),
        DIFFERENT: Level(0.02, 0.55, 0.5, "different gender"),
    },
    "e-mail": {
        SAME: Level(0.4, 0.15, 0.000002, "same e-mail"),
        CLOSE: Level(0.1, 0.01, 0.000004, "e-mail {0}"),
        WEAK: Level(0.05, 0.005, 0.0001, "same e-mail name at another provider"),
        DIFFERENT: Level(0.45, 0.835, 0.9999, "different e-mail"),
    },
    "phone": {
        SAME: Level(0.5, 0.4, 0.000002, "same phone"),
        CLOSE: Level(0.08, 0.02, 0.000006, "phone {0}"),
        DIFFERENT: Level(0.42, 0.58, 1.0, "different phone"),
    },
    "number": {
        SAME: Level(0.91, 0.001, 0.0000005, "same {0}"),
        CLOSE: Level(0.05, 0.005, 0.000003, "{0}"),
        DIFFERENT: Level(0.04, 0.994, 1.0, "different {0}"),
    },
    "postcode": {
        SAME: Level(0.63, 0.94, 0.002, "same postcode"),
        CLOSE: Level(0.11, 0.03, 0.015, "postcode {0}"),
        DIFFERENT: Level(0.26, 0.03, 0.983, "different postcode"),
    },
    "place": {
        SAME: Level(0.57, 0.89, 0.02, "same place"),
        CLOSE: Level(0.14, 0.08, 0.01, "place {0}"),
        DIFFERENT: Level(0.29, 0.03, 0.97, "different place"),
    },
    "street": {
        SAME: Level(0.47, 0.89, 0.002, "same street"),
        CLOSE: Level(0.23, 0.08, 0.005, "street {0}"),
        DIFFERENT: Level(0.3, 0.03, 0.993, "different street"),
    },
    "house": {
        SAME: Level(0.66, 0.92, 0.015, "same house number"),
        DIFFERENT: Level(0.34, 0.08, 0.985, "different house number"),
    },
    "address": {
        DIFFERENT: Level(0.25, 0.02, 0.97, "different address"),
    },
}

PRIOR_SAME, PRIOR_HOUSEHOLD = 1e-7, 1e-6
"""Of any two of a million people: one in ten is there twice, and shares a home with another one.

Of fewer people more pairs are the same: the finder is then on the safe side.
"""

PROPOSE, LIKELY = 0.5, 0.99
"""From which score on a pair is proposed, and is called likely."""
