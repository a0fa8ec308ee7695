"""What is chosen for each message when it is marked `sending`: language, data, and coupon."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.coupons import TEST_CODE
from rapport_campaign.domain.languages import lookup, spoken_by
from rapport_campaign.domain.model import Campaign, Claimed, MessageKey, Person
from rapport_campaign.domain.templates import languages_of, others_of
from rapport_campaign.handlers import coupons
from rapport_campaign.handlers.suppliers import SUPPLIERS
from rapport_campaign.handlers.supplying import supplied
from rapport_campaign.store import templates

Giving = Callable[
    [AsyncConnection, Sequence[tuple[MessageKey, str]]], Awaitable[dict[MessageKey, str]]
]
"""Gives a code to each message, from its pool, as far as there are any."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Languages (of its campaign's others), codes and data by message; `dry`: why some lack some.

    `data` is what templates see beside the person, by its root. `silent`: why some are not sent.
    """

    languages: Mapping[MessageKey, str]
    coupons: Mapping[MessageKey, str]
    dry: Mapping[MessageKey, str]
    data: Mapping[MessageKey, Mapping[str, Any]]
    silent: Mapping[MessageKey, str]


async def chosen(
    tx: AsyncConnection,
    going: Sequence[Claimed],
    campaigns: Mapping[tuple[str, str], Campaign],
    persons: Mapping[MessageKey, Person],
    *,
    give: Giving = coupons.give,
    keep: bool = True,
) -> Personal:
    """What is chosen for the messages that may go, and kept with them.

    Who only wants to know has a `give` that gives nothing away, and keeps nothing.
    Nothing is asked of the database for campaigns of one language without coupons and data. Call
    it after everything else is locked.
    """
    several = {one.workspace for one in campaigns.values() if others_of(one.languages)}
    usual = await templates.policy_languages(tx, several) if several else {}
    made_in: dict[MessageKey, str] = {}
    wanted: list[tuple[MessageKey, str]] = []
    codes: dict[MessageKey, str] = {}
    supply = await supplied(tx, going, campaigns, persons, SUPPLIERS, keep=keep)
    for one in going:
        campaign = campaigns.get((one.workspace, one.campaign_id or ""))
        if campaign is None or one.key in supply.silent:
            continue
        language = _language(campaign, persons.get(one.key), usual.get(one.workspace))
        if language is not None:
            made_in[one.key] = language
        if campaign.coupon_pool is not None and one.kind == "test":
            codes[one.key] = TEST_CODE
        elif campaign.coupon_pool is not None and one.key not in supply.lacking:
            wanted.append((one.key, campaign.coupon_pool))
    if keep:
        await templates.note_languages(tx, made_in)
    codes |= await give(tx, wanted)
    dry = {key: coupons.dry(pool) for key, pool in wanted if key not in codes}
    return Personal(made_in, codes, {**dry, **supply.lacking}, supply.data, supply.silent)


def _language(campaign: Campaign, person: Person | None, usual: str | None) -> str | None:
    """The person's, else the workspace's, as far as the campaign has it."""
    if not others_of(campaign.languages):
        return None
    having = languages_of(campaign.languages)
    state = person.state if person is not None else None
    own = lookup(spoken_by(state.traits), having.keys()) if state is not None else None
    return own or lookup(usual, having.keys())
