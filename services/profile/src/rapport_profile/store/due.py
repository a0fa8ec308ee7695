"""What has a time in this service."""

from rapport_common.due.store import DueStore
from rapport_profile.tables import SCHEMA

CONSENT_END = "consent_end"
"""A yes for a time ends: the next of an identifier, whose id is the key."""

LOYALTY = "loyalty"
"""Something happens to the points of a member: the key is the profile's id."""

LOYALTY_EVERYBODY = "loyalty_everybody"
"""Or to those of all of a workspace: the key is a version of its programme."""

VALUES_CHANGE = "values_change"
"""Time changes values of computed traits of a profile, whose id is the key."""

DUE = DueStore(SCHEMA)
