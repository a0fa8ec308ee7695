"""A source's policy as operators write it: changed by merge patches, and checked field by field."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import msgspec

from rapport_common.errors import InvalidRequestError
from rapport_common.events.contact import is_country
from rapport_common.events.identifiers import MAX_PLACEHOLDER
from rapport_common.events.money import normal_currency
from rapport_common.proxies import network
from rapport_common.wording import plain
from rapport_ingest.domain.guard import origin_shape
from rapport_ingest.domain.mapping import Mapper
from rapport_ingest.domain.naming import check_fields, fields_of, require_names
from rapport_ingest.domain.source import LegalBasis, SourcePolicy, WorkspacePolicy
from rapport_ingest.domain.transform import compile_transforms

MAX_POLICY_BYTES = 65_536
MAX_ENTRIES = 200
MAX_DEPTH = 32
MAX_LIMIT = 2**53
"""What every JSON reader can hold (RFC 8259, section 6); far over what a rate can be."""

Document = dict[str, Any]
Problem = tuple[str, str]
"""The field, dotted, and what is wrong with it."""

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def merge_patch(document: Any, patch: Any) -> Any:
    """The document with the patch applied (JSON Merge Patch, RFC 7396, section 2).

    Members of objects are set one by one and removed by null; everything else is replaced.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched(document: Document, patch: Document) -> Document:
    """A policy with a merge patch applied, both as documents; InvalidRequestError."""
    level: list[Any] = [patch]
    for _ in range(MAX_DEPTH):
        level = [child for one in level for child in _children(one)]
    if level:
        raise _invalid("", f"it is nested deeper than {MAX_DEPTH} levels")
    merged: Document = merge_patch(document, patch)
    currency = normal_currency(merged.get("currency"))
    return merged if currency is None else {**merged, "currency": currency}


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def read_policy(document: Document) -> SourcePolicy:
    """The policy that a document declares; InvalidRequestError names the first wrong field."""
    _check_storable(document)
    try:
        policy = msgspec.convert(document, SourcePolicy)
    except msgspec.ValidationError as error:
        raise _invalid(*_located(plain(error))) from error
    for problem in _problems(policy):
        raise _invalid(*problem)
    return policy


def read_workspace_policy(document: Document) -> WorkspacePolicy:
    """What goes for all sources of a workspace; InvalidRequestError names the first wrong field."""
    _check_storable(document)
    try:
        policy = msgspec.convert(document, WorkspacePolicy)
    except msgspec.ValidationError as error:
        raise _invalid(*_located(plain(error))) from error
    for problem in _entries("blocked_identifiers", policy.blocked_identifiers, _blockable):
        raise _invalid(*problem)
    return policy


def _blockable(value: str) -> None:
    if not value.strip() or len(value) > MAX_PLACEHOLDER:
        message = f"a placeholder has 1 to {MAX_PLACEHOLDER} characters, and not blanks alone"
        raise ValueError(message)


def _check_storable(document: Document) -> None:
    """Postgres stores neither NUL characters nor half surrogate pairs, and JSON no infinities."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (UnicodeEncodeError, RecursionError) as error:
        raise _invalid("", f"this can't be stored as JSON: {plain(error)}") from error
    except ValueError as error:
        raise _invalid("", "this can't be stored as JSON: a number in it is not finite") from error
    if _NUL.search(text):
        raise _invalid("", "a text in it contains a NUL character, which can't be stored")
    if size > MAX_POLICY_BYTES:
        raise _invalid("", f"it has {size} bytes, at most {MAX_POLICY_BYTES} can be stored")


def _located(message: str) -> Problem:
    """A message of msgspec as field and reason."""
    match = _PLACE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        return f"{path}.{unknown['name']}".lstrip("."), "there is no such field"
    return path.lstrip("."), what


def _problems(policy: SourcePolicy) -> Iterator[Problem]:
    yield from _entries("allowed_origins", policy.allowed_origins, origin_shape)
    yield from _entries("allowed_ips", policy.allowed_ips, network)
    for name in ("events_per_second", "events_per_day"):
        limit = getattr(policy, name)
        if limit is not None and not 1 <= limit <= MAX_LIMIT:
            yield name, "a limit is at least 1; null or leaving it out means none"
    yield from _provenance(policy)
    if policy.currency is not None and normal_currency(policy.currency) is None:
        yield "currency", f"'{policy.currency[:20]}' is no code of ISO 4217, such as EUR"
    yield from _webhook(policy)
    yield from _identifiers(policy)
    try:
        compile_transforms(policy.transforms, fields_of(policy.identifiers))
    except InvalidRequestError as error:
        yield error.details["field"], error.message.partition(": ")[2].rstrip(".")


def _identifiers(policy: SourcePolicy) -> Iterator[Problem]:
    try:
        check_fields(policy.identifiers)
    except ValueError as error:
        yield "identifiers", str(error)
    if policy.country is not None and not is_country(policy.country):
        yield "country", f"'{policy.country[:20]}' is no code of ISO 3166-1, such as DE"


def _webhook(policy: SourcePolicy) -> Iterator[Problem]:
    """A mapping that can't be followed is refused now, and not at each delivery."""
    if policy.webhook is not None:
        try:
            Mapper(policy.webhook)
            require_names(policy.webhook.fields, policy.identifiers)
        except InvalidRequestError as error:
            where = str(error.details.get("path", "")).removeprefix("mapping").lstrip(".")
            yield f"webhook.{where}".rstrip("."), error.message.partition(": ")[2].rstrip(".")


def _entries(name: str, entries: tuple[str, ...], check: Callable[[str], Any]) -> Iterator[Problem]:
    if len(entries) > MAX_ENTRIES:
        yield name, f"it has {len(entries)} entries, at most {MAX_ENTRIES} are possible"
    for index, one in enumerate(entries):
        try:
            check(one)
        except ValueError as error:
            yield f"{name}[{index}]", str(error)


def _provenance(policy: SourcePolicy) -> Iterator[Problem]:
    """Data of others may only be used with a ground, and has to be traceable to its giver."""
    found = policy.provenance
    if found.party == "first":
        return
    if not (found.provider or "").strip():
        yield "provenance.provider", f"data of a {found.party} party needs the name of its provider"
    if found.legal_basis is None:
        grounds = ", ".join(get_args(LegalBasis))
        reason = f"data of a {found.party} party needs a ground of Article 6(1) GDPR: {grounds}"
        yield "provenance.legal_basis", reason


def _invalid(path: str, reason: str) -> InvalidRequestError:
    where = f"policy.{path}" if path else "policy"
    return InvalidRequestError(f"{where}: {reason}.", details={"path": where})


def shown(document: Mapping[str, Any]) -> Document:
    """The policy with all its defaults, as JSON values."""
    found: Document = msgspec.to_builtins(msgspec.convert(document, SourcePolicy))
    return found


def shown_workspace(document: Mapping[str, Any]) -> Document:
    """A workspace's policy with all its defaults, as JSON values."""
    found: Document = msgspec.to_builtins(msgspec.convert(document, WorkspacePolicy))
    return found
