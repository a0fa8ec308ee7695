"""The whole bench: the parts in their order, and the table at the end."""

from __future__ import annotations

import argparse

from tests.bench import footprint, ingest, pipeline, place, soak, table
from tests.bench.table import Row


def main() -> None:
    """Parse the arguments, measure, print. Nothing here passes or fails."""
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__)
    parser.add_argument("--only", choices=["ingest", "pipeline"], help="one part of it")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only ingest's memory")
    parser.add_argument("--slow-kafka", action="store_true", help="halt Kafka while soaking")
    arguments = parser.parse_args()
    only = arguments.only
    busy = table.how_busy()
    if arguments.soak:
        table.show(soak.measure(arguments.soak, slow_kafka=arguments.slow_kafka), busy)
        return
    rows: list[Row] = []
    if only != "pipeline":
        rows += ingest.measure()
    if only != "ingest":
        rows += _whole_stack()
    table.show(rows, busy)


def _whole_stack() -> list[Row]:
    with place.running() as started:
        rest = footprint.at_rest(started)
        flow = pipeline.measure(started)
        return [*flow, *rest, *footprint.after_kills(started)]
