"""Which traits there are: as declared, as computed, and as people have them."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_profile.api.answers import json_answer
from rapport_profile.api.asking import NO_NUL, Reader
from rapport_profile.api.models import people as models
from rapport_profile.domain.computed.book import Trait
from rapport_profile.domain.computed.definition import type_of
from rapport_profile.domain.quality import Quality
from rapport_profile.domain.trait_catalogue import TraitSeen
from rapport_profile.domain.trait_rules import MAX_NAME, TraitRules
from rapport_profile.store import computed_traits
from rapport_profile.store import quality as store
from rapport_profile.store import rules as stored_rules

NONE_SEEN = TraitSeen()


def trait_catalogue_routes(engine: AsyncEngine) -> APIRouter:
    """The catalogue of traits."""
    router = Router(tags=["traits"])

    @router.get("/v1/traits", response_model=Listed[models.CataloguedTrait])
    async def traits(
        caller: Reader,
        page: Paging,
        name: Annotated[
            str | None, Query(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)
        ] = None,
    ) -> Response:
        """All traits by name: those that rules declare, those that are computed, and those that
        people had when quality was measured last (`POST /v1/quality/measure`).
        """
        after = page.after(str)
        async with engine.begin() as tx:
            known = await _known(tx, caller.workspace)
            wanted = [
                one
                for one in sorted(known)
                if (name is None or one == name) and (after is None or one > after[0])
            ][: page.ask]
            shown = await _with_examples(tx, caller.workspace, {one: known[one] for one in wanted})
        return json_answer(page.answer(shown, key=lambda one: [one["name"]]))

    return router


async def _known(tx: AsyncConnection, workspace: str) -> dict[str, dict[str, Any]]:
    """What is known of each trait, by name."""
    job = await store.latest(tx, workspace)
    measured = None if job is None else msgspec.convert(job.report, Quality)
    held = await stored_rules.latest(tx, stored_rules.TRAIT_RULES, workspace)
    declared = TraitRules() if held is None else held.declared
    applied = await computed_traits.applied(tx, workspace)
    computed = {one.name: one for one in applied.by_id.values() if one.stage != "dropping"}
    seen: Mapping[str, TraitSeen] = {} if measured is None else measured.traits
    names = {*seen, *declared.traits, *computed}
    return {
        one: {
            "name": one,
            "declared": _declared(declared, one),
            "computed": _computed(computed, one),
            "measured_at": None if measured is None else measured.looked_at,
            "seen": seen.get(one, NONE_SEEN),
        }
        for one in names
    }


def _declared(rules: TraitRules, name: str) -> dict[str, Any] | None:
    rule = rules.traits.get(name)
    if rule is None:
        return None
    return {"type": rule.type, "rule": rule.rule, "description": rule.description}


def _computed(known: Mapping[str, Trait], name: str) -> dict[str, Any] | None:
    one = known.get(name)
    if one is None:
        return None
    return {"type": type_of(one.definition), "version": one.version}


async def _with_examples(
    tx: AsyncConnection, workspace: str, known: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The same with values of some people as they are now."""
    whose = {id_ for one in known.values() for _at, id_ in one["seen"].examples}
    people = await store.traits_of(tx, workspace, whose)
    return [_shown(one, people) for one in known.values()]


def _shown(one: dict[str, Any], people: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    seen: TraitSeen = one.pop("seen")
    now = [people.get(id_, {}).get(one["name"]) for _at, id_ in seen.examples]
    return {
        **one,
        "people": seen.people,
        "types": seen.types,
        "last_seen_at": seen.last_seen(),
        "sources": [
            {"source": source, "people": said.people, "last_seen_at": said.last_at}
            for source, said in sorted(seen.sources.items())
        ],
        "examples": [msgspec.Raw(bytes(trait.value)) for trait in now if trait is not None],
    }
