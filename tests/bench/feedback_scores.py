"""How long who asks for a score waits, by each dimension, the first time and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import httpx
import uvloop
from tests.bench.histogram import Histogram
from tests.bench.place import WORKSPACE, Place
from tests.bench.table import Row, console

if TYPE_CHECKING:
    from collections.abc import Mapping

GOAL = "300"
TIMES = 5
MOST_SECONDS = 15.0
"""Of one question: what takes longer is asked for fewer times."""

QUESTIONS: Mapping[str, str] = {
    "of a wave": "measure=wave",
    "of a wave by product": "measure=wave&by=product",
    "of a wave by channel": "measure=wave&by=channel",
    "of a wave by store": "measure=wave&by=store",
    "of a wave by agent": "measure=wave&by=agent",
    "of a wave by segment": "measure=wave&by=segment",
    "of a wave, compared": "measure=wave&compare=true",
    "of a day": "measure=rolling&days=1",
    "of 30 days": "measure=rolling&days=30",
    "of 30 days by product": "measure=rolling&days=30&by=product",
    "of a year": "measure=rolling&days=365",
    "latest": "measure=latest",
    "latest by product": "measure=latest&by=product",
    "of another question": "measure=wave&question=ease",
}
_PLAIN = """
SELECT wave, score, count(*) FROM feedback.response WHERE workspace = $1 AND survey_id = $2
GROUP BY 1, 2
"""


def scores(place: Place, database: str, survey: UUID, answers: int) -> list[Row]:
    """A row for each question; its p95 after the first time, which the note tells."""
    plain = uvloop.run(_counted(database, survey))
    path = f"/v1/surveys/{survey}"
    asked = {name: f"{path}/score?{query}" for name, query in QUESTIONS.items()}
    asked["trend"] = f"{path}/trend"
    rows = []
    for name, url in asked.items():
        row = _asked(place, name, url, plain)
        console.print("  ", *row.cells())
        rows.append(row)
    console.print(f"  {answers:,} answers; a plain count of them takes {plain:.0f} ms")
    return rows


def _asked(place: Place, name: str, url: str, plain: float) -> Row:
    took, note = list[float](), ""
    while len(took) < 1 + TIMES and sum(took) < MOST_SECONDS:
        began = time.perf_counter()
        try:
            place.get("feedback", url)
        except httpx.HTTPError as error:
            note = f"FAILED: {str(error)[:80]}"
        took.append(time.perf_counter() - began)
        if note:
            break
    again = Histogram.of(took[1:] or took)
    note = note or f"first {1000 * took[0]:.0f} ms, p50 {again.milliseconds(0.5):.0f} ms"
    return Row(f"score {name}, p95", again.milliseconds(0.95), "ms", GOAL, plain, note)


async def _counted(database: str, survey: UUID) -> float:
    """Milliseconds in which Postgres alone counts the answers, people or not."""
    connection = await asyncpg.connect(database)
    try:
        took = []
        for _ in range(3):
            began = time.perf_counter()
            await connection.fetch(_PLAIN, WORKSPACE, survey)
            took.append(1000 * (time.perf_counter() - began))
        return min(took)
    finally:
        await connection.close()
