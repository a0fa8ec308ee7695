"""How bad a bounce is, by its enhanced status code (RFC 3463, IANA's registry of them).

Where that says nothing, what servers are known to write decides.

`hard`: the address is dead. `soft`: it could not be reached this time. `blocked`: the mail or who
sent it was not wanted, which says nothing of the address. `unclear` counts as soft.
"""

import re

from rapport_campaign.domain.outcomes import OutcomeClass

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_BASIC = re.compile(r"(?<![\d.-])([45])(\d\d)(?=[ -])")

# 1.1 no such mailbox, 1.2 no such host, 1.3 no address, 1.6 moved away, 1.10 null MX, 2.1 disabled.
_HARD = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
# Large or odd mails (2.3, 3.4, 6.x), loops (4.6), and all of policy (7.x): not the address's fault.
_BLOCKED_SUBJECTS = frozenset({"6", "7"})
_BLOCKED = frozenset({"2.3", "3.4", "4.6", "1.7", "1.8"})
# Codes that servers give for anything: what they write beside decides.
_SAYS_NOTHING = frozenset({"0.0", "1.0", "2.0", "4.1", "5.0", "1.5", "7.1"})

_DEAD_WORDS = re.compile(
    r"user unknown|unknown user|no such (?:user|mailbox|recipient|address|person)|"
    r"(?:user|mailbox|recipient|account|address)(?: \S+)? (?:does not|doesn't|not) exist|"
    r"(?:mailbox|account|user|recipient)(?: \S+)? (?:unavailable or )?not found|"
    r"unknown (?:or illegal )?(?:alias|recipient|mailbox|local.part)|"
    r"recipient (?:address )?(?:rejected: )?(?:user )?unknown|invalid (?:recipient|mailbox)|"
    r"(?:account|mailbox)(?: \S+)? (?:is |has been )?(?:disabled|deactivated|closed|inactive)|"
    r"not a valid (?:mailbox|recipient|user)|no mailbox here|not our customer|"
    r"host or domain name not found|domain (?:does not exist|not found)|"
    r"用户不存在|邮箱不存在|收件人不存在",
    re.IGNORECASE,
)
_BLOCKED_WORDS = re.compile(
    r"spam|block(?:ed|list)|blacklist|black list|denied by policy|policy (?:violation|reasons)|"
    r"dmarc|spf (?:check|fail)|dkim|reputation|spamhaus|too (?:large|big)|virus|"
    r"rate limit|unsolicited|垃圾邮件",
    re.IGNORECASE,
)
_BOUNCE_WORDS = re.compile(
    r"undeliver(?:able|ed)|delivery (?:has )?(?:status notification|failed|failure)|"
    r"returned mail|mail delivery (?:failed|failure|subsystem)|could not be delivered|"
    r"wasn't delivered|was not delivered|failure notice|delivery to the following|"
    r"unable to deliver|unzustellbar|non remis|no se pudo entregar|退信|无法投递|投递失败|"
    r"over quota|quota exceeded|mailbox (?:is )?full",
    re.IGNORECASE,
)


def is_status(text: str) -> bool:
    """Whether a text is an enhanced status code."""
    return _STATUS.fullmatch(text) is not None


def status_in(text: str) -> str:
    """The first enhanced status code in a text, else the basic one; empty without any."""
    found = _STATUS.search(text)
    if found:
        return found[0]
    basic = _BASIC.search(text)
    return basic[0] if basic else ""


def grade(status: str, text: str) -> OutcomeClass:
    """How bad a failure is for the address; `text` is what the server said."""
    found = _STATUS.fullmatch(status)
    if found is None:
        return _by_words(text, permanent=not status.startswith("4"))
    kind, subject, detail = found.groups()
    code = f"{subject}.{detail}"
    if kind == "4":
        # It was tried until the other side gave up.
        return "soft"
    if code in _HARD:
        return "hard"
    if code in _SAYS_NOTHING:
        return _by_words(text, permanent=True)
    if code in _BLOCKED or subject in _BLOCKED_SUBJECTS:
        return "blocked"
    return "soft"


def says_bounce(text: str) -> bool:
    """Whether a text that no standard describes is known to be one of a bounce."""
    return _BOUNCE_WORDS.search(text) is not None or _DEAD_WORDS.search(text) is not None


def _by_words(text: str, *, permanent: bool) -> OutcomeClass:
    if _BLOCKED_WORDS.search(text):
        return "blocked"
    if _DEAD_WORDS.search(text):
        return "hard" if permanent else "soft"
    return "unclear"
