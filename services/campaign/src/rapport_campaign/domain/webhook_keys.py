"""The keys under which secrets of webhooks are kept."""

from typing import ClassVar

from rapport_common.secret_keys import SecretKeys


class WebhookKeys(SecretKeys):
    """Those of webhooks that are told what became of messages."""

    __slots__ = ()
    kind: ClassVar[str] = "outcome webhook"


def place_of(workspace: str, webhook_id: object) -> str:
    """Where a secret belongs."""
    return f"{workspace}/webhook/{webhook_id}"
