"""Rows of webhooks, as both stores read them."""

from typing import Any

import msgspec

from rapport_common.webhooks.records import Webhook

NAMES = (
    *("workspace", "webhook_id", "url", "wants", "active", "reason", "secret", "former_secret"),
    *("former_until", "failures", "failing_since", "paused_until", "succeeded_at", "failed_at"),
    *("created_at", "created_by"),
)


def columns(of: str = "") -> str:
    """SQL: the columns of a webhook, in the order of `NAMES`."""
    return ", ".join(
        f"CAST({of}{name} AS text)" if name == "wants" else f"{of}{name}" for name in NAMES
    )


COLUMNS = columns()


def webhook(row: Any) -> Webhook:
    """A row of `columns`."""
    values = dict(zip(NAMES, row, strict=True))
    return Webhook(**{**values, "wants": msgspec.json.decode(values["wants"])})
