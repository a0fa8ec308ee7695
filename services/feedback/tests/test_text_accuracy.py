"""A floor under how well texts are read, on a part of what `make texts-table` measures on."""

from tests.bench.texts import chinese_reviews, decided, languages, moods, shares


def test_moods_in_chinese_are_mostly_right() -> None:
    some, right = decided(moods(chinese_reviews(800), "zh"))
    assert some > 0.8
    assert right > 0.75


def test_languages_are_mostly_right() -> None:
    counts = languages("german", "french", "chinese", "italian")
    for label in ("de", "fr", "zh", "other"):
        _number, _precision, recall = shares(counts, label)
        assert recall > 0.88, label
