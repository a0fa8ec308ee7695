"""The Postgres session: engine, time-outs, naming, retriable errors and the schema check."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.pgproto import pgproto
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from typing_extensions import override

from rapport_common import logging
from rapport_common.discretion import told

log = logging.get(__name__)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

IDLE_SECONDS = 5.0
"""A transaction that is silent for so long is ended by the server, and the connection with it."""

STATEMENT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
"""So long a server may take to let somebody in, unless it is told otherwise."""

# A frozen process must not hold a lock for longer than this; its batch is then refused by the
# position's compare-and-set when it thaws.
SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000:.0f}",
    "lock_timeout": "2000",
    "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}",
    "jit": "off",
}

TRANSACTION_TIMEOUT_SINCE = 17
"""The version of Postgres that knows `transaction_timeout`; older ones refuse such a session."""

# Deadlock, serialization, lock not available, statement time-out, killed while idle, transaction
# time-out: the work itself, or what it met, was the reason.
_CONTENTION = {"40P01", "40001", "55P03", "57014", "25P03", "25P04"}
# The server's shut-down family, too many clients; class 08 are lost connections.
_AWAY = {"57P01", "57P02", "57P03", "53300"}
_AWAY_CLASSES = {"08"}


def metadata(schema: str) -> MetaData:
    """The MetaData of one service: its own schema and the house's constraint names."""
    return MetaData(schema=schema, naming_convention=NAMING)


def create_engine(
    url: str,
    *,
    application: str,
    pool: int = 5,
    settings: Mapping[str, str] | None = None,
    ping: bool = False,
    patience: float = 60,
    connect_timeout: float | None = None,
) -> AsyncEngine:
    """An engine for a plain `postgresql://` address, with the house's time-outs on each session.

    A server that stands still ends no statement: after `patience` seconds it is taken for away, as
    is one that lets nobody in within `connect_timeout`.
    With `ping` a connection is asked whether it still stands before it is used.
    """
    server_settings = {"application_name": application, **SESSION_SETTINGS, **(settings or {})}
    connecting = partial(
        connect,
        plain_url(url),
        settings=server_settings,
        connect_timeout=connect_timeout,
        command_timeout=patience,
    )
    made = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connecting,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=ping,
        hide_parameters=True,  # errors are logged and kept: they must not repeat people's data
    )
    if ping:
        made.dialect.do_ping = _asked_once  # type: ignore[method-assign, assignment]
    return Engine(made.sync_engine)


def _asked_once(connection: Any) -> bool:
    """Whether it still stands; what raises is not so.

    SQLAlchemy asks within a transaction of its own, for the sake of poolers between: that is three
    ways to the server and back for each request instead of one.
    """
    level = connection.isolation_level
    connection.isolation_level = "autocommit"
    try:
        connection.ping()
    finally:
        connection.isolation_level = level
    return True


_after_commit: WeakKeyDictionary[AsyncConnection, list[Callable[[], None]]] = WeakKeyDictionary()


class Engine(AsyncEngine):
    """An engine whose `begin`, the one edge of every transaction, keeps `after_commit`."""

    @override
    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the block's end, rolled back by an exception."""
        calls: list[Callable[[], None]] = []
        async with super().begin() as tx:
            _after_commit[tx] = calls
            yield tx
        for call in calls:
            call()


def after_commit(tx: AsyncConnection, call: Callable[[], None]) -> None:
    """Call when `tx` has committed; not when it is rolled back, nor when the process ends first.

    So nothing may depend on it but speed. It must be quick and not raise. A transaction that
    was not begun by `begin` of the house's engine calls nothing.
    """
    calls = _after_commit.get(tx)
    if calls is not None and call not in calls:
        calls.append(call)


PLAN_SECONDS = 5.0
_PLANNED_AT = "when the plans were made"
_FORGET_PLANS = text("DISCARD PLANS")


async def plan_anew(tx: AsyncConnection, now: float) -> None:
    """Let a session that repeats its statements plan them anew every PLAN_SECONDS (`now`, too).

    After five runs of a statement the server keeps a plan, by how large the tables were then. What
    fits a table of one page reads all of one that has grown. Before the table is analysed, which
    can take minutes, nothing else would tell the server.
    """
    if now - tx.info.setdefault(_PLANNED_AT, now) >= PLAN_SECONDS:
        tx.info[_PLANNED_AT] = now
        await tx.execute(_FORGET_PLANS)


async def connect(
    url: str,
    *,
    settings: Mapping[str, str] | None = None,
    connect_timeout: float | None = None,
    command_timeout: float | None = None,
) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of its own, to listen on for example; engines connect in the same way.

    So an address means the same everywhere: its query is libpq's (`?sslmode=require`). Where the
    server can, it ends a transaction after half as long again as a statement may take.
    """
    connection = await asyncpg.connect(
        plain_url(url),
        timeout=CONNECT_SECONDS if connect_timeout is None else connect_timeout,
        command_timeout=command_timeout,
        server_settings=dict(settings or {}),
    )
    statement = (settings or {}).get("statement_timeout")
    try:
        if statement and connection.get_server_version().major >= TRANSACTION_TIMEOUT_SINCE:
            await connection.execute(f"SET transaction_timeout = {int(statement) * 3 // 2}")
    except BaseException:
        # Whoever asked for it has gone meanwhile, or it was lost: nobody else knows of it.
        connection.terminate()
        raise
    return connection


def plain_url(url: str) -> str:
    """The address as the driver reads it: `postgresql://`, whichever of its names it came with."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not separator:
        message = "RAPPORT_DATABASE_URL must look like postgresql://role:password@host:port/name"
        raise ValueError(message)
    return f"postgresql://{rest}"


def sqlstate(error: BaseException) -> str | None:
    """The five-character SQLSTATE behind an error, if Postgres gave one."""
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str):
            return state
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def is_retriable(error: BaseException) -> bool:
    """Whether the same work may succeed in a moment: locks, shut-down, lost connections."""
    if isinstance(error, (ConnectionError, TimeoutError, PoolTimeoutError, OSError)):
        return True
    state = sqlstate(error)
    if state is not None:
        return state in _CONTENTION | _AWAY or state[:2] in _AWAY_CLASSES
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig.__cause__ if error.orig is not None else None
        return isinstance(cause, (asyncpg.InterfaceError, OSError))
    return isinstance(error, asyncpg.InterfaceError)


def is_away(error: BaseException) -> bool:
    """Whether the server itself says that it is not there: shut-down family, too many clients."""
    return sqlstate(error) in _AWAY


def took_too_long(error: BaseException) -> bool:
    """Whether the server has ended a statement at its time-out."""
    return sqlstate(error) == "57014"


def is_contention(error: BaseException) -> bool:
    """Whether a retriable error is about the work (locks, time-outs), not about a server away."""
    return sqlstate(error) in _CONTENTION


def storable(message: str, length: int) -> str:
    """A text for people as a column can hold it: no NUL, no half characters, not too long."""
    return message[:length].replace("\0", "\\0").encode(errors="backslashreplace").decode()


def packed(name: str, kind: str) -> str:
    """SQL for a column of values passed as one text, see `pack`; an empty one is NULL.

    The driver looks at every element of a list to see whether it is a list itself, which
    costs more than sending it. For UUIDs, numbers and slugs one text is several times cheaper.
    """
    return f"CAST(string_to_array(CAST(:{name} AS text), ',', '') AS {kind}[])"


def pack(values: Iterable[str]) -> str:
    """Values without commas (UUIDs, numbers, slugs), as `packed` reads them."""
    return ",".join(values)


def packed_texts(name: str) -> str:
    """SQL for a column of any short texts passed as one, see `pack_texts`."""
    return f"CAST(CAST(:{name} AS text) AS text[])"


def pack_texts(values: Sequence[str]) -> str:
    """Texts as Postgres writes an array of them.

    Half as dear as a list, both sides together. For long ones, UUIDs and numbers a list is better.
    """
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * max(0, len(values) - 1):
        escaped = (one.replace("\\", "\\\\").replace('"', '\\"') for one in values)
        joined = '","'.join(escaped)
    return f'{{"{joined}"}}' if values else "{}"


def read_uuid(text: str) -> UUID:
    """The UUID that a text in its canonical form is, as the driver makes it.

    It equals any other of that number, and is made, hashed and written in a tenth of the time.
    """
    made: UUID = pgproto.UUID(text)
    return made


LOOK_SECONDS = 1.0
"""So often it is seen whether a database that was away at the start is there."""

ANSWER_SECONDS = 5.0


class SchemaError(RuntimeError):
    """The database is not at the version this code was written for."""


def head(root: Path) -> str:
    """The newest revision in a service folder: migrations are named `<revision>_<what>.py`.

    Read from the names, not by alembic: its import would be a tenth of every start.
    """
    return max(path.name.partition("_")[0] for path in (root / "migrations/versions").glob("*.py"))


async def answers(url: str) -> bool:
    """Whether the database answers on a connection of its own, within a few seconds."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await connect(url)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                # Not `close`: it waits for a server that may be frozen.
                connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False
    return True


class SchemaGate:
    """Lets the workers begin when the schema is seen to be at head; it waits for the database."""

    def __init__(self, engine: AsyncEngine, service: str, root: Path) -> None:
        self._engine = engine
        self._service = service
        self._root = root
        self._open = False

    async def look(self) -> bool:
        """Whether the schema is at head; False while the database is away.

        SchemaError says what to run when it is at another version, or can't be read at all.
        """
        if not self._open:
            try:
                await require_head(self._engine, self._service, self._root)
            except SchemaError as error:
                cause = error.__cause__
                if cause is None or not is_retriable(cause):
                    raise
                log.warning("the database is away, the workers wait", error=error)
            else:
                self._open = True
        return self._open

    async def wait(self, stop: asyncio.Event) -> bool:
        """Wait until the schema is at head: True; or until `stop`. SchemaError, as in `look`."""
        while not await self.look():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()
            if stop.is_set():
                return False
        return True


async def require_head(engine: AsyncEngine, service: str, root: Path) -> None:
    """Refuse to go on when the schema is not at head (SchemaError says what to run)."""
    try:
        async with engine.connect() as connection:
            table = f"{service}.alembic_version"
            present = await connection.execute(text(f"SELECT to_regclass('{table}')"))
            actual = None
            if present.scalar() is not None:
                found = await connection.execute(text(f"SELECT version_num FROM {table}"))
                actual = found.scalar()
    except (SQLAlchemyError, OSError) as error:
        message = f"can't read the version of schema {service}: {told(error)}"
        raise SchemaError(message) from error
    if actual != head(root):
        message = (
            f"schema {service} is at {actual or 'nothing'}, this code needs {head(root)}: "
            f"run `python -m rapport_{service} migrate`"
        )
        raise SchemaError(message)
