"""Answers, mappings of connectors, limits of goodwill, effects of actions; without a server."""

from base64 import b64encode
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hmac import digest as hmac_digest
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.answers import (
    MOST_SOURCE,
    TemplateError,
    page_of,
    rendered,
    require_template,
    values_of,
)
from rapport_feedback.domain.cases import Case, Complaint, State
from rapport_feedback.domain.connectors import (
    LIBRARY,
    MOST_ID,
    UnmappedError,
    is_signed,
    secret_of,
    shown_secret,
    told,
)
from rapport_feedback.domain.corrections import Effect, effect, weeks_around
from rapport_feedback.domain.goodwill import beyond, limit_of
from rapport_feedback.domain.naming import Contact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def complaint(due_at: datetime | None = NOW) -> Complaint:
    case = Case(State.RECEIVED, 1, NOW, due_at=due_at)
    return Complaint("acme", UUID(int=1), 7, Contact(email="ada@example.com"), "Late", "Very", case)


def test_a_template_speaks_of_the_case() -> None:
    values = values_of(complaint(), name="Ada", agent="ann", brand="Shop")
    source = (
        "Dear {{ customer.name | default: 'customer' }},\n{% if case.order_id == '' %}case "
        "{{ case.number }}{% endif %} by {{ answer_by }}. {{ agent }}, {{ brand }}"
    )
    require_template(source)
    assert rendered(source, values) == "Dear Ada,\ncase 7 by 2026-03-01. ann, Shop"
    assert values_of(complaint(None), name="", agent="", brand="")["answer_by"] == ""


def test_what_a_customer_wrote_is_no_template() -> None:
    assert rendered("{{ customer.name }}", {"customer": {"name": "{{ x }}"}}) == "{{ x }}"
    page = page_of("a < b\n{{ data.secret }} {% x %}")
    assert "{" not in page
    assert "a &lt; b<br>" in page


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("{{ profile.email }}", "unknown variable: profile"),
        ("{% include 'x' %}", "unexpected tag 'include'"),
        ("{% render 'x' %}", "unexpected tag"),
        ("{% assign x = 1 %}", "unexpected tag"),
        ("{% capture x %}{% endcapture %}", "unexpected tag"),
        ("{{ case.subject | append: case.subject }}", "unknown filter"),
        ("{{ 'now' | date: '%s' }}", "unknown filter"),
        ("{{ case.subject ", "line 1"),
        ("x" * (MOST_SOURCE + 1), "longer than"),
        ("{% if case %}" * 400 + "{% endif %}" * 400, "nest"),
    ],
)
def test_what_is_no_template_says_why(source: str, wrong: str) -> None:
    with pytest.raises(TemplateError, match=wrong):
        require_template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..100) %}{% for j in (1..100) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..100) %}{{ case.subject }}{% endfor %}",
    ],
)
def test_no_template_works_for_ever(source: str) -> None:
    require_template(source)
    with pytest.raises(TemplateError):
        rendered(source, {"case": {"subject": "x" * 1000}})


POST = {
    "call": {"id": 12, "notes": "It came\0 late\u202e", "from": "+44 20 7946 0958"},
    "customer": {"id": "u1", "email": "ADA@example.com"},
    "lines": [{"a/b": "deep"}],
}


def test_a_shipped_mapping_reads_a_post() -> None:
    found = told(LIBRARY["call_centre"][1]["mapping"], POST)
    assert (found.id, found.body) == ("12", "It came late")
    assert found.message_id == told(LIBRARY["call_centre"][1]["mapping"], POST).message_id
    assert (found.subject, found.user_id) == ("It came late", "u1")
    assert (found.phone, found.email) == ("+442079460958", "ada@example.com")
    assert (found.name, found.order_id) == (None, "")


@pytest.mark.parametrize(
    ("mapping", "wrong"),
    [
        ({"body": ["/call/notes"]}, "/mapping/id"),
        ({"id": ["/nowhere"], "body": ["/call/notes"]}, "/mapping/id: nothing is at /nowhere"),
        ({"id": ["/call/id"], "body": ["/call"]}, "/mapping/body"),
        ({"id": ["/call/id"], "body": ["/lines/7/x"]}, "/mapping/body"),
        ({"id": ["/call/id"], "body": ["/lines/x/x"]}, "/mapping/body"),
        ({"id": ["/call/id"], "body": ["/call/id/x"]}, "/mapping/body"),
    ],
)
def test_what_a_post_lacks_is_told_by_its_place(mapping: dict[str, list[str]], wrong: str) -> None:
    with pytest.raises(UnmappedError, match=wrong):
        told(mapping, POST)


def test_pointers_lead_through_lists_and_odd_names() -> None:
    mapping = {"id": ["/call/id"], "body": ["/x", "/lines/0/a~1b"], "phone": ["/customer/id"]}
    found = told(mapping, POST)
    assert (found.body, found.phone) == ("deep", "u1")
    assert told({"id": ["/t"], "body": ["/t"]}, {"t": "x"}).email is None
    with pytest.raises(UnmappedError):
        told({"id": ["/t"], "body": ["/t"]}, {"t": True})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=examples(200))
def test_any_post_is_read_or_refused(post: object) -> None:
    for _about, document in LIBRARY.values():
        with suppress(UnmappedError):
            assert told(document["mapping"], post).body


def test_a_post_is_signed_as_standard_webhooks_has_it() -> None:
    secret = secret_of(b"k" * 32, "acme", "calls", 1)
    assert shown_secret(secret).startswith("whsec_")
    assert secret != secret_of(b"k" * 32, "acme", "calls", 2)
    body, at = b"{}", "1772366400"
    made = b64encode(hmac_digest(secret, b"m1." + at.encode() + b"." + body, "sha256")).decode()
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,AAAA v1,{made}",
    }
    now = float(at)
    assert is_signed(secret, headers, body, now)
    assert not is_signed(secret, headers, b"{ }", now)
    assert not is_signed(b"x", headers, body, now)
    for seconds in (301, -301):
        assert not is_signed(secret, headers, body, now + seconds)
    for name, value in (
        ("webhook-id", ""),
        ("webhook-id", "m2"),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "9" * 20),
        ("webhook-signature", ""),
    ):
        assert not is_signed(secret, {**headers, name: value}, body, now)


LIMITS = {
    "all": {"actors": ["*"], "currency": "EUR", "per_case": "20", "per_month": "100"},
    "chiefs": {"actors": ["ann"], "currency": "EUR", "per_case": "500"},
}


def test_a_limit_is_of_who_gives() -> None:
    of_all, of_ann = limit_of(LIMITS, "bob", "EUR"), limit_of(LIMITS, "ann", "EUR")
    assert of_all is not None
    assert of_ann is not None
    assert (of_all.name, of_ann.name) == ("all", "chiefs")
    assert limit_of(LIMITS, "bob", "USD") is None
    assert beyond(None, Decimal(10**6), Decimal(0), Decimal(0)) == ""
    assert beyond(of_all, Decimal(20), Decimal(0), Decimal(80)) == ""
    assert "at one case" in beyond(of_all, Decimal(20), Decimal("0.01"), Decimal(0))
    assert "of which 1 are left" in beyond(of_all, Decimal(2), Decimal(0), Decimal(99))
    assert beyond(of_ann, Decimal(500), Decimal(0), Decimal(10**6)) == ""


def test_weeks_are_whole() -> None:
    done = date(2026, 3, 2)
    before, after = weeks_around(done, date(2026, 3, 20), 3)
    assert before == [done - timedelta(weeks=n) for n in (3, 2, 1)]
    assert after == [done, done + timedelta(weeks=1)], "the third has not ended"
    assert len(weeks_around(done, date(2027, 1, 1), 99)[0]) == 26


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([20, 22, 19, 21], [5, 4, 6, 5], "fewer"),
        ([5, 4, 6, 5], [20, 22, 19, 21], "more"),
        ([5, 4, 6, 5], [4, 5, 5, 4], "unclear"),
        ([3, 2], [0, 0], "unclear"),
        ([0, 0, 0], [0, 0, 0], "unclear"),
        ([9], [0, 0], "too_early"),
        ([], [], "too_early"),
        ([0, 40, 0, 40], [0, 0, 40, 0], "unclear"),
    ],
)
def test_what_an_action_has_done(before: list[int], after: list[int], says: str) -> None:
    found = effect(before, after)
    assert found.says == says
    assert (found.ratio is None) == (says == "too_early")


def test_weeks_that_differ_widen_the_interval() -> None:
    even, uneven = effect([10, 10, 10, 10], [5, 5, 5, 5]), effect([0, 20, 0, 20], [0, 10, 0, 10])
    assert (even.spread, even.says) == (1.0, "fewer")
    assert uneven.spread > 5
    assert uneven.says == "unclear"
    assert even.ratio == uneven.ratio


def test_by_orders() -> None:
    """Half the cases of half the orders is no success."""
    assert effect([20, 20, 20], [10, 10, 10]).says == "fewer"
    found = effect([20, 20, 20], [10, 10, 10], (6000, 3000))
    assert (found.says, found.by_orders) == ("unclear", True)
    assert effect([1, 1], [1, 1], (0, 5)).says == "too_early"


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=8),
    st.lists(st.integers(0, 50), min_size=2, max_size=8),
)
@settings(max_examples=examples(200))
def test_the_interval_holds_the_ratio(before: list[int], after: list[int]) -> None:
    found = effect(before, after)
    assert found.low is not None
    assert found.ratio is not None
    assert found.high is not None
    assert 0 < found.low < found.ratio < found.high
    assert Effect(found.before, found.after).says == "too_early"


def test_long_ids_are_told_apart() -> None:
    """Such as tokens, which begin alike."""
    mapping = {"id": ["/id"], "body": ["/t"]}
    one, other = (told(mapping, {"id": "x" * 200 + last, "t": "a"}) for last in "12")
    assert one.id != other.id
    assert len(one.id) <= MOST_ID
    more = told(mapping, {"id": "x" * 200 + "1", "t": "b"})
    assert more.id == one.id
    assert more.message_id != one.message_id, "what names no message is told by its words"
