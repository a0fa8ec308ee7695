"""The events by which campaign tells what happened to a person."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from rapport_campaign.domain.model import PROMOTION, Purpose, State
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Event, Identifier
from rapport_common.events.kinds import PHONE
from rapport_common.events.reserved import CONSENT_UPDATED

SOURCE = "campaign"
MOST_ID = 200
MESSAGE_SENT = "Message Sent"
"""By a channel that is no e-mail; `channel` says which."""
SENT, OPENED, CLICKED = "Email Sent", "Email Opened", "Email Link Clicked"
MESSAGE_BOUNCED, MESSAGE_COMPLAINED = "Message Bounced", "Message Complained"
BOUNCED, COMPLAINED, REPLIED = "Email Bounced", "Email Complained", "Email Replied"


def identity(state: State | None, address: str, channel: str = EMAIL_CHANNEL) -> Identifier:
    """A person's strongest identifier; the address a mail went to when nothing else is known.

    One and no more: two identifiers in an event would claim that they are the same person, and
    that is not ours to say.
    """
    for kind in (USER_ID, EMAIL, ANONYMOUS_ID):
        values = state.values(kind) if state is not None else []
        if values:
            return (kind, values[0])
    if channel != EMAIL_CHANNEL:
        # Of whom nothing else is known than where the message went.
        return (ANONYMOUS_ID, f"{channel}:{address}"[:MOST_ID])
    return (EMAIL, normal_email(address))


def event(
    *,
    workspace: str,
    who: Identifier,
    name: str,
    message_id: str,
    at: datetime,
    properties: Mapping[str, str | bool | None],
) -> Event:
    """A track event of this service; properties without a value are left out."""
    said = {key: one for key, one in properties.items() if one is not None}
    return Event(
        workspace=workspace,
        source=SOURCE,
        message_id=message_id,
        type="track",
        timestamp=at,
        received_at=at,
        identifiers=[who],
        name=name,
        properties=msgspec.Raw(msgspec.json.encode(said)),
    )


def sent(
    workspace: str,
    who: Identifier,
    send_key: str,
    campaign_id: str | None,
    at: datetime,
    *,
    channel: str = EMAIL_CHANNEL,
) -> Event:
    """The mail was taken by the server, or the message of another channel by its provider."""
    is_mail = channel == EMAIL_CHANNEL
    return event(
        workspace=workspace,
        who=who,
        name=SENT if is_mail else MESSAGE_SENT,
        message_id=f"sent-{send_key}",
        at=at,
        properties={
            "campaign_id": campaign_id,
            "send_key": send_key,
            "channel": None if is_mail else channel,
        },
    )


def chosen(
    workspace: str,
    who: Identifier,
    address: str,
    at: datetime,
    said: Mapping[str, str | None],
) -> Event:
    """What the owner of an address has said on the page of preferences.

    `said`: purpose, state, method, wording_version and ip_hash.
    """
    about = "\n".join((address, said["purpose"] or "", said["state"] or ""))
    digest = sha256(about.encode()).hexdigest()[:32]
    return event(
        workspace=workspace,
        who=who,
        name=CONSENT_UPDATED,
        # Another word is a new fact; the same one is not said twice, see `preferences.changed`.
        message_id=f"preferences-{digest}-{int(at.timestamp() * 1_000_000)}",
        at=at,
        properties={
            "contact_point": address,
            "channel": EMAIL_CHANNEL,
            "legal_basis": "consent",
            **said,
        },
    )


def opted_in(
    workspace: str, who: Identifier, opt_in_id: str, at: datetime, said: Mapping[str, str | None]
) -> Event:
    """The owner of an address has confirmed a yes by the link of a mail.

    `said`: contact_point, purpose, and what it rests on.
    """
    fixed = {"channel": EMAIL_CHANNEL, "state": "granted", "method": "double_opt_in"}
    return event(
        workspace=workspace,
        who=who,
        name=CONSENT_UPDATED,
        message_id=f"confirmed-{opt_in_id}",
        at=at,
        properties={**fixed, "legal_basis": "consent", **said},
    )


def withdrawn(
    workspace: str,
    who: Identifier,
    send_key: str,
    address: str,
    at: datetime,
    *,
    purpose: Purpose = PROMOTION,
) -> Event:
    """The owner of an address wants no more mail of a purpose there."""
    return event(
        workspace=workspace,
        who=who,
        name=CONSENT_UPDATED,
        # A second "no" after a new "yes" is a new fact, a repeated request is not.
        message_id=f"unsubscribe-{send_key}-{int(at.timestamp() * 1_000_000)}",
        at=at,
        properties={
            "contact_point": address,
            "channel": EMAIL_CHANNEL,
            "purpose": purpose,
            "state": "withdrawn",
        },
    )


def refused(
    workspace: str, who: Identifier, task_id: str, said: Mapping[str, str], at: datetime
) -> Event:
    """Somebody has told staff that they want no more promotions by a channel.

    `said`: contact_point, channel, actor.
    """
    return event(
        workspace=workspace,
        who=who,
        name=CONSENT_UPDATED,
        message_id=f"refused-{task_id}",
        at=at,
        properties={**said, "purpose": PROMOTION, "state": "withdrawn", "method": "task"},
    )


def stopped(workspace: str, number: str, mark: str, at: datetime) -> Event:
    """The owner of a phone number (E.164) has written that they want no more, in message `mark`."""
    return event(
        workspace=workspace,
        who=(PHONE, number),
        name=CONSENT_UPDATED,
        message_id=f"stop-{sha256(f'{number} {mark}'.encode()).hexdigest()[:32]}",
        at=at,
        properties={
            "contact_point": number,
            "channel": "sms",
            "purpose": PROMOTION,
            "state": "withdrawn",
            "method": "stop_word",
        },
    )
