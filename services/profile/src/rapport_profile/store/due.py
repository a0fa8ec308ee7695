"""What has a time in this service: the ends of permissions."""

from rapport_common.due.store import DueStore

CONSENT_END = "consent_end"
"""A yes for a time ends; the key is a digest of the message that said it."""

DUE = DueStore("profile")
