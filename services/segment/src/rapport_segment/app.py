"""The composition root: settings, connections, handlers, workers and routes."""

from pathlib import Path

from rapport_common.composition import open_parts
from rapport_segment.api import ledger_routes, member_routes, segment_routes
from rapport_segment.consumer import subscriptions
from rapport_segment.handlers.activity import ActivityHandler
from rapport_segment.handlers.segments import SegmentHandler
from rapport_segment.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None = None) -> None:
    """Run the service until a signal; `only` is "api", "worker" or None for both."""
    parts = await open_parts("segment", Settings(), ROOT)
    consumer = parts.consume(subscriptions(ActivityHandler()))
    parts.relay()
    parts.retain([])
    handler = SegmentHandler()
    parts.routers += [
        segment_routes(parts.api_engine, handler),
        member_routes(parts.api_engine, handler),
        ledger_routes(parts.api_engine, consumer.store),
    ]
    await parts.run(parts.api(), only=only)
