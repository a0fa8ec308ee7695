"""The operator routes of every consumer and relay: what is behind, put aside, parked or refused."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.kafka.consumer import Consumer
from rapport_common.kafka.unpark import Unparker
from rapport_common.operator.dead_letters import dead_letter_routes
from rapport_common.operator.parked import parked_routes
from rapport_common.operator.positions import position_routes
from rapport_common.routes import Router, add_routes


def consumer_routes(engine: AsyncEngine, consumer: Consumer, unparker: Unparker) -> APIRouter:
    """/v1/positions, /v1/dead-letters and /v1/parked over one consumer (scope `ops`)."""
    router = Router(tags=["operations"])
    add_routes(
        router,
        position_routes(engine, consumer),
        dead_letter_routes(engine, consumer.batches),
        parked_routes(engine, consumer.batches, unparker),
    )
    return router
