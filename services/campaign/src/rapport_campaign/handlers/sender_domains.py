"""What operators ask for: domains to send from, their keys, and a look at what is published."""

import asyncio
import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain import records
from rapport_campaign.domain.resolvers import servers
from rapport_campaign.domain.sender_domains import (
    ALGORITHMS,
    LOOK_AGAIN,
    MOST_DOMAINS,
    Algorithm,
    Finding,
    SenderDomain,
    SenderKey,
    checked,
    dkim_name,
    domain_name,
    looked_again,
    rotated,
)
from rapport_campaign.domain.signing_keys import SigningKeys, place_of
from rapport_campaign.resolving import Resolver, UnansweredError
from rapport_campaign.settings import Settings
from rapport_campaign.store import sender_domains as store
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.secret_keys import NONCE_BYTES

RSA_BITS = 2048
"""What all receivers check, and what one DNS answer holds (RFC 8301, 3.2)."""
_EXPONENT = 65537
_SELECTOR = "abcdefghijkmnpqrstuvwxyz23456789"
_SELECTOR_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Means:
    """What an installation gives sender domains.

    `keys`: under which private keys are kept. `spf_include`: what SPF records include for the mail
    server, empty where nobody has said.
    """

    keys: SigningKeys
    resolver: Resolver
    spf_include: str = ""


def means_of(settings: Settings) -> Means:
    """Those of an installation."""
    resolver = Resolver(servers(settings.dns_servers))
    return Means(settings.secret_keys(), resolver, settings.spf_include)


@dataclass(frozen=True, slots=True)
class Pair:
    """A new key: the public half as records have it, the private one in base64 (PKCS #8)."""

    algorithm: Algorithm
    public: str
    private: str


async def new_pairs() -> list[Pair]:
    """A key of each kind. The RSA one takes a tenth of a second or more, beside the loop."""
    return await asyncio.to_thread(lambda: [_pair(one) for one in ALGORITHMS])


async def require(
    tx: AsyncConnection, workspace: str, name: str, *, lock: bool = False
) -> SenderDomain:
    """A domain of the workspace, in whatever spelling; NotFoundError."""
    try:
        domain = domain_name(name)
    except ValueError:
        raise _none(name) from None
    found = await store.find(tx, workspace, domain, lock=lock)
    if found is None:
        raise _none(name)
    return found


async def add(
    tx: AsyncConnection, keys: SigningKeys, made: SenderDomain, pairs: Sequence[Pair]
) -> SenderDomain:
    """Keep a domain with its first keys; ConflictError where the workspace has it.

    Other workspaces may have it, too: each has keys and selectors of its own.
    """
    await store.seize(tx, made.workspace)
    if await store.find(tx, made.workspace, made.domain) is not None:
        message = f"{made.domain} is a sender domain of this workspace already."
        raise ConflictError(message, details={"domain": made.domain})
    if await store.number(tx, made.workspace) >= MOST_DOMAINS:
        message = f"A workspace has at most {MOST_DOMAINS} sender domains: remove one."
        raise InvalidRequestError(message, details={"limit": MOST_DOMAINS})
    whole = rotated(made, _sealed(keys, made, pairs, made.created_at), made.created_at)
    await store.add(tx, whole)
    return whole


async def rotate(
    tx: AsyncConnection, keys: SigningKeys, workspace: str, name: str, pairs: Sequence[Pair]
) -> SenderDomain:
    """Let new keys wait beside those that sign; while some wait already nothing changes."""
    found = await require(tx, workspace, name, lock=True)
    if found.is_rotating:
        return found
    now = clock.now()
    changed = rotated(found, _sealed(keys, found, pairs, now), now)
    await store.save(tx, changed)
    return changed


async def remove(tx: AsyncConnection, workspace: str, name: str) -> None:
    """Take a domain away: its mails go unsigned, and its keys are destroyed."""
    found = await require(tx, workspace, name, lock=True)
    await store.remove(tx, workspace, found.domain)


async def look(means: Means, one: SenderDomain) -> dict[str, Finding]:
    """What DNS has of the records of a domain, by their names; all are asked for at once."""
    living = {dkim_name(key, one.domain): key for key in one.keys if key.state != "former"}
    names = [*living, one.domain, f"_dmarc.{one.domain}"]
    answers = await asyncio.gather(*(_texts(means.resolver, name) for name in names))
    found: dict[str, Finding] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Finding):
            found[name] = answer
        elif name in living:
            found[name] = records.read_key(living[name], answer)
        elif name == one.domain:
            found[name] = records.read_spf(answer, means.spf_include)
        else:
            found[name] = records.read_dmarc(answer)
    return found


async def note(
    tx: AsyncConnection, workspace: str, domain: str, findings: Mapping[str, Finding]
) -> SenderDomain:
    """Let a look count: keys that are seen sign from now on."""
    found = await require(tx, workspace, domain, lock=True)
    now = clock.now()
    changed = replace(checked(found, findings, now), misses=0, next_look_at=now + LOOK_AGAIN)
    await store.save(tx, changed)
    return changed


async def note_look(
    tx: AsyncConnection,
    place: tuple[str, str],
    findings: Mapping[str, Finding],
    now: datetime,
    chance: float,
) -> tuple[SenderDomain, SenderDomain] | None:
    """Let a look of our own count: the domain before and after it; None when it is gone."""
    found = await store.find(tx, *place, lock=True)
    if found is None:
        return None
    changed = looked_again(found, findings, now, chance)
    await store.save(tx, changed)
    return found, changed


async def _texts(resolver: Resolver, name: str) -> list[str] | Finding:
    try:
        return await resolver.texts(name)
    except UnansweredError as error:
        return records.unanswered(str(error))


def _sealed(
    keys: SigningKeys, one: SenderDomain, pairs: Sequence[Pair], now: datetime
) -> list[SenderKey]:
    """New keys as they are kept, under selectors that nobody has had."""
    stem = "".join(secrets.choice(_SELECTOR) for _ in range(_SELECTOR_LENGTH))
    made = []
    for pair in pairs:
        selector = f"rapport-{stem}-{pair.algorithm[0]}"
        place = place_of(one.workspace, one.domain, selector)
        private = keys.sealed(place, pair.private, secrets.token_bytes(NONCE_BYTES))
        made.append(SenderKey(selector, pair.algorithm, pair.public, private, "waiting", now))
    return made


def _pair(algorithm: Algorithm) -> Pair:
    made: RSAPrivateKey | Ed25519PrivateKey
    if algorithm == "rsa":
        made = generate_private_key(_EXPONENT, RSA_BITS)
        public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        made = Ed25519PrivateKey.generate()
        # The 32 bytes alone (RFC 8463, 4).
        public = made.public_key().public_bytes_raw()
    private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Pair(algorithm, base64.b64encode(public).decode(), base64.b64encode(private).decode())


def _none(name: str) -> NotFoundError:
    message = f"There is no sender domain {name!r} in this workspace."
    return NotFoundError(message)
