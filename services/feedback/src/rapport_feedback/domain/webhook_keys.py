"""The keys under which secrets of webhooks are kept."""

from typing import ClassVar

from rapport_common.secret_keys import SecretKeys


class WebhookKeys(SecretKeys):
    """Those of webhooks that are told of answers and cases."""

    __slots__ = ()
    kind: ClassVar[str] = "feedback webhook"


def place_of(workspace: str, webhook_id: object) -> str:
    """Where a secret belongs."""
    return f"{workspace}/webhook/{webhook_id}"
