"""What has a time in this service: looks at definitions, to tell them again."""

from rapport_common.due.store import DueStore

TELL = "tell"
DUE = DueStore("segment")
