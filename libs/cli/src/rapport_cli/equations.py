"""The ledger's equations: what must add up when nothing is under way (pure functions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Ledgers = dict[str, dict[str, Any]]
"""What each service answers on /v1/ledger, by the service's name."""

READERS = ("profile", "segment", "campaign", "feedback")
STATES = ("planned", "sending", "sent", "failed", "suppressed", "uncertain")


@dataclass(frozen=True)
class Equation:
    """One statement: what it says, the same with the numbers in, and whether it holds."""

    name: str
    says: str
    numbers: str
    holds: bool

    def as_json(self) -> dict[str, Any]:
        """Return the statement for programs."""
        return {
            "name": self.name,
            "says": self.says,
            "numbers": self.numbers,
            "ok": self.holds,
        }


def equations(ledgers: Ledgers, send_keys: Mapping[str, int] | None = None) -> list[Equation]:
    """Return every equation over these ledgers.

    `send_keys` counts the mails per send key; None when there is no Maildir to look at.
    """
    found = [*_ingest(ledgers["ingest"]), *_events(ledgers), *_in_step(ledgers)]
    found += [_followed(ledgers), _messages(ledgers["campaign"])]
    if send_keys is not None:
        found += _mails(ledgers["campaign"], send_keys)
    return found


def settled(ledgers: Ledgers) -> bool:
    """Tell whether nothing waits in a spool or outbox and no mail is just being handed over."""
    waiting = [ledgers["ingest"]["spooled_now"], ledgers["campaign"]["sending"]]
    for one in ledgers.values():
        waiting += [one.get("outbox", 0), *one.get("parked", {}).values()]
    return not any(waiting)


def _ingest(ingest: Mapping[str, Any]) -> list[Equation]:
    received, accepted, rejected = (ingest[key] for key in ("received", "accepted", "rejected"))
    topic, spooled = ingest["topic"]["end_offsets_total"], ingest["spooled_now"]
    aside, given_up = ingest["spool_refused"], ingest["spool_discarded"]
    return [
        Equation(
            "received",
            "received = accepted + rejected",
            f"{received:,} = {accepted:,} + {rejected:,}",
            received == accepted + rejected,
        ),
        Equation(
            "kept",
            "accepted <= records of `events` + spooled + refused by Kafka + discarded of those",
            f"{accepted:,} <= {topic:,} + {spooled:,} + {aside:,} + {given_up:,}",
            accepted <= topic + spooled + aside + given_up,
        ),
        Equation(
            "quarantined",
            "rejected <= kept in the quarantine, deleted rows included",
            f"{rejected:,} <= {ingest['quarantined']:,}",
            rejected <= ingest["quarantined"],
        ),
    ]


def _events(ledgers: Ledgers) -> list[Equation]:
    topic = ledgers["ingest"]["topic"]["end_offsets_total"]
    profile = ledgers["profile"]
    consumed, dead = _consumed(profile, "events"), profile["dead_letters"].get("events", 0)
    profiled, twice, erased = (
        profile["tallies"].get(name, 0) for name in ("profiled", "duplicate", "erased")
    )
    parked = profile.get("parked", {}).get("events", 0)
    skipped = profile.get("skipped", {}).get("events", 0)
    return [
        Equation(
            "consumed",
            "records of `events` = consumed by profile",
            f"{topic:,} = {consumed:,}",
            topic == consumed,
        ),
        Equation(
            "profiled",
            "consumed by profile = profiled + duplicate + of people forgotten since "
            "+ dead-lettered + parked + skipped by an operator",
            f"{consumed:,} = {profiled:,} + {twice:,} + {erased:,} + {dead:,} + {parked:,} "
            f"+ {skipped:,}",
            consumed == profiled + twice + erased + dead + parked + skipped,
        ),
    ]


def _in_step(ledgers: Ledgers) -> list[Equation]:
    """Whoever reads a topic to its end has read the same number of records."""
    topics = sorted({topic for name in READERS for topic in ledgers[name]["consumed"]} - {"events"})
    return [one for one in (_same(ledgers, topic) for topic in topics) if one]


def _same(ledgers: Ledgers, topic: str) -> Equation | None:
    counts = {
        name: _consumed(ledgers[name], topic)
        for name in READERS
        if topic in ledgers[name]["consumed"]
    }
    if len(counts) < 2:  # noqa: PLR2004 - one reader has nobody to be in step with
        return None
    return Equation(
        f"in step: {topic}",
        f"`{topic}` consumed by " + " = ".join(counts),
        " = ".join(f"{count:,}" for count in counts.values()),
        len(set(counts.values())) == 1,
    )


def _followed(ledgers: Ledgers) -> Equation:
    """No reader of `profile.activity` has missed a record of somebody."""
    lacking = {name: int(ledgers[name].get("lacking", 0)) for name in READERS if name != "profile"}
    return Equation(
        "known",
        "profiles of which a record was missed, by " + ", ".join(lacking) + " = 0",
        " + ".join(f"{count:,}" for count in lacking.values()) + " = 0",
        not any(lacking.values()),
    )


def _messages(campaign: Mapping[str, Any]) -> Equation:
    total, counts = campaign["planned_total"], [campaign[state] for state in STATES]
    return Equation(
        "messages",
        f"planned in all = {' + '.join(STATES)}",
        f"{total:,} = {' + '.join(f'{count:,}' for count in counts)}",
        total == sum(counts),
    )


def _mails(campaign: Mapping[str, Any], send_keys: Mapping[str, int]) -> list[Equation]:
    sent, uncertain, mails = campaign["sent"], campaign["uncertain"], sum(send_keys.values())
    return [
        Equation(
            "mails",
            "sent <= mails <= sent + uncertain",
            f"{sent:,} <= {mails:,} <= {sent:,} + {uncertain:,}",
            sent <= mails <= sent + uncertain,
        ),
        Equation(
            "at most once",
            "mails = distinct send keys",
            f"{mails:,} = {len(send_keys):,}",
            mails == len(send_keys),
        ),
    ]


def _consumed(ledger: Mapping[str, Any], topic: str) -> int:
    return int(ledger["consumed"].get(topic, 0))
