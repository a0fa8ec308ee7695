"""What every adapter does, and how it says what became of a message.

Four things are kept apart, since each calls for something else: a message that is refused for
ever; one that may be tried again; one that was never tried, as something else is wrong; and one of
which nobody knows. The last is never tried again, but where the provider honours a key by which it
knows what it has taken already.
"""

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from typing_extensions import override

from rapport_campaign.channels.http import NotSentError, Reply, UnansweredError
from rapport_campaign.domain.delivery import Contact, Fault, Outcome, Result, said
from rapport_campaign.domain.inquiries import Finding, Question
from rapport_campaign.domain.parcels import Channel, Content, Parcel
from rapport_common import logging

log = logging.get(__name__)

C = TypeVar("C", bound=Content)

MAX_SECONDS = 10**6
_OF_THE_ACCOUNT = frozenset({401, 402, 403, 404, 405, 407})
_REDIRECTIONS = range(300, 400)


class Adapter(Protocol):
    """Sends by one account of one provider.

    `channel`: whose addresses and contents it takes. `honours_keys`: the provider takes the same
    message once, however often it is sent, so that an unknown outcome may be tried again.
    """

    channel: ClassVar[Channel]
    honours_keys: ClassVar[bool]
    asks: ClassVar[bool]

    async def send(self, parcel: Parcel) -> Outcome:
        """Send one message. It raises nothing that a provider or a content could bring about."""
        ...

    async def check(self) -> Outcome:
        """Ask the provider whether the account does; nobody gets anything. `sent`: it does."""
        ...

    async def ask(self, question: Question) -> Finding:
        """Ask the provider what it has of a message, if it `asks`; nobody gets anything."""
        ...


class Meaning(NamedTuple):
    """What one code of a provider means; `wait` in seconds where it names none itself."""

    result: Result
    fault: Fault | None = None
    contact: Contact | None = None
    wait: float = 0.0


REFUSED = Meaning("failed")
DEAD = Meaning("failed", contact="dead")
OPTED_OUT = Meaning("failed", contact="opted_out")
UNSUITABLE = Meaning("failed", contact="unsuitable")
ACCOUNT = Meaning("released", fault="account")
AWAY = Meaning("retry", fault="vendor")
TOO_FAST = Meaning("retry", fault="pace", wait=1)
LATER = Meaning("retry")
UNKNOWN = Meaning("uncertain", fault="vendor")

Codes = Mapping[str, Meaning]


class UnusableParcelError(Exception):
    """A message that can't be one of this channel; its text says why."""


class AccountError(Exception):
    """The provider does not take the account's credentials; its text says what it said."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider said about a message: a code of its own, and words."""

    code: str = ""
    words: str = ""

    @override
    def __str__(self) -> str:
        """Both, as they are kept with the message."""
        return f"{self.code} {self.words}".strip()


class Speaking(ABC):
    """An adapter over HTTP: makes outcomes of what goes wrong on the way."""

    channel: ClassVar[Channel]
    honours_keys: ClassVar[bool] = False
    asks: ClassVar[bool] = False
    """Whether the provider can be asked what it has of a message."""
    speaks_to_one: ClassVar[bool] = True
    """Whether all messages go to one server; else what one of many does is no fault of all."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Send one message, whatever happens."""
        outcome = await self._ended(self._send(parcel))
        if self.speaks_to_one or outcome.fault != "vendor":
            return outcome
        # An attempt that counts: a server that is never there would be tried for ever.
        result: Result = "retry" if outcome.result == "released" else outcome.result
        return replace(outcome, result=result, fault=None)

    async def check(self) -> Outcome:
        """Ask about the account; what nobody answers is not `uncertain` here."""
        outcome = await self._ended(self._check())
        if outcome.result != "uncertain":
            return outcome
        return Outcome("released", outcome.reason, fault=outcome.fault)

    async def ask(self, question: Question) -> Finding:
        """What the provider has of a message; what nobody answers is its fault, and no finding."""
        found: list[Finding] = []

        async def asked() -> Outcome:
            found.append(await self._ask_about(question))
            return Outcome("sent")

        outcome = await self._ended(asked())
        if found:
            records = [
                replace(one, provider_id=said(one.provider_id) or "", reason=said(one.reason) or "")
                for one in found[0].records
            ]
            return replace(found[0], records=records)
        return Finding(reason=outcome.reason or "", fault=outcome.fault or "vendor")

    async def _ask_about(self, _question: Question) -> Finding:
        return Finding(reason="this provider can't be asked")

    def _unfound(self, reply: Reply, told: Told, codes: Codes) -> Finding:
        """What a refusal to answer means."""
        refused = self._judged(reply, told, codes)
        return Finding(reason=refused.reason or "", fault=refused.fault or "vendor")

    @abstractmethod
    async def _send(self, parcel: Parcel) -> Outcome: ...

    @abstractmethod
    async def _check(self) -> Outcome: ...

    async def _ended(self, attempt: Coroutine[Any, Any, Outcome]) -> Outcome:
        """What an attempt came to, in words that can be kept: a provider's may be anything."""
        found = await self._outcome(attempt)
        return replace(found, reason=said(found.reason), provider_id=said(found.provider_id))

    async def _outcome(self, attempt: Coroutine[Any, Any, Outcome]) -> Outcome:
        try:
            return await attempt
        except UnusableParcelError as error:
            return Outcome("failed", str(error))
        except UnicodeEncodeError:
            return Outcome("failed", "half of a letter, which nothing can be sent with")
        except AccountError as error:
            return Outcome("released", str(error), fault="account")
        except NotSentError as error:
            return Outcome("released", str(error), fault="vendor")
        except UnansweredError as error:
            return Outcome(self._unknown, str(error), fault="vendor")
        except Exception as error:
            # No answer of one provider ends the process that sends for all.
            log.exception("an answer can't be read", error=error)
            return Outcome(self._unknown, "its answer can't be read", fault="vendor")

    @property
    def _unknown(self) -> Result:
        """What a message is that may have arrived."""
        return "retry" if self.honours_keys else "uncertain"

    def _by_status(self, reply: Reply, told: Told | None = None) -> Outcome:
        """What an answer means whose code is not in the provider's table."""
        return outcome(_of_status(reply, honours_keys=self.honours_keys), told or Told(), reply)

    def _judged(self, reply: Reply, told: Told, codes: Codes) -> Outcome:
        """What a refusal means: by the provider's own code if it is known, else by the status."""
        meaning = codes.get(told.code)
        if meaning is None:
            return self._by_status(reply, told)
        return outcome(meaning, told, reply)


def outcome(meaning: Meaning, told: Told, reply: Reply) -> Outcome:
    """A refusal as it is kept."""
    reason = str(told) if told.code or told.words else ""
    reason = f"{reply.status} {reason}".strip()
    wait = 0.0
    if meaning.result in {"retry", "released"}:
        wait = reply.retry_after if reply.retry_after is not None else meaning.wait
    return Outcome(
        meaning.result,
        reason,
        wait=min(wait, MAX_SECONDS),
        fault=meaning.fault,
        contact=meaning.contact,
    )


def taken(provider_id: str | None) -> Outcome:
    """The provider has it, and calls it so."""
    return Outcome("sent", provider_id=provider_id[:200] if provider_id else None)


def content_of(parcel: Parcel, kind: type[C]) -> C:
    """What a parcel says, of the kind that the channel takes; UnusableParcelError."""
    if not isinstance(parcel.content, kind):
        message = f"this channel takes a {kind.__name__}, not a {type(parcel.content).__name__}"
        raise UnusableParcelError(message)
    return parcel.content


def _of_status(reply: Reply, *, honours_keys: bool) -> Meaning:
    """RFC 9110: what a status says whatever the provider.

    A redirection is a wrong address of the account, as nobody has looked at where it leads, and so
    is one where nothing is. An error of the server's that is not said to be before the message was
    taken leaves that open.
    """
    status = reply.status
    if status in _OF_THE_ACCOUNT or status in _REDIRECTIONS:
        return ACCOUNT
    if status == 429:  # noqa: PLR2004 - too many requests
        return TOO_FAST
    if status == 503:  # noqa: PLR2004 - unavailable: it was not taken
        return AWAY
    if 400 <= status < 500:  # noqa: PLR2004 - the client's errors
        return LATER if status in {408, 425} else REFUSED
    return AWAY if honours_keys else UNKNOWN
