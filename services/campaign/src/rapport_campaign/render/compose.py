"""Turns a claimed message into the bytes that go to the server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from rapport_campaign.domain import tokens
from rapport_campaign.domain.addresses import envelope_address, mailbox
from rapport_campaign.domain.model import PROMOTION, Campaign, Claimed, Content, Link, State
from rapport_campaign.domain.tokens import Token
from rapport_campaign.render.html import (
    as_text,
    has_link,
    with_links,
    with_pixel,
    with_way_out,
)
from rapport_campaign.render.mime import Letter, mail_bytes
from rapport_campaign.render.saying import Said, said
from rapport_campaign.render.templates import rendered, require_known
from rapport_common.events.contact import EMAIL_CHANNEL

SEND_KEY_HEADER = "X-Rapport-Send-Key"
TEST_HEADER = "X-Rapport-Test"


@dataclass(frozen=True, slots=True)
class Job:
    """A message marked `sending`, with everything that makes a mail of it."""

    claimed: Claimed
    address: str
    state: State | None
    campaign: Campaign | None = None
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its envelope, and the links that have to be stored before it leaves."""

    sender: str
    recipient: str
    data: bytes
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Office:
    """What all mails share: the key that signs links, where they lead, who sends service mail."""

    link_key: bytes
    base_url: str
    service_from: str


class Composer:
    """Renders mails; the same job gives the same mail."""

    def __init__(self, office: Office) -> None:
        self._key = office.link_key
        self._base = office.base_url
        self._service_from = office.service_from

    def compose(self, job: Job, now: datetime) -> Mail | Said:
        """The mail of a job; TemplateError when its template and its person don't go together.

        By another channel than e-mail it is what the campaign says there.
        """
        if job.campaign is not None and job.campaign.channel != EMAIL_CHANNEL:
            named = {"id": job.campaign.campaign_id, "name": job.campaign.name}
            return said(job.campaign.content or "{}", _variables(job) | {"campaign": named})
        if job.campaign is not None:
            return self._from_campaign(job, job.campaign, now)
        if job.content is not None:
            return self._from_request(job, job.content, now)
        message = f"message {job.claimed.send_key} has neither a campaign nor a content"
        raise ValueError(message)

    def _from_campaign(self, job: Job, campaign: Campaign, now: datetime) -> Mail:
        token = Token(job.claimed.workspace, job.claimed.send_key)
        way_out = f"{self._base}/u/{tokens.sign(self._key, 'unsubscribe', token)}"
        choices = f"{self._base}/p/{tokens.sign(self._key, 'preferences', token)}"
        variables = _variables(job) | {
            "campaign": {"id": campaign.campaign_id, "name": campaign.name},
            "unsubscribe_url": way_out,
            "preferences_url": choices,
        }
        page = rendered(campaign.html, variables, html=True)
        is_promotion = campaign.purpose == PROMOTION
        if is_promotion and not has_link(page, way_out):
            page = with_way_out(page, way_out)
        text = rendered(campaign.text, variables, html=False) if campaign.text else as_text(page)
        if is_promotion and way_out not in text:
            text = f"{text.rstrip()}\n\nUnsubscribe: {way_out}\n"
        links: list[Link] = []
        page = with_links(
            page,
            lambda url: (
                url if url in (way_out, choices) else self._tracked(url, campaign, token, links)
            ),
        )
        page = with_pixel(page, f"{self._base}/o/{tokens.sign(self._key, 'open', token)}")
        headers = {"Precedence": "bulk"}
        if is_promotion:
            headers["List-Unsubscribe"] = f"<{way_out}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        subject = rendered(campaign.subject, variables, html=False)
        if job.claimed.kind == "test":
            subject = f"[Test] {subject}"
            headers[TEST_HEADER] = "1"
        letter = _letter(job, campaign.from_address, (subject, page, text), headers, now)
        return _mail(letter, links)

    def _from_request(self, job: Job, content: Content, now: datetime) -> Mail:
        data = msgspec.json.decode(content.data)
        variables = _variables(job) | {"data": data}
        for part, is_html in (
            (content.subject, False),
            (content.html, True),
            (content.text, False),
        ):
            require_known(part or "", html=is_html)
        page = rendered(content.html, variables, html=True)
        text = rendered(content.text, variables, html=False) if content.text else as_text(page)
        subject = rendered(content.subject, variables, html=False)
        # RFC 3834: no vacation answers to a mail that a person's act has triggered.
        headers = {"Auto-Submitted": "auto-generated"}
        return _mail(_letter(job, self._service_from, (subject, page, text), headers, now))

    def _tracked(self, url: str, campaign: Campaign, token: Token, links: list[Link]) -> str:
        link_id = tokens.link_id(campaign.campaign_id, url)
        links.append(Link(campaign.workspace, link_id, campaign.campaign_id, url))
        signed = tokens.sign(self._key, "click", Token(token.workspace, token.send_key, link_id))
        return f"{self._base}/c/{signed}"


def _variables(job: Job) -> dict[str, Any]:
    state = job.state
    profile: dict[str, Any] = {"email": job.address, "traits": {}, "computed": {}}
    if state is not None:
        profile["traits"] = msgspec.json.decode(state.traits)
        computed = msgspec.to_builtins(state.computed)
        # Texts on the wire, so that no digit is lost; here they are compared and added up.
        computed["revenue"] = {name: _amount(one) for name, one in state.computed.revenue.items()}
        computed.setdefault("defined", {})
        profile["computed"] = computed
    return {"profile": profile}


def _amount(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _mail(letter: Letter, links: Sequence[Link] = ()) -> Mail:
    sender = mailbox(letter.from_address)[1]
    return Mail(sender, letter.to_address, mail_bytes(letter), list(links))


def _letter(
    job: Job,
    from_address: str,
    parts: tuple[str, str, str],
    headers: dict[str, str],
    now: datetime,
) -> Letter:
    subject, page, text = parts
    send_key = job.claimed.send_key
    domain = mailbox(from_address)[1].rpartition("@")[2]
    return Letter(
        from_address=from_address,
        to_address=envelope_address(job.address) or job.address,
        subject=subject,
        html=page,
        text=text,
        date=now,
        message_id=f"{send_key[:40]}@{domain}",
        headers={SEND_KEY_HEADER: send_key, **headers},
    )
