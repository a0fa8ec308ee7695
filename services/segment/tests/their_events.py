"""Conditions on events as other platforms write them: what each says here, and what none can."""

from typing import Any

from rapport_segment.domain.importing.peers import Peer

Document = dict[str, Any]

METRICS = {"S4SFhi": "Order Completed", "web.pageview": "Page Viewed"}
"""Our names for what they call otherwise."""

NEW_YEAR, FEBRUARY = "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"


def node(kind: str, **told: Any) -> Document:
    """Dittofeed's only node."""
    return {"entryNode": {"type": kind, "id": "n", **told}, "nodes": []}


def held(path: str, **operator: Any) -> Document:
    """What Dittofeed asks of a property."""
    return {"path": path, "operator": operator}


def metrics(*conditions: Document) -> Document:
    """Klaviyo's conditions, all of them."""
    return {"condition_groups": [{"conditions": [one]} for one in conditions]}


def metric(operator: str, value: Any, **told: Any) -> Document:
    """How often, for Klaviyo."""
    return {
        "type": "profile-metric",
        "metric_id": "S4SFhi",
        "measurement": "count",
        "measurement_filter": {"type": "numeric", "operator": operator, "value": value},
        **told,
    }


def frame(operator: str, **told: Any) -> Document:
    """When, for Klaviyo."""
    return {"timeframe_filter": {"type": "date", "operator": operator, **told}}


def said(name: str, **asked: Any) -> Document:
    """What Klaviyo asks of a property."""
    return {"property": name, "filter": asked}


def happened(kind: str, operator: str, times: int, **told: Any) -> Document:
    """How often, for Notifuse."""
    asked = {"kind": kind, "count_operator": operator, "count_value": times, **told}
    return {"kind": "leaf", "leaf": {"source": "contact_timeline", "contact_timeline": asked}}


def time(operator: str, *values: str) -> Document:
    """When, for Notifuse."""
    return {"timeframe_operator": operator, "timeframe_values": list(values)}


def asked(name: str, operator: str, *texts: str) -> Document:
    """What Notifuse asks of a property."""
    return {"field_name": name, "operator": operator, "string_values": list(texts)}


MEANT: list[tuple[Peer, Document, str]] = [
    # Of how often nothing is said: just once.
    ("dittofeed", node("Performed", event="Signed Up"), 'count("Signed Up") = 1'),
    (
        "dittofeed",
        node("Performed", event="Signed Up", times=1, timesOperator=">="),
        'performed("Signed Up")',
    ),
    (
        "dittofeed",
        node("Performed", event="Signed Up", times=0, timesOperator="="),
        'not performed("Signed Up")',
    ),
    (
        "dittofeed",
        node(
            "Performed",
            event="Order Completed",
            times=2,
            timesOperator="<",
            withinSeconds=604_800,
            properties=[
                held("total", type="GreaterThanOrEqual", value=5),
                held("a", type="Exists"),
            ],
        ),
        'count("Order Completed", total >= 5, a exists) within last 1w < 2',
    ),
    (
        "dittofeed",
        node(
            "LastPerformed",
            event="Paid",
            whereProperties=[held("by", type="Equals", value="card")],
            hasProperties=[held("total", type="LessThan", value=9), held("b", type="NotExists")],
        ),
        (
            'performed("Paid", by = "card") and last(total of "Paid", by = "card") < 9 '
            'and last(b of "Paid", by = "card") missing'
        ),
    ),
    (
        "dittofeed",
        node("Performed", event="Signed Up", times=0, withinSeconds=0),
        'not performed("Signed Up")',
    ),
    (
        "klaviyo",
        metrics(metric("greater-than", 4, **frame("before", date="2026-01-01"))),
        f'count("Order Completed") before "{NEW_YEAR}" > 4',
    ),
    (
        "klaviyo",
        metrics(
            metric("greater-than", 0, **frame("in-the-last", quantity=30, unit="day")),
            metric("equals", 0, **frame("alltime"), metric_filters=None),
            metric("not-equals", 2),
            metric("less-than", 3, **frame("between", start="2026-01-01", end="2026-02-01")),
        ),
        (
            'performed("Order Completed") within last 30d and not performed("Order Completed") '
            'and not count("Order Completed") = 2 '
            f'and count("Order Completed") after "{NEW_YEAR}" before "{FEBRUARY}" < 3'
        ),
    ),
    (
        "klaviyo",
        metrics(
            metric(
                "greater-than-or-equal",
                200,
                measurement="sum",
                **frame("after", value="2026-01-01T00:00:00Z"),
                metric_filters=[
                    said("country", type="string", operator="equals", value="United States"),
                    said("Item.Names", type="list", operator="contains", value="Tea"),
                    said("Items", type="list", operator="contains-any", value=["Tea", "Cup"]),
                    said("n", type="numeric", operator="not-equals", value=3),
                    said("kind", type="string", operator="in", value=["a", "b"]),
                    said("x", type="existence", operator="not-set"),
                ],
            ),
        ),
        (
            'sum(value of "Order Completed", country = "United States", '
            'property "Item\\\\.Names" contains "Tea", Items in ("Tea", "Cup"), '
            'n != 3, kind in ("a", "b"), x missing) '
            f'after "{NEW_YEAR}" >= 200'
        ),
    ),
    (
        "notifuse",
        happened("email.opened", "at_least", 1, **time("in_the_last_days", "30")),
        'performed("Email Opened") within last 30d',
    ),
    (
        "notifuse",
        happened(
            "web.pageview",
            "at_most",
            2,
            **time("in_date_range", "2026-01-01", "2026-02-01"),
            filters=[asked("path", "contains", "/pricing"), asked("n", "is_set")],
        ),
        (
            'count("Page Viewed", path contains "/pricing", n exists) '
            f'after "{NEW_YEAR}" before "{FEBRUARY}" <= 2'
        ),
    ),
    (
        "notifuse",
        happened("Order Completed", "exactly", 0, **time("before_date", "2026-01-01")),
        f'not performed("Order Completed") before "{NEW_YEAR}"',
    ),
    (
        "notifuse",
        happened(
            *("Order Completed", "at_least", 2),
            filters=[{**asked("item", "equals", "tea"), "json_path": ["name"]}],
        ),
        'count("Order Completed", item.name = "tea") >= 2',
    ),
    # An empty text is what is not there.
    (
        "dittofeed",
        node(
            "Performed",
            event="x",
            times=1,
            timesOperator=">=",
            properties=[
                held("$.a.b", type="Equals", value=""),
                held("$['a.b']['c d']", type="NotEquals", value=""),
            ],
        ),
        'performed("x", a.b missing, property "a\\\\.b.c d" exists)',
    ),
    # What the last one does not have is another thing.
    (
        "dittofeed",
        node("LastPerformed", event="x", hasProperties=[held("a", type="NotEquals", value="v")]),
        'performed("x") and not last(a of "x") = "v"',
    ),
    ("dittofeed", node("LastPerformed", event="x"), 'performed("x")'),
    (
        "klaviyo",
        metrics(
            metric("equals", 2, **frame("between-static", start="2026-01-01", end="2026-02-01"))
        ),
        f'count("Order Completed") after "{NEW_YEAR}" before "{FEBRUARY}" = 2',
    ),
    ("notifuse", happened("custom_event.purchase", "at_least", 1), 'performed("purchase")'),
    ("notifuse", happened("custom_event.a.b", "at_least", 1), 'performed("a.b")'),
    (
        "notifuse",
        happened("x", "at_least", 1, filters=[asked("a.b", "equals", "v")]),
        'performed("x", property "a\\\\.b" = "v")',
    ),
]

NOTED: list[tuple[Peer, Document, str]] = [
    (
        "dittofeed",
        node("Performed", event="x", properties=[held("a", type="NotEquals", value="v")]),
        "an event that has no such property",
    ),
    (
        "dittofeed",
        node("LastPerformed", event="x", hasProperties=[held("a", type="Exists")]),
        "Exists: an empty text is something here",
    ),
    ("dittofeed", node("LastPerformed", event="x"), "without hasProperties"),
    (
        "notifuse",
        happened("x", "at_least", 1, filters=[asked("a", "contains", "v")]),
        "contains: capitals count here",
    ),
    (
        "klaviyo",
        metrics(
            {
                "type": "profile-property",
                "property": "tags",
                "filter": {"type": "list", "operator": "not-contains", "value": "vip"},
            }
        ),
        "who has no such list fits, too",
    ),
]
"""Where something means more or less here."""

_TIMELINE, _FIRST = "definition.leaf.contact_timeline", "condition_groups[0].conditions[0]"
REFUSED: list[tuple[Peer, Document, list[tuple[str, str]]]] = [
    (
        "dittofeed",
        node(
            "Performed",
            event="page*",
            times=True,
            timesOperator=">",
            withinSeconds=61,
            properties=[held("a", type="Within", windowSeconds=60), held("a", type="HasBeen")],
        ),
        [
            ("entryNode.withinSeconds", "whole minutes"),
            ("entryNode.event", "several events"),
            ("entryNode.properties[0].operator", "Within"),
            ("entryNode.properties[1].operator", "HasBeen"),
            ("entryNode.timesOperator", "'>'"),
        ],
    ),
    ("dittofeed", node("LastPerformed", event="x", times=2), [("entryNode.times", "not known")]),
    ("dittofeed", node("Performed", event="x", times=-1), [("entryNode.times", "not negative")]),
    (
        "dittofeed",
        node("Performed", event="x", withinSeconds=""),
        [("entryNode.withinSeconds", "whole minutes")],
    ),
    (
        "dittofeed",
        node("Performed", event="x", withinSeconds=False),
        [("entryNode.withinSeconds", "whole minutes")],
    ),
    (
        "klaviyo",
        metrics(metric("equals", 1, **frame("after", date="2026-01-01", value="2027-01-01"))),
        [(f"{_FIRST}.timeframe_filter.value", "not known")],
    ),
    ("dittofeed", node("Email", templateId="t", event="x"), [("entryNode", "templates")]),
    (
        "klaviyo",
        metrics(
            metric("is", "x", metric_id="other", **frame("flow-start")),
            metric("equals", -1, measurement="unique"),
            metric("equals", 1, metric_filters=[said("a", type="date", operator="after")]),
        ),
        [
            (f"{_FIRST}.metric_id", "'other' is, in `events`"),
            (f"{_FIRST}.timeframe_filter.operator", "flow-start"),
            (f"{_FIRST}.measurement_filter.operator", "'is'"),
            ("condition_groups[1].conditions[0].measurement_filter.value", "not negative"),
            ("condition_groups[1].conditions[0].measurement", "unique"),
            ("condition_groups[2].conditions[0].metric_filters[0].filter", "of type date"),
        ],
    ),
    (
        "notifuse",
        happened("list.joined", "often", -1, **time("anytime", "2026"), template_id="t"),
        [
            (f"{_TIMELINE}.template_id", "not known"),
            (f"{_TIMELINE}.kind", "in `events`"),
            (f"{_TIMELINE}.timeframe_values", "another"),
            (f"{_TIMELINE}.count_value", "not negative"),
            (f"{_TIMELINE}.count_operator", "'often'"),
        ],
    ),
    (
        "notifuse",
        happened("x", "exactly", 1, **time("in_date_range", "2026"), filters=[asked("a", "in")]),
        [
            (f"{_TIMELINE}.filters[0].operator", "'in'"),
            (f"{_TIMELINE}.timeframe_values", "must be 2"),
        ],
    ),
    (
        "dittofeed",
        node("Performed", event="x", properties=held("a", type="Exists")),
        [("entryNode.properties", "must be a list")],
    ),
    (
        "klaviyo",
        metrics(metric("equals", 1, metric_filters=said("a", type="existence"))),
        [(f"{_FIRST}.metric_filters", "must be a list")],
    ),
    (
        "notifuse",
        happened("x", "exactly", 1, **time("lately"), filters=asked("a", "is_set")),
        [
            (f"{_TIMELINE}.filters", "must be a list"),
            (f"{_TIMELINE}.timeframe_operator", "'lately'"),
        ],
    ),
    (
        "notifuse",
        happened(
            *("x", "exactly", 1),
            filters=[
                asked("a", "equals", "x", "y"),
                {**asked("a", "equals", "x"), "json_path": "name"},
                {**asked("a", "is_set", "x"), "number_values": [1]},
            ],
        ),
        [
            (f"{_TIMELINE}.filters[0]", "must have one value"),
            (f"{_TIMELINE}.filters[1].json_path", "must be a list of names"),
            (f"{_TIMELINE}.filters[2]", "string_values or number_values"),
        ],
    ),
    (
        "notifuse",
        {
            "kind": "leaf",
            "leaf": {
                "source": "contacts",
                "contact": {"filters": [asked("a", "in_date_range", "2")]},
            },
        },
        [("definition.leaf.contact.filters[0]", "two values")],
    ),
    (
        "dittofeed",
        node(
            *("Performed",),
            event="x",
            times=0,
            timesOperator=">=",
            properties=[
                *(held(one, type="Exists") for one in ("a[0].b", "a[*]", "..a", "a.", "$", "@.a")),
                held("a", type="GreaterThanOrEqual", value="5"),
                held("a", type="LessThan", value=True),
                held("a", type="Equals", value=[5]),
            ],
        ),
        [
            *((f"entryNode.properties[{at}].path", "through names") for at in range(6)),
            *((f"entryNode.properties[{at}].operator.value", "a number") for at in (6, 7, 8)),
            ("entryNode.times", ">= 0 means another thing"),
        ],
    ),
    (
        "dittofeed",
        {
            "entryNode": {"type": "And", "id": "e", "children": ["a"]},
            "nodes": [
                {"type": "Everyone", "id": "a"},
                {"type": "Performed", "id": "a", "event": "x"},
            ],
        },
        [("nodes[1].id", "that of nodes[0]")],
    ),
    (
        "dittofeed",
        {"entryNode": {"type": "Everyone", "id": "e"}, "nodes": "none"},
        [("nodes", "must be a list")],
    ),
    (
        "klaviyo",
        metrics(
            metric("equals", 1, **frame("between", start=10, end=20, unit="day")),
            {
                **metric("equals", 1),
                "measurement_filter": {"type": "string", "operator": "equals", "value": 1},
            },
            metric(
                "equals",
                1,
                metric_id=7,
                metric_filters=[
                    said("a", type="numeric", operator="greater-than", value="5"),
                    said("a", type="numeric", operator="equals", value=True),
                    said("a", type="boolean", operator="equals", value=1),
                    said("a", type="string", operator="in", value=["a", 1]),
                    said("a", type="string", operator="equals", value=None),
                ],
            ),
        ),
        [
            (f"{_FIRST}.timeframe_filter.operator", "'between'"),
            ("condition_groups[1].conditions[0].measurement_filter.type", "'string'"),
            ("condition_groups[2].conditions[0].metric_id", "'' is, in `events`"),
            ("condition_groups[2].conditions[0].metric_filters[0].filter.value", "numeric value"),
            ("condition_groups[2].conditions[0].metric_filters[1].filter.value", "numeric value"),
            ("condition_groups[2].conditions[0].metric_filters[2].filter.value", "boolean value"),
            ("condition_groups[2].conditions[0].metric_filters[3].filter.value", "string value"),
            ("condition_groups[2].conditions[0].metric_filters[4].filter.value", "string value"),
        ],
    ),
    (
        "notifuse",
        happened(
            *("custom_event.", "exactly", 1),
            filters=[
                {**asked("a", "gt", "5"), "field_type": "number"},
                {"field_name": "a", "operator": "gt", "field_type": "time", "number_values": [5]},
                {"field_name": "a", "operator": "gt", "number_values": [True]},
                {"field_name": "a", "operator": "gt", "string_values": [5]},
                {**asked("a", "equals", "x"), "json_path": ["tags", "0"]},
                {**asked("a", "equals", "x"), "json_path": [""]},
            ],
        ),
        [
            (f"{_TIMELINE}.kind", "must be a text"),
            (f"{_TIMELINE}.filters[0].string_values", "another type"),
            (f"{_TIMELINE}.filters[1].number_values", "type number"),
            (f"{_TIMELINE}.filters[2].number_values", "a number"),
            (f"{_TIMELINE}.filters[3].string_values", "texts"),
            (f"{_TIMELINE}.filters[4].json_path", "into a list"),
            (f"{_TIMELINE}.filters[5].json_path", "names"),
        ],
    ),
]
