"""Who may send with a source's key: allowed origins and networks."""

from rapport_ingest.domain.source import Policy


class Guard:
    """The allow-lists of one source."""

    def __init__(self, policy: Policy) -> None:
        raise NotImplementedError(policy)

    def check(self, origin: bytes | None, address: str | None) -> None:
        """ForbiddenError unless a request from this origin and address may send."""
        raise NotImplementedError(origin, address)
