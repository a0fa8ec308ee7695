"""Whether a mail was written by a machine (RFC 3834, and what machines do that know no RFC)."""

import re
from collections.abc import Sequence

from rapport_common.mail.parts import Part

MACHINE_SENDER = re.compile(r"(?:mailer-daemon|postmaster|mail-daemon|mdaemon)\b", re.IGNORECASE)
_AUTO_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-vacation",
)
_PRECEDENCES = frozenset({"auto_reply", "bulk", "junk", "list"})
_AUTO_SUBJECT = re.compile(
    r"^\s*(?:auto(?:matic|mated)?[ -]?(?:reply|response|antwort)|automatische antwort|"
    r"out of (?:the )?office|abwesen|réponse automatique|respuesta automática|risposta automatica|"
    r"自动回复|自動回覆|自動応答|автоответ)",
    re.IGNORECASE,
)


def why_automatic(parts: Sequence[Part], subject: str) -> str:
    """What says that a machine has written a mail, in a word; empty: a person, as far as is known.

    `parts` are those of the mail, itself the first; `subject` as people read it.
    """
    mail = parts[0]
    if mail.header("auto-submitted").partition(";")[0].strip().lower() not in {"", "no"}:
        return "auto-submitted"
    if mail.header("precedence").strip().lower() in _PRECEDENCES:
        return "precedence"
    if any(mail.header(name) for name in _AUTO_HEADERS):
        return "x-autoreply"
    if mail.header("return-path").strip() == "<>" or MACHINE_SENDER.search(mail.header("from")):
        return "machine"
    if any(one.kind == "message/disposition-notification" for one in parts):
        return "receipt"
    return "subject" if _AUTO_SUBJECT.match(subject) else ""
