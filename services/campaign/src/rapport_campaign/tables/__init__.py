"""The tables of schema `campaign`."""

from rapport_campaign.tables import (
    campaigns,
    contacts,
    coupons,
    inbox,
    messages,
    outcomes,
    people,
    permission,
    providers,
    sender_domains,
    tasks,
    templates,
    webhooks,
)
from rapport_campaign.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = [
    "FOLLOWED",
    "METADATA",
    "SCHEMA",
    "campaigns",
    "contacts",
    "coupons",
    "inbox",
    "messages",
    "outcomes",
    "people",
    "permission",
    "providers",
    "sender_domains",
    "tasks",
    "templates",
    "webhooks",
]
