"""From what an author has written to what mails are made of: once, when a template is saved."""

from dataclasses import dataclass, field, replace

import msgspec

from rapport_campaign.domain.languages import direction
from rapport_campaign.domain.snippets import SnippetError, blanked, calls, expanded
from rapport_campaign.domain.templates import Format, Said, Texts, Variable
from rapport_campaign.render import mjml
from rapport_campaign.render.addresses import is_refused
from rapport_campaign.render.amp import amp_problems
from rapport_campaign.render.hiding import Hidden, hidden
from rapport_campaign.render.inlining import InliningError, inlined
from rapport_campaign.render.mjml import MjmlError
from rapport_campaign.render.scan import Piece, decoded, pieces
from rapport_campaign.render.templates import MAX_COMPILED, Problem, TemplateError, problems
from rapport_campaign.render.usage import used

_PREHEADER = "display:none;font-size:1px;line-height:1px;max-height:0;overflow:hidden;mso-hide:all"
_HTML = {"body", "preheader", "amp"}
_LINKS = {"a", "area", "form"}


class Draft(msgspec.Struct, frozen=True):
    """One language of a template to be made, with the snippets there are for it."""

    format: Format
    texts: Texts
    language: str | None = None
    snippets: dict[str, str] = {}


class Piecework(msgspec.Struct, frozen=True):
    """A snippet to be looked at, with the others there are."""

    name: str
    source: str
    snippets: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a draft: in which field, and where."""

    path: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a draft; `said` only where nothing is wrong."""

    said: Said | None = None
    faults: list[Fault] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)


class _Wrong(Exception):  # noqa: N818 - a verdict, which goes no further than this file
    def __init__(self, message: str, line: int | None = None, path: str = "body") -> None:
        super().__init__(message)
        self.fault = Fault(path, Problem(message, line))


def made(draft: Draft) -> Made:
    """What mails in this language are made of, or all that is wrong with it."""
    fields = {
        name: source
        for name in ("subject", "preheader", "body", "text", "amp")
        if (source := getattr(draft.texts, name))
    }
    faults = [fault for name, source in fields.items() for fault in _faults(name, source)]
    if faults:
        return Made(faults=faults)
    try:
        return _made(draft, fields)
    except _Wrong as wrong:
        return Made(faults=[wrong.fault])


def looked_at(snippet: Piecework) -> Made:
    """What is wrong with a snippet by itself, and which others it uses."""
    faults = _faults("source", snippet.source)
    if faults:
        return Made(faults=faults)
    try:
        _, uses = _expanded("source", snippet.source, snippet.snippets, (snippet.name,))
    except _Wrong as wrong:
        return Made(faults=[wrong.fault])
    return Made(uses=sorted(uses))


def _faults(name: str, source: str) -> list[Fault]:
    """What is wrong with a field as its author sees it: with nothing put in."""
    try:
        calls(source)
    except SnippetError as error:
        return [Fault(name, Problem(error.message, source.count("\n", 0, error.at) + 1))]
    bare = blanked(source)
    found = problems(bare, html=name in _HTML or name == "source")
    links = _refused(hidden(bare)) if name in {"body", "source", "amp"} else []
    return [Fault(name, one) for one in [*found, *links]]


def _refused(page: Hidden) -> list[Problem]:
    wrong = []
    for one in pieces(page.text):
        for name in ("href", "action"):
            value = one.values.get(name) if one.name in _LINKS or one.name[:3] == "mj-" else None
            if value is not None and is_refused(said := decoded(page.text, value)):
                scheme = said.partition(":")[0].strip()
                message = f"a link can't be of {scheme}: https, mailto and tel are fine"
                wrong.append(Problem(message, page.line(one.start)))
    return wrong


def _made(draft: Draft, fields: dict[str, str]) -> Made:
    uses: set[str] = set()
    whole: dict[str, str] = {}
    for name, source in fields.items():
        whole[name], found = _expanded(name, source, draft.snippets)
        uses |= found
    if draft.format == "mjml":
        # First as it was written: only then lines are the author's.
        _check(draft.texts.body)
    page = _page(draft, whole["body"], has_snippets=bool(uses))
    if draft.language is not None:
        page = replace(page, text=_in_language(page.text, draft.language))
    html = _with_preheader(page, whole.get("preheader", ""))
    said = Said(
        subject=whole["subject"],
        html=html,
        preheader=whole.get("preheader", ""),
        text=whole.get("text"),
        amp=_amp(whole.get("amp"), has_snippets=whole.get("amp") != fields.get("amp")),
    )
    parts = [
        *((said.subject, False), (said.html, True), (said.text or "", False)),
        (said.amp or "", True),
    ]
    for name, (source, is_html) in zip(("subject", "body", "text", "amp"), parts, strict=True):
        for one in problems(source, html=is_html, most=MAX_COMPILED):
            raise _Wrong(f"with all that is put in: {one.message}", path=name)
    try:
        return Made(said=said, uses=sorted(uses), variables=list(used(parts)))
    except TemplateError as error:
        raise _Wrong(error.message) from error


def _amp(part: str | None, *, has_snippets: bool) -> str | None:
    """An AMP part as it is sent: as its author has written it."""
    for one in amp_problems(part) if part else []:
        raise _Wrong(one.message, None if has_snippets else one.line, "amp")
    return part


def _expanded(
    path: str, source: str, snippets: dict[str, str], above: tuple[str, ...] = ()
) -> tuple[str, set[str]]:
    try:
        return expanded(source, snippets, above)
    except SnippetError as error:
        raise _Wrong(error.message, source.count("\n", 0, error.at) + 1, path) from error


def _check(body: str) -> None:
    try:
        mjml.check(hidden(body))
    except MjmlError as error:
        raise _Wrong(error.message, error.line) from error


def _page(draft: Draft, whole: str, *, has_snippets: bool) -> Hidden:
    page = hidden(whole)
    try:
        if draft.format == "html":
            return replace(page, text=inlined(page))
        is_turned = draft.language is not None and direction(draft.language) == "rtl"
        return mjml.compiled(page, from_the_right=is_turned)
    except InliningError as error:
        raise _Wrong(str(error)) from error
    except MjmlError as error:
        raise _Wrong(error.message, None if has_snippets else error.line) from error


def _in_language(text: str, language: str) -> str:
    """The page with its language and the way it is written, where its author has said neither."""
    found = {"lang": language, "dir": direction(language)}
    # MJML says that it doesn't know.
    text = text.replace(' lang="und" dir="auto"', f' lang="{language}" dir="{found["dir"]}"')
    roots = [one for one in pieces(text) if one.kind == "start" and one.name in {"html", "body"}]
    if not roots:
        return f'<div lang="{language}" dir="{found["dir"]}">{text}</div>'
    [root, *_] = roots
    missing = "".join(
        f' {name}="{said}"' for name, said in found.items() if name not in root.values
    )
    place = root.start + 1 + len(root.name)
    return text[:place] + missing + text[place:]


def _with_preheader(page: Hidden, preheader: str) -> str:
    """The page with the words that mailboxes show beside the subject, which nobody sees in it."""
    if not preheader:
        return page.restored(page.text)
    bodies = [one for one in pieces(page.text) if _is_body(one)]
    at = bodies[0].end if bodies else 0
    before, after = page.restored(page.text[:at]), page.restored(page.text[at:])
    return f'{before}<div style="{_PREHEADER}">{preheader}</div>{after}'


def _is_body(one: Piece) -> bool:
    return one.kind == "start" and one.name == "body"
