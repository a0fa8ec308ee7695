"""People are forgotten: what was refused of them, and what is shown of events."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common import clock
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import Page, Sweep
from rapport_ingest.handlers.cataloguing import FLUSH_SECONDS
from rapport_ingest.handlers.uploads import Uploads
from rapport_ingest.store import holding
from rapport_ingest.store.access import parts
from rapport_ingest.store.privacy import sweeps
from rapport_ingest.tables import SCHEMA

LEARNT = timedelta(seconds=2 * FLUSH_SECONDS)
"""By then every process has written what it has learnt from events before."""


def eraser(event_key: bytes, uploads: Uploads) -> Eraser:
    """Who does it; `event_key`: identifiers are known again under it."""
    first = [_Learnt(LEARNT), _Files(uploads)]
    known = Recogniser(event_key)
    return Eraser(SCHEMA, [*first, *sweeps(known)], parts(known), restricts=holding.note)


class _Learnt(Sweep):
    """Waits for examples and violations that processes still hold in memory."""

    table = "ingest.catalogue"

    def __init__(self, patience: timedelta) -> None:
        self._patience = patience

    @override
    async def page(self, _tx: AsyncConnection, who: Subject, _after: str | None) -> Page:
        """Nothing to remove."""
        return Page(waits=clock.now() < who.at + self._patience)


class _Files(Sweep):
    """Uploaded files of imports that have ended go at once.

    What is still being imported was received later than the wish, whenever it was uploaded.
    """

    table = "ingest.upload"

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    @override
    async def page(self, _tx: AsyncConnection, _who: Subject, _after: str | None) -> Page:
        """Delete them."""
        await self._uploads.sweep()
        return Page()
