"""What has a time in this service."""

from rapport_common.due.store import DueStore
from rapport_profile.tables import SCHEMA

CONSENT_END = "consent_end"
"""A yes for a time ends: the next of an identifier, whose id is the key."""

GROUP = "group"
"""Something was said of a group's traits: the key is its id, and which process says so."""

GROUP_MEMBER = "group_member"
"""Or of a person's part in groups: the key is the profile's id."""

GROUP_TOLD = "group_told"
"""A group's traits have changed, whose id is the key: all who are in it are told."""

GROUP_ENDS = "group_ends"
"""A group was deleted, whose id is the key: what was said of it goes, and who was in it."""

GROUPS_OF_ALL = "groups_of_all"
"""All groups of a workspace are to be looked at: the key is a version of its rules."""

LOYALTY = "loyalty"
"""Something happens to the points of a member: the key is the profile's id."""

LOYALTY_EVERYBODY = "loyalty_everybody"
"""Or to those of all of a workspace: the key is a version of its programme."""

VALUES_CHANGE = "values_change"
"""Time changes values of computed traits of a profile, whose id is the key."""

DUE = DueStore(SCHEMA)
