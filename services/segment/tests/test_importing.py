"""Definitions of other platforms as rules: what each says, and what none says silently."""

import copy
import random
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests import their_events
from services.segment.tests.building import build
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import InvalidRequestError
from rapport_segment.domain import printing
from rapport_segment.domain.importing.parts import UnsupportedDefinitionError
from rapport_segment.domain.importing.peers import Peer, imported
from rapport_segment.domain.rules import parse

ID = "01a22947-d1de-7294-96aa-7a623b834ab5"
PEERS = get_args(Peer)


def trait(path: str, **operator: Any) -> dict[str, Any]:
    return {"type": "Trait", "id": path, "path": path, "operator": operator}


def klaviyo(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"condition_groups": [{"conditions": [one]} for one in conditions]}


def prop(name: str, **asked: Any) -> dict[str, Any]:
    return {"type": "profile-property", "property": name, "filter": asked}


def mautic(*filters: tuple[str, str, str, str, Any]) -> dict[str, Any]:
    names = ("glue", "field", "type", "operator")
    return {
        "filters": [
            {**dict(zip(names, one, strict=False)), "object": "lead", "filter": one[4]}
            for one in filters
        ]
    }


def may_mail(channel: str, *, can: Any = True, subscription: str = "any") -> dict[str, Any]:
    status = {"subscription": subscription}
    told = {"channel": channel, "can_receive_marketing": can, "consent_status": status}
    return {"type": "profile-marketing-consent", "consent": told}


def member(*ids: str, is_member: Any = True) -> dict[str, Any]:
    return {"type": "profile-group-membership", "is_member": is_member, "group_ids": list(ids)}


def listed(operator: str) -> dict[str, Any]:
    told = {"operator": operator, "list_id": "7"}
    return {"kind": "leaf", "leaf": {"source": "contact_lists", "contact_list": told}}


def branch(operator: str, *leaves: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "branch", "branch": {"operator": operator, "leaves": list(leaves)}}


def contact(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "leaf", "leaf": {"source": "contacts", "contact": {"filters": list(filters)}}}


def asked(name: str, operator: str, *values: Any) -> dict[str, Any]:
    kind = "number" if values and not isinstance(values[0], str) else "string"
    return {
        "field_name": name,
        "field_type": kind,
        "operator": operator,
        f"{kind}_values": list(values),
    }


GRAPH = {
    "entryNode": {"type": "And", "id": "1", "children": ["2", "3"]},
    "nodes": [
        trait("plan", type="Equals", value="gold") | {"id": "2"},
        {"type": "Or", "id": "3", "children": ["4", "5"]},
        trait("signedUpAt", type="Within", windowSeconds=2_592_000) | {"id": "4"},
        trait("age", type="GreaterThanOrEqual", value=18) | {"id": "5"},
    ],
}
MEANT: list[tuple[Peer, dict[str, Any], str]] = [
    ("dittofeed", GRAPH, 'plan = "gold" and (signedUpAt >= now - 30d or age >= 18)'),
    (
        "dittofeed",
        {"definition": GRAPH},
        'plan = "gold" and (signedUpAt >= now - 30d or age >= 18)',
    ),
    ("dittofeed", {"entryNode": trait("a", type="NotEquals", value=1), "nodes": []}, "a != 1"),
    ("dittofeed", {"entryNode": trait("a", type="LessThan", value=1.5), "nodes": []}, "a < 1.5"),
    ("dittofeed", {"entryNode": trait("a", type="NotExists"), "nodes": []}, "a missing"),
    (
        "dittofeed",
        {"entryNode": {"type": "RandomBucket", "id": "b", "percent": 0.1}, "nodes": []},
        'bucket "b" from 0 to 10',
    ),
    ("dittofeed", {"entryNode": {"type": "Everyone", "id": "e"}, "nodes": []}, "events >= 0"),
    (
        "customerio",
        {
            "filter": {
                "and": [
                    {"segment": {"id": 7}},
                    {"not": {"attribute": {"field": "email", "operator": "exists"}}},
                    {"or": [{"attribute": {"field": "vip", "operator": "eq", "value": True}}]},
                ]
            }
        },
        f'segment "{ID}" and not email exists and vip = true',
    ),
    (
        "klaviyo",
        {
            "condition_groups": [
                {
                    "conditions": [
                        prop("properties['plan']", type="string", operator="equals", value="gold"),
                        prop(
                            "location['city']", type="string", operator="not-in", value=["a", "b"]
                        ),
                    ]
                },
                {
                    "conditions": [
                        {
                            "type": "profile-marketing-consent",
                            "consent": {
                                "channel": "email",
                                "can_receive_marketing": True,
                                "consent_status": {"subscription": "subscribed", "filters": None},
                            },
                        }
                    ]
                },
            ]
        },
        (
            '(plan = "gold" or (location.city exists and not location.city in ("a", "b"))) '
            "and reachable by email for promotion"
        ),
    ),
    (
        "klaviyo",
        klaviyo(
            prop("properties['n']", type="numeric", operator="greater-than", value=3),
            prop("properties['at']", type="date", operator="in-the-last", quantity=2, unit="week"),
            prop("properties['tags']", type="list", operator="contains-any", value=["a", "b"]),
            prop("email", type="existence", operator="not-set"),
        ),
        (
            'n > 3 and at within last 2w and (tags contains "a" or tags contains "b") '
            "and email missing"
        ),
    ),
    (
        "klaviyo",
        klaviyo(member("7", is_member=False) | {"timeframe_filter": None}),
        f'not segment "{ID}"',
    ),
    (
        "mautic",
        mautic(
            ("and", "city", "text", "=", "Prague"),
            ("and", "points", "number", "gte", 10),
            ("or", "lists", "leadlist", "!in", [7]),
        ),
        f'(city = "Prague" and points >= 10) or not segment "{ID}"',
    ),
    (
        "mautic",
        {
            "list": {
                "filters": [
                    {
                        "glue": "and",
                        "field": "date_added",
                        "object": "lead",
                        "type": "datetime",
                        "operator": "gte",
                        "properties": {"filter": "-30 days", "display": None},
                    }
                ]
            }
        },
        "date_added >= now - 30d",
    ),
    (
        "mautic",
        mautic(
            ("and", "a", "text", "!=", "x"),
            ("and", "b", "text", "empty", None),
            ("and", "c", "number", "between", [1, 2]),
            ("and", "d", "boolean", "=", "1"),
            ("and", "e", "text", "startsWith", "x"),
            ("and", "tags", "tags", "in", ["vip"]),
        ),
        (
            'not a = "x" and b missing and (c >= 1 and c <= 2) and d = true and e starts_with "x" '
            'and tags contains "vip"'
        ),
    ),
    (
        "notifuse",
        {
            "tree": branch(
                "or",
                contact(asked("country", "equals", "US"), asked("ltv", "gte", 100)),
                listed("not_in"),
            )
        },
        f'(country = "US" and ltv >= 100) or not segment "{ID}"',
    ),
    (
        "notifuse",
        contact(
            asked("a", "not_equals", "x"),
            asked("b", "in_the_last_days", "30"),
            asked("c", "in_date_range", "2026-01-01", "2026-02-01"),
            asked("d", "is_not_set"),
            asked("e", "not_in_the_last_days", "7"),
            asked("f", "not_contains", "x"),
        ),
        (
            '(a exists and not a = "x") and b > now - 30d '
            'and (c >= "2026-01-01" and c <= "2026-02-01") and d missing and not e > now - 7d '
            'and (f exists and not f contains "x")'
        ),
    ),
    (
        "klaviyo",
        {
            "data": {
                "attributes": {
                    "definition": klaviyo(
                        prop("a", type="date", operator="before", date="2026-02-01"),
                        prop("b", type="date", operator="after", date="2026-01-01"),
                        prop("c", type="list", operator="not-contains", value="x"),
                    )
                }
            }
        },
        'a < "2026-02-01" and b > "2026-01-01" and not c contains "x"',
    ),
    (
        "mautic",
        mautic(
            ("and", "a", "text", "!like", "x"),
            ("and", "b", "select", "in", ["x", "y"]),
            ("and", "c", "date", "gt", "2026-01-01"),
        ),
        'not a contains "x" and b in ("x", "y") and c > "2026-01-01"',
    ),
    (
        "notifuse",
        branch(
            "and",
            listed("in"),
            contact(asked("a", "not_in_date_range", "2026-01-01", "2026-02-01")),
        ),
        f'segment "{ID}" and (a exists and not (a >= "2026-01-01" and a <= "2026-02-01"))',
    ),
    *their_events.MEANT,
]


@pytest.mark.parametrize(("peer", "document", "line"), MEANT, ids=range(len(MEANT)))
def test_what_a_definition_says(peer: Peer, document: dict[str, Any], line: str) -> None:
    found = imported(peer, document, {}, {"7": ID}, their_events.METRICS)
    assert printing.line(parse(found.rule)) == line


GOAL = {"kind": "leaf", "leaf": {"source": "custom_events_goals", "custom_events_goal": {}}}
LOOP = {
    "entryNode": {"type": "And", "id": "1", "children": ["2"]},
    "nodes": [{"type": "And", "id": "2", "children": ["2"]}],
}
WIDE = {
    "entryNode": {"type": "And", "id": "0", "children": ["1", "1", "1", "1"]},
    "nodes": [
        *({"type": "And", "id": str(n), "children": [str(n + 1)] * 4} for n in range(1, 14)),
        {"type": "Everyone", "id": "14"},
    ],
}
REFUSED: list[tuple[Peer, dict[str, Any], list[tuple[str, str]]]] = [
    (
        "dittofeed",
        {
            "entryNode": {"type": "Or", "id": "1", "children": ["2", "3", "9"]},
            "nodes": [
                {"type": "Broadcast", "id": "2"},
                trait("a", type="HasBeen", value=1, windowSeconds=5) | {"id": "3"},
            ],
        },
        [
            ("nodes[0]", "Broadcast"),
            ("nodes[1].operator", "HasBeen"),
            ("entryNode.children[2]", "not there"),
        ],
    ),
    ("dittofeed", LOOP, [("nodes[0]", "16 levels")]),
    ("dittofeed", WIDE, [("nodes[", "500 parts")]),
    ("dittofeed", {}, [("entryNode", "object"), ("entryNode", "of type")]),
    (
        "dittofeed",
        {"entryNode": trait("a", type="Equals", value=1, caseless=True), "nodes": []},
        [("entryNode.operator.caseless", "not known")],
    ),
    ("customerio", {"segment": {"id": 8}}, [("segment.id", "'8'")]),
    ("customerio", {"and": [{"event": {"name": "x"}}]}, [("and[0]", "'event'")]),
    (
        "customerio",
        {"attribute": {"field": "a", "operator": "gt", "value": 1}},
        [("attribute.operator", "'gt'")],
    ),
    ("customerio", {"and": [], "or": []}, [("definition", "just one of")]),
    (
        "klaviyo",
        klaviyo(
            {"type": "profile-not-in-flow"},
            {"type": "profile-region", "in_region": True},
            prop("a", type="string", operator="ends-with", value="x"),
            prop("a", type="date", operator="anniversary"),
        ),
        [
            ("condition_groups[0].conditions[0]", "profile-not-in-flow"),
            ("condition_groups[1].conditions[0]", "profile-region"),
            ("condition_groups[2].conditions[0].filter", "ends-with"),
            ("condition_groups[3].conditions[0].filter", "anniversary"),
        ],
    ),
    (
        "klaviyo",
        klaviyo(
            {
                "type": "profile-marketing-consent",
                "consent": {
                    "channel": "email",
                    "can_receive_marketing": True,
                    "consent_status": {"subscription": "any", "filters": [{"field": "x"}]},
                },
            }
        ),
        [("condition_groups[0].conditions[0].consent.consent_status.filters", "not known")],
    ),
    (
        "mautic",
        mautic(
            ("and", "hit_url", "text", "like", "a%"),
            ("and", "x", "device_type", "in", ["a"]),
            ("and", "x", "text", "endsWith", "a"),
            ("and", "x", "date", "=", "birthday"),
        ),
        [
            ("filters[0].filter", "placeholder"),
            ("filters[1].type", "device_type"),
            ("filters[2].operator", "endsWith"),
            ("filters[3].filter", "birthday"),
        ],
    ),
    (
        "mautic",
        {"filters": [{"glue": "and", "field": "x", "object": "behaviors", "operator": "="}]},
        [("filters[0].object", "behaviors")],
    ),
    ("notifuse", GOAL, [("definition.leaf", "have no goals")]),
    (
        "notifuse",
        contact(asked("a", "equals", "x", "y"), asked("b", "sounds_like", "x")),
        [
            ("definition.leaf.contact.filters[0]", "one value"),
            ("definition.leaf.contact.filters[1].operator", "sounds_like"),
        ],
    ),
    (
        "notifuse",
        contact(*(asked("a", "in_the_last_days", one) for one in ("²", "1_0", "9" * 5_000))),
        [(f"definition.leaf.contact.filters[{place}]", "a number of") for place in range(3)],
    ),
    (
        "dittofeed",
        {
            "entryNode": {"type": "And", "id": "1", "children": ["2", "3", "4"]},
            "nodes": [
                {"type": "RandomBucket", "id": "2", "percent": 0},
                {"type": "RandomBucket", "id": "3", "percent": 1.5},
                trait("a", type="Within", windowSeconds="60") | {"id": "4"},
            ],
        },
        [
            ("nodes[0].percent", "more than 0"),
            ("nodes[1].percent", "at most 1"),
            ("nodes[2].operator.windowSeconds", "whole minutes"),
        ],
    ),
    (
        "klaviyo",
        klaviyo(
            prop("a", type="existence", operator="maybe"),
            prop("a", type="list", operator="contains-all", value=["x"]),
            may_mail("fax"),
            may_mail("email", subscription="never"),
            may_mail("email", can=None),
            member("7", is_member="yes"),
            member("7", "8"),
        ),
        [
            ("condition_groups[0].conditions[0].filter", "existence the operator 'maybe'"),
            ("condition_groups[1].conditions[0].filter", "list the operator 'contains-all'"),
            ("condition_groups[2].conditions[0].consent.channel", "'fax'"),
            ("condition_groups[3].conditions[0].consent.consent_status.subscription", "'never'"),
            ("condition_groups[4].conditions[0].consent.can_receive_marketing", "true or false"),
            ("condition_groups[5].conditions[0].is_member", "true or false"),
            ("condition_groups[6].conditions[0].group_ids", "one id"),
        ],
    ),
    (
        "mautic",
        mautic(
            ("and", "x", "leadlist", "=", [7]),
            ("and", "x", "tags", "=", ["vip"]),
            ("and", "x", "number", "between", [1]),
            ("and", "x", "date", "=", "-30 days"),
            ("xor", "x", "number", "=", 1),
        ),
        [
            ("filters[0].operator", "of lists the operator '='"),
            ("filters[1].operator", "of tags the operator '='"),
            ("filters[2].filter", "two values"),
            ("filters[3].operator", "beside now the operator '='"),
            ("filters[4].glue", "and, or"),
        ],
    ),
    (
        "notifuse",
        branch("xor", {"kind": "leaf", "leaf": {"source": "forms"}}, listed("maybe")),
        [
            ("definition.branch.leaves[0].leaf.source", "'forms'"),
            ("definition.branch.leaves[1].leaf.contact_list.operator", "'maybe'"),
            ("definition.branch.operator", "'xor'"),
        ],
    ),
    *their_events.REFUSED,
]


@pytest.mark.parametrize(("peer", "document", "problems"), REFUSED, ids=range(len(REFUSED)))
def test_what_can_not_be_said_is_named(
    peer: Peer, document: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    with pytest.raises(UnsupportedDefinitionError) as refused:
        imported(peer, document, {}, {"7": ID}, their_events.METRICS)
    told = refused.value.details["problems"]
    assert len(told) == len(problems), told
    for one, (path, what) in zip(told, problems, strict=True):
        assert one["path"].startswith(path), told
        assert what in one["message"], told


def test_fields_may_be_called_otherwise_here() -> None:
    document = {"attribute": {"field": "plan", "operator": "eq", "value": "gold"}}
    found = imported("customerio", document, {"plan": "crm.plan"}, {}, {})
    assert found.rule == {"trait": "crm.plan", "op": "eq", "value": "gold"}


HOLDING = {"list", "tree", "filter", "definition", "data", "attributes"}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document but those that only hold another or say nothing."""
    if isinstance(value, dict):
        if not HOLDING & value.keys() or "type" in value:
            yield value
        for one in value.values():
            yield from objects(one)
    if isinstance(value, list):
        for one in value:
            yield from objects(one)


@given(seed=st.integers(0, 2**32))
def test_no_part_is_dropped_silently(seed: int) -> None:
    """A condition more, wherever it stands, is in the rule or refused."""
    chance = random.Random(seed)
    peer, document, _line = chance.choice(MEANT)
    changed = copy.deepcopy(document)
    chance.choice(list(objects(changed)))["surprise"] = {"type": "one more condition"}
    with pytest.raises(UnsupportedDefinitionError):
        imported(peer, changed, {}, {"7": ID}, their_events.METRICS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "and",
                    "or",
                    "not",
                    "segment",
                    "attribute",
                    "field",
                    "operator",
                    "value",
                    "type",
                    "entryNode",
                    "nodes",
                    "children",
                    "path",
                    "condition_groups",
                    "conditions",
                    "filter",
                    "filters",
                    "glue",
                    "kind",
                    "branch",
                    "leaf",
                    "leaves",
                    "source",
                    "contact",
                    "id",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(peer=st.sampled_from(PEERS), document=JSON.filter(lambda one: isinstance(one, dict)))
def test_any_document_is_read_or_refused(*, peer: Peer, document: Any) -> None:
    try:
        found = imported(peer, document, {}, {}, {})
    except InvalidRequestError:
        return
    parse(found.rule)


@given(seed=st.integers(0, 2**32), value=JSON)
def test_a_definition_with_anything_in_it_is_read_or_refused(seed: int, value: Any) -> None:
    chance = random.Random(seed)
    peer, document, _line = chance.choice(MEANT)
    changed = copy.deepcopy(document)
    place = chance.choice(list(objects(changed)))
    place[chance.choice(list(place))] = value
    try:
        found = imported(peer, changed, {}, {"7": ID}, their_events.METRICS)
    except InvalidRequestError:
        return
    parse(found.rule)


@pytest.mark.integration
async def test_a_definition_is_shown_and_made_a_segment(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body: dict[str, Any] = {"platform": "dittofeed", "definition": GRAPH}
    shown = await client.post("/v1/segments/import", json=body)
    assert shown.status_code == 200, shown.text
    assert (shown.json()["segment_id"], shown.json()["text"]) == (None, MEANT[0][2])
    assert (await client.get("/v1/segments")).json()["items"] == []
    made = (await client.post("/v1/segments/import", json={**body, "name": "theirs"})).json()
    await build(engine)
    segment = (await client.get(f"/v1/segments/{made['segment_id']}")).json()
    assert (segment["text"], segment["status"]) == (MEANT[0][2], "ready")
    again = await client.post("/v1/segments/import", json={**body, "name": "theirs"})
    assert again.status_code == 409
    unknown = {
        "platform": "customerio",
        "definition": {"segment": {"id": 7}},
        "segments": {"7": ID},
    }
    answer = await client.post("/v1/segments/import", json=unknown)
    assert answer.status_code == 422, "a segment that there is not"
    refused = await client.post(
        "/v1/segments/import", json={"platform": "notifuse", "definition": {"tree": GOAL}}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "unsupported_definition")
    assert refused.json()["details"]["problems"][0]["path"] == "tree.leaf"
