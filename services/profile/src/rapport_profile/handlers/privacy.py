"""What profile does with the records of `privacy`: it forgets and tells, and hears all answers."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.events.privacy import PrivacyRecord
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_profile import metrics
from rapport_profile.domain.deadlines import overdue_before
from rapport_profile.handlers.accessing import Accessing
from rapport_profile.handlers.erasing import Erasing, measure
from rapport_profile.store import access_requests
from rapport_profile.store.access import parts
from rapport_profile.tables import SCHEMA


def eraser(erasing: Erasing, accessing: Accessing) -> Eraser:
    """Who does it."""

    async def answers(tx: AsyncConnection, record: PrivacyRecord) -> None:
        if record.kind == "receipt":
            await erasing.on_receipt(tx, record)
        else:
            await accessing.on_answer(tx, record)

    async def measured(tx: AsyncConnection) -> None:
        await measure(tx)
        before = overdue_before(clock.now(), erasing.law)
        for kind, number in (await access_requests.overdue(tx, before)).items():
            metrics.OVERDUE.labels(kind).set(number)

    known = Recogniser(erasing.key)
    return Eraser(SCHEMA, erasing.sweeps, parts(known), answers=answers, measure=measured)
