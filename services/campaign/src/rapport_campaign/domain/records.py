"""Reads the records of a sender domain as receivers do, and says what is wrong with them."""

import re
from collections.abc import Sequence

from rapport_campaign.domain.sender_domains import Finding, SenderKey

_TAG = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9_]*)\s*=\s*([^;]*?)\s*\Z", re.DOTALL)
_SHOWN = 5
_LONGEST = 600


def read_key(key: SenderKey, texts: Sequence[str]) -> Finding:
    """What receivers make of the records under a key's name (RFC 6376, 3.6.1)."""
    if not texts:
        return Finding(
            "missing", (), "There is no TXT record of this name. Publish it as it stands."
        )
    advice = _wrong(key, texts)
    return Finding("wrong" if advice else "found", _told(texts), advice or _noted(texts[0]))


def read_spf(texts: Sequence[str], include: str) -> Finding:
    """What there is of SPF (RFC 7208); `include` is what our mail server asks for, if known."""
    found = [one for one in texts if one.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return Finding("missing", (), _spf_hint(include))
    if len(found) > 1:
        advice = "There are several SPF records: receivers heed none. Make one of them."
        return Finding("wrong", _told(found), advice)
    if include and f"include:{include}".lower() not in found[0].lower().split():
        return Finding("wrong", _told(found), f"Add include:{include} before its last word.")
    return Finding("found", _told(found))


def read_dmarc(texts: Sequence[str]) -> Finding:
    """What there is of DMARC (RFC 7489) at the domain itself."""
    found = [one for one in texts if re.match(r"v\s*=\s*DMARC1\s*(;|\Z)", one)]
    if not found:
        advice = (
            "Without it large mailbox providers refuse mails in quantity. Begin with p=none, and "
            "with p=reject once the reports show that all of yours pass."
        )
        return Finding("missing", (), advice)
    if len(found) > 1:
        advice = "There are several DMARC records: receivers heed none. Leave one."
        return Finding("wrong", _told(found), advice)
    if "p" not in tags(found[0]):
        return Finding("wrong", _told(found), "It has no policy: add p=none, p=quarantine or …")
    return Finding("found", _told(found))


def unanswered(why: str) -> Finding:
    """DNS could not be asked."""
    return Finding("unanswered", (), f"DNS gave no answer ({why}). Check again later.")


def tags(text: str) -> dict[str, str]:
    """The tags of a record (RFC 6376, 3.2); empty when it is no list of tags."""
    found: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        match = _TAG.match(part)
        if match is None or match[1] in found:
            return {}
        found[match[1]] = match[2]
    return found


def _wrong(key: SenderKey, texts: Sequence[str]) -> str | None:
    """What to do about a record by which no signature of a key can be checked."""
    if len(texts) > 1:
        return "There are several TXT records of this name: leave the one that is shown here."
    [text] = texts
    found = tags(text)
    if "p" not in found:
        return "It is no DKIM record: publish it as it stands, without quotes or backslashes."
    first = next(iter(found))
    if "v" in found and (first != "v" or found["v"] != "DKIM1"):
        return "It has to begin with v=DKIM1."
    if found.get("k", "rsa").lower() != key.algorithm:
        return f"It is of another kind of key: k={key.algorithm} is needed."
    if (there := "".join(found["p"].split())) != key.public:
        return _another(there, key)
    if "h" in found and "sha256" not in found["h"].lower().split(":"):
        return "Its h= leaves out sha256: take h= away."
    if "s" in found and not {"*", "email"} & set(found["s"].lower().split(":")):
        return "Its s= is not for mail: take s= away."
    return None


def _another(there: str, key: SenderKey) -> str:
    if not there:
        return "Its p= is empty, which takes the key back: publish the record as it stands."
    if key.public.startswith(there):
        return (
            "It is cut: publish all of it, in strings of at most 255 characters each, which stand "
            "one behind the other in one record."
        )
    return "It has another key in p=: publish the record as it stands."


def _noted(text: str) -> str | None:
    if "y" in tags(text).get("t", "").lower().split(":"):
        return "It is found, and says t=y (a test): receivers may not heed it. Take t= away."
    return None


def _spf_hint(include: str) -> str:
    if include:
        return "Not needed for DKIM; some receivers look at it. Publish it as it stands."
    return (
        "Not needed for DKIM; some receivers look at it. Who runs your mail server says what it "
        "has to include."
    )


def _told(texts: Sequence[str]) -> tuple[str, ...]:
    """What was found, as much of it as is looked at; what no database holds is replaced."""
    return tuple(one.replace("\0", "\ufffd")[:_LONGEST] for one in texts[:_SHOWN])
