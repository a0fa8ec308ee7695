"""Asks DNS for the texts of a name; what is wrong with DNS is an answer, and no error of ours."""

from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

SECONDS = 4.0
"""For one name, all tries and servers together: a request has 10 s for all that it does."""
_PAYLOAD = 1232
"""Bytes of an answer by UDP: what is longer comes by TCP (DNS flag day 2020)."""
_MOST = 50


class UnansweredError(Exception):
    """Nobody knows what the name has: DNS is away, slow, or fails."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Asks these servers, (address, port); without any those of the system."""

    servers: tuple[tuple[str, int], ...] = ()
    seconds: float = SECONDS

    async def texts(self, name: str) -> list[str]:
        """The TXT records of a name, each in one piece; none where DNS says that there are none.

        UnansweredError when it does not say so.
        """
        try:
            answer = await self._made().resolve(dns.name.from_text(name), "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.LifetimeTimeout as error:
            message = f"none within {self.seconds:g} s"
            raise UnansweredError(message) from error
        except (dns.exception.DNSException, OSError) as error:
            raise UnansweredError(type(error).__name__) from error
        return [b"".join(one.strings).decode("utf-8", "replace") for one in list(answer)[:_MOST]]

    def _made(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=not self.servers)
        if self.servers:
            made.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in self.servers
            ]
        made.lifetime = self.seconds
        made.use_edns(0, 0, _PAYLOAD)
        return made
