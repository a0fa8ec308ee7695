"""A form with files, as browsers send it (RFC 7578)."""

import re
from dataclasses import dataclass, field
from typing import Final

from rapport_common.mail.parts import between, parameters_of, read
from rapport_feedback.domain.attached import MOST_AT_ONCE
from rapport_feedback.domain.letters import Enclosed

MOST_FORM: Final = 24 * 2**20
MOST_FIELD: Final = 64 * 1024
_NAME: Final = re.compile(r';\s*(name|filename)="([^"]*)"', re.IGNORECASE)


@dataclass(slots=True)
class PostedForm:
    """The fields of a form, the last of each name, and its files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[Enclosed] = field(default_factory=list)


def posted_form(content_type: str, raw: bytes) -> PostedForm:
    """Read a form; what is no part of one is left out. One file too many shows that there are."""
    found = PostedForm()
    boundary = parameters_of(content_type).get("boundary", "")
    for one in between(raw, boundary):
        part = read(one)
        said = {
            key.lower(): value for key, value in _NAME.findall(part.header("content-disposition"))
        }
        name = said.get("name", "")
        if "filename" in said:
            if part.body and len(found.files) <= MOST_AT_ONCE:
                found.files.append(Enclosed(said["filename"].replace("%22", '"'), part.body))
        elif name:
            found.fields[name] = part.body[:MOST_FIELD].decode("utf-8", "replace")
    return found
