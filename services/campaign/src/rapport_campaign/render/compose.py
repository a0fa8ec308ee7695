"""Turns a claimed message into the bytes that go to the server."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from rapport_campaign.domain import returning, tokens
from rapport_campaign.domain.addresses import envelope_address, mailbox
from rapport_campaign.domain.model import PROMOTION, SURVEY, Campaign, Claimed, Content, Link, State
from rapport_campaign.domain.templates import Said, languages_of
from rapport_campaign.domain.tokens import Token
from rapport_campaign.domain.utm import Utm, with_utm
from rapport_campaign.domain.utm import read as read_utm
from rapport_campaign.render.amp import fits
from rapport_campaign.render.linked import Linked, pixel
from rapport_campaign.render.linked import way_out as way_out_line
from rapport_campaign.render.mime import Letter, mail_bytes
from rapport_campaign.render.saying import Spoken, spoken
from rapport_campaign.render.templates import MAX_COMPILED, rendered, require_known
from rapport_campaign.render.templates import page as linked_page
from rapport_campaign.render.words import as_text
from rapport_common.events.contact import EMAIL_CHANNEL

SEND_KEY_HEADER = "X-Rapport-Send-Key"
TEST_HEADER = "X-Rapport-Test"
_ADDRESS = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)]")


@dataclass(frozen=True, slots=True)
class Job:
    """A message marked `sending`, with everything that makes a mail of it.

    `language`: the one of its campaign's that it is in, None for its own. `coupon`: its code.
    `data`: what its templates see besides, by the root of the variables, as JSON can be.
    """

    claimed: Claimed
    address: str
    state: State | None
    campaign: Campaign | None = None
    content: Content | None = None
    language: str | None = None
    coupon: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with its envelope, and the links that have to be stored before it leaves.

    `author` is the address that it is from, if its envelope has another one.
    """

    sender: str
    recipient: str
    data: bytes
    links: list[Link] = field(default_factory=list)
    author: str = ""


@dataclass(frozen=True, slots=True)
class Office:
    """What all mails share: the key that signs links, where they lead, who sends service mail.

    `bounce_domain`: where mails go that can't be delivered, if it is not their sender that gets
    them; `reply_domain`: where answers go, if not there.
    """

    link_key: bytes
    base_url: str
    service_from: str
    bounce_domain: str = ""
    reply_domain: str = ""


class Composer:
    """Renders mails; the same job gives the same mail."""

    def __init__(self, office: Office) -> None:
        self._key = office.link_key
        self._base = office.base_url
        self._service_from = office.service_from
        self._bounce_domain = office.bounce_domain
        self._reply_domain = office.reply_domain

    def compose(self, job: Job, now: datetime) -> Mail | Spoken:
        """The mail of a job; TemplateError when its template and its person don't go together.

        By another channel than e-mail it is what the campaign says there.
        """
        if job.campaign is not None and job.campaign.channel != EMAIL_CHANNEL:
            named = {"id": job.campaign.campaign_id, "name": job.campaign.name}
            coupon = {"code": job.coupon or ""}
            known = person_variables(job.state, job.address) | {"campaign": named, "coupon": coupon}
            return spoken(job.campaign.content or "{}", {**job.data, **known})
        if job.campaign is not None:
            return self._from_campaign(job, job.campaign, now)
        if job.content is not None and job.claimed.channel != EMAIL_CHANNEL:
            return _spoken_request(job, job.content)
        if job.content is not None:
            return self._from_request(job, job.content, now)
        message = f"message {job.claimed.send_key} has neither a campaign nor a content"
        raise ValueError(message)

    def _from_campaign(self, job: Job, campaign: Campaign, now: datetime) -> Mail:
        token = Token(job.claimed.workspace, job.claimed.send_key)
        way_out = f"{self._base}/u/{tokens.sign(self._key, 'unsubscribe', token)}"
        choices = f"{self._base}/p/{tokens.sign(self._key, 'preferences', token)}"
        variables = person_variables(job.state, job.address) | {
            "campaign": {"id": campaign.campaign_id, "name": campaign.name},
            "coupon": {"code": job.coupon or ""},
            "unsubscribe_url": way_out,
            "preferences_url": choices,
            **job.data,
        }
        said = _said(campaign, job.language)
        page = linked_page(said.html, variables, most=MAX_COMPILED)
        is_promotion = campaign.purpose == PROMOTION
        if is_promotion and not page.has_link(way_out):
            page.append(way_out_line(way_out))
        own = (way_out, choices)
        if (utm := read_utm(campaign.utm)) is not None:
            page.replace(lambda url: url if url in own else with_utm(url, utm))
        text = _text(said, page, variables, utm, own)
        if is_promotion and way_out not in text:
            text = f"{text.rstrip()}\n\nUnsubscribe: {way_out}\n"
        links: list[Link] = []
        page.replace(lambda url: url if url in own else self._tracked(url, campaign, token, links))
        page.append(pixel(f"{self._base}/o/{tokens.sign(self._key, 'open', token)}"))
        headers = {"Precedence": "bulk"}
        if is_promotion:
            headers["List-Unsubscribe"] = f"<{way_out}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        subject = rendered(said.subject, variables, html=False, most=MAX_COMPILED)
        if job.claimed.kind == "test":
            subject = f"[Test] {subject}"
            headers[TEST_HEADER] = "1"
        letter = self._letter(job, campaign.from_address, (subject, str(page), text), headers, now)
        if said.amp:
            part = linked_page(said.amp, variables, most=MAX_COMPILED)
            if is_promotion and not part.has_link(way_out):
                part.append(way_out_line(way_out))
            if utm is not None:
                part.replace(lambda url: url if url in own else with_utm(url, utm))
            part.replace(
                lambda url: url if url in own else self._tracked(url, campaign, token, links)
            )
            amp = str(part)
            # What is too large would not be shown: the page is in its place.
            letter = replace(letter, amp=amp if fits(amp) else None)
        return self._mail(job, letter, links)

    def _from_request(self, job: Job, content: Content, now: datetime) -> Mail:
        variables = _request_variables(job, content)
        # RFC 3834: no vacation answers to a mail that a person's act has triggered.
        headers = {"Auto-Submitted": "auto-generated"}
        if job.claimed.purpose == SURVEY:
            token = Token(job.claimed.workspace, job.claimed.send_key)
            way_out = f"{self._base}/u/{tokens.sign(self._key, 'unsubscribe', token)}"
            variables["unsubscribe_url"] = way_out
            headers["List-Unsubscribe"] = f"<{way_out}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        for part, is_html in (
            (content.subject, False),
            (content.html, True),
            (content.text, False),
        ):
            require_known(part or "", html=is_html, purpose=job.claimed.purpose)
        page = rendered(content.html, variables, html=True)
        text = rendered(content.text, variables, html=False) if content.text else as_text(page)
        subject = rendered(content.subject, variables, html=False)
        letter = self._letter(job, self._service_from, (subject, page, text), headers, now)
        return self._mail(job, replace(letter, headers={**letter.headers, **_thread(content)}))

    def _tracked(self, url: str, campaign: Campaign, token: Token, links: list[Link]) -> str:
        link_id = tokens.link_id(campaign.campaign_id, url)
        links.append(Link(campaign.workspace, link_id, campaign.campaign_id, url))
        signed = tokens.sign(self._key, "click", Token(token.workspace, token.send_key, link_id))
        return f"{self._base}/c/{signed}"

    def _mail(self, job: Job, letter: Letter, links: Sequence[Link] = ()) -> Mail:
        sender = author = mailbox(letter.from_address)[1]
        if self._bounce_domain:
            sender = f"{returning.BOUNCE}{self._token(job)}@{self._bounce_domain}"
        return Mail(sender, letter.to_address, mail_bytes(letter), list(links), author)

    def _letter(
        self,
        job: Job,
        from_address: str,
        parts: tuple[str, str, str],
        headers: dict[str, str],
        now: datetime,
    ) -> Letter:
        subject, page, text = parts
        token = self._token(job)
        domain = mailbox(from_address)[1].rpartition("@")[2]
        if self._reply_domain:
            headers["Reply-To"] = f"<{returning.REPLY}{token}@{self._reply_domain}>"
        return Letter(
            from_address=from_address,
            to_address=envelope_address(job.address) or job.address,
            subject=subject,
            html=page,
            text=text,
            date=now,
            message_id=f"{returning.MESSAGE}{token}@{domain}",
            headers={SEND_KEY_HEADER: job.claimed.send_key, **headers},
        )

    def _token(self, job: Job) -> str:
        return returning.signed(self._key, job.claimed.workspace, job.claimed.send_key)


def _request_variables(job: Job, content: Content) -> dict[str, Any]:
    return person_variables(job.state, job.address) | {"data": msgspec.json.decode(content.data)}


def _spoken_request(job: Job, content: Content) -> Spoken:
    """What a request says by another channel than e-mail: its text."""
    require_known(content.text or "", html=False)
    told = msgspec.json.encode({"text": content.text or ""}).decode()
    return spoken(told, _request_variables(job, content))


def person_variables(state: State | None, address: str) -> dict[str, Any]:
    """What templates see of a person: `profile`."""
    profile: dict[str, Any] = {"email": address, "traits": {}, "computed": {}}
    if state is not None:
        profile["traits"] = msgspec.json.decode(state.traits)
        computed = msgspec.to_builtins(state.computed)
        # Texts on the wire, so that no digit is lost; here they are compared and added up.
        computed["revenue"] = {name: _amount(one) for name, one in state.computed.revenue.items()}
        computed.setdefault("defined", {})
        profile["computed"] = computed
    return {"profile": profile}


def _thread(content: Content) -> dict[str, str]:
    """The fields that put a mail into a thread (RFC 5322, 3.6.2 and 3.6.4)."""
    found = {"Reply-To": f"<{content.reply_to}>"} if content.reply_to else {}
    if content.references:
        found["In-Reply-To"] = content.references.split(" ")[-1]
        found["References"] = content.references
    return found


def _said(campaign: Campaign, language: str | None) -> Said:
    other = languages_of(campaign.languages).get(language) if language else None
    if other is not None and other.html:
        return other
    return Said(subject=campaign.subject, html=campaign.html, text=campaign.text, amp=campaign.amp)


def _text(
    said: Said, page: Linked, variables: dict[str, Any], utm: Utm | None, own: tuple[str, ...]
) -> str:
    """The text part: the author's, whose addresses say where a visit comes from, or the page's."""
    if not said.text:
        return page.as_text()
    text = rendered(said.text, variables, html=False, most=MAX_COMPILED)
    if utm is None:
        return text
    return _ADDRESS.sub(lambda one: one[0] if one[0] in own else with_utm(one[0], utm), text)


def _amount(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
