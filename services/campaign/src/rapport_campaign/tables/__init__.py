"""The tables of schema `campaign`."""

from rapport_campaign.tables import (
    campaigns,
    inbox,
    messages,
    people,
    permission,
    providers,
    sender_domains,
)
from rapport_campaign.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = [
    "FOLLOWED",
    "METADATA",
    "SCHEMA",
    "campaigns",
    "inbox",
    "messages",
    "people",
    "permission",
    "providers",
    "sender_domains",
]
