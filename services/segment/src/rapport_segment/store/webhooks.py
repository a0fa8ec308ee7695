"""Who is told of entries and exits by HTTP, and what is on its way to them."""

from rapport_common.webhooks.records import Hearing, texts_of
from rapport_common.webhooks.store import WebhookStore
from rapport_segment.tables import SCHEMA

# Nothing is asked of what was delivered, and there may be thousands of changes a second.
WEBHOOKS = WebhookStore(
    SCHEMA,
    Hearing(
        wants={"segment_ids": texts_of("segment_ids")},
        facts=("segment_id",),
        hears="w.segment_ids IS NULL OR v.segment_id = ANY(w.segment_ids)",
    ),
    keeps_delivered=False,
)
