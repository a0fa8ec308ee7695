"""What has a time in this service: members of loyalty programmes, to be looked at again."""

from rapport_common.due.store import DueStore
from rapport_profile.tables import SCHEMA

LOYALTY = "loyalty"
"""The kind of rows for members; their keys are ids of profiles."""

LOYALTY_EVERYBODY = "loyalty_everybody"
"""And of rows for all of a workspace; their keys are versions of its programme."""

DUE = DueStore(SCHEMA)
