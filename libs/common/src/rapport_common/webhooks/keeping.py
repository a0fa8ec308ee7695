"""What posts hold of somebody, and how long: for the service's eraser, access and retention."""

from datetime import timedelta

from rapport_common.access.parts import Rows, plain
from rapport_common.privacy.sweeps import Found
from rapport_common.retention import Retention
from rapport_common.webhooks.store import WebhookStore

_OF_THEM = "workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[]))"


def forgotten_posts(schema: str) -> Found:
    """Posts about somebody, whether they wait or not, are removed."""
    table = f"{schema}.webhook_post"
    return Found(
        table,
        f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} "
        f"WHERE {_OF_THEM} LIMIT :limit)",
        f"SELECT count(*) FROM {table} WHERE {_OF_THEM}",
    )


def told_posts(schema: str, about: str) -> Rows:
    """Posts about somebody are told to them; `about`: what these are."""
    return Rows(
        f"{schema}.webhook_post",
        about,
        f"{schema}.webhook_post t JOIN {schema}.webhook w USING (workspace, webhook_id)",
        {"post_id": "uuid"},
        {"to": "w.url", **plain("body", "created_at", "ended_at")},
        f"t.{_OF_THEM.replace('AND profile_id', 'AND t.profile_id')}",
    )


def kept_posts(store: WebhookStore, age: timedelta) -> Retention:
    """Posts go so long after they have ended, and with their webhook."""
    return Retention("webhook_post", "ended_at", age, store.posts.clear)
