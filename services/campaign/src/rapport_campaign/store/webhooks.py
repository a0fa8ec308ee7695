"""Who is told by HTTP what became of messages, and what is on its way to them."""

from rapport_campaign.tables import SCHEMA
from rapport_common.webhooks.records import Hearing, texts_of
from rapport_common.webhooks.store import WebhookStore

WEBHOOKS = WebhookStore(
    SCHEMA,
    Hearing(
        wants={"events": texts_of("events"), "scope": "wants->>'scope'"},
        facts=("event", "scopes"),
        # Scopes are those that hear of a message of its kind, with commas between.
        hears="v.event = ANY(w.events) AND w.scope = ANY(string_to_array(v.scopes, ','))",
    ),
    keeps_delivered=True,
)
