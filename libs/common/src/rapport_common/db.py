"""The Postgres session: engine, time-outs, naming, retriable errors and the schema check."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# A frozen process must not hold a lock for longer than this; its batch is then refused by the
# position's compare-and-set when it thaws.
SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": "5000",
    "lock_timeout": "2000",
    "statement_timeout": "60000",
    "jit": "off",
}

# Deadlock, serialization, lock not available, the server's shut-down family, too many clients.
_RETRIABLE = {"40P01", "40001", "55P03", "57P01", "57P02", "57P03", "57014", "53300", "25P03"}
_RETRIABLE_CLASSES = {"08"}


def metadata(schema: str) -> MetaData:
    """The MetaData of one service: its own schema and the house's constraint names."""
    return MetaData(schema=schema, naming_convention=NAMING)


def create_engine(
    url: str, *, application: str, pool: int = 5, settings: Mapping[str, str] | None = None
) -> AsyncEngine:
    """An engine for a plain `postgresql://` address, with the house's time-outs on each session."""
    server_settings = {"application_name": application, **SESSION_SETTINGS, **(settings or {})}
    return create_async_engine(
        driver_url(url),
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        hide_parameters=True,  # errors are logged and kept: they must not repeat people's data
        connect_args={"server_settings": server_settings, "timeout": 5, "command_timeout": 60},
    )


def driver_url(url: str) -> str:
    """The same address with SQLAlchemy's name of the asyncpg driver."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not separator:
        message = "RAPPORT_DATABASE_URL must look like postgresql://role:password@host:port/name"
        raise ValueError(message)
    return f"postgresql+asyncpg://{rest}"


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
        return state in _RETRIABLE or state[:2] in _RETRIABLE_CLASSES
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig.__cause__ if error.orig is not None else None
        return isinstance(cause, (asyncpg.InterfaceError, OSError))
    return isinstance(error, asyncpg.InterfaceError)


def packed(name: str, kind: str) -> str:
    """SQL for a column of values passed as one text, see `pack`; an empty one is NULL.

    The driver looks at every element of a list to see whether it is a list itself, which
    costs more than sending it. For UUIDs, numbers and slugs one text is several times cheaper.
    """
    return f"CAST(string_to_array(CAST(:{name} AS text), ',', '') AS {kind}[])"


def pack(values: Iterable[str]) -> str:
    """Values without commas (UUIDs, numbers, slugs), as `packed` reads them."""
    return ",".join(values)


class SchemaError(RuntimeError):
    """The database is not at the version this code was written for."""


def head(root: Path) -> str:
    """The newest revision in a service folder: migrations are named `<revision>_<what>.py`.

    Read from the names, not by alembic: its import would be a tenth of every start.
    """
    return max(path.name.partition("_")[0] for path in (root / "migrations/versions").glob("*.py"))


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
        message = f"can't read the version of schema {service}: {error}"
        raise SchemaError(message) from error
    if actual != head(root):
        message = (
            f"schema {service} is at {actual or 'nothing'}, this code needs {head(root)}: "
            f"run `python -m rapport_{service} migrate`"
        )
        raise SchemaError(message)
