"""Words in a reader's language, with what somebody answered or is called put into them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapport_feedback.domain.question_fields import plain
from rapport_feedback.domain.questions import (
    Consent,
    Date,
    Listed,
    Matrix,
    Question,
    Text,
    Texts,
    Value,
    other_key,
)
from rapport_feedback.domain.survey_forms import Form, texts_in

MAX_PIPED = 200
# First strong isolate, and its end (UAX 9): what is put in does not turn what stands around it.
_ISOLATE, _POP = "\u2068", "\u2069"
_PLACE = re.compile(
    r"\{\{\s*(answer|trait)\.([a-z][a-z0-9_]{0,39})"
    r"\s*(?:\|\s*default\s*:\s*(?:\"([^\"{}]{0,100})\"|'([^'{}]{0,100})')\s*)?\}\}"
)


@dataclass(frozen=True, slots=True)
class Piped:
    """A place in a text: `{{ answer.id }}` or `{{ trait.name | default: "there" }}`."""

    of: str
    name: str
    default: str


@dataclass(frozen=True, slots=True)
class Said:
    """Words to show and the language they are in."""

    text: str
    language: str


def places(text: str) -> list[Piped]:
    """What a text has put into it."""
    return [_piped(match) for match in _PLACE.finditer(text)]


def is_unreadable(text: str) -> bool:
    """Whether a text has double braces that are no place we know."""
    rest = _PLACE.sub("", text)
    return "{{" in rest or "}}" in rest or "{%" in rest


def _piped(match: re.Match[str]) -> Piped:
    return Piped(match[1], match[2], match[3] or match[4] or "")


def by_language(texts: Texts, form: Form) -> Mapping[str, str]:
    """{tag: words}; one text alone is in the form's first language."""
    return {form.languages[0]: texts} if isinstance(texts, str) else texts


def missing(form: Form) -> dict[str, list[str]]:
    """{language: paths} of the words that a language of the form lacks."""
    found: dict[str, list[str]] = {}
    for path, texts in texts_in(form):
        known = {tag.lower() for tag in by_language(texts, form)}
        for language in form.languages:
            if language.lower() not in known:
                found.setdefault(language, []).append(path)
    return found


def chain(wanted: Iterable[str], form: Form) -> list[str]:
    """The languages to try, in lower case: those wanted, each shortened from its end (RFC 4647,
    3.4), then the form's, in their order.
    """
    found: dict[str, None] = {}
    for tag in wanted:
        parts = tag.lower().replace("_", "-").split("-")
        found.update({"-".join(parts[:length]): None for length in range(len(parts), 0, -1)})
    found.update({tag.lower(): None for tag in form.languages})
    return list(found)


class Reader:
    """Puts a form's words as one reader sees them."""

    def __init__(
        self,
        form: Form,
        wanted: Sequence[str],
        answers: Mapping[str, Value],
        traits: Mapping[str, str],
    ) -> None:
        self._form = form
        self._chain = chain(wanted, form)
        self._answers = answers
        self._traits = traits

    def says(self, texts: Texts) -> Said:
        """Words in the first language of the chain that they are in, with all places filled."""
        known = {tag.lower(): (tag, text) for tag, text in by_language(texts, self._form).items()}
        tag, text = next(
            (known[one] for one in self._chain if one in known), next(iter(known.values()))
        )
        return Said(self._filled(text), tag)

    def _filled(self, text: str) -> str:
        return _PLACE.sub(lambda match: self._put(_piped(match)), text)

    def _put(self, place: Piped) -> str:
        if place.of == "trait":
            found = self._traits.get(place.name, "") if place.name in self._form.traits else ""
        else:
            found = self._told(self._form.questions.get(place.name))
        found = plain(found)[:MAX_PIPED] or place.default
        return f"{_ISOLATE}{found}{_POP}" if found else ""

    def _told(self, question: Question | None) -> str:
        """An answer in words: of a choice what the option says."""
        given = None if question is None else self._answers.get(question.id)
        if question is None or given is None or isinstance(question, Matrix | Consent):
            return ""
        if not isinstance(question, Listed):
            return str(given)
        options = {one.id: one for one in question.options}
        chosen = given if isinstance(given, list) else [given]
        other = str(self._answers.get(other_key(question.id), ""))
        named = (
            other if options[one].other and other else self._bare(options[one].text)
            for one in chosen
            if one in options
        )
        return ", ".join(named)

    def _bare(self, texts: Texts) -> str:
        """An option's words, without what would be put into them: they lead to no loop."""
        known = {tag.lower(): text for tag, text in by_language(texts, self._form).items()}
        text = next((known[one] for one in self._chain if one in known), "")
        return _PLACE.sub("", text or next(iter(known.values())))


def typed(form: Form) -> list[str]:
    """The keys of what people type: such answers may say who they are."""
    own = [one.id for one in form.questions.values() if isinstance(one, Text | Date)]
    return [*own, *(other_key(one) for one in form.questions)]
