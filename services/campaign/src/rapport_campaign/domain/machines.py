"""Who opened a mail or followed a link: a person, a mailbox that fetches ahead, or a scanner.

Nobody can be sure. What is known of programs, networks and their haste decides; a person is
whoever looks like none of these. What is known is data, each with where it is known from.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

Label = Literal["human", "machine", "scanner"]

BURST_SECONDS = 3.0
BURST_LINKS = 3
"""So many different links of one mail within that time: a person reads between two clicks."""


@dataclass(frozen=True, slots=True)
class Look:
    """One request for a link or the picture of a mail.

    `since_sent`: seconds since the mail server had taken the mail, None while nobody has written
    that it has; `links`: how many links of this mail, with this one, were followed within the last
    `BURST_SECONDS`.
    """

    agent: str
    address: str | None
    since_sent: float | None
    links: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """A program or some networks, and for how long after the mail it is them."""

    label: Label
    agent: str = ""
    exact: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    within: float = float("inf")

    def is_it(self, look: Look) -> bool:
        """Whether a request is theirs."""
        if (look.since_sent or 0.0) > self.within:
            return False
        if self.exact:
            return look.agent == self.exact
        if self.agent:
            return self.agent in look.agent.lower()
        return _is_in(look.address, self.networks)


def label(look: Look, haste: float, known: Sequence[Known] | None = None) -> Label:
    """Who is behind a request; within `haste` seconds of its sending nobody has read a mail."""
    for one in all_known() if known is None else known:
        if one.is_it(look):
            return one.label
    if look.links >= BURST_LINKS:
        return "scanner"
    return "scanner" if (look.since_sent or 0.0) < haste else "human"


@cache
def all_known() -> tuple[Known, ...]:
    """What `machines.toml` has."""
    text = files(__package__).joinpath("machines.toml").read_text("utf-8")
    return tuple(
        Known(
            label=one["label"],
            agent=one.get("agent", "").lower(),
            exact=one.get("exact", ""),
            networks=tuple(ip_network(text) for text in one.get("networks", ())),
            within=one.get("within", float("inf")),
        )
        for one in tomllib.loads(text)["known"]
    )


def _is_in(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    return any(found in one for one in networks)
