"""What operators ask for: templates, their versions, and what campaigns say by them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Campaign
from rapport_campaign.domain.templates import (
    Compiled,
    Said,
    Snippet,
    Source,
    Template,
    Texts,
    Variable,
    Version,
    kept_languages,
)
from rapport_campaign.handlers import snippets
from rapport_campaign.handlers.suppliers import CHECKS
from rapport_campaign.handlers.supplying import require_known
from rapport_campaign.handlers.templates import require_made
from rapport_campaign.render.authoring import Draft
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import coupons
from rapport_campaign.store import templates as store
from rapport_common import clock
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError

MOST_SHOWN = 200
LARGEST = 2 * 1024 * 1024
"""Characters of a template in all of its languages, as mails are made of it: each of its campaigns
is read with it.
"""
_COUPON = re.compile(r"\bcoupon\.code\b")


@dataclass(frozen=True, slots=True)
class Work:
    """What came of a source: what mails are made of, and what is in it."""

    source: Source
    compiled: Compiled
    uses: dict[str, int]
    variables: tuple[Variable, ...]


async def require(
    tx: AsyncConnection, workspace: str, template_id: str, *, lock: bool = False
) -> Template:
    """The template, or NotFoundError; with `lock` it stays as it is until the commit."""
    found = await store.find(tx, workspace, template_id, lock=lock)
    if found is None:
        raise NotFoundError(f"There is no template {template_id} in this workspace.")
    return found


async def require_version(
    tx: AsyncConnection, template: Template, number: int | None = None
) -> Version:
    """A version of a template, the newest when none is named; NotFoundError."""
    wanted = template.version if number is None else number
    found = await store.version(tx, template.workspace, template.template_id, wanted)
    if found is None:
        message = f"Template {template.template_id} has no version {wanted}."
        raise NotFoundError(message, details={"version": template.version})
    return found


async def known_snippets(tx: AsyncConnection, workspace: str, source: Source) -> dict[str, Snippet]:
    """The snippets that a source calls."""
    every = [source.texts, *source.languages.values()]
    written = [part for one in every for part in _parts(one)]
    return await snippets.wanted(tx, workspace, written)


async def made(renderer: Renderer, source: Source, known: Mapping[str, Snippet]) -> Work:
    """What mails are made of; InvalidRequestError with all that is wrong, in each language."""
    sources = {name: one.source for name, one in known.items()}
    drafts = {"": Draft(source.format, source.texts, source.language, sources)} | {
        tag: Draft(source.format, texts, tag, sources) for tag, texts in source.languages.items()
    }
    found = await renderer.make(list(drafts.values()))
    places = [f"languages.{tag}." if tag else "" for tag in drafts]
    whole = require_made(list(zip(places, found, strict=True)))
    said = {tag: one.said for tag, one in zip(drafts, whole, strict=True) if one.said is not None}
    if (
        sum(len(one.html) + len(one.text or "") + len(one.amp or "") for one in said.values())
        > LARGEST
    ):
        message = f"All languages together are larger than {LARGEST // 2**20} MiB."
        raise InvalidRequestError(message, details={"limit": LARGEST})
    uses = sorted({name for one in whole for name in one.uses})
    return Work(
        source,
        Compiled(own=said.pop(""), languages=said, language=source.language),
        snippets.versions_of(known, uses),
        _together([one for each in whole for one in each.variables]),
    )


async def add(tx: AsyncConnection, template: Template, work: Work, by: tuple[str, str]) -> Version:
    """Write a new template with its first version; `by`: who, and why."""
    await store.create(tx, template)
    return await _add_version(tx, template, work, by)


async def change(
    tx: AsyncConnection, template: Template, work: Work, by: tuple[str, str], name: str | None
) -> tuple[Template, Version]:
    """Write the version after `template.version`; ConflictError when there is one already.

    Drafts say the new one from now on. What was started keeps what it said.
    """
    there = await require(tx, template.workspace, template.template_id, lock=True)
    require_living(there)
    if there.version != template.version:
        message = (
            f"Template {there.template_id} is at version {there.version}, not {template.version}: "
            "look at it, and change that."
        )
        raise ConflictError(message, details={"version": there.version})
    newest = replace(there, version=there.version + 1, name=name or there.name)
    await store.save(tx, newest)
    version = await _add_version(tx, newest, work, by)
    await store.bring_drafts(
        tx, newest.workspace, newest.template_id, newest.version, version.compiled
    )
    return newest, version


async def archive(tx: AsyncConnection, workspace: str, template_id: str) -> None:
    """Take a template away: no campaign can be made on it. Those there are keep what they say."""
    found = await require(tx, workspace, template_id, lock=True)
    if found.archived_at is None:
        await store.save(tx, replace(found, archived_at=clock.now()))


async def concerned(tx: AsyncConnection, template: Template) -> list[Row[Any]]:
    """The living campaigns that say what a template says, or said."""
    return await store.campaigns_of(tx, template.workspace, [template.template_id], MOST_SHOWN)


def require_living(template: Template) -> None:
    """ConflictError for a template that is archived."""
    if template.archived_at is not None:
        raise ConflictError(f"Template {template.template_id} is archived.")


async def filled(tx: AsyncConnection, campaign: Campaign) -> Campaign:
    """A campaign on a template with what the newest version of it says."""
    if campaign.template_id is None:
        return campaign
    template = await store.find(tx, campaign.workspace, campaign.template_id)
    if template is None or template.archived_at is not None:
        message = f"There is no template {campaign.template_id} in this workspace, or no more."
        raise InvalidRequestError(message, details={"path": "template_id"})
    compiled = (await require_version(tx, template)).compiled
    return replace(
        campaign,
        template_version=template.version,
        subject=compiled.own.subject,
        html=compiled.own.html,
        text=compiled.own.text,
        amp=compiled.own.amp,
        languages=kept_languages(compiled),
    )


async def require_coupons(tx: AsyncConnection, campaign: Campaign) -> None:
    """InvalidRequestError for a campaign that shows coupons and has no pool, or one that is not
    there.
    """
    own = (campaign.subject, campaign.html, campaign.text or "", campaign.content or "")
    parts = (*own, campaign.amp or "", campaign.languages)
    if campaign.coupon_pool is None:
        if any(_COUPON.search(part) for part in parts):
            message = "It shows {{ coupon.code }}: name the coupon_pool that codes are given from."
            raise InvalidRequestError(message, details={"path": "coupon_pool"})
        return
    pool = await coupons.find(tx, campaign.workspace, campaign.coupon_pool)
    if pool is None or pool.archived_at is not None:
        message = f"There is no coupon pool {campaign.coupon_pool!r} in this workspace, or no more."
        raise InvalidRequestError(message, details={"path": "coupon_pool"})


async def require_data(tx: AsyncConnection, campaign: Campaign) -> None:
    """InvalidRequestError for a campaign that speaks of data that there are not, with the place."""
    texts = {
        "subject": campaign.subject,
        "html": campaign.html,
        "text": campaign.text or "",
        "amp": campaign.amp or "",
        # Quotes in JSON have a backslash before them.
        "content": (campaign.content or "").replace('\\"', '"'),
        "languages": campaign.languages.replace('\\"', '"'),
    }
    await require_known(tx, campaign.workspace, texts, CHECKS)


async def _add_version(
    tx: AsyncConnection, template: Template, work: Work, by: tuple[str, str]
) -> Version:
    await require_known(tx, template.workspace, _written(work), CHECKS)
    version = Version(
        workspace=template.workspace,
        template_id=template.template_id,
        version=template.version,
        source=work.source,
        compiled=work.compiled,
        created_at=clock.now(),
        created_by=by[0],
        reason=by[1],
        uses=work.uses,
        variables=work.variables,
    )
    await store.add_version(tx, version)
    return version


def _written(work: Work) -> dict[str, str]:
    """All that an author has written, by field; and what was made of it, with snippets put in."""
    written = {"": work.source.texts} | {
        f"languages.{tag}.": texts for tag, texts in work.source.languages.items()
    }
    found = {
        f"{place}{name}": getattr(texts, name) or ""
        for place, texts in written.items()
        for name in ("subject", "preheader", "body", "text", "amp")
    }
    said = [work.compiled.own, *work.compiled.languages.values()]
    made = "\n".join(part or "" for one in said for part in _said(one))
    return {**found, "body (with snippets)": made}


def _parts(texts: Texts) -> list[str]:
    return [texts.subject, texts.preheader, texts.body, texts.text or "", texts.amp or ""]


def _said(one: Said) -> tuple[str | None, ...]:
    return (one.subject, one.html, one.text, one.amp)


def _together(found: list[Variable]) -> tuple[Variable, ...]:
    """Each variable once: bare where one of the languages prints it so."""
    bare: dict[tuple[str, ...], bool] = {}
    for one in found:
        bare[one.path] = bare.get(one.path, False) or one.bare
    return tuple(Variable(path, bare[path]) for path in sorted(bare))
