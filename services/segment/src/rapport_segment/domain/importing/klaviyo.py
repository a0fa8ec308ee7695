"""Klaviyo: `{"condition_groups": [{"conditions": […]}]}`, all of groups of any of conditions.

As documented at developers.klaviyo.com/en/reference/segments_api_overview.
"""

import re
from collections.abc import Mapping
from typing import Any

from rapport_common.paths import path_of
from rapport_segment.domain.importing.klaviyo_metrics import NUMBERS, metric, typed
from rapport_segment.domain.importing.parts import (
    EVERYBODY,
    Reader,
    Rule,
    all_of,
    any_of,
    not_,
    word,
)

_INDEXED = re.compile(r"(properties|location)\['([^'\]]+)'\]")
_HOLDING = ("data", "attributes", "definition")
"""One in another, in an answer of the API."""

_CHANNELS = {"email": "email", "sms": "sms", "push": "push"}
_STRINGS = {"equals": "eq", "contains": "contains", "starts-with": "starts_with", "in": "in"}
_DATES = {"before": "lt", "after": "gt"}


def read(document: Mapping[str, Any], reader: Reader) -> Rule:
    """The rule of a definition, also where it stands in an answer of the API."""
    root = ""
    for level, key in enumerate(_HOLDING, 1):
        inner = reader.inside(document, key, *_HOLDING[level:], "condition_groups")
        if inner is not None:
            document, root = inner, f"{root}{key}."
    reader.only(document, root.rstrip(".") or "definition", "condition_groups")
    place = f"{root}condition_groups"
    groups = reader.listed(document.get("condition_groups"), place)
    rules = [_group(group, f"{place}[{index}]", reader) for index, group in enumerate(groups)] or [
        EVERYBODY
    ]
    return all_of(rules)


def _group(group: object, path: str, reader: Reader) -> Rule:
    found = reader.mapping(group, path)
    reader.only(found, path, "conditions")
    place = f"{path}.conditions"
    rules = []
    for index, condition in enumerate(reader.listed(found.get("conditions"), place)):
        reader.enter(place, 1)
        rules.append(
            _condition(reader.mapping(condition, f"{place}[{index}]"), f"{place}[{index}]", reader)
        )
    return any_of(rules or [EVERYBODY])


def _condition(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    kind = word(given.get("type"))
    if kind == "profile-property":
        reader.only(given, path, "type", "property", "filter")
        name = _name(reader.text(given.get("property"), f"{path}.property"))
        asked = reader.mapping(given.get("filter"), f"{path}.filter")
        return _property(name, asked, f"{path}.filter", reader)
    if kind == "profile-marketing-consent":
        return _consent(given, path, reader)
    if kind == "profile-group-membership":
        return _membership(given, path, reader)
    if kind == "profile-metric":
        return metric(given, path, reader)
    return reader.unknown(path, "a condition of type", kind)


def _name(written: str) -> str:
    match = _INDEXED.fullmatch(written)
    if match is None:
        return written
    return path_of(match[2]) if match[1] == "properties" else f"location.{path_of(match[2])}"


def _property(name: str, asked: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    kind, operator = word(asked.get("type")), str(asked.get("operator"))
    if kind == "existence":
        reader.only(asked, path, "type", "operator")
        if operator in {"is-set", "not-set"}:
            return reader.compared(name, "exists" if operator == "is-set" else "not_exists")
    elif kind == "date":
        return _date(name, asked, path, reader)
    elif kind in {"string", "numeric", "boolean"}:
        reader.only(asked, path, "type", "operator", "value")
        known = {"string": _STRINGS, "numeric": NUMBERS, "boolean": {"equals": "eq"}}[kind]
        plain = operator.removeprefix("not-")
        if plain in known:
            place, value = f"{path}.value", asked.get("value")
            several = reader.listed(value, place) if plain == "in" else [value]
            wanted = [typed(kind, one, place, reader) for one in several]
            rule = reader.compared(name, known[plain], wanted if plain == "in" else wanted[0])
            # Whose property is not set fits neither the one nor the other.
            there = reader.compared(name, "exists")
            return all_of([there, not_(rule)]) if plain != operator else rule
    elif kind == "list" and operator in {"contains", "not-contains", "contains-any"}:
        reader.only(asked, path, "type", "operator", "value")
        value = asked.get("value")
        wanted_ones = value if isinstance(value, list) and value else [value]
        rule = any_of(
            [
                reader.compared(name, "contains", typed(kind, one, f"{path}.value", reader))
                for one in wanted_ones
            ]
        )
        if operator != "not-contains":
            return rule
        reader.note("not-contains of a list: who has no such list fits, too")
        return not_(rule)
    return reader.unknown(path, f"of type {kind[:20]} the operator", operator)


def _date(name: str, asked: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    operator = str(asked.get("operator"))
    if operator in {"in-the-last", "in-the-next"}:
        reader.only(asked, path, "type", "operator", "quantity", "unit")
        length = reader.length(asked.get("quantity"), asked.get("unit"), path)
        way = "last" if operator == "in-the-last" else "next"
        return reader.compared(name, "within", {way: length})
    if operator in _DATES:
        reader.only(asked, path, "type", "operator", "date")
        return reader.compared(
            name, _DATES[operator], reader.text(asked.get("date"), f"{path}.date")
        )
    return reader.unknown(path, "of type date the operator", operator)


def _consent(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(given, path, "type", "consent")
    place = f"{path}.consent"
    consent = reader.mapping(given.get("consent"), place)
    reader.only(consent, place, "channel", "can_receive_marketing", "consent_status")
    status = consent.get("consent_status") or {}
    inner = reader.mapping(status, f"{place}.consent_status")
    reader.only(inner, f"{place}.consent_status", "subscription")
    channel = _CHANNELS.get(str(consent.get("channel")))
    if channel is None:
        return reader.unknown(f"{place}.channel", "the channel", consent.get("channel"))
    if word(inner.get("subscription", "any")) not in {"any", "subscribed"}:
        return reader.unknown(
            f"{place}.consent_status.subscription", "the state", inner.get("subscription")
        )
    can = consent.get("can_receive_marketing")
    if not isinstance(can, bool):
        return reader.refuse(f"{place}.can_receive_marketing", "must be true or false")
    reader.note("can receive marketing: here somebody with a verified address and a full yes")
    return {"reachable": channel} if can else not_({"reachable": channel})


def _membership(given: Mapping[str, Any], path: str, reader: Reader) -> Rule:
    reader.only(given, path, "type", "is_member", "group_ids")
    ids = reader.listed(given.get("group_ids"), f"{path}.group_ids")
    if not isinstance(given.get("is_member"), bool):
        return reader.refuse(f"{path}.is_member", "must be true or false")
    if len(ids) > 1:
        return reader.refuse(f"{path}.group_ids", "must be one id")
    rule = reader.member(ids[0] if ids else "", f"{path}.group_ids[0]")
    return rule if given["is_member"] else not_(rule)
