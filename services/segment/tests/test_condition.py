"""Rules in SQL give the verdicts of rules in Python, for any rule and any person."""

import itertools
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.judging import NOON, kept, predicate, told
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import Restraint
from rapport_common.events.profile import ComputedState, DefinedValue, IdentifierState, ProfileState
from rapport_common.testing.examples import examples
from rapport_segment.domain.leaves import EQUALITY, ORDER, PRESENCE, TEXT
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import RESTRAINTS, Facts, Section
from rapport_segment.store.condition import JUDGED, Condition

pytestmark = pytest.mark.integration

# Few names and values, so that rules and people meet; and every trap of the two languages.
PLAIN = ["a", "email", "phone", "A", "", "ä", "a.b", "0", "constructor"]
NAMES = st.sampled_from(
    [*PLAIN, "a.a", "a.A", "a.a.a", "a.", r"a\.b", "a.a1", "email.a", "a.phone"]
)
TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "ab",
        "b",
        "1",
        "true",
        "10",
        "9.50",
        "-0",
        "007",
        "1e3",
        "9.5\n",
        "2026-01-31T02:00:00Z",
        "2026-01-31 03:00+01",
        "2026-01-31",
        "2026-01-31T00:00:00Z",
        "2026-01-31 00",
        "2026-02-30",
        "+49 (0)170 1234567",
        "+491701234567",
        "0049-170-123 45 67",
        "TEL:+49.170\u20111234567",
        " a1 ",
        "A@B.example",
        "null",
        "Ä",
        "ä",
        "é",
        "é",
        "\uffff",
        "𐀀",
        "%",
        "_",
        "\\",
    ]
) | st.text(max_size=3)
NUMBERS = (
    st.sampled_from([0, -1, 1, 10, 100, 2**53, 2**53 + 1, 2**63, -(2**70)])
    | st.sampled_from([0.1, 1.0, -0.0, 1.5, 1e22, 1e-7])
    | st.integers(-5, 5)
    | st.floats(-1e9, 1e9)
)
SCALARS = TEXTS | NUMBERS | st.booleans()
# What is easily taken for one another.
ALIKE = [
    0,
    1,
    1.0,
    -1,
    False,
    True,
    "",
    "0",
    "1",
    "1.0",
    "01",
    "-1",
    "true",
    "True",
    "a",
    "A",
    "ab",
    "null",
    "2000-05-06",
    "2000-05-06T00:00:00Z",
    "2000-05-06T00:00:00.000001Z",
    "+49 170 1234567",
    "00491701234567",
    "tel:+49-170-1234567",
]
VALUES = st.recursive(
    st.none() | SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS, inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "A", "phone", "a.b"]), inner, max_size=2)
    ),
    max_leaves=4,
)
AMOUNTS = st.sampled_from(["0", "-1.50", "500", "500.00", "512.30", "1E+2", "NaN", "x", ""])
CURRENCIES = st.sampled_from(["USD", "EUR"])
MOMENTS = st.none() | st.datetimes(timezones=st.timezones()) | st.datetimes()
DEFINED = (
    st.builds(DefinedValue, number=AMOUNTS | st.none())
    | st.builds(DefinedValue, money=st.dictionaries(CURRENCIES, AMOUNTS, max_size=2))
    | st.builds(DefinedValue, time=MOMENTS)
    | st.builds(DefinedValue, text=TEXTS)
    | st.builds(DefinedValue, values=st.lists(TEXTS, max_size=3))
)
RAW_TRAITS = st.sampled_from(
    [b'{"a":1.0000000000000000000001}', b'{"a":1e400}', b'{"a":"\\u0000"}', b'{"a":1,"a":"b"}']
)
TRAITS = st.dictionaries(NAMES, VALUES, max_size=4).map(msgspec.json.encode)
PEOPLE = st.builds(
    ProfileState,
    identifiers=st.lists(
        st.builds(IdentifierState, st.sampled_from(["email", "user_id"]), TEXTS), max_size=3
    ),
    traits=st.builds(msgspec.Raw, TRAITS | RAW_TRAITS),
    computed=st.builds(
        ComputedState,
        events=st.integers(0, 3),
        orders=st.integers(0, 3),
        open_cases=st.integers(0, 1),
        revenue=st.dictionaries(CURRENCIES, AMOUNTS, max_size=2),
        first_order_at=MOMENTS,
        last_seen_at=MOMENTS,
        defined=st.just(msgspec.UNSET)
        | st.dictionaries(st.sampled_from("ab"), DEFINED, max_size=2),
    ),
)
OPS = st.sampled_from(sorted(PRESENCE | EQUALITY | ORDER | TEXT))
OPERANDS = SCALARS | st.lists(SCALARS, min_size=1, max_size=3)
INSTANTS = st.sampled_from(["2000-01-01", "2000-01-01T00:00:00.000001+14:00"])


def leaf(subject: dict[str, Any], op: str, value: Any) -> dict[str, Any]:
    bare = op in {"exists", "not_exists"}
    return {**subject, "op": op} if bare else {**subject, "op": op, "value": value}


SUBJECTS = (
    NAMES.filter(bool).map(lambda name: {"trait": name})
    | st.sampled_from(["email", "user_id", "phone"]).map(lambda kind: {"identifier": kind})
    | st.sampled_from(["events", "orders", "open_cases"]).map(lambda name: {"computed": name})
    | st.sampled_from("ab").map(lambda name: {"defined": name})
)
LEAVES = (
    st.builds(leaf, SUBJECTS, OPS, OPERANDS)
    | st.builds(
        leaf,
        CURRENCIES.map(lambda one: {"computed": "revenue", "currency": one})
        | CURRENCIES.map(lambda one: {"defined": "a", "currency": one}),
        OPS,
        st.sampled_from(["500", "512.3", "-1.5", 100]) | st.lists(NUMBERS, min_size=1),
    )
    | st.builds(
        leaf,
        st.sampled_from(["first_order_at", "last_seen_at"]).map(lambda one: {"computed": one}),
        OPS,
        INSTANTS | st.lists(INSTANTS, min_size=1),
    )
)


def sound(document: dict[str, Any]) -> bool:
    try:
        parse(document)
    except RuleError:
        return False
    return True


RULES = st.recursive(
    LEAVES.filter(sound),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"and": rules})
        | st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"or": rules})
        | inner.map(lambda rule: {"not": rule})
    ),
    max_leaves=5,
)


async def in_sql(engine: AsyncEngine, condition: Condition, people: Sequence[Facts]) -> list[bool]:
    return await asked(engine, condition.sql, people, **condition.parameters)


async def asked(
    engine: AsyncEngine, sql: str, people: Sequence[Facts], **parameters: Any
) -> list[bool]:
    columns = dict(zip("itcrps", map(list, zip(*map(kept, people), strict=True)), strict=True))
    columns["w"] = [one.profile_id for one in people]
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                f"SELECT {sql} AS verdict FROM (SELECT n, "
                "CAST(i AS jsonb) AS identifiers, CAST(t AS jsonb) AS traits, "
                "CAST(c AS jsonb) AS computed, CAST(r AS jsonb) AS restraints, "
                "CAST(p AS jsonb) AS contact_points, CAST(s AS jsonb) AS consent, "
                "CAST(w AS uuid) AS profile_id FROM unnest("
                "CAST(:i AS text[]), CAST(:t AS text[]), CAST(:c AS text[]), CAST(:r AS text[]), "
                "CAST(:p AS text[]), CAST(:s AS text[]), CAST(:w AS text[])) "
                "WITH ORDINALITY AS u(i, t, c, r, p, s, w, n)) AS p ORDER BY n"
            ),
            {**columns, **parameters},
        )
        return [row.verdict for row in rows]


@settings(max_examples=examples(250))
@given(document=RULES, people=st.lists(PEOPLE, min_size=1, max_size=6))
async def test_both_evaluators_agree(
    module_engine: AsyncEngine, document: dict[str, Any], people: list[ProfileState]
) -> None:
    rule = parse(document)
    known = [told(one) for one in people]
    matches = predicate(rule)
    expected = [matches(facts) for facts in known]
    assert await in_sql(module_engine, Condition(rule, NOON), known) == expected


async def test_they_agree_who_may_be_judged_at_all(module_engine: AsyncEngine) -> None:
    words = get_args(Restraint)
    facts = told(ProfileState(identifiers=[], traits=msgspec.Raw(b"{}"), computed=ComputedState()))
    people = [
        facts.overlaid({RESTRAINTS: Section(RESTRAINTS, list(some))})
        for number in range(len(words) + 1)
        for some in itertools.combinations(words, number)
    ]
    expected = [one.judged for one in people]
    assert expected.count(True) == 2
    assert await asked(module_engine, JUDGED, people) == expected


async def test_they_agree_about_what_is_in_a_trait(module_engine: AsyncEngine) -> None:
    traits = [
        {"a": {"b": "x"}},
        {"a": {"b": {"c": "x"}}},
        {"a": {"b": None}, "a.b": "x"},
        {"a.b": None, "a": {"b": "x"}},
        {"a": {"b": ["y", "x"]}},
        {"a": {"b": [*range(20), "x"]}},
        {"a": [{"b": "x"}]},
        {"a": "x"},
        {"a": {"b.c": "x"}},
        {r"a\.b": "x"},
        {"a": {"b": {"c": None}}},
        {},
    ]
    people = [
        told(
            ProfileState(
                identifiers=[],
                traits=msgspec.Raw(msgspec.json.encode(one)),
                computed=ComputedState(),
            )
        )
        for one in traits
    ]
    found = {}
    for path in ("a.b", "a.b.c", r"a.b\.c", r"a\.b", "a", "a.", ".a"):
        for op, wanted in (("eq", "x"), ("exists", None), ("ne", "x"), ("contains", "x")):
            rule = parse(leaf({"trait": path}, op, wanted))
            expected = [predicate(rule)(facts) for facts in people]
            assert await in_sql(module_engine, Condition(rule, NOON), people) == expected, (
                path,
                op,
            )
            found[path, op] = [place for place, one in enumerate(expected) if one]
    assert found["a.b", "eq"] == [0, 2, 4, 5]
    assert found["a.b.c", "eq"] == [1]
    assert found[r"a.b\.c", "eq"] == [8]
    assert found[r"a\.b", "eq"] == [2, 9]


async def test_they_agree_about_what_looks_alike(module_engine: AsyncEngine) -> None:
    values = [*ALIKE, None, [], {}, *([one] for one in ALIKE), [ALIKE], {"a": "a"}]
    traits = [b"{}", *(msgspec.json.encode({"a": value}) for value in values)]
    people = [
        told(ProfileState(identifiers=[], traits=msgspec.Raw(raw), computed=ComputedState()))
        for raw in traits
    ]
    for op in sorted(PRESENCE | EQUALITY | ORDER | TEXT):
        for wanted in ALIKE:
            document = leaf({"trait": "a"}, op, [wanted] if op == "in" else wanted)
            if not sound(document):
                continue
            rule = parse(document)
            matches = predicate(rule)
            expected = [matches(facts) for facts in people]
            assert await in_sql(module_engine, Condition(rule, NOON), people) == expected, document


async def test_a_rule_of_full_size_can_be_asked(module_engine: AsyncEngine) -> None:
    one = {"trait": "a", "op": "in", "value": [str(number) for number in range(1000)]}
    rule = parse({"or": [one] * 499})
    facts = told(
        ProfileState(identifiers=[], traits=msgspec.Raw(b'{"a":"999"}'), computed=ComputedState())
    )
    assert predicate(rule)(facts)
    assert await in_sql(module_engine, Condition(rule, NOON), [facts]) == [True]
