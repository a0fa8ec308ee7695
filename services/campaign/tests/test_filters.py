"""Filters, loops and outputs on any data: nothing or the input, and never a failed mail."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_campaign.render.engine import Limited
from rapport_campaign.render.saying import spoken
from rapport_campaign.render.templates import TemplateError, problems, rendered

DATA: dict[str, Any] = {
    "nil": None,
    "yes": True,
    "n": 5,
    "half": 2.5,
    "t": "text",
    "digits": "12",
    "list": [3, None, "a", True],
    "numbers": [3, 1, 2],
    "people": [{"name": "Bo", "age": 30}, {"name": "Al", "age": None}, {"age": 20}],
    "object": {"city": "Graz", "tags": [1, None]},
    "money": Decimal("120.50"),
}
REST = "{% for x in numbers offset: continue %}{{ x }}{% endfor %}"
SECONDS = "{{ 1767225600.75 | date: '%Y' }}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # Nothing of nothing.
        ("{{ nil | date: '%Y' }}", ""),
        ("{{ missing | date: '%Y' }}", ""),
        ("{{ nil | join: ',' }}", ""),
        ("{{ nil | plus: 1 }}", "1"),
        ("{{ nil | upcase }}", ""),
        ("{{ nil | concat: numbers | join: ',' }}", "3,1,2"),
        ("{{ 'a' | append: nil }}", "a"),
        ("{{ 'a' | prepend: missing }}", "a"),
        ("{{ 'a b' | replace: ' ', nil }}", "ab"),
        # The input where it does not fit.
        ("{{ t | date: '%Y' }}", "text"),
        ("{{ '2026-01-31T09:00:00Z' | date: nil }}", "2026-01-31T09:00:00Z"),
        ("{{ '2026-01-31T09:00:00Z' | date: n }}", "2026-01-31T09:00:00Z"),
        (SECONDS, "2026"),
        ("{{ yes | date: '%Y' }}", "true"),
        ("{{ list | date: '%Y' }}", "3atrue"),
        ("{{ list | sort | join: ',' }}", "3,,a,true"),
        ("{{ people | sort: 'age' | map: 'name' | join: ',' }}", ",Bo,Al"),
        ("{{ numbers | sort | join: ',' }}", "1,2,3"),
        ("{{ numbers | concat: nil | join: ',' }}", "3,1,2"),
        ("{{ numbers | concat: t | join: ',' }}", "3,1,2"),
        ("{{ t | truncate: nil }}", "text"),
        ("{{ t | truncate: 'x' }}", "text"),
        ("{{ t | truncatewords: list }}", "text"),
        # Nothing where there is no input to show.
        ("{{ n | map: 'name' }}", ""),
        ("{{ n | where: 'name', 'x' }}{{ list | where: 'name' | size }}", "0"),
        ("{{ n | find: 'name', 'x' }}{{ nil | find: 'a' }}", ""),
        ("{{ t | base64_decode }}", ""),
        ("{{ n | divided_by: 0 }}", ""),
        ("{{ n | modulo: nil }}", ""),
        ("{{ t | slice: 'x' }}{{ t | slice: nil }}", ""),
        # Numbers.
        ("{{ list | sum }} {{ people | sum: 'age' }}", "3 50"),
        ("{{ '1_000' | plus: 1 }} {{ 'inf' | plus: 1 }} {{ yes | plus: 1 }}", "1 1 1"),
        (
            "{{ half | round }} {{ 0.5 | round }} {{ 1.005 | round: 2 }} {{ n | round: 2 }}",
            "3 1 1.01 5",
        ),
        (
            "{{ money }} {{ money | times: 2 }} {{ money | floor }} {{ money | round }}",
            "120.50 241.0 120 121",
        ),
        (
            "{{ money | minus: 0.5 }} {{ money | at_most: 100 }} {{ 1 | plus: money }}",
            "120.0 100 121.5",
        ),
        ("{% if money > 100 and money == 120.5 and money < 120.51 %}VIP{% endif %}", "VIP"),
        ("{% if money > '100' or money == '120.50' %}VIP{% endif %}", ""),
        ("{{ t | slice: 1, 2 }} {{ t | slice: -3, 2 }} {{ digits | slice: '1' }}", "ex ex 2"),
        # What is printed.
        ("{{ list }} {{ yes }} {{ yes | append: '!' }}", "3atrue true true!"),
        ("{{ object }}", '{"city":"Graz","tags":[1,null]}'),
        ("{{ list | join: ', ' }}", "3, , a, true"),
        ("{{ people | compact: 'name' | size }}", "2"),
        # Loops.
        ("{% for x in n %}x{% else %}none{% endfor %}", "none"),
        ("{% for x in nil %}x{% else %}none{% endfor %}", "none"),
        ("{% for x in numbers limit: nil %}{{ x }}{% endfor %}", "312"),
        ("{% for x in numbers limit: t %}{{ x }}{% endfor %}", "312"),
        ("{% for x in numbers limit: 0 %}{{ x }}{% else %}none{% endfor %}", "none"),
        ("{% for x in numbers limit: '2' offset: missing %}{{ x }}{% endfor %}", "31"),
        ("{% for x in numbers limit: 1 %}{% endfor %}" + REST, "12"),
        ("{% for x in (1..nil) %}x{% endfor %}{% for x in (t..2) %}{{ x }}{% endfor %}!", "012!"),
        ("{% tablerow x in nil cols: nil %}{{ x }}{% endtablerow %}!", "!"),
        ("{% case list %}{% when 1 %}a{% else %}b{% endcase %}{% cycle nil, n %}!", "b!"),
    ],
)
def test_any_data_give_what_liquid_gives(source: str, expected: str) -> None:
    assert rendered(source, DATA, html=False) == expected


def test_a_table_takes_any_number_of_columns() -> None:
    table = "{{% tablerow x in numbers cols: {} %}}{{{{ x }}}}{{% endtablerow %}}"
    nothing, text = (rendered(table.format(one), DATA, html=False) for one in ("nil", "t"))
    assert nothing == text
    assert [nothing.count(one) for one in ("<tr", "<td", ">3<")] == [1, 3, 1]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ list | join: '<br>' }}", "3<br><br>a<br>true"),
        ("{{ evil | join: '<br>' }}{{ evil }}{{ evil | join }}", "&lt;b&gt;" * 3),
        ("{{ object }}", "{&#34;city&#34;:&#34;Graz&#34;,&#34;tags&#34;:[1,null]}"),
        ("{{ '<i>' | append: evil }}", "<i>&lt;b&gt;"),
    ],
)
def test_data_are_no_markup(source: str, expected: str) -> None:
    assert rendered(source, {**DATA, "evil": ["<b>"]}, html=True) == expected


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("a\n {{ t | replace }}", "the filter replace takes 1 to 2 arguments, not 0"),
        ("a\n {{ t | slice }}", "the filter slice takes 1 to 2 arguments, not 0"),
        ("a\n {% assign x = t | upcase: 1 %}", "the filter upcase takes 0 arguments, not 1"),
        ("a\n {{ t | default: 1, allow: true }}", "the filter default has no argument allow"),
        ("a\n {{ t | date }}", "the filter date takes 1 argument, not 0"),
    ],
)
def test_a_wrong_number_of_arguments_is_told_when_a_template_is_made(
    source: str, told: str
) -> None:
    (problem,) = problems(source, html=True)
    assert (problem.message, problem.line) == (told, 2)


def test_a_number_too_large_is_said_in_words() -> None:
    with pytest.raises(TemplateError, match="a number is too large"):
        rendered("{% for i in (1.." + "9" * 5000 + ") %}{% endfor %}", {}, html=True)


FILTERS = sorted(Limited().filters)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=2)
    ),
    max_leaves=6,
)
WORDS = ("None", "True", "False", "Undefined", "Decimal", "Markup", "object at")


@given(st.sampled_from(FILTERS), JSON, st.lists(JSON, max_size=2), st.booleans())
def test_no_filter_fails_on_data(name: str, value: Any, args: list[Any], html: bool) -> None:  # noqa: FBT001 - hypothesis
    listed = ", ".join(f"a{number}" for number in range(len(args)))
    source = f"{{{{ v | {name}{': ' if args else ''}{listed} }}}}"
    if problems(source, html=html, existing={"v": None, "a0": None, "a1": None}):
        return
    data = {"v": value, **{f"a{number}": one for number, one in enumerate(args)}}
    text = rendered(source, data, html=html)
    told = json.dumps(data, ensure_ascii=False)
    assert not [word for word in WORDS if word in text and word not in told]


@pytest.mark.parametrize("depth", range(1, 40))
def test_what_is_accepted_can_be_rendered_however_deep_it_is(depth: int) -> None:
    source = "{% for one in (1..1) %}" * depth + "x" + "{% endfor %}" * depth
    if problems(source, html=True):
        assert depth > 30
    else:
        assert rendered(source, {}, html=True) == "x"


def test_what_a_filter_makes_can_be_kept() -> None:
    told = spoken('{"text": "a{{ \'%00\' | url_decode }}b", "type": "x"}', {})
    assert told.parts == {"text": "ab", "type": "x"}
