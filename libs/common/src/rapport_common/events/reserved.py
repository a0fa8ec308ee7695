"""Names that are the services' own: nobody outside may speak in them.

What a service tells on `events` is believed by the others: a case is open, a mail was opened.
"""

from functools import lru_cache

from rapport_common.events.topics import SERVICES

RESERVED_EVENTS: dict[str, str] = {
    "Tier Reached": "profile",
    "Tier Lost": "profile",
    "Points Expiring": "profile",
    "Email Sent": "campaign",
    "Message Sent": "campaign",
    "Message Bounced": "campaign",
    "Message Complained": "campaign",
    "Email Opened": "campaign",
    "Email Link Clicked": "campaign",
    "Email Bounced": "campaign",
    "Email Complained": "campaign",
    "Email Replied": "campaign",
    "Survey Answered": "feedback",
    "Case Opened": "feedback",
    "Case Closed": "feedback",
    "Case Reopened": "feedback",
    "Case State Changed": "feedback",
    "Case Overdue": "feedback",
    "Case Due Soon": "feedback",
    "Case Escalated": "feedback",
    "Case Verified": "feedback",
    "Goodwill Given": "feedback",
    "Contact Point Cleared": "profile",
    "Restraint Set": "profile",
    "Restraint Lifted": "profile",
    "Rectification Set": "profile",
    "Rectification Lifted": "profile",
    "Consent Expired": "profile",
}
"""The events that only a service tells, and which one it is."""

UNSEEN_EVENTS = frozenset(
    {
        "Tier Reached",
        "Tier Lost",
        "Points Expiring",
        "Email Sent",
        "Message Sent",
        "Message Bounced",
        "Email Bounced",
        "Case Closed",
        "Case State Changed",
        "Case Overdue",
        "Case Due Soon",
        "Case Escalated",
        "Case Verified",
        "Goodwill Given",
        "Contact Point Cleared",
        "Restraint Set",
        "Restraint Lifted",
        "Rectification Set",
        "Rectification Lifted",
        "Consent Expired",
    }
)
"""Those in which the person did nothing: something was done to them, or time has passed."""

MAIL_EVENTS = frozenset({"Email Opened", "Email Link Clicked"})
"""Those that a machine may have made: then `machine` is true in their properties."""

RESERVED_SOURCES = frozenset({*SERVICES, "insight", "rapport", "internal", "system"})
"""Ids of sources: events of the services bear the service's name as their source."""

CONSENT_UPDATED = "Consent Updated"
"""Told by campaign and profile too, and by anybody: what is said is weighed by the trust."""

CONSENT_EXPIRED = "Consent Expired"
"""The instant at which a yes ends has passed."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A name in which case and blanks make no difference: `case  opened ` is `Case Opened`."""
    return " ".join(name.split()).casefold()


_RESERVED = {plain_name(one): service for one, service in RESERVED_EVENTS.items()}


def service_of(name: str) -> str | None:
    """The service whose event this is, however its name is written; None: anybody's."""
    return _RESERVED.get(plain_name(name))
