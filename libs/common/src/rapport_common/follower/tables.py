"""The table of who a service follows."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

_IDS = {"text": Text, "uuid": UUID}
_KEPT = {"json": JSON, "jsonb": JSONB}


@dataclass(frozen=True)
class Followed:
    """What a service follows, and how it keeps it.

    `sections` are names of `events.activity.SECTIONS`, `ids` is the type of profile ids and `kept`
    that of the sections' columns; without one only their versions are kept, and the service keeps
    in tables of its own what it needs of them. Of sections that are followed only `later` than the
    others, nothing may ever have been told: that is no gap, they are as empty until they are told.
    """

    schema: str
    sections: tuple[str, ...]
    ids: Literal["text", "uuid"] = "text"
    kept: Literal["json", "jsonb"] | None = None
    later: tuple[str, ...] = ()

    @property
    def later_places(self) -> frozenset[int]:
        """The places of the sections that were not followed from the beginning."""
        return frozenset(map(self.sections.index, self.later))


def follower_table(metadata: MetaData, followed: Followed) -> None:
    """Declare `person` in the service's schema: a row per profile id, see `domain.Held`."""
    id_type = _IDS[followed.ids]
    versions = [
        Column(f"{name}_version", BigInteger, nullable=False, server_default=text("0"))
        for name in followed.sections
    ]
    sections = [Column(name, _KEPT[followed.kept]) for name in followed.sections if followed.kept]
    Table(
        "person",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("profile_id", id_type, primary_key=True),
        Column("version", BigInteger, nullable=False),
        # Whether it is somebody, of whom all that was told is held.
        Column("known", Boolean, nullable=False, server_default=text("false")),
        Column("ended", BigInteger, nullable=False, server_default=text("0")),
        Column("heir", id_type),
        Column("into_version", BigInteger, nullable=False, server_default=text("0")),
        Column("lacks", ARRAY(BigInteger)),
        *versions,
        *sections,
        Index("ix_person_lacking", "workspace", postgresql_where=text("lacks IS NOT NULL")),
        # Each event of a person rewrites the row: room for it on the same page.
        postgresql_with={"fillfactor": "70"},
    )
