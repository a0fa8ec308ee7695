"""No event is taken in under another identity key than those before."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.kafka.batch import ConsumerStoppedError
from rapport_profile.domain.naming import Ids
from rapport_profile.store.identity_key import is_kept

MESSAGE = (
    "RAPPORT_EVENT_KEY is not the key under which identifiers are stored here: everybody would "
    "become somebody else. Give profile, and all services, the former one."
)


class IdentityKey:
    """Looks once per process, with the first batch, whose transaction also keeps a first key."""

    def __init__(self, ids: Ids) -> None:
        self._fingerprint = ids.fingerprint()
        self._known = False

    async def require(self, tx: AsyncConnection) -> None:
        """ConsumerStoppedError when it is another key."""
        if self._known:
            return
        if not await is_kept(tx, self._fingerprint):
            raise ConsumerStoppedError(MESSAGE)
        self._known = True
