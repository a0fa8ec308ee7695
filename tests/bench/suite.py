"""The whole bench: the parts in their order, and the table at the end."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.bench import (
    campaign,
    due,
    feedback,
    finding,
    footprint,
    identity,
    ingest,
    pipeline,
    place,
    profile,
    segment,
    soak,
    table,
)
from tests.bench.table import Row


def main() -> None:
    """Parse the arguments, measure, print. Nothing here passes or fails."""
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__)
    parser.add_argument("--only", choices=[*PARTS, *APART], help="one part of it")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only ingest's memory")
    parser.add_argument("--slow-kafka", action="store_true", help="halt Kafka while soaking")
    parser.add_argument("--people", type=int, metavar="N", help="in segment's or campaign's store")
    parser.add_argument("--rate", type=int, metavar="N", help="of campaign's: events a second")
    parser.add_argument("--answers", type=int, metavar="N", help="in feedback's store")
    parser.add_argument("--clocks", type=int, metavar="N", help="of open cases in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    busy = table.how_busy()
    rows = _measured(arguments)
    table.show(rows, busy)
    if arguments.json:
        table.save(rows, busy, arguments.json)


def _measured(arguments: argparse.Namespace) -> list[Row]:
    if arguments.soak:
        return soak.measure(float(arguments.soak), slow_kafka=arguments.slow_kafka)
    if arguments.only == "segment":
        return segment.measure(arguments.people)
    if arguments.only == "campaign":
        return campaign.measure(arguments.people, arguments.rate)
    if arguments.only == "feedback":
        return feedback.measure(arguments.answers, arguments.clocks)
    parts = {**PARTS, **APART}
    chosen = [arguments.only] if arguments.only else list(PARTS)
    return [row for one in chosen for row in parts[one]()]


def _whole_stack() -> list[Row]:
    with place.running() as started:
        rest = footprint.at_rest(started)
        flow = pipeline.measure(started)
        return [*flow, *rest, *footprint.after_kills(started)]


PARTS = {"ingest": ingest.measure, "pipeline": _whole_stack, "due": due.measure}
APART = {
    "profile": profile.measure,
    "segment": segment.measure,
    "campaign": campaign.measure,
    "feedback": feedback.measure,
    "search": finding.measure,
    "identity": identity.measure,
}
"""What takes minutes to get ready for the first time, or is asked for by itself."""
