"""Topics by example: TF-IDF and logistic regression, one topic against the rest, per language.

A model gives its reasons: the words of a text that spoke for a topic most. How good it is is
measured by cross validation, each text by a model that has not seen it.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from rapport_feedback.domain.texts.looking import Token

FEATURES = 4000
LEAST = 8
"""Examples of a topic, and of what is none of it, without which nothing is learned."""

SEEN = 3
"""Texts in which a feature must be: what is said by one or two may name somebody."""

FOLDS = 5
_ROUNDS = 12
_STEP = 0.5
_HOLD = 1e-4
_REASONS = 5
_LEAST_WEIGHT = 0.01
_SIGNIFICANT = 1.96

Vector = dict[str, float]


class Weights(msgspec.Struct, frozen=True):
    """What speaks for a topic, and how much by itself."""

    bias: float
    features: dict[str, float]


class Model(msgspec.Struct, frozen=True):
    """What was learned: how rare each feature is, and each topic's weights."""

    rarity: dict[str, float]
    topics: dict[str, Weights]


@dataclass(frozen=True, slots=True)
class Example:
    """A text's features, and of which topics people say it is."""

    features: tuple[str, ...]
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Predicted:
    """A topic, how sure that is (0 to 1), and the features that spoke for it most."""

    topic: str
    sure: float
    because: tuple[str, ...]


def features_of(words: Sequence[Token]) -> tuple[str, ...]:
    """Words and pairs of them."""
    small = [one.small for one in words]
    return (*small, *(f"{one} {other}" for one, other in pairwise(small)))


def learned(examples: Sequence[Example]) -> Model:
    """A model of all topics that have enough examples."""
    seen: Counter[str] = Counter()
    for one in examples:
        seen.update(set(one.features))
    kept = sorted((one for one in seen if seen[one] >= SEEN), key=lambda one: (-seen[one], one))
    rarity = {one: math.log((1 + len(examples)) / (1 + seen[one])) + 1 for one in kept[:FEATURES]}
    vectors = [_vector(one.features, rarity) for one in examples]
    counts = Counter(topic for one in examples for topic in one.topics)
    return Model(
        rarity,
        {
            topic: _regressed(vectors, [topic in one.topics for one in examples])
            for topic, count in sorted(counts.items())
            if count >= LEAST and len(examples) - count >= LEAST
        },
    )


def predicted(model: Model, features: Sequence[str]) -> list[Predicted]:
    """The topics that a text is of more likely than not, the surest first."""
    vector = _vector(features, model.rarity)
    found = []
    for topic, weights in model.topics.items():
        parts = {one: value * weights.features.get(one, 0.0) for one, value in vector.items()}
        sure = _logistic(weights.bias + sum(parts.values()))
        if sure > 0.5:  # noqa: PLR2004 - more likely than not
            best = sorted((one for one in parts if parts[one] > 0), key=lambda one: -parts[one])
            found.append(Predicted(topic, round(sure, 3), tuple(best[:_REASONS])))
    return sorted(found, key=lambda one: (-one.sure, one.topic))


def _vector(features: Sequence[str], rarity: Mapping[str, float]) -> Vector:
    counts = Counter(one for one in features if one in rarity)
    vector = {one: (1 + math.log(count)) * rarity[one] for one, count in counts.items()}
    length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
    return {one: value / length for one, value in vector.items()}


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def _regressed(vectors: Sequence[Vector], truths: Sequence[bool]) -> Weights:
    """Stochastic descent; what is rare counts more: a topic of few texts is learned, too."""
    ones = sum(truths)
    balance = {True: _balance(len(truths), ones), False: _balance(len(truths), len(truths) - ones)}
    weights: dict[str, float] = {}
    bias = 0.0
    order = sorted(range(len(vectors)), key=lambda one: zlib.crc32(str(one).encode()))
    for round_ in range(_ROUNDS):
        step = _STEP * 4 / (1 + round_)
        for index in order:
            vector, truth = vectors[index], truths[index]
            score = bias + sum(weights.get(one, 0.0) * value for one, value in vector.items())
            error = (truth - _logistic(score)) * balance[truth] * step
            bias += error * 0.1
            for one, value in vector.items():
                held = weights.get(one, 0.0)
                weights[one] = held + error * value - step * _HOLD * held
    kept = {one: round(w, 4) for one, w in weights.items() if abs(w) > _LEAST_WEIGHT}
    return Weights(round(bias, 4), kept)


def _balance(all_: int, some: int) -> float:
    """By the root of how rare it is: by all of that, everything would be of rare topics."""
    return math.sqrt(all_ / (2 * some))


def fold_of(index: int) -> int:
    """In which fold an example is; the same whenever it is asked."""
    return zlib.crc32(str(index).encode()) % FOLDS


def cross_predicted(examples: Sequence[Example]) -> list[frozenset[str]]:
    """The topics of each example, by a model of all folds but its own."""
    found: list[frozenset[str]] = [frozenset()] * len(examples)
    for fold in range(FOLDS):
        rest = [one for index, one in enumerate(examples) if fold_of(index) != fold]
        model = learned(rest)
        for index, one in enumerate(examples):
            if fold_of(index) == fold:
                told = predicted(model, one.features)
                found[index] = frozenset(topic.topic for topic in told)
    return found


class Measure(msgspec.Struct, frozen=True):
    """How good topics are: over pairs of text and topic, and how many texts are all right."""

    texts: int
    right: int
    precision: float
    recall: float


class Comparison(msgspec.Struct, frozen=True):
    """The model beside the rules on the same texts: how many more are right, with its interval."""

    model: Measure
    rules: Measure
    gain: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        """Whether the model has more right, beyond chance."""
        return self.low > 0


def measured(truths: Sequence[frozenset[str]], told: Sequence[frozenset[str]]) -> Measure:
    """How good what was told is."""
    pairs = list(zip(truths, told, strict=True))
    hit = sum(len(truth & said) for truth, said in pairs)
    return Measure(
        len(pairs),
        sum(truth == said for truth, said in pairs),
        _share(hit, sum(map(len, told))),
        _share(hit, sum(map(len, truths))),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def compared(
    truths: Sequence[frozenset[str]],
    model: Sequence[frozenset[str]],
    rules: Sequence[frozenset[str]],
) -> Comparison:
    """Pairs by text: only those of which one is right and the other is not tell them apart.

    Half a text is added to each case (Agresti and Min 2005), so that few are no certainty.
    """
    better = _only(truths, model, rules)
    worse = _only(truths, rules, model)
    number = len(truths) + 2
    gain = (better - worse) / number
    spread = (better + worse + 1 - (better - worse) ** 2 / number) / number**2
    margin = _SIGNIFICANT * math.sqrt(max(spread, 0.0))
    return Comparison(
        measured(truths, model),
        measured(truths, rules),
        round(gain, 4),
        round(gain - margin, 4),
        round(gain + margin, 4),
    )


def _only(
    truths: Iterable[frozenset[str]], one: Iterable[frozenset[str]], other: Iterable[frozenset[str]]
) -> int:
    triples = zip(truths, one, other, strict=True)
    return sum(truth == first != second for truth, first, second in triples)
