"""Who someone is: the identifiers a customer is named by, and what profiles say of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapport_common.events.contact import normal_email
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Identifier
from rapport_common.events.identifiers import (
    is_placeholder,
    is_placeholder_email,
    normal_identifier,
)
from rapport_common.events.profile import ProfileActivity


@dataclass(frozen=True, slots=True)
class Contact:
    """The identifiers a person was named by; at least one."""

    user_id: str | None = None
    email: str | None = None
    anonymous_id: str | None = None

    @property
    def strongest(self) -> Identifier:
        """What stands for the person: user id before e-mail before anonymous id."""
        if self.user_id:
            return (USER_ID, self.user_id)
        if self.email:
            return (EMAIL, self.email)
        if self.anonymous_id:
            return (ANONYMOUS_ID, self.anonymous_id)
        message = "a contact has at least one identifier"
        raise ValueError(message)


def named(user_id: str | None, email: str | None, anonymous_id: str | None) -> Contact | None:
    """Whom these name, in normal form; None for nobody.

    Placeholders (`null`, `undefined`, `guest`) are no names: taken at their word they make one
    person of strangers, who would see each other's answers.
    """
    address = normal_email(email) if email else None
    if address and is_placeholder_email(address):
        address = None
    user, anonymous = _id(user_id), _id(anonymous_id)
    return Contact(user, address, anonymous) if user or address or anonymous else None


def _id(value: str | None) -> str | None:
    found = normal_identifier(value) if value else ""
    return None if not found or is_placeholder(found) else found


ProfileKey = tuple[str, str]
"""(workspace, profile id)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a profile was at one version: its identifiers, none when it is merged away."""

    workspace: str
    profile_id: str
    version: int
    identifiers: frozenset[Identifier]
    merged_into: str | None = None

    @property
    def key(self) -> ProfileKey:
        """The profile this is about."""
        return (self.workspace, self.profile_id)


def snapshot(record: ProfileActivity) -> Snapshot | None:
    """What a record says about its profile's identifiers; None when it says nothing.

    Who is gone has none any more.
    """
    workspace, profile_id, version = record.workspace, record.profile_id, record.version
    if record.gone:
        return Snapshot(workspace, profile_id, version, frozenset())
    if record.merged_into is not None:
        return Snapshot(workspace, profile_id, version, frozenset(), record.merged_into)
    if record.state is None:
        return None
    names = frozenset((one.kind, one.value) for one in record.state.identifiers)
    return Snapshot(workspace, profile_id, version, names)


def newest(snapshots: Iterable[Snapshot]) -> dict[ProfileKey, Snapshot]:
    """The newest snapshot of each profile; at the same version a merge is the newer one."""
    latest: dict[ProfileKey, Snapshot] = {}
    for one in snapshots:
        known = latest.get(one.key)
        if known is None or _rank(one) > _rank(known):
            latest[one.key] = one
    return latest


def _rank(one: Snapshot) -> tuple[int, bool]:
    return (one.version, one.merged_into is not None)


def unstorable(record: ProfileActivity) -> str | None:
    """Why Postgres could never hold what a record names, or None: text has no NUL character."""
    names = [record.workspace, record.profile_id, record.merged_into or ""]
    if record.state is not None:
        names += [text for one in record.state.identifiers for text in (one.kind, one.value)]
    return "an identifier has a NUL character" if any("\0" in name for name in names) else None
