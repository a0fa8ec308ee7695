"""Files that lists are made of: their pieces, and the rows that were not taken."""

from rapport_common.files.parts import PartStore

FILES = PartStore("segment.list_part", "segment.list_refusal")
