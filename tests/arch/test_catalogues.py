"""Each text of a page is translated into each language, with the same places in it."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from rapport_common.pages.language import DEFAULT, LANGUAGES, read

PACKAGES = (
    "libs/common/src/rapport_common/pages",
    "services/feedback/src/rapport_feedback",
    "services/campaign/src/rapport_campaign",
)
PLACES = re.compile(r"%\(\w+\)s")


def texts(package: Path) -> set[str]:
    """What its templates say, and what its `pages.py` puts into them."""
    found = {
        str(message)
        for _file, _line, message, _comments, _context in extract_from_dir(
            package, method_map=[("templates/**.html", "jinja2")], options_map={}
        )
    }
    module = package / "pages.py"
    return found | (spoken(module) if module.exists() else set())


def spoken(module: Path) -> set[str]:
    """The texts among a module's constants: names in capitals, as they are when it is imported."""
    name = ".".join(module.with_suffix("").parts[-2:])
    constants = vars(__import__(name, fromlist=["*"]))
    found: set[str] = set()
    for key, value in constants.items():
        if key.isupper() and isinstance(value, str):
            found.add(value)
        elif key.isupper() and isinstance(value, dict) and not key.endswith("HEADERS"):
            found.update(one for one in value.values() if isinstance(one, str))
    return found


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != DEFAULT])
def test_every_text_is_translated(root: Path, package: str, language: str) -> None:
    translated = read(root / package / "locale" / f"{language}.po")
    wanted = texts(root / package)
    assert wanted == set(translated)
    for text, translation in translated.items():
        assert set(PLACES.findall(text)) == set(PLACES.findall(translation)), text
