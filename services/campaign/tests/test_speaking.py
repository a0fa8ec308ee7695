"""Which data templates speak of: never less than the parser of Liquid finds."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.model import Campaign
from rapport_campaign.domain.speaking import ANYTHING, mentions, place_of, spoken_of
from rapport_campaign.render.templates import compiled
from rapport_common.testing.examples import examples


def paths(source: str) -> list[tuple[str, ...]]:
    return [one.path for one in mentions(source, "offer")]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ offer.summer.price }}", [("summer", "price")]),
        ("{{offer.summer.sku['TEA-1'].price}}", [("summer", "sku", "TEA-1", "price")]),
        ('{{ offer["summer"].sku["a b"] }}', [("summer", "sku", "a b")]),
        ("{{ offer.summer.sku[one.sku].price }}", [("summer", "sku", ANYTHING)]),
        ("{% if offer.a.is_reduced and x.offer.b %}{% endif %}", [("a", "is_reduced")]),
        ("{{ x | default: offer.a.price | append: 'offer.b' }}", [("a", "price")]),
        ("{% for one in offer.a.all %}{{ one.price }}{% endfor %}", [("a", "all")]),
        (
            "offer.a {% comment %}{{ offer.a }}{% endcomment %}{% raw %}{{ offer.b }}{% endraw %}",
            [],
        ),
        ("{% for offer in profile.traits.offers %}{{ offer.price }}{% endfor %}", []),
        ("{% assign offer = 1 %}{{ offer.price }}{{ offers.a }}", []),
        ("{{ offer }}", [()]),
        ("{% capture offer %}x{% endcapture %}{{ offer.a }}", []),
        ("{{ office.a }}", []),
        ("{{ x[offer.a.sku.b.price] }}", [("a", "sku", "b", "price")]),
        ("{{ offer.a", [("a",)]),
    ],
)
def test_what_a_template_speaks_of(source: str, found: list[tuple[str, ...]]) -> None:
    assert paths(source) == found


def test_a_campaign_speaks_in_all_of_its_texts_and_languages() -> None:
    campaign = Campaign(
        workspace="acme",
        campaign_id="c",
        name="n",
        segment_id="s",
        purpose="promotion",
        from_address="a@b.example",
        subject="{{ offer.a.price }}",
        html="<p>{{ offer.b.price }}</p>",
        text=None,
        allow_old_events=False,
        include_existing=False,
        state="draft",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        content='{"text": "{{ offer[\\"c\\"].all }}"}',
        languages='{"de": {"subject": "", "html": "{{ offer.d[\\"e\\"] }}"}}',
    )
    paths = {("a", "price"), ("b", "price"), ("c", "all"), ("d", "e")}
    assert spoken_of(campaign, "offer") == paths
    assert spoken_of(campaign, "feed") == frozenset()


def test_the_place_is_that_of_the_root() -> None:
    [one] = mentions("a\nb {{ offer.x }}", "offer")
    assert place_of("a\nb {{ offer.x }}", one.index) == {"line": 2, "column": 6}


_NAME = st.sampled_from(["a", "summer-sale", "sku", "TEA_1", "x9"])
_STEP = st.one_of(
    _NAME.map(lambda one: f".{one}"),
    _NAME.map(lambda one: f" . {one}"),
    _NAME.map(lambda one: f'["{one}"]'),
    _NAME.map(lambda one: f"[ '{one}' ]"),
    st.just("[0]"),
    st.just("[profile.traits.x]"),
)
_PATH = st.lists(_STEP, max_size=4).map(lambda steps: "offer" + "".join(steps))
_TAG = st.one_of(
    _PATH.map(lambda one: f"{{{{ {one} }}}}"),
    _PATH.map(lambda one: f'{{{{- x | default: {one} | append: "}}" -}}}}'),
    _PATH.map(lambda one: f"{{% if {one} == 'offer.no' %}}y{{% endif %}}"),
    _PATH.map(lambda one: f"{{% assign z = {one} %}}"),
    _PATH.map(lambda one: f"{{% for one in {one} %}}{{{{ one.offer }}}}{{% endfor %}}"),
    _PATH.map(lambda one: f"{{{{ profile.traits[{one}] }}}}"),
    _PATH.map(lambda one: f"{{% liquid assign y = {one}\n echo {one} %}}"),
    st.sampled_from(
        ["offer.text", "{% comment %}x{% endcomment %}", "<p>", "\n", "{{ 'offer.b' }}"]
    ),
)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(_TAG, max_size=5).map("".join))
def test_the_parser_finds_nothing_more(source: str) -> None:
    analysis = compiled(source, html=False).analyze()
    parsed = set()
    for one in analysis.globals.get("offer", []):
        path = []
        for step in one.segments[1:]:
            if not isinstance(step, str | int):
                path.append(ANYTHING)
                break
            path.append(str(step))
        parsed.add(tuple(path))
    assert parsed == set(paths(source))
