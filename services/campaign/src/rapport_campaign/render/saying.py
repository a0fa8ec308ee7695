"""What a campaign says by a channel other than e-mail: each of its parts is a template."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rapport_campaign.render.templates import rendered

RENDERED = ("text", "title", "url")
PARAMETERS = "parameters"


@dataclass(frozen=True, slots=True)
class Spoken:
    """The parts of a message, rendered: `parts` by name, and the values of a template."""

    parts: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)


def spoken(content: str, variables: Mapping[str, Any]) -> Spoken:
    """What a person is told; `content` is JSON. TemplateError.

    Nothing is escaped: no channel but e-mail has marks of its own.
    """
    told: dict[str, Any] = msgspec.json.decode(content)
    parameters = told.pop(PARAMETERS, {})
    parts = {
        name: _said(value, variables) if name in RENDERED else value for name, value in told.items()
    }
    return Spoken(parts, {name: _said(value, variables) for name, value in parameters.items()})


def _said(template: str, variables: Mapping[str, Any]) -> str:
    """A part for one person; a filter may make characters that no table can keep."""
    return rendered(template, dict(variables), html=False).replace("\0", "")


def templates(content: str) -> dict[str, str]:
    """The templates of a content (JSON) by their places in it."""
    told: dict[str, Any] = msgspec.json.decode(content)
    found = {name: told[name] for name in RENDERED if told.get(name)}
    values = told.get(PARAMETERS, {})
    return found | {f"{PARAMETERS}.{name}": one for name, one in values.items()}
