"""Who an event is about: which of its fields identify the person, as its source declares it."""

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import email_address, phone_number
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Identifier
from rapport_common.events.identifiers import NONE_MORE
from rapport_common.events.kinds import KINDS, PHONE, is_kind, is_nobodys, normal_value, rank
from rapport_common.paths import names_of, path_of
from rapport_ingest.domain.reading import (
    MAX_ID,
    Refused,
    blocked,
    digits,
    email_of,
    identifier,
    known_identifier,
    text,
)
from rapport_ingest.domain.set_once import ADDRESSES, ONCE

MAX_KINDS = 20
MAX_FIELDS = 5
MAX_STEPS = 8
MAX_PATH = 200
IDS = frozenset({"userId", "anonymousId"})
OBJECTS = frozenset({"properties", "traits", "context"})

DEFAULT: Mapping[str, tuple[str, ...]] = {
    USER_ID: ("userId",),
    EMAIL: ("traits.email", "context.traits.email"),
    ANONYMOUS_ID: ("anonymousId",),
}
"""Where Segment's SDKs write who it is."""

_LIKE = {one.replace("_", ""): one for one in KINDS}
_LISTS = re.compile(r"\d+|.*[\[\]].*", re.DOTALL)
"""A step of a path into a list."""

Fields = dict[str, Any]


def fields_of(identifiers: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The fields that name a person by a declaration {kind: paths}, the strongest kind first."""
    declared = {**DEFAULT, **identifiers}
    return [path for kind in sorted(declared, key=rank) for path in declared[kind]]


def require_names(made: Collection[str], identifiers: Mapping[str, tuple[str, ...]]) -> None:
    """InvalidRequestError for a mapping of whose fields (`made`) none names a person."""
    fields = fields_of(identifiers)
    for path in fields:
        steps = names_of(path)
        # An object that is mapped whole may have it.
        if any(path_of(*steps[:length]) in made for length in range(1, len(steps) + 1)):
            return
    where = "mapping.fields"
    message = f"{where}: no row could name a person: map one of {', '.join(fields) or 'no field'}."
    raise InvalidRequestError(message, details={"path": where})


def check_fields(identifiers: Mapping[str, tuple[str, ...]]) -> None:
    """ValueError says what is wrong with a declaration {kind: paths}."""
    if len(identifiers) > MAX_KINDS:
        message = f"it has {len(identifiers)} kinds, at most {MAX_KINDS} are possible"
        raise ValueError(message)
    for kind, paths in identifiers.items():
        if kind not in KINDS and (known := _LIKE.get(kind.replace("_", ""))) is not None:
            message = f"'{kind}' would be taken for '{known}': call it so"
            raise ValueError(message)
        if not is_kind(kind):
            message = f"'{kind[:80]}' is no name of a kind: lower case letters, digits and _"
            raise ValueError(message)
        if len(paths) > MAX_FIELDS:
            message = f"{kind} has {len(paths)} fields, at most {MAX_FIELDS} are possible"
            raise ValueError(message)
        for path in paths:
            _check_path(kind, path)


def _check_path(kind: str, path: str) -> None:
    head, *inner = names_of(path)
    whole = all(inner) and len(inner) < MAX_STEPS and len(path) <= MAX_PATH
    whole = whole and not any(_LISTS.fullmatch(one) for one in inner)
    if not whole or (not (head in OBJECTS and inner) and not (head in IDS and not inner)):
        message = (
            f"{kind}: '{path[:MAX_PATH]}' is no field for it: userId, anonymousId, or a dotted "
            "path into properties, traits or context, such as traits.phone"
        )
        raise ValueError(message)


@dataclass(frozen=True, slots=True)
class _Place:
    """A field that holds an identifier of a kind."""

    kind: str
    path: str
    steps: tuple[str, ...]

    def look(self, fields: Fields) -> Any:
        """What the event has there; a trait may be among those that are said only once."""
        found = _at(fields, self.steps)
        if found is None and self.steps[0] == "traits" and self.kind not in ADDRESSES:
            found = _at(fields, ("traits", ONCE, *self.steps[1:]))
        return found


def _at(fields: Fields, steps: tuple[str, ...]) -> Any:
    found: Any = fields
    for step in steps:
        if found.__class__ is not dict:
            return None
        found = found.get(step)
    return found


class Namer:
    """Reads who an event is about by a source's declaration.

    A kind that is declared is read from its fields alone, the first that has a value of it; the
    other kinds of `DEFAULT` go on as they are. `country` is that of phone numbers without one.
    `blocked` are the workspace's own placeholders, in plain form.
    """

    def __init__(
        self,
        identifiers: Mapping[str, tuple[str, ...]],
        country: str | None,
        blocked: AbstractSet[str] = NONE_MORE,
    ) -> None:
        declared = {**DEFAULT, **identifiers}
        self._country = country
        self._blocked = blocked
        # A shop blocks a phone as its tills write it.
        numbers = (phone_number(one, country) for one in blocked)
        self._blocked_phones = {one for one in numbers if one is not None}
        self._places = [
            [_Place(kind, path, names_of(path)) for path in declared[kind]]
            for kind in sorted(declared, key=rank)
        ]

    def names(self, fields: Fields, *, is_group: bool) -> tuple[list[Identifier], bool]:
        """The identifiers, strongest first, and whether one was left out because many share it.

        The traits of a group are not the person's. Refused when nobody is named.
        """
        found: list[Identifier] = []
        shared: tuple[Any, str] | None = None
        for places in self._places:
            for place in places:
                value = None if is_group and place.steps[0] == "traits" else place.look(fields)
                stated = _stated(value, place)
                normal = stated and normal_value(place.kind, stated, self._country)
                if not normal:
                    continue
                more = self._blocked_phones if place.kind == PHONE else self._blocked
                if is_nobodys(place.kind, normal, more):
                    shared = shared or (value, place.path)
                    continue
                found.append((place.kind, normal))
                break
        if found:
            return found, shared is not None
        if shared is not None:
            raise blocked(*shared)
        raise self._nobody()

    def _nobody(self) -> Refused:
        paths = [place.path for places in self._places for place in places]
        reason = f"Nobody is named: this source looks into {', '.join(paths) or 'no field'}."
        return Refused("no_identifier", paths[0] if paths else "", reason)


def _stated(value: Any, place: _Place) -> str | None:
    """A value as text. What an SDK's own field has must be one; a trait may be anything."""
    if value is None:
        return None
    if place.kind in {EMAIL, PHONE}:
        # What is no address or number is a trait like any.
        value = digits(value)
        return value if value.__class__ is str else None
    return text(value, place.path)


def usual_names(
    fields: Fields, traits: Fields, context: Fields, more: AbstractSet[str]
) -> tuple[list[Identifier], bool]:
    """As `Namer.names` does for a source that declares nothing: nearly all, so it is quick."""
    found: list[Identifier] = []
    # Most are short texts seen before: for these only the cache is asked.
    if (user := fields.get("userId")) is not None:
        quick = user.__class__ is str and not more and len(user) <= MAX_ID
        user = known_identifier(user) if quick else identifier(user, "userId", more)
        if user is not None:
            found.append((USER_ID, user))
    if (email := email_of(traits, context, more)) is not None:
        found.append((EMAIL, email))
    if (anonymous := fields.get("anonymousId")) is not None:
        quick = anonymous.__class__ is str and not more and len(anonymous) <= MAX_ID
        if quick:
            anonymous = known_identifier(anonymous)
        else:
            anonymous = identifier(anonymous, "anonymousId", more)
        if anonymous is not None:
            found.append((ANONYMOUS_ID, anonymous))
    if not found:
        raise _nobody(fields, traits, context)
    # What is missing now was missing or blank before, or it is a placeholder.
    shared = (user is None and fields.get("userId")) or (
        anonymous is None and fields.get("anonymousId")
    )
    return found, bool(shared)


def _nobody(fields: Fields, traits: Fields, context: Fields) -> Refused:
    """Why nobody is left: the first identifier that is blocked, or that there is none."""
    nested = context.get("traits")
    inner = nested.get("email") if isinstance(nested, dict) else None
    for field in ("userId", "anonymousId"):
        if text(fields.get(field), field) is not None:
            return blocked(fields[field], field)
    for value, field in ((traits.get("email"), "traits.email"), (inner, "context.traits.email")):
        if isinstance(value, str) and email_address(value) is not None:
            return blocked(value, field)
    reason = "An event needs a userId, an anonymousId or an e-mail address in its traits."
    return Refused("no_identifier", "userId", reason)
