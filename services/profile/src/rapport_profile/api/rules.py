"""What the routes of all rules have in common: versions are shown, and others follow them."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.paging import MAX_BIGINT, Page
from rapport_profile.api.asking import NO_NUL
from rapport_profile.store import rules
from rapport_profile.store.rules import Subject, Version

Writer = Annotated[Operator, Depends(operator("profiles:write"))]
R = TypeVar("R", bound=msgspec.Struct)


class NewVersion(BaseModel):
    """Rules that take the place of others."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(
        ge=0,
        le=MAX_BIGINT,
        strict=True,
        description="of those whose place they take; 0: there are none",
    )
    reason: str = Field(min_length=1, max_length=1000, pattern=NO_NUL)


class Shelf(Generic[R]):
    """The rules of one subject as they are shown; `fields` are a version's own."""

    def __init__(
        self, engine: AsyncEngine, subject: Subject[R], fields: Callable[[R], dict[str, Any]]
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._fields = fields

    async def holding(self, workspace: str) -> dict[str, Any]:
        """The rules that hold; version 0 are those of a workspace that has declared none."""
        async with self._engine.begin() as tx:
            found = await rules.latest(tx, self._subject, workspace)
        if found is not None:
            return self.version(found)
        nobody = {"version": 0, "actor": None, "reason": None, "created_at": None}
        return {**nobody, **self._fields(self._subject.form())}

    async def history(self, workspace: str, page: Page) -> dict[str, Any]:
        """A page of all versions, the newest first."""
        after = page.after(int)
        async with self._engine.begin() as tx:
            before = after[0] if after else None
            found = await rules.history(tx, self._subject, workspace, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=self.version)

    def version(self, found: Version[R]) -> dict[str, Any]:
        """One version, by whom and why."""
        return {
            "version": found.version,
            **self._fields(found.declared),
            "actor": found.actor,
            "reason": found.reason,
            "created_at": found.created_at,
        }
