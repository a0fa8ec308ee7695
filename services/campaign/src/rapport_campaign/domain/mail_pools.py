"""By which mail servers a mail goes: pools are an installation's, named in its settings, and mails
of a workspace are assigned to them by where they come from and what they are (ADR 86).
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from rapport_campaign.domain.mail_servers import DEFAULT_POOL
from rapport_campaign.domain.model import PROMOTION
from rapport_campaign.domain.sender_domains import domain_name

MailClass = Literal["promotional", "transactional"]
MOST_RULES, MOST_SENDERS = 100, 500


class MailPoolsError(ValueError):
    """Rules that can't be; `where` is the path in them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class PoolRule(msgspec.Struct, frozen=True, kw_only=True):
    """Mails from these domains (none: from any), of this class (None: of both) go by a pool.

    Promotional is what a campaign for promotions sends; all else is transactional.
    """

    pool: str
    senders: tuple[str, ...] = ()
    mails: MailClass | None = None


class MailPools(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the rules of a workspace: the first that fits counts."""

    rules: tuple[PoolRule, ...] = ()

    def pool(self, sender: str, mails: MailClass) -> str:
        """The pool of a mail from a domain."""
        for one in self.rules:
            if (not one.senders or sender in one.senders) and one.mails in {None, mails}:
                return one.pool
        return DEFAULT_POOL


NO_RULES = MailPools()


def class_of(purpose: str | None) -> MailClass:
    """What the mails of a campaign for a purpose are; None: those of no campaign."""
    return "promotional" if purpose == PROMOTION else "transactional"


def checked(rules: Sequence[PoolRule], pools: Collection[str]) -> MailPools:
    """The rules, domains in ASCII, of pools that there are; MailPoolsError."""
    if len(rules) > MOST_RULES:
        raise MailPoolsError("rules", f"at most {MOST_RULES}")
    found = []
    for at, one in enumerate(rules):
        if one.pool not in pools:
            named = ", ".join(sorted(pools))
            message = f"there is no pool {one.pool!r} in RAPPORT_SMTP_SERVERS; there are {named}"
            raise MailPoolsError(f"rules[{at}].pool", message)
        if len(one.senders) > MOST_SENDERS:
            raise MailPoolsError(f"rules[{at}].senders", f"at most {MOST_SENDERS}")
        try:
            senders = tuple(dict.fromkeys(map(domain_name, one.senders)))
        except ValueError as error:
            raise MailPoolsError(f"rules[{at}].senders", str(error)) from error
        found.append(msgspec.structs.replace(one, senders=senders))
    return MailPools(rules=tuple(found))
