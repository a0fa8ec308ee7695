"""What templates mean: Liquid's reference, one budget, and variables that exist."""

from typing import Any

import pytest

from rapport_campaign.render.templates import TemplateError, problems, rendered
from rapport_campaign.render.variables import names

TRAITS: dict[str, Any] = {
    "text": "12",
    "none": None,
    "no": False,
    "number": 5,
    "void": "",
    "spaces": " \t",
    "list": [],
    "items": ["a", "b"],
}
VARIABLES = {"profile": {"traits": TRAITS, "email": "ada@example.com"}}


def holds(condition: str) -> bool:
    t = condition.replace("$", "profile.traits.")
    return rendered(f"{{% if {t} %}}1{{% else %}}0{{% endif %}}", VARIABLES, html=True) == "1"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("$missing == blank", True),
        ("blank == $missing", True),
        ("$missing != blank", False),
        ("$none == blank", True),
        ("$no == blank", True),
        ("$void == blank", True),
        ("$spaces == blank", True),
        ("$list == blank", True),
        ("$number == blank", False),
        ("$missing == nil", True),
        ("$missing == empty", False),
        ("$void == empty", True),
        ("$list == empty", True),
        ("$text > 5", False),
        ("$text < 5", False),
        ("$text >= 5", False),
        ("'12' > 5", False),
        ("5 <= '12'", False),
        ("$missing > 1", False),
        ("$number > 4 and $number <= 5", True),
        ("$number contains 5", False),
        ("$items contains 'a'", True),
        ("$no == 0", False),
        ("$text == 12", False),
    ],
)
def test_comparisons_are_those_of_liquid(condition: str, *, expected: bool) -> None:
    assert holds(condition) is expected


def test_a_case_knows_blank() -> None:
    source = "{% case profile.traits.x %}{% when blank %}B{% else %}E{% endcase %}"
    assert rendered(source, VARIABLES, html=True) == "B"


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ("Hi {{ contact.first_name }}", [("contact.first_name", 1, 7)]),
        ("a\n  {{ profile.name | upcase }}", [("profile.name", 2, 6)]),
        ("{% if vip %}{% elsif profile.computed.clicks > 1 %}{% endif %}", ["vip", "profile.c"]),
        ("{% assign c = profile.contact %}{{ c.name }}", ["profile.contact"]),
        ("{% for x in cart.items %}{{ x.name }}{{ forloop.index }}{% endfor %}", ["cart.items"]),
        ("{{ 'a' | append: suffix }}", ["suffix"]),
        ("{% case tier %}{% when gold %}{% endcase %}", ["tier", "gold"]),
        ("{% for x in profile.traits.cart %}{{ x.name }}{% endfor %}{{ x.name }}", ["x.name"]),
        ("<a href='https://x.example/?u={{ user.id }}'>", ["user.id"]),
        ("{{ profile.email.domain }}", ["profile.email.domain"]),
        ("{{ unsubscribe_urls }}", ["unsubscribe_urls"]),
    ],
)
def test_a_variable_that_does_not_exist_is_found_with_its_place(
    source: str, unknown: list[Any]
) -> None:
    found = problems(source, html=True)
    assert len(found) == len(unknown)
    for problem, wanted in zip(found, unknown, strict=True):
        if isinstance(wanted, tuple):
            assert (problem.variable, problem.line, problem.column) == wanted
        else:
            assert (problem.variable or "").startswith(wanted)


@pytest.mark.parametrize(
    "source",
    [
        "{{ profile.traits.whatever.below }}{{ profile.traits['a b'] }}{{ profile.email.size }}",
        "{{ profile.computed.revenue.USD }}{{ profile.computed.first_order_at | date: '%Y' }}",
        "{% assign a = profile.traits.x %}{% capture b %}{{ a.y }}{% endcapture %}{{ b }}",
        "{% for i in (1..3) %}{{ before }}{% assign before = i %}{% endfor %}",
        "{% increment n %}{{ n }}{% tablerow i in (1..2) %}{{ tablerowloop.col }}{% endtablerow %}",
        "{{ campaign.name }}{{ campaign.id }}{{ unsubscribe_url }}{{ 'now' | date: '%Y' }}",
        "{{ profile[profile.email] }}{% comment %}{{ nothing }}{% endcomment %}",
    ],
)
def test_what_exists_and_what_a_template_makes_is_no_problem(source: str) -> None:
    assert problems(source, html=True) == []


def test_the_names_of_what_exists() -> None:
    assert {"profile.email", "profile.traits.*", "unsubscribe_url"} <= set(names())


LOOPS = "{% for i in (1..9999) %}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..10000) %}{% endfor %}" * 20,
        "{% for i in (1..100) %}{% for j in (1..100) %}{% endfor %}{% endfor %}",
        LOOPS + "{% if true %} {% endif %}" * 2500 + "{% endfor %}",
        LOOPS + "{% capture x %}{{ big }}{% endcapture %}{% endfor %}",
        LOOPS + "{% if big == same %}{% endif %}{% endfor %}",
        LOOPS + "{% assign y = big | date: '%Y' %}{% endfor %}",
        LOOPS + "{% case i %}{% when " + ",".join(["0"] * 20_000) + " %}{% endcase %}{% endfor %}",
        "{% for i in (1..99) %}"
        + "".join(f"{{% assign a{n} = i %}}" for n in range(3000))
        + "{% endfor %}",
        "{% assign l = big | split: '' %}{% for x in l %}{% endfor %}",
        LOOPS + "{% cycle 'a', 'b' %}{% if i contains 'x' or i == 1 %}{% endif %}" * 9,
    ],
)
def test_all_that_a_template_does_is_one_budget(source: str) -> None:
    source = source if source.endswith("endfor %}") else f"{source}{{% endfor %}}"
    big = "x" * 60_000
    with pytest.raises(TemplateError, match=r"too much work|turns together|namespace limit"):
        rendered(source, {"big": big, "same": big[:-1] + "x"}, html=False)
