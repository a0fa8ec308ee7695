"""What a mail that comes back says: RFC 3464 (failed, delayed, delivered), RFC 5965 (a complaint),
an answer of a machine (RFC 3834) or of a person.

Any bytes are read; what is no report is an answer. Whose message it is about is said by a token of
ours only, see `returning`: nobody else's can be reported.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256

from rapport_campaign.domain import bounces
from rapport_campaign.domain.outcomes import OutcomeKind, Report, one_line
from rapport_campaign.domain.returning import Returned, in_text
from rapport_common.mail.automatic import MACHINE_SENDER, why_automatic
from rapport_common.mail.parts import MOST_BYTES, Part, fields, parts_of

_STATUS_KINDS = {"message/delivery-status", "message/global-delivery-status"}
_ACTIONS: dict[str, OutcomeKind] = {
    "failed": "bounced",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}
_NO_COMPLAINT = {"not-spam", "auth-failure", "dmarc"}
"""Kinds of feedback that are about signatures, or the reverse of a complaint."""
MOST_REPLY = 2000
_RAW_TEXT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail that came back: what it reports, and the tokens that it has, surest first."""

    report: Report
    said: list[Returned] = field(default_factory=list)


def read_mail(raw: bytes, sender: str | None = None) -> Incoming:
    """Read a mail; `sender` is the envelope's, empty for none, None where nobody knows."""
    parts = list(parts_of(raw))
    mark = sha256(raw).hexdigest()
    found = (
        _complaint(parts, mark)
        or _status_report(parts, mark)
        or _undescribed(parts, mark, sender)
        or _answer(parts, mark)
    )
    return Incoming(found, _tokens(raw, parts))


def _tokens(raw: bytes, parts: list[Part]) -> list[Returned]:
    """Where it was sent to comes first, then what it encloses; encoded parts are read, too."""
    texts = [raw[:MOST_BYTES][:_RAW_TEXT].decode("utf-8", "replace")]
    texts += [part.text() for part in parts if part.header("content-transfer-encoding")]
    return in_text("\n".join(texts))


def _complaint(parts: list[Part], mark: str) -> Report | None:
    for part in parts:
        if part.kind != "message/feedback-report":
            continue
        said = dict(reversed(fields(part.text())))
        kind = said.get("feedback-type", "abuse").strip().lower()
        if kind in _NO_COMPLAINT:
            return Report("auto_replied", mark, code=one_line(kind), text="feedback")
        agent = said.get("user-agent", "")
        return Report("complained", mark, code=one_line(kind), text=one_line(agent))
    return None


def _status_report(parts: list[Part], mark: str) -> Report | None:
    blocks = [
        dict(reversed(fields(block)))
        for part in parts
        if part.kind in _STATUS_KINDS
        for block in re.split(r"\r?\n[ \t]*\r?\n", part.text())
    ]
    told = [(kind, one) for one in blocks if (kind := _action(one)) is not None]
    for wanted in ("delivered", "bounced", "delayed"):
        # A mail has one recipient: where one of those it was passed on to has it, it has arrived.
        for kind, one in told:
            if kind == wanted:
                return _status(kind, one, mark)
    return None


def _action(block: dict[str, str]) -> OutcomeKind | None:
    action = block.get("action", "").partition("(")[0].strip().lower()
    if action in _ACTIONS:
        return _ACTIONS[action]
    # Without an action a status still says it (RFC 3463, 3.1).
    status = bounces.status_in(block.get("status", ""))
    by_class: dict[str, OutcomeKind] = {"2": "delivered", "4": "delayed", "5": "bounced"}
    return by_class.get(status[:1])


def _status(kind: OutcomeKind, block: dict[str, str], mark: str) -> Report:
    said = block.get("diagnostic-code", "")
    text = one_line(said.partition(";")[2] or said)
    status = bounces.status_in(block.get("status", ""))
    inner = bounces.status_in(text)
    if status.endswith(".0.0") and bounces.is_status(inner):
        # A server that knows no better than "failed" cites the one that does.
        status = inner
    code = status or inner
    grade = bounces.grade(code, text) if kind == "bounced" else ""
    return Report(kind, mark, grade, one_line(code), text)


def _undescribed(parts: list[Part], mark: str, sender: str | None) -> Report | None:
    """A bounce in words of the server's own: it counts, and nobody is dead by it."""
    mail = parts[0]
    nobody = sender == "" or mail.header("return-path").strip() == "<>"
    if not nobody and not MACHINE_SENDER.search(mail.header("from")):
        return None
    text = _first_text(parts)
    about = f"{mail.shown('subject')}\n{text}"
    if not bounces.says_bounce(about):
        return None
    found = [line for line in about.splitlines() if bounces.says_bounce(line)]
    return Report(
        "bounced", mark, "unclear", bounces.status_in(about), one_line(" ".join(found[-1:]))
    )


def _answer(parts: list[Part], mark: str) -> Report:
    mail = parts[0]
    subject = one_line(mail.shown("subject"))
    if why_automatic(parts, subject):
        return Report("auto_replied", mark, text=subject)
    # A copy has another way behind it, and the same id (RFC 5322, 3.6.4).
    own_id = mail.header("message-id").strip()
    mark = sha256(own_id.encode()).hexdigest() if own_id else mark
    return Report("replied", mark, text=subject, reply=_first_text(parts)[:MOST_REPLY])


def _first_text(parts: list[Part]) -> str:
    for part in parts:
        if part.kind == "text/plain":
            return part.text().replace("\0", "").strip()
    return ""
