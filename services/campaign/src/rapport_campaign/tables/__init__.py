"""The tables of schema `campaign`."""

from rapport_campaign.tables import (
    broadcasts,
    campaigns,
    contacts,
    coupons,
    feeds,
    inbox,
    mail_paces,
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
    "broadcasts",
    "campaigns",
    "contacts",
    "coupons",
    "feeds",
    "inbox",
    "mail_paces",
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
