"""Templates as people would get them, and who would miss something in them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.addresses import addresses_of
from rapport_campaign.domain.coupons import TEST_CODE
from rapport_campaign.domain.feeds import ROOT, Feed
from rapport_campaign.domain.languages import lookup, spoken_by
from rapport_campaign.domain.model import Person, State
from rapport_campaign.domain.speaking import mentions
from rapport_campaign.domain.templates import Template, Variable, Version
from rapport_campaign.handlers import supplying
from rapport_campaign.handlers.feed_asking import Asker
from rapport_campaign.handlers.feeds import Tried, shown_by, tried
from rapport_campaign.handlers.segments import require_living
from rapport_campaign.handlers.suppliers import SUPPLIERS
from rapport_campaign.handlers.supplying import PREVIEW, Asking
from rapport_campaign.render.preview import Sight, View, Warned
from rapport_campaign.renderer import Refusal, Renderer
from rapport_campaign.store import audience, people, templates
from rapport_campaign.store import feeds as store
from rapport_common.errors import InvalidRequestError, NotFoundError
from rapport_common.events.contact import EMAIL_CHANNEL

MOST_VARIABLES = 100
NOBODY = "someone@example.com"
# What Liquid has of every value.
_OF_ANY_VALUE = {"size", "first", "last"}
_SECTIONS = {"traits", "computed"}


@dataclass(frozen=True, slots=True)
class Reader:
    """As whose a template is shown, and the language they get."""

    person: Person | None
    address: str
    language: str | None
    profile_id: str = ""

    @property
    def state(self) -> State | None:
        """What is known of them."""
        return self.person.state if self.person is not None else None


async def reader(
    tx: AsyncConnection, version: Version, profile_id: str | None, language: str | None
) -> Reader:
    """Somebody, or nobody; `language` in place of their own. NotFoundError."""
    person = await person_of(tx, version.workspace, profile_id) if profile_id else None
    state = person.state if person is not None else None
    addresses = addresses_of(state) if state else []
    having = version.compiled.having
    used = lookup(language or (spoken_by(state.traits) if state else None), having)
    if used is None and language is None:
        usual = await templates.policy_languages(tx, [version.workspace])
        used = lookup(usual.get(version.workspace), having)
    address = addresses[0].value if addresses else NOBODY
    return Reader(person, address, used, profile_id or "")


async def fed(
    asker: Asker, feeds: Sequence[Feed], version: Version, who: Reader
) -> dict[str, Tried]:
    """What the data feeds say that a version shows, asked now, all at once."""
    found = await asyncio.gather(
        *(
            tried(
                asker,
                one,
                who.state,
                address=who.address,
                profile_id=who.profile_id,
                campaign_id=version.template_id,
            )
            for one in feeds
        )
    )
    return {feed.name: one for feed, one in zip(feeds, found, strict=True)}


async def feeds_of(tx: AsyncConnection, version: Version, who: Reader) -> list[Feed]:
    """The data feeds that a version shows in somebody's language."""
    names = shown_by(version.compiled.said(who.language))
    keys = [(version.workspace, name) for name in names]
    return list((await store.named(tx, keys)).values()) if keys else []


async def data_for(tx: AsyncConnection, version: Version, who: Reader) -> dict[str, Any]:
    """What the template would see beside the person, such as prices; none of it is kept."""
    said = version.compiled.said(who.language)
    texts = (said.subject, said.html, said.text or "", said.amp or "")

    def asking(root: str) -> Asking | None:
        paths = frozenset(one.path for text in texts for one in mentions(text, root))
        key = (version.workspace, PREVIEW)
        return Asking(key, EMAIL_CHANNEL, paths, who.person, kept=False) if paths else None

    return await supplying.shown(tx, asking, SUPPLIERS)


async def shown(
    renderer: Renderer,
    template: Template,
    version: Version,
    who: Reader,
    *,
    data: dict[str, Any],
    feeds: Mapping[str, Tried],
    supplied: dict[str, Any],
) -> Sight:
    """A version as somebody would get it; `data` is laid over their traits, `supplied` is beside
    them.
    """
    base = renderer.office.base_url
    view = View(
        said=version.compiled.said(who.language),
        address=who.address,
        state=who.state,
        variables=list(version.variables),
        data=data,
        more={
            "campaign": {"id": template.template_id, "name": template.name},
            "coupon": {"code": TEST_CODE},
            "unsubscribe_url": f"{base}/u/preview",
            "preferences_url": f"{base}/p/preview",
            **supplied,
            ROOT: {name: one.data for name, one in feeds.items()},
        },
    )
    found = await renderer.show(view)
    if isinstance(found, Refusal):
        raise InvalidRequestError(found.reason, details={"path": "profile_id"})
    silent = [
        Warned("no_answer", "", _silent(name, one))
        for name, one in feeds.items()
        if not one.answered
    ]
    return replace(found, warnings=[*silent, *found.warnings])


def _silent(name: str, one: Tried) -> str:
    then = "its fall-back is shown" if one.data is not None else "such a message would not go"
    return f"data feed {name}: {one.reason}; {then}"


async def lacking(
    tx: AsyncConnection, version: Version, segment_id: str
) -> tuple[audience.Lacking, list[Variable]]:
    """How many people of a segment lack each variable that a version prints without a default.

    UnknownSegmentError for a segment that there is not.
    """
    await require_living(tx, version.workspace, segment_id)
    asked = [one for one in version.variables if one.bare and _is_of_people(one)]
    asked = asked[:MOST_VARIABLES]
    found = await audience.lacking(
        tx, version.workspace, segment_id, [_place(one) for one in asked]
    )
    return found, asked


async def person_of(tx: AsyncConnection, workspace: str, profile_id: str) -> Person:
    """Somebody as they are now; NotFoundError."""
    key = (workspace, profile_id)
    now_id = (await people.resolve(tx, [key]))[key]
    person = (await people.load(tx, [(workspace, now_id)])).get((workspace, now_id))
    if person is None or person.state is None:
        message = f"There is no profile {profile_id} in workspace {workspace}, or no more."
        raise NotFoundError(message)
    return person


def _is_of_people(one: Variable) -> bool:
    return len(one.path) > 2 and one.path[0] == "profile" and one.path[1] in _SECTIONS  # noqa: PLR2004 - profile, section, name


def _place(one: Variable) -> tuple[str, ...]:
    path = one.path[1:]
    return path[:-1] if path[-1] in _OF_ANY_VALUE and len(path) > 2 else path  # noqa: PLR2004 - a trait may be called so
