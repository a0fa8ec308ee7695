"""Over a thousand bodies that are broken, strange or meant to hurt, with their verdicts."""

from services.ingest.tests.hostile.corpus import batches, fields, packed, strange
from services.ingest.tests.hostile.corpus.case import Case
from services.ingest.tests.hostile.corpus.singles import SINGLES

BYTES: list[Case] = [
    *(Case(name, body, expected) for name, (body, expected) in SINGLES.items()),
    *packed.cases(),
    *strange.cases(),
]
"""Bodies of a single track event."""

FIELDS: list[Case] = list(fields.cases())
BATCHES: list[Case] = list(batches.cases())
ALL: list[Case] = [*BYTES, *FIELDS, *BATCHES]
