"""The clients, what each can say, and the faults that each survives by itself.

A fault that an SDK answers by throwing events away is not played: no server could help it. What
was measured of each is said beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tests.sdks.plan import Call, browser_plan, server_plan
from tests.support.fault_proxy import Fault

ALL = ("identify", "track", "page", "screen", "group", "alias", "visit")
BROWSER = ("identify", "track", "page", "group")
NO_GROUPS = ("identify", "track", "page")
# PostHog's servers' SDKs have one kind of id only: nobody is there before the alias.
VIEWS = ("page", "screen")
UNNAMED_PAGES = ("posthog", "mixpanel", "@amplitude", "@jitsu/sdk-js")
POSTHOG = ("identify", "track", "page", "screen", "group", "alias")
# A pass first: some SDKs send their first event alone. Then the restart, for which all are early
# enough to share one. Passes let back-offs start anew.
SURVIVES_ALL: tuple[Fault, ...] = (
    *("pass", "restart", "pass", "503", "reset", "pass", "429", "slow", "500"),
)
Where = Literal["python", "node", "browser"]


@dataclass(frozen=True)
class Client:
    """One SDK in one mode. `note` says why a fault is missing.

    Events of a kind in `bare` can't carry properties of ours (Snowplow's views); the pages of
    some have no name. With `schemas` an event's name is that of an Iglu schema.
    With `late_user` an event that is repeated after the sign-in says who signed in. `secure` ones
    send to an https address: their SDK repeats nothing at any other. `captures` are the names of
    what the SDK must have sent by itself.
    """

    name: str
    version: str
    program: str
    kinds: Sequence[str] = ALL
    mode: str = "json"
    where: Where = "python"
    faults: Sequence[Fault] = SURVIVES_ALL
    patient: bool = False
    bare: Sequence[str] = ()
    schemas: bool = False
    late_user: bool = False
    secure: bool = False
    captures: Sequence[str | None] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """The name of its test."""
        return f"{self.name} ({self.mode})"

    def plan(self) -> list[Call]:
        """What it sends; the ids of its people are its own."""
        prefix = f"{self.program}-{self.mode}".replace("_", "-")
        make = browser_plan if self.where == "browser" else server_plan
        return [self._fitted(call) for call in make(prefix, self.kinds)]

    def _fitted(self, call: Call) -> Call:
        """The call as this SDK can say it."""
        name = call.name.replace(" ", "_") if call.name and self.schemas else call.name
        if call.kind == "page" and self.unnamed_pages:
            name = None
        data = {} if call.kind in self.bare else call.data
        return replace(call, name=name, data=data)

    @property
    def unnamed_pages(self) -> bool:
        """Whether a page view has no name."""
        return self.schemas or self.name.startswith(UNNAMED_PAGES)


def _browser(name: str, version: str, program: str, mode: str, *more: str) -> Client:
    return Client(name, version, program, (*BROWSER, *more), mode=mode, where="browser")


def _snowplow(
    name: str, version: str, program: str, *, where: Where = "python", mode: str = "post"
) -> Client:
    kinds = ("track", "page") if where == "browser" else ("track", *VIEWS)
    return Client(name, version, program, kinds, mode, where, bare=VIEWS, schemas=True)


WITHOUT_429: tuple[Fault, ...] = tuple(one for one in SURVIVES_ALL if one != "429")

SEGMENT = (
    Client("segment-analytics-python", "2.4.0", "segment_python"),
    Client("segment-analytics-python", "2.4.0", "segment_python", mode="gzip"),
    Client("@segment/analytics-node", "3.1.0", "segment_node", where="node"),
    Client("analytics-node", "6.2.0", "analytics_node", where="node"),
    replace(
        _browser("@segment/analytics-next", "1.84.3", "analytics_next", "single", "screen"),
        late_user=True,
    ),
    _browser("@segment/analytics-next", "1.84.3", "analytics_next", "batching", "screen"),
    replace(
        _browser("@customerio/cdp-analytics-browser", "0.5.11", "customerio_browser", "single"),
        faults=("pass", "restart", "pass", "reset", "pass", "slow"),
        late_user=True,
        note="takes any answer for a yes",
    ),
    replace(
        _browser("@customerio/cdp-analytics-browser", "0.5.11", "customerio_browser", "batching"),
        faults=("pass", "slow", "reset"),
        patient=True,
        note="never repeats",
    ),
    replace(
        _browser("@june-so/analytics-next", "2.0.0", "june_browser", "single"),
        faults=("pass", "restart", "pass", "reset", "pass", "slow"),
        late_user=True,
        note="takes any answer for a yes",
    ),
)
RUDDERSTACK = (
    Client("rudder-sdk-python", "2.1.9", "rudder_python"),
    Client("rudder-sdk-python", "2.1.9", "rudder_python", mode="gzip"),
    Client("@rudderstack/rudder-sdk-node", "3.0.13", "rudder_node", where="node"),
    Client("@rudderstack/rudder-sdk-node", "3.0.13", "rudder_node", where="node", mode="gzip"),
    *(
        Client(
            "@rudderstack/analytics-js",
            "3.34.1",
            "rudder_browser",
            mode=mode,
            kinds=BROWSER,
            where="browser",
        )
        for mode in ("single", "batch")
    ),
    Client(
        "@rudderstack/analytics-js",
        "3.34.1",
        "rudder_browser",
        mode="beacon",
        kinds=BROWSER,
        where="browser",
        faults=("pass", "slow", "reset"),
        patient=True,
        note="never repeats",
    ),
)
JITSU = (
    Client(
        "@jitsu/js",
        "1.11.0",
        "jitsu_node",
        kinds=BROWSER,
        where="node",
        faults=("pass", "slow", "reset"),
        patient=True,
        note="never repeats",
    ),
    Client("@jitsu/sdk-js", "3.1.5", "jitsu_three", NO_GROUPS, where="browser"),
)
POSTHOG_SDKS = (
    Client("posthog (Python)", "7.91.1", "posthog_python", POSTHOG, mode="v0"),
    Client("posthog (Python)", "7.91.1", "posthog_python", POSTHOG, mode="v1"),
    Client("posthog-node", "5.70.0", "posthog_node", POSTHOG, where="node"),
    Client(
        "posthog-js",
        "1.449.2",
        "posthog_browser",
        kinds=(*BROWSER, "screen"),
        where="browser",
        faults=WITHOUT_429,
        note="drops at 429",
    ),
    replace(
        _browser("posthog-js", "1.449.2", "posthog_newcomer", "newcomer"),
        faults=("pass", "503"),
        captures=(None, "$autocapture"),
        note="nothing is set but the address",
    ),
)
SNOWPLOW = (
    _snowplow("snowplow-tracker (Python)", "1.1.0", "snowplow_python"),
    _snowplow("snowplow-tracker (Python)", "1.1.0", "snowplow_python", mode="get"),
    _snowplow("@snowplow/node-tracker", "4.8.0", "snowplow_node", where="node"),
    _snowplow("@snowplow/node-tracker", "4.8.0", "snowplow_node", where="node", mode="get"),
    _snowplow("@snowplow/browser-tracker", "4.8.0", "snowplow_browser", where="browser"),
)
SAYS_WHO = ("identify", "track")
OTHERS = (
    Client(
        "mixpanel",
        "5.4.1",
        "mixpanel_python",
        SAYS_WHO,
        faults=tuple(one for one in SURVIVES_ALL if one != "reset"),
        secure=True,
        note="gives up half an answer, and at http all that fails",
    ),
    Client(
        "amplitude-analytics",
        "1.3.0",
        "amplitude_python",
        SAYS_WHO,
        faults=("pass", "503", "pass", "429", "slow", "500"),
        note="drops what was on a lost connection",
    ),
    Client(
        "customerio",
        "3.2.0",
        "customerio_python",
        SAYS_WHO,
        faults=("pass", "slow"),
        note="repeats nothing",
    ),
    Client(
        "mixpanel-browser",
        "2.83.0",
        "mixpanel_browser",
        NO_GROUPS,
        mode="newcomer",
        where="browser",
        faults=("pass", "503", "pass", "429", "slow", "500"),
        captures=(None, "$mp_click"),
        note="takes a lost connection for a yes",
    ),
    replace(
        _browser("@amplitude/analytics-browser", "2.48.1", "amplitude_browser", "newcomer"),
        captures=(None, "session_start", "[Amplitude] Element Clicked"),
    ),
)
FAMILIES: tuple[tuple[Client, ...], ...] = (
    *(SEGMENT, RUDDERSTACK, JITSU, POSTHOG_SDKS, SNOWPLOW),
    OTHERS,
)
CLIENTS: tuple[Client, ...] = tuple(client for family in FAMILIES for client in family)
# One of each family, in another language or mode each: all are in `make sdk-table`.
SHORT = {
    "@segment/analytics-next (single)",
    "rudder-sdk-python (gzip)",
    "@jitsu/js (json)",
    "posthog-js (newcomer)",
    "@snowplow/node-tracker (post)",
    "mixpanel (json)",
}
