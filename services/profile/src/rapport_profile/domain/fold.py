"""The fold: what a set of events amounts to, whatever order they came in.

Every part is a join (latest by stamp, minimum, maximum) or a sum over distinct events, so
`merge` is commutative and associative, and folding an event is merging the fold of that event
alone. A profile is the merge of its identifiers' folds: joining two people rewrites nothing.

What can grow without end is bounded by `trim` to the newest (`bounds.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from rapport_common.events.profile import ComputedState, ConsentState
from rapport_profile.domain import bounds, point_states, rectifications, sections
from rapport_profile.domain.bounds import Spilled
from rapport_profile.domain.cases import Case, put_case
from rapport_profile.domain.consent_rules import judged_anew
from rapport_profile.domain.consents import Consent, Subject, consent_state, consent_worth
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.orders import Order, Statement, add, merged, net
from rapport_profile.domain.point_states import Standing, with_states
from rapport_profile.domain.reach import Point, Reach, as_told, current_points, reachable
from rapport_profile.domain.rectifications import Rectified, reach_right, traits_right
from rapport_profile.domain.restraints import Restrained, hear, keep_newest
from rapport_profile.domain.stamps import earlier, later
from rapport_profile.domain.telling import Telling
from rapport_profile.domain.traits import Trait

TRAIT = "trait"
CONSENT = "consent"

_NULL = b"null"
_OVERHEAD = 6
_CONSENT_SIZE = 200


class Fold(msgspec.Struct, omit_defaults=True):
    """What the events folded so far amount to.

    `orders` and `revenue` are the totals; `purchases` are the newest orders by id, and the two
    times are of the orders that are not among those. `refunds` name no order. Consent keys are
    (channel, purpose, point) JSON. `hidden` counts what `trim` took out. `traits` and `reach` are
    what was said; `rectified` and `standings` (by contact point) lie over them.
    """

    events: int = 0
    orders: int = 0
    revenue: dict[str, Decimal] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    traits: dict[str, Trait] = {}
    consents: dict[str, Consent] = {}
    cases: dict[str, Case] = {}
    restraints: dict[str, Restrained] = {}
    rectified: dict[str, Rectified] = {}
    purchases: dict[str, Order] = {}
    refunds: dict[str, Decimal] = {}
    reach: dict[str, Reach] = {}
    standings: dict[str, Standing] = {}
    hidden_traits: list[int] = []
    hidden_consents: list[int] = []

    # --- taking in ---------------------------------------------------------------------------

    def take(self, told: Telling) -> int:
        """Fold one more event in; of traits and consents `trim` keeps the bounds.

        Which sections are not as they were is found by what the event tells: what is known is
        not compared, for it may be long.
        """
        changed = sections.COMPUTED
        self.events += 1
        if told.standing is not None:
            changed |= self._take_standing(*told.standing)
        if told.restraint is not None:
            return changed | hear(self.restraints, dict([told.restraint]))
        if told.rectified is not None:
            return changed | self._put_right(*told.rectified)
        if not told.unseen:
            self._see(told.at)
        if told.order is not None:
            self._take_order(told.order)
            self._trim_orders()
        elif told.traits:
            changed |= self._take_traits(told.traits)
        elif told.consent is not None:
            changed |= self._take_consent(*told.consent)
        elif told.case is not None:
            case_id, is_open, step = told.case
            put_case(self.cases, case_id, Case(is_open, told.stamp, step))
            self._trim_cases()
        return changed | self._hear(told.reach) if told.reach else changed

    def _see(self, at: datetime) -> None:
        """The person did something then: a mail that they got is no sign of them."""
        if self.first_seen_at is None or at < self.first_seen_at:
            self.first_seen_at = at
        if self.last_seen_at is None or at > self.last_seen_at:
            self.last_seen_at = at

    def _take_traits(self, said: Mapping[str, Trait]) -> int:
        changed = sections.TRAITS if self.hidden_traits else 0
        for name, trait in said.items():
            known = self.traits.get(name)
            now = self.traits[name] = trait if known is None else known.join(trait)
            if now is not known and (known is None or bytes(known.value) != bytes(now.value)):
                changed = sections.TRAITS
        return changed

    def _take_standing(self, point: str, said: Standing) -> int:
        before = self.contact_points()
        point_states.hear(self.standings, {point: said})
        return 0 if self.contact_points() == before else sections.CONTACT_POINTS

    def _put_right(self, name: str, said: Rectified) -> int:
        traits, points = bytes(self.visible_traits()), as_told(self.contact_points())
        permitted = self.consent_states()
        rectifications.hear(self.rectified, {name: said})
        changed = 0 if bytes(self.visible_traits()) == traits else sections.TRAITS
        if as_told(self.contact_points()) != points:
            changed |= sections.CONTACT_POINTS
        return changed if self.consent_states() == permitted else changed | sections.CONSENT

    def _take_consent(self, key: str, said: Consent) -> int:
        known = self.consents.get(key)
        if known is None:
            self.consents[key] = said
            return sections.CONSENT
        now = self.consents[key] = known.join(said)
        points = reachable(self.contact_points())
        same = consent_state(key, known, points) == consent_state(key, now, points)
        return sections.CONSENT if self.hidden_consents or not same else 0

    def _hear(self, said: Mapping[str, Reach]) -> int:
        """Take in where the person is reached, on which the word of public sources depends."""
        for channel, one in said.items():
            if not one.says_again(self.reach.get(channel)):
                break
        else:
            # Most events name the address again.
            self._take_reach(said)
            return 0
        before = self.contact_points()
        permitted = self.consent_states()
        self._take_reach(said)
        if as_told(before) == as_told(self.contact_points()):
            return 0
        same = permitted == self.consent_states()
        return sections.CONTACT_POINTS | (0 if same else sections.CONSENT)

    def _take_reach(self, said: Mapping[str, Reach]) -> None:
        for channel, reach in said.items():
            known = self.reach.get(channel)
            self.reach[channel] = reach if known is None else known.join(reach)

    def _take_order(self, said: Statement) -> None:
        if said.order_id is not None:
            self._take_purchase(said.order_id, said.order)
            return
        # Without an id: an order of its own; a refund of we don't know which.
        if said.order.counts:
            self._count(said.order, 1)
            self._note_times(said.order.at)
        add(self.refunds, said.order.refunds)

    def _take_purchase(self, order_id: str, order: Order) -> None:
        known = self.purchases.get(order_id)
        if known is not None:
            self._count(known, -1)
            if order.price is not None:
                # It may be one that does not count: its digits behind the point do.
                add(self.revenue, {order.price.currency: order.price.amount * 0})
            order = merged(known, order)
        self._count(order, 1)
        self.purchases[order_id] = order

    def _count(self, order: Order, sign: int) -> None:
        self.orders += sign * order.counts
        price = order.price
        if price is not None:
            known = self.revenue.get(price.currency)
            worth = sign * order.worth(price)
            self.revenue[price.currency] = worth if known is None else known + worth

    def _note_times(self, at: datetime | None) -> None:
        self.first_order_at = earlier(self.first_order_at, at)
        self.last_order_at = later(self.last_order_at, at)

    def _take_consents(self, consents: dict[str, Consent]) -> None:
        for name, consent in consents.items():
            known = self.consents.get(name)
            self.consents[name] = consent if known is None else known.join(consent)

    def join(self, other: "Fold") -> None:
        """Take everything of another fold in; the two must have no event in common."""
        self.events += other.events
        self.orders += other.orders
        add(self.revenue, other.revenue)
        add(self.refunds, other.refunds)
        self._note_times(other.first_order_at)
        self._note_times(other.last_order_at)
        self.first_seen_at = earlier(self.first_seen_at, other.first_seen_at)
        self.last_seen_at = later(self.last_seen_at, other.last_seen_at)
        for name, trait in other.traits.items():
            present = self.traits.get(name)
            self.traits[name] = trait if present is None else present.join(trait)
        for name, case in other.cases.items():
            put_case(self.cases, name, case)
        for order_id, order in other.purchases.items():
            if order_id in self.purchases:
                # Counted on both sides: once it is the same order.
                self._count(order, -1)
                self._take_purchase(order_id, order)
            else:
                self.purchases[order_id] = order
        hear(self.restraints, other.restraints)
        rectifications.hear(self.rectified, other.rectified)
        point_states.hear(self.standings, other.standings)
        self._take_consents(other.consents)
        self._take_reach(other.reach)
        if other.hidden_traits:
            self.hidden_traits = sorted({*self.hidden_traits, *other.hidden_traits})
        if other.hidden_consents:
            self.hidden_consents = sorted({*self.hidden_consents, *other.hidden_consents})

    def weighed_anew(self, judge: Judge) -> "Fold":
        """The same by these rules, as far as it is known what was said of traits and consents."""
        weighed = {name: judge.traits.anew(name, one) for name, one in self.traits.items()}
        traits = {name: one for name, one in weighed.items() if one is not None}
        right = {
            id_: rectifications.weighed(one, judge.traits) for id_, one in self.rectified.items()
        }
        consents = {key: _anew(judge, key, one) for key, one in self.consents.items()}
        return msgspec.structs.replace(self, traits=traits, consents=consents, rectified=right)

    # --- bounds ------------------------------------------------------------------------------

    def trim(self) -> list[Spilled]:
        """Keep the newest of what can grow without end; the traits and consents that gave way."""
        self.trim_short()
        return [*self._trim_traits(), *self._trim_consents()]

    def trim_short(self) -> None:
        """Keep the newest cases and orders."""
        self._trim_cases()
        self._trim_orders()
        keep_newest(self.restraints)
        rectifications.keep_newest(self.rectified)
        point_states.keep_newest(self.standings)

    @property
    def hides_nothing(self) -> bool:
        """Whether all traits and consents that were ever folded in are there."""
        return not (self.hidden_traits or self.hidden_consents)

    def weight(self) -> int:
        """About how many bytes the traits and consents have, as they are published."""
        traits = sum(_size(name, one) + _OVERHEAD for name, one in self.known_traits().items())
        return traits + _CONSENT_SIZE * len(self.consents)

    def _trim_cases(self) -> None:
        for name in bounds.oldest_beyond(
            self.cases,
            bounds.MAX_CASES,
            lambda name: (self.cases[name].is_open, self.cases[name].stamp.at, name),
        ):
            del self.cases[name]

    def _trim_traits(self) -> list[Spilled]:
        names = self._surplus_traits()
        gone = [(name, self.traits.pop(name)) for name in names]
        if gone or self.hidden_traits:
            self.hidden_traits = bounds.left_out(self.hidden_traits, names, self.traits)
        return [Spilled(TRAIT, name, one.stamp.at, one.value) for name, one in gone]

    def _trim_consents(self) -> list[Spilled]:
        if len(self.consents) <= bounds.MAX_CONSENTS and not self.hidden_consents:
            return []
        points = reachable(self.contact_points())
        names = bounds.oldest_beyond(
            self.consents,
            bounds.MAX_CONSENTS,
            lambda name: (consent_worth(name, self.consents[name], points), name),
        )
        gone = [(name, self.consents.pop(name)) for name in names]
        self.hidden_consents = bounds.left_out(self.hidden_consents, names, self.consents)
        return [
            Spilled(CONSENT, name, one.at, msgspec.Raw(msgspec.json.encode(one)))
            for name, one in gone
        ]

    def _trim_orders(self) -> None:
        if len(self.purchases) <= bounds.MAX_ORDERS:
            return
        for name in bounds.oldest_beyond(
            self.purchases, bounds.MAX_ORDERS, lambda name: (self.purchases[name].touched, name)
        ):
            order = self.purchases.pop(name)
            if order.counts:
                self._note_times(order.at)

    def _surplus_traits(self) -> list[str]:
        """The traits beyond the bounds of number and size, the oldest."""
        size = sum(_size(name, one) for name, one in self.traits.items())
        if len(self.traits) <= bounds.MAX_TRAITS and size <= bounds.MAX_TRAIT_BYTES:
            return []
        names = sorted(self.traits, key=self._outlives)
        kept = size
        for at, name in enumerate(names):
            if len(names) - at <= bounds.MAX_TRAITS and kept <= bounds.MAX_TRAIT_BYTES:
                return names[:at]
            kept -= _size(name, self.traits[name])
        return names

    def _outlives(self, name: str) -> tuple[bool, datetime, str]:
        """A sort key: what gives way first. What has a rule of its own does so last."""
        one = self.traits[name]
        return (one.rank is not None, one.stamp.at, name)

    # --- telling -----------------------------------------------------------------------------

    def known_traits(self) -> Mapping[str, Trait]:
        """What is known of each trait at hand: what was put right, else what was said."""
        return traits_right(self.traits, self.rectified)

    def visible_traits(self) -> msgspec.Raw:
        """The traits as one JSON object in the order of their names; a null is no trait."""
        known = self.known_traits()
        shown = {
            name: known[name].value for name in sorted(known) if bytes(known[name].value) != _NULL
        }
        return msgspec.Raw(msgspec.json.encode(shown))

    def computed(self) -> ComputedState:
        """The aggregates."""
        first, last = self.first_order_at, self.last_order_at
        for order in self.purchases.values():
            at = order.at
            if at is None or (first is not None and last is not None and first <= at <= last):
                continue
            if order.cancelled:
                continue
            if first is None or at < first:
                first = at
            if last is None or at > last:
                last = at
        return ComputedState(
            events=self.events,
            orders=self.orders,
            revenue={
                name: format(amount, "f")
                for name, amount in sorted(net(self.revenue, self.refunds).items())
            },
            first_order_at=first,
            last_order_at=last,
            first_seen_at=self.first_seen_at,
            last_seen_at=self.last_seen_at,
            open_cases=sum(one.is_open for one in self.cases.values()),
        )

    def seen_again(self, known: ComputedState) -> ComputedState:
        """The aggregates after an event that is about no order and no case."""
        return ComputedState(
            events=self.events,
            orders=known.orders,
            revenue=known.revenue,
            first_order_at=known.first_order_at,
            last_order_at=known.last_order_at,
            first_seen_at=self.first_seen_at,
            last_seen_at=self.last_seen_at,
            open_cases=known.open_cases,
        )

    def contact_points(self) -> list[Point]:
        """Where the person is reached now, see `current_points`."""
        points = current_points(reach_right(self.reach, self.rectified))
        return with_states(points, self.standings)

    def consent_states(self) -> list[ConsentState]:
        """What holds per contact point, channel and purpose, in a fixed order."""
        if not self.consents:
            return []
        points = reachable(self.contact_points())
        found = (consent_state(name, one, points) for name, one in sorted(self.consents.items()))
        return [one for one in found if one is not None]


def _anew(judge: Judge, key: str, known: Consent) -> Consent:
    channel, purpose, _point = msgspec.json.decode(key, type=Subject)
    return judged_anew(judge.consents.of(purpose), channel, known)


def _size(name: str, trait: Trait) -> int:
    """Bytes of a trait in a JSON object."""
    return len(name.encode()) + len(trait.value) + len('"":,')
