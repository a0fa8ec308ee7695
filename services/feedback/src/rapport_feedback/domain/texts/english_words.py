"""English: what VADER's lexicon does not say, in the way customers speak of shops."""

from collections.abc import Mapping


def _words(given: str) -> list[str]:
    return given.split()


# Weights as VADER's, -4 to 4, given by us.
OF_SHOPS: Mapping[str, float] = {
    "slow": -1.6, "late": -1.5, "delayed": -1.6, "delay": -1.4, "delays": -1.5, "broke": -1.8,
    "broken": -2.1, "refund": -0.9, "refunded": -0.3, "waited": -0.9, "waiting": -0.7,
    "overpriced": -2.0, "expensive": -1.3, "cheaply": -1.4, "flimsy": -1.8, "unhelpful": -2.0,
    "useless": -2.2, "defective": -2.3, "faulty": -2.2, "unusable": -2.3, "scratched": -1.4,
    "leaking": -1.6, "leaks": -1.6, "crashes": -1.8, "crashed": -1.8, "stopped": -1.0,
    "disappointing": -2.2, "disappointed": -2.1, "dirty": -1.9, "noisy": -1.4,
    "uncomfortable": -1.8,
    "unreliable": -2.0, "misleading": -2.0, "complicated": -1.0, "confusing": -1.4, "nobody": -0.4,
    "junk": -2.2, "garbage": -2.3, "mediocre": -1.2, "returned": -0.8, "returning": -0.9,
    "wrong": -1.9, "missing": -1.4, "damaged": -2.0, "cramped": -1.2, "glitchy": -1.6,
    "fast": 1.4, "quick": 1.4, "quickly": 1.4, "prompt": 1.5, "promptly": 1.5, "easy": 1.8,
    "easily": 1.6, "sturdy": 1.7, "reliable": 1.9, "durable": 1.7, "lightweight": 1.1,
    "intuitive": 1.6, "affordable": 1.5, "responsive": 1.5, "recommend": 1.7, "recommended": 1.6,
    "works": 0.9, "flawless": 2.5, "flawlessly": 2.5, "crisp": 1.3, "sharp": 0.9, "compact": 0.9,
    "happy": 2.7, "tasty": 1.9, "delicious": 2.5, "comfortable": 1.7, "smooth": 1.3,
    "smoothly": 1.5, "polite": 1.7, "courteous": 1.9, "knowledgeable": 1.6, "speedy": 1.5,
    "best": 3.2, "thanks": 1.6, "long": -0.2, "like": 0.6,
}  # fmt: skip

# What says together what it does not alone; `not` is seen to elsewhere.
TOGETHER: Mapping[str, float] = {
    "never arrived": -2.4, "never again": -2.2, "waste of": -2.4, "not worth": -1.9,
    "well made": 1.9, "top notch": 2.6, "five stars": 2.4, "one star": -2.2, "rip off": -2.4,
    "second to none": 2.4, "money back": -0.8, "too small": -1.2, "too big": -1.0,
    "too loud": -1.4, "too expensive": -1.8, "too long": -1.3, "stopped working": -2.2,
    "no longer": -1.0, "as expected": 0.8, "a bit": 0.0, "fell apart": -2.3, "falls apart": -2.3,
    "looks like": 0.0, "feels like": 0.0, "sounds like": 0.0, "would like": 0.0,
    "i like": 1.6, "really like": 1.9, "kind of": 0.0, "no problem": 1.2, "no problems": 1.4,
    "no issues": 1.3, "no complaints": 1.6, "can't beat": 1.9, "could have been": -0.9,
    "not only": 0.0, "well worth": 2.0,
}  # fmt: skip

DEGREES: Mapping[str, float] = {
    **dict.fromkeys(
        _words(
            "absolutely amazingly awfully completely considerably deeply enormously entirely "
            "especially exceptionally extremely fully greatly highly hugely incredibly intensely "
            "majorly more most particularly pretty purely quite really remarkably so substantially "
            "thoroughly totally tremendously unbelievably unusually utterly very super way"
        ),
        0.293,
    ),
    **dict.fromkeys(
        _words(
            "almost barely hardly just-enough less little marginally occasionally partly scarcely "
            "slightly somewhat kinda sorta"
        ),
        -0.293,
    ),
}

DENYING = frozenset(
    _words(
        "not no never none nobody nothing nowhere neither nor cannot can't cant don't dont doesn't "
        "doesnt didn't didnt isn't isnt wasn't wasnt aren't arent weren't werent won't wont "
        "wouldn't wouldnt couldn't couldnt shouldn't shouldnt hasn't hasnt haven't havent hadn't "
        "hadnt ain't aint without lacks lack lacking rarely seldom despite"
    )
)
BUT = frozenset({"but", "however", "although", "though", "yet"})
