"""Topics: by rules with reasons, learned from examples, and days with more than by chance."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.feedback.tests.text_support import DELIVERY, knowledge, words

from rapport_common.testing.examples import examples
from rapport_feedback.domain.texts.enriching import Taught, as_example, enriched
from rapport_feedback.domain.texts.languages import KNOWN
from rapport_feedback.domain.texts.looking import look
from rapport_feedback.domain.texts.spikes import LEAST, RATE, judge, spikes, tail
from rapport_feedback.domain.texts.topic_models import (
    LEAST as LEAST_EXAMPLES,
)
from rapport_feedback.domain.texts.topic_models import (
    Example,
    compared,
    cross_predicted,
    learned,
    measured,
    predicted,
)
from rapport_feedback.domain.texts.topic_rules import (
    DEEPEST,
    MOST,
    Reading,
    Rule,
    TopicDocument,
    TopicError,
    check,
    hits,
)


def found(rule: Rule, text: str, language: str = "en") -> list[str] | None:
    reading = Reading.of(look(text).text, words(text))
    held = hits(TopicDocument("x", {"any": rule}), language, reading)
    return None if held is None else [one.words for one in held]


def test_phrases_are_words_in_a_row_or_beginnings_or_chinese_as_it_stands() -> None:
    assert found(Rule(words=("never arrived",)), "It never  ARRIVED") == ["never arrived"]
    assert found(Rule(words=("never arrived",)), "never, it arrived never") is None
    assert found(Rule(words=("never arrived",)), "never") is None
    assert found(Rule(words=("deliver*",)), "Deliveries deliver") == ["deliveries", "deliver"]
    assert found(Rule(words=("late deliver*",)), "a late delivery, late again") == ["late delivery"]
    assert found(Rule(words=("art",)), "a cart") is None
    assert found(Rule(words=("快递",)), "快递慢，快递员好") == ["快递", "快递"]


def test_any_all_and_none_hold_as_they_say() -> None:
    one, two = Rule(words=("late",)), Rule(words=("box",))
    assert found(Rule(any=(one, two)), "the box") == ["box"]
    assert found(Rule(any=(one, two)), "the bag") is None
    assert found(Rule(all=(one, two)), "a late box") == ["late", "box"]
    assert found(Rule(all=(one, two)), "the box") is None
    assert found(Rule(none=(one, two)), "the bag") == []
    assert found(Rule(none=(one, two)), "the box") is None


def test_a_rule_of_a_language_and_that_of_any_hold_together() -> None:
    topic = TopicDocument("x", {"en": Rule(words=("late",)), "any": Rule(words=("dhl",))})
    reading = Reading.of("late dhl", words("late dhl"))
    assert [one.words for one in hits(topic, "en", reading) or []] == ["late", "dhl"]
    assert [one.words for one in hits(topic, "de", reading) or []] == ["dhl"]


def deep(levels: int) -> Rule:
    rule = Rule(words=("a",))
    for _ in range(levels):
        rule = Rule(any=(rule,))
    return rule


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ({}, "rules"),
        ({"xx": Rule(words=("a",))}, "rules.xx"),
        ({"en": Rule()}, "rules.en"),
        ({"en": Rule(words=("a",), any=(Rule(words=("b",)),))}, "rules.en"),
        ({"en": Rule(words=("ok", " * "))}, "rules.en.words.1"),
        ({"en": Rule(words=("a" * 101,))}, "rules.en.words.0"),
        ({"en": deep(DEEPEST)}, f"rules.en{'.any.0' * DEEPEST}"),
        ({"en": Rule(words=("a",) * MOST)}, "rules.en"),
    ],
)
def test_what_could_never_hold_is_refused_with_its_path(rules: dict[str, Rule], where: str) -> None:
    with pytest.raises(TopicError) as refused:
        check(TopicDocument("x", rules), KNOWN)
    assert refused.value.where == where
    check(TopicDocument("x", {"en": deep(DEEPEST - 1)}), KNOWN)


def examples_of(number: int) -> list[Example]:
    parts = {
        "delivery": ["courier", "parcel", "late", "box"],
        "staff": ["rude", "kind", "clerk", "desk"],
    }
    chance = random.Random(1)
    made = []
    for index in range(number):
        topic = ("delivery", "staff")[index % 2]
        made.append(
            Example((*chance.sample(parts[topic], 2), "the", f"only{index}"), frozenset({topic}))
        )
    return made


def test_topics_are_learned_and_say_why() -> None:
    model = learned(examples_of(60))
    [told] = predicted(model, ("the", "courier", "parcel", "unknown"))
    assert (told.topic, told.sure > 0.5, set(told.because)) == (
        "delivery",
        True,
        {"courier", "parcel"},
    )
    assert predicted(model, ("the",)) == predicted(model, ("the",))
    # What one or two have said may name somebody: nothing of it is kept.
    assert not [one for one in model.rarity if one.startswith("only")]


def test_too_few_examples_teach_nothing() -> None:
    assert learned(examples_of(2 * LEAST_EXAMPLES - 1)).topics == {}
    assert learned([]).topics == {}
    assert set(learned(examples_of(2 * LEAST_EXAMPLES)).topics) == {"delivery", "staff"}


def test_a_model_is_measured_on_what_it_has_not_seen() -> None:
    made = examples_of(80)
    truths = [one.topics for one in made]
    told = cross_predicted(made)
    assert measured(truths, told).right > 70
    # Labels by chance can be learned by heart, and not be foretold.
    chance = random.Random(2)
    drawn = [tuple(f"w{chance.randrange(120)}" for _ in range(6)) for _ in range(80)]
    lost = [Example(one, frozenset({chance.choice(["delivery", "staff"])})) for one in drawn]
    assert measured([one.topics for one in lost], cross_predicted(lost)).right < 55
    assert measured([frozenset()], [frozenset()]).precision == 0


def test_a_model_holds_only_if_it_is_better_beyond_chance() -> None:
    right, wrong = frozenset({"a"}), frozenset({"b"})
    few = compared([right] * 3, [right] * 3, [wrong] * 3)
    assert (few.model.right, few.rules.right) == (3, 0)
    many = compared([right] * 50, [right] * 50, [wrong] * 20 + [right] * 30)
    assert many.is_better
    same = compared([right] * 50, [right] * 50, [right] * 50)
    assert not same.is_better
    worse = compared([right] * 50, [wrong] * 50, [right] * 50)
    assert worse.high < 0
    assert not compared([right] * 20, [right] * 20, [wrong] * 2 + [right] * 18).is_better


def test_a_model_takes_the_place_of_the_rules_it_has_learned() -> None:
    bodies = [f"The courier lost my parcel {one}" for one in "abcdefghijkl"]
    others = [f"The clerk was rude at the desk {one}" for one in "abcdefghijkl"]
    known = knowledge()
    made = [as_example(one, known, frozenset({"delivery"})) for one in bodies]
    made += [as_example(one, known, frozenset({"gone"})) for one in others]
    model = learned(made)
    taught = Taught(
        {"delivery": DELIVERY, "price": TopicDocument("P", {"en": Rule(words=("cost",))})},
        {"en": model},
    )
    told = enriched("My courier lost the parcel, and what a cost it was", known, taught)
    assert [(one.topic, one.by) for one in told.topics] == [
        ("price", "rules"),
        ("delivery", "model"),
    ]
    # "delivery" is in its rules: the model has learned better; a topic that is gone is not told.
    rude = enriched("The clerk was rude about the delivery at the desk", known, taught)
    assert [one.topic for one in rude.topics] == []


def test_a_tail_is_a_probability_that_falls() -> None:
    values = [tail(count, 40, 8) for count in range(30)]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)
    # After 40 in 8 days: 5 is usual, 20 is not.
    assert tail(5, 40, 8) > 0.3
    assert tail(20, 40, 8) < 1e-4
    assert tail(2000, 0, 8) < 1e-12
    # After none in 8 days: 1 - (8/9)^(1/2).
    assert tail(1, 0, 8) == pytest.approx(1 - (8 / 9) ** 0.5)


def test_too_little_of_the_past_says_nothing() -> None:
    assert judge("x", 100, [1] * 27) is None
    assert judge("x", 100, [1] * 28) is not None
    assert spikes({"x": 100}, {"x": []}) == []
    # Nothing was there, and now some are: a spike only from a number that matters on.
    assert spikes({"x": LEAST - 1}, {"x": [0] * 56}) == []
    [spike] = spikes({"x": 9}, {"x": [0] * 56})
    assert spike.expected == 0


def test_weekdays_are_compared_with_their_like() -> None:
    weeks = [2, 2, 2, 2, 2, 30, 30] * 8
    # The day after these 56 is a quiet one; 30 are usual on the sixth of a week only.
    assert spikes({"x": 30}, {"x": weeks})
    assert not spikes({"x": 30}, {"x": [*weeks[5:], 2, 2, 2, 2, 2]})


def poisson(mean: float, chance: random.Random) -> int:
    number, left = 0, chance.expovariate(1)
    while left < mean:
        number += 1
        left += chance.expovariate(1)
    return number


@pytest.mark.parametrize("wild", [0.0, 0.4])
def test_the_rate_of_false_alarms_is_as_stated(wild: float) -> None:
    """Days on which nothing is the matter, of topics of all sizes; some vary more than chance."""
    chance = random.Random(f"{wild}")
    days, alarms = 150, 0
    for _ in range(days):
        today, before = {}, {}
        for topic in range(8):
            mean = (0.5, 2, 8, 25)[topic % 4]
            counts = [
                poisson(mean * chance.gammavariate(1 / wild, wild) if wild else mean, chance)
                for _ in range(57)
            ]
            today[str(topic)], before[str(topic)] = counts[-1], counts[:-1]
        alarms += bool(spikes(today, before))
    # Three standard deviations above the stated rate.
    assert alarms / days <= RATE + 3 * (RATE * (1 - RATE) / days) ** 0.5


def test_what_is_three_times_the_usual_is_found() -> None:
    chance = random.Random(3)
    seen = 0
    for _ in range(40):
        before = [poisson(10, chance) for _ in range(56)]
        quiet = {str(one): [poisson(10, chance) for _ in range(56)] for one in range(7)}
        today = {"x": poisson(30, chance), **{one: poisson(10, chance) for one in quiet}}
        told = spikes(today, {"x": before, **quiet})
        seen += "x" in {one.topic for one in told}
    assert seen >= 38


@given(
    st.lists(st.integers(0, 40), min_size=56, max_size=56), st.integers(0, 60), st.integers(0, 20)
)
@settings(max_examples=examples(100))
def test_a_count_that_grows_stays_a_spike(before: Sequence[int], count: int, more: int) -> None:
    """So that looking at a day that is not over adds no alarm that its end would not have."""
    if spikes({"x": count}, {"x": before}):
        assert spikes({"x": count + more}, {"x": before})
