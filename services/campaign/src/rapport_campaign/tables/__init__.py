"""The tables of schema `campaign`."""

from rapport_campaign.tables import (
    broadcasts,
    campaigns,
    contacts,
    coupons,
    inbox,
    mail_paces,
    messages,
    outcomes,
    people,
    permission,
    products,
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
    "inbox",
    "mail_paces",
    "messages",
    "outcomes",
    "people",
    "permission",
    "products",
    "providers",
    "sender_domains",
    "tasks",
    "templates",
    "webhooks",
]
