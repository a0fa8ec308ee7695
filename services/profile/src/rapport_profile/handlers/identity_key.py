"""No event is taken in under another identity key than those before."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.batch import ConsumerStoppedError
from rapport_profile.domain.naming import Ids
from rapport_profile.store import identity_key

MESSAGE = (
    "RAPPORT_EVENT_KEY is not the key under which identifiers are stored here: everybody would "
    "become somebody else. Give profile, and all services, the former one."
)


class IdentityKey:
    """Looks with a process's first batches; the first of all keeps its key."""

    def __init__(self, ids: Ids) -> None:
        self._fingerprint = ids.fingerprint()
        self._known = False

    async def require(self, tx: AsyncConnection) -> None:
        """ConsumerStoppedError when it is another key."""
        if self._known:
            return
        kept = await identity_key.kept(tx)
        # What this transaction keeps is not there before it ends: the next batch looks again.
        was_kept = kept is not None
        if not was_kept:
            await identity_key.keep(tx, self._fingerprint)
            kept = await identity_key.kept(tx)
        if kept != self._fingerprint:
            raise ConsumerStoppedError(MESSAGE)
        self._known = was_kept
