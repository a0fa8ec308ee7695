"""What /readyz asks of a consumer and of the database."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.discretion import told
from rapport_common.kafka.consumer import Consumer

Check = Callable[[], Awaitable[str | None]]


def consumer_check(consumer: Consumer) -> Check:
    """Not ready while the consumer has stopped loudly."""

    async def check() -> str | None:
        return consumer.stopped_because

    return check


def unavailable_without(engine: AsyncEngine) -> Check:
    """Not ready while Postgres does not answer."""

    async def check() -> str | None:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it is not ready
            return f"database: {told(error)}"
        return None

    return check
