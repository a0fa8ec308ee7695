"""What was said about consents, word by word: each is kept with what it rests on.

The state of a consent is what the fold says. These facts explain it, and say what held at an
instant; the fold of all facts about a subject is that of the events, so the two agree.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from rapport_common.events.consent import CONFIRMED_BY_MAIL, LEGAL_BASES, Lacks
from rapport_common.events.envelope import Event, Trust
from rapport_common.events.reserved import CONSENT_UPDATED, RESERVED_SOURCES
from rapport_profile.domain.consent_rules import NO_CONSENT_RULES, ConsentRules, word_said
from rapport_profile.domain.consents import Consent, Said, State, Subject
from rapport_profile.domain.content import properties_of
from rapport_profile.domain.stamps import Stamp

Kind = Literal["refused", "granted", "asked", "undated"]
"""How a word counts, see `Consent`."""

KINDS: tuple[Kind, ...] = ("refused", "granted", "asked", "undated")
MAX_FACTS: Final = 1_000
"""So many words are kept of what one identifier says, of each trust: the newest, then what decides,
then noes, then the others."""
ALWAYS_KEPT: Final = 200
"""So many of the newest are kept, yes or no."""
MAX_EVIDENCE: Final = 1_000
"""Characters of each text that a word rests on."""

OUR_METHODS = frozenset({"preferences", "link", "double_opt_in", "operator"})
"""Ways by which no public source brings a word."""
TEXTS = ("method", "actor", "reason", "evidence")
"""Properties of a word that say what it rests on: by which way it came (`form`, `preferences`,
`link` to that page that an operator has made, `double_opt_in`, `operator`), who noted it, why, and
where the proof lies."""


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One word and what it rests on.

    `at` is when it counts from, `received_at` when it was known here. `ip_hash`: hex of a keyed
    digest of the address on the internet that it was said from; `legal_basis` one of
    `LEGAL_BASES`; `expires_at`: a yes ends then; `lacks`: what the workspace's rules ask for.
    """

    source: str
    message_id: str
    sequence: int
    channel: str
    purpose: str
    contact_point: str
    kind: Kind
    state: State
    at: datetime
    received_at: datetime
    trust: Trust
    wording_version: str | None = None
    legal_basis: str | None = None
    expires_at: datetime | None = None
    ip_hash: str | None = None
    lacks: Lacks | None = None
    texts: dict[str, str] = {}

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return (self.channel, self.purpose, self.contact_point)

    @property
    def stamp(self) -> Stamp:
        """When and where it was said."""
        return Stamp(self.at, self.message_id, self.source, self.sequence)

    @property
    def consent(self) -> Consent:
        """What it says, as the fold takes it."""
        proven = self.trust == "trusted" and self.texts.get("method") in CONFIRMED_BY_MAIL
        said = Said(
            *(self.state, self.wording_version, self.stamp, self.expires_at),
            *(self.lacks, proven and self.is_yes),
        )
        return msgspec.structs.replace(Consent(), **{self.kind: said})

    @property
    def is_yes(self) -> bool:
        """Whether it gives a permission."""
        return self.kind != "refused"


def fact_of(
    event: Event, hashed_ip: Callable[[str], str], rules: ConsentRules = NO_CONSENT_RULES
) -> Fact | None:
    """The word that an event is; None when it is none, or says nothing that can be read.

    `hashed_ip` digests an address on the internet under a key.
    """
    told = (
        word_said(event, rules) if event.name == CONSENT_UPDATED and event.type == "track" else None
    )
    if told is None:
        return None
    (channel, purpose, point), consent = told
    kind = next(one for one in KINDS if getattr(consent, one) is not None)
    said: Said = getattr(consent, kind)
    properties = properties_of(event)
    return Fact(
        source=event.source,
        message_id=event.message_id,
        sequence=event.sequence,
        channel=channel,
        purpose=purpose,
        contact_point=point,
        kind=kind,
        state=said.state,
        at=said.stamp.at,
        received_at=event.received_at,
        trust=event.trust,
        wording_version=said.wording_version,
        legal_basis=_basis(event, properties) or rules.of(purpose).legal_basis,
        expires_at=said.until,
        ip_hash=_ip_hash(event, properties, hashed_ip),
        lacks=said.lacks,
        texts=_texts(event, properties),
    )


def _texts(event: Event, properties: dict[str, Any]) -> dict[str, str]:
    told = {name: text for name in TEXTS if (text := _text(properties.get(name)))}
    if event.trust != "trusted" and event.source not in RESERVED_SOURCES:
        # Anybody writes with a page's key: it proves nothing of our staff or of our mails.
        told.pop("actor", None)
        if told.get("method") in OUR_METHODS:
            del told["method"]
    return told


def _basis(event: Event, properties: dict[str, Any]) -> str | None:
    stated = properties.get("legal_basis")
    if stated is None and event.provenance is not None:
        stated = event.provenance.legal_basis
    return stated if stated in LEGAL_BASES else None


def _ip_hash(
    event: Event, properties: dict[str, Any], hashed_ip: Callable[[str], str]
) -> str | None:
    if event.client is not None and event.client.ip:
        return hashed_ip(event.client.ip)
    # The pages of the services know the address, and tell of its digest only.
    return _text(properties.get("ip_hash")) if event.trust == "trusted" else None


def _text(value: object) -> str | None:
    return value[:MAX_EVIDENCE] if isinstance(value, str) and value else None


def joined(facts: Sequence[Fact]) -> Consent:
    """What counts of words about one subject, in whatever order they are given."""
    found = Consent()
    for one in facts:
        found = found.join(one.consent)
    return found
