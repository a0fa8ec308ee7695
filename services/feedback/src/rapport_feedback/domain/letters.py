"""A mail to an address for complaints, as staff read it: any bytes make one, and nothing raises.

Who has written it is what the receiving server vouches for (RFC 8601), if it is declared trusted;
what stands in From by itself is a claim.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from selectolax.lexbor import LexborHTMLParser

from rapport_common.events.contact import email_address
from rapport_common.mail.automatic import why_automatic
from rapport_common.mail.parts import Part, parts_of
from rapport_feedback.domain import attached
from rapport_feedback.domain.attached import MOST_AT_ONCE
from rapport_feedback.domain.threads import words_in

MOST_MAIL: Final = 25 * 2**20
MOST_SUBJECT, MOST_BODY, MOST_QUOTED = 200, 10_000, 10_000
MOST_HOPS: Final = 30
"""Fields that servers put on a mail on its way (RFC 5321, 6.3): more are a loop."""
NO_SUBJECT, NO_TEXT = "(no subject)", "(no text)"
_MOST_FIELD = 2000

Verdict = Literal["pass", "fail", "unknown"]
"""Whether the mail is of whom it says: the receiving server vouches for it, says that it is not,
or says nothing that counts.
"""


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file of a mail."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, read.

    `mark` is the same for the same mail, however often it comes; `sender` an address in normal
    form, empty for none or several; `words` may lead to threads of ours, `answers` are ids of
    mails that it answers, `numbers` may be of cases; `automatic` says what tells that a machine
    wrote it, `loop` that it goes in a circle; `quoted` is what it cites.
    """

    mark: str
    own_id: str
    sender: str
    name: str
    subject: str
    body: str
    quoted: str
    verdict: Verdict
    automatic: str
    loop: bool
    words: tuple[str, ...]
    answers: tuple[str, ...]
    numbers: tuple[int, ...]
    to: tuple[str, ...]
    files: tuple[Enclosed, ...] = ()


def read_letter(raw: bytes, trusted: Collection[str] = (), envelope: str | None = None) -> Letter:
    """Read a mail; `trusted` are the servers whose word on a sender counts, `envelope` is the
    sender of the envelope (None: nobody knows).
    """
    parts = list(parts_of(raw, MOST_MAIL))
    mail = parts[0]
    own_id = mail.header("message-id")[:_MOST_FIELD].strip()
    subject = " ".join(clean(mail.shown("subject"), 2 * MOST_SUBJECT).split())[:MOST_SUBJECT]
    sender, name = _sender(mail)
    text = _text(parts)
    body, quoted = folded(text)
    threads = " ".join((mail.header("references"), mail.header("in-reply-to")))
    automatic = why_automatic(parts, subject)
    return Letter(
        mark=_mark(raw, mail, own_id, sender),
        own_id=own_id,
        sender=sender,
        name=name,
        subject=subject or NO_SUBJECT,
        body=body[:MOST_BODY].strip() or NO_TEXT,
        quoted=quoted[:MOST_QUOTED],
        verdict=verdict(mail, sender, trusted),
        automatic=automatic or ("machine" if envelope == "" else ""),
        loop=_is_loop(mail, own_id),
        words=tuple(words_in(threads)),
        answers=tuple(dict.fromkeys(re.findall(r"<[^<>\s]{3,250}>", threads[:_MOST_FIELD]))),
        numbers=tuple(_numbers(subject)),
        to=tuple(_recipients(mail)),
        files=tuple(_files(parts)),
    )


_OWN_ID = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")


def _mark(raw: bytes, mail: Part, own_id: str, sender: str) -> str:
    """The same for the same mail, whatever servers have put on it on its way.

    By its id, of whom and what it says: an id is chosen by who sends, and others know it.
    """
    if not _OWN_ID.fullmatch(own_id):
        return sha256(raw).hexdigest()
    said = sha256(mail.body.replace(b"\r\n", b"\n").strip()).hexdigest()
    return sha256(f"{own_id}\0{sender}\0{said}".encode("utf-8", "replace")).hexdigest()


_ANGLE = re.compile(r"([^<>]*)<([^<>]*)>")
_ADDRESS = re.compile(r"[^\s<>,;:()\"]{1,200}@[^\s<>,;:()\"]{1,200}")


def _sender(mail: Part) -> tuple[str, str]:
    """The one address in From, and the name beside it; several are nobody's word.

    It is read as it was sent: what an encoded word stands for is a name, whatever it looks like.
    """
    fields = [value[:_MOST_FIELD] for name, value in mail.headers if name == "from"]
    if len(fields) != 1:
        return "", ""
    parsed = split_field(fields[0])
    if parsed is None:
        return "", ""
    plain = "".join(text for kind, text in parsed if kind == "plain").strip("; ")
    beside, address = "", plain
    if "<" in plain:
        found = _ANGLE.fullmatch(plain)
        beside, address = found.groups() if found else ("", "")
    # A name may be the address once more; any other address makes it nobody's word.
    if any(one.lower() != address.lower() for one in _ADDRESS.findall(beside)):
        return "", ""
    words = [text for kind, text in parsed if kind != "plain"] or [beside]
    shown = Part([("name", " ".join(words))], b"").shown("name")
    return email_address(address) or "", " ".join(clean(shown, 200).split())


def split_field(value: str) -> list[tuple[str, str]] | None:
    """A field in its pieces (RFC 5322, 3.2): `plain`, `quoted` and `comment` texts, the latter two
    without what delimits them. None: one does not end, so that nothing can be said of the rest.
    """
    found: list[tuple[str, str]] = []
    depth, kind, text = 0, "plain", ""
    letters = iter(value)
    for one in letters:
        if one == "\\" and kind != "plain":
            text += next(letters, "")
        elif kind == "quoted" and one == '"':
            found.append((kind, text))
            kind, text = "plain", ""
        elif kind == "plain" and one in '"(':
            found.append((kind, text))
            kind, text, depth = ("quoted", "", 0) if one == '"' else ("comment", "", 1)
        elif kind == "comment" and one in "()":
            depth += 1 if one == "(" else -1
            text += one if depth else ""
            if depth == 0:
                found.append((kind, text))
                kind, text = "plain", ""
        else:
            text += one
    return [*found, ("plain", text)] if kind == "plain" else None


def _recipients(mail: Part) -> list[str]:
    """Where it was sent to, as its fields say: for mails out of a mailbox."""
    names = ("delivered-to", "x-original-to", "envelope-to", "to", "cc")
    values = [value[:_MOST_FIELD] for name, value in mail.headers if name in names][:20]
    return [address.lower() for value in values for address in _ADDRESS.findall(value)]


_NUMBER = re.compile(
    r"(?:\[|#|\b(?:case|fall|no\.?|nr\.?|number)\s*#?\s*)(\d{1,12})\b", re.IGNORECASE
)


def _numbers(subject: str) -> list[int]:
    return [int(one) for one in _NUMBER.findall(subject)][:5]


def _is_loop(mail: Part, own_id: str) -> bool:
    """It is one of ours that comes back, or has gone in a circle elsewhere."""
    hops = sum(name == "received" for name, _ in mail.headers)
    return hops > MOST_HOPS or bool(mail.header("x-loop")) or bool(words_in(own_id))


def verdict(mail: Part, sender: str, trusted: Collection[str]) -> Verdict:
    """What the topmost Authentication-Results says, if its server is trusted (RFC 8601, 5): those
    below may have come with the mail.
    """
    parsed = split_field(mail.header("authentication-results")[:_MOST_FIELD])
    if parsed is None:
        return "unknown"
    # What is quoted was written by others, such as the sender of the envelope.
    said = "".join(
        text if kind == "plain" else " " if kind == "comment" else _SIGNS.sub("_", text)
        for kind, text in parsed
    )
    server, *results = said.split(";")
    if not sender or server.strip().partition(" ")[0].lower() not in trusted:
        return "unknown"
    domain, found = sender.rpartition("@")[2], _results(results)
    dmarc = [(value, props) for method, value, props in found if method == "dmarc"]
    if any(value == "fail" for value, _props in dmarc):
        return "fail"
    if dmarc and all(
        value == "pass" and props.get("header.from", domain) == domain for value, props in dmarc
    ):
        return "pass"
    for method, value, props in found:
        if value == "pass" and any(_is_aligned(domain, one) for one in _domains(method, props)):
            return "pass"
    failed = {method for method, value, _ in found if value in {"fail", "softfail"}}
    return "fail" if failed & {"spf", "dkim"} else "unknown"


_SIGNS = re.compile(r"[\s;=()\"\\]")


def _results(results: Sequence[str]) -> list[tuple[str, str, dict[str, str]]]:
    """(method, result, properties) of each, in lower case."""
    found: list[tuple[str, str, dict[str, str]]] = []
    for one in results[:20]:
        pairs = [word.partition("=") for word in one.lower().split() if "=" in word]
        if pairs:
            method, _, value = pairs[0]
            found.append((method, value, {name: told for name, _, told in pairs[1:]}))
    return found


def _domains(method: str, props: dict[str, str]) -> list[str]:
    names = {"dkim": ("header.d", "header.i"), "spf": ("smtp.mailfrom",)}.get(method, ())
    return [props[name].rpartition("@")[2].strip('"') for name in names if name in props]


def _is_aligned(domain: str, signed: str) -> bool:
    """The same domain, or one above it that is no top level: signing for a part is usual."""
    return domain == signed or ("." in signed and domain.endswith(f".{signed}"))


_LINES = frozenset("\n\t")
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str, most: int) -> str:
    """What a person can read: no controls but lines, nothing that turns words round."""
    plain = text[: 2 * most].replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in plain if one in _LINES or _is_read(one))[:most]


def _is_read(one: str) -> bool:
    return unicodedata.category(one) not in {"Cc", "Cn", "Co", "Cs"} and one not in _TURNS


def _text(parts: Sequence[Part]) -> str:
    """The first text that is for reading; of a page its text."""
    own = [one for one in parts if one.depth == 0 or not _is_file(one)]
    most = MOST_BODY + MOST_QUOTED
    for part in own:
        if part.kind == "text/plain" and (found := clean(part.text(), most).strip()):
            return found
    for part in own:
        if part.kind == "text/html" and (found := clean(text_of(part.text()), most).strip()):
            return found
    return ""


MOST_CITED, MOST_LINE = 200, 500
_BLOCKS = "p,div,br,li,tr,h1,h2,h3,h4,h5,h6,blockquote,table,pre"


def text_of(html: str) -> str:
    """The text of a page, each block on a line of its own; what it cites behind `>`."""
    page = LexborHTMLParser(html)
    for one in page.css("script,style,head,title,noscript,template,svg,iframe,object"):
        one.decompose()
    for _ in range(MOST_CITED):
        # The outermost one: what is cited in it goes with it.
        cited = page.css_first("blockquote,.gmail_quote")
        if cited is None:
            break
        lines = cited.text(separator="\n").splitlines()
        told = "\n".join(f"> {line.strip()}" for line in lines if line.strip())
        cited.replace_with(f"\n{told}\n")
    for one in page.css(_BLOCKS):
        one.insert_before("\n")
    found = page.body.text() if page.body is not None else ""
    text = "\n".join(" ".join(line.split()) for line in found.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip()


_INTRODUCES = re.compile(
    r"^(?:on .{4,200} wrote|am .{4,200} schrieb.{0,100}|le .{4,200} a écrit|el .{4,200} escribió"
    r"|il .{4,200} ha scritto|在.{2,200}写道"
    r"|[^<>]{4,120}<[^<>@\s]{1,64}@[^<>@\s]{1,255}> (?:wrote|schrieb))"
    r"\s*[:\uff1a]\s*$",
    re.IGNORECASE,
)
_DIVIDES = re.compile(
    r"^\s*(?:-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|"
    r"forwarded message)\s*-{2,}|_{20,})\s*$",
    re.IGNORECASE,
)


def folded(text: str) -> tuple[str, str]:
    """What a person has written, and what is cited behind it. Nothing is lost: who cites above
    and writes below, or cites only, is shown as it is.
    """
    lines = text.splitlines()
    start = len(lines)
    own = (at for at, one in enumerate(lines) if one.strip() and not one.startswith(">"))
    last = max(own, default=-1)
    for at, line in enumerate(lines):
        # What introduces is short; a long line is looked at no further.
        introduces = len(line) <= MOST_LINE and (
            _DIVIDES.match(line) or _INTRODUCES.match(line.strip())
        )
        if introduces or (at > last and line.startswith(">")):
            start = at
            break
    body = "\n".join(lines[:start]).strip()
    return (body, "\n".join(lines[start:]).strip()) if body else (text.strip(), "")


def _is_file(part: Part) -> bool:
    disposition = part.header("content-disposition").partition(";")[0].strip().lower()
    return disposition == "attachment" or bool(_name(part))


def _name(part: Part) -> str:
    said = part.header("content-disposition")
    match = re.search(
        r'filename\*?\s*=\s*(?:"([^"]*)"|([^\s;]+))', said[:_MOST_FIELD], re.IGNORECASE
    )
    named = (match[1] or match[2] or "") if match else ""
    return named or part.parameters.get("name", "")


def _files(parts: Sequence[Part]) -> list[Enclosed]:
    """What is enclosed: parts of one kind that have a name, or say that they are attached. One too
    many shows that there are more.
    """
    found = [
        Enclosed(attached.clean_name(_shown_name(one)), one.content())
        for one in parts[1:]
        if not one.kind.startswith("multipart/") and _is_file(one)
    ]
    return found[: MOST_AT_ONCE + 1]


def _shown_name(part: Part) -> str:
    from_field = Part([("name", _name(part))], b"")
    return from_field.shown("name") or "file"
