"""Which records are sent together: nothing is lost, and each key keeps the order of its calls."""

import asyncio
from collections import defaultdict
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.kafka.grouping import Entry, Flight, Grouping

KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])


class Note(NamedTuple):
    """A record; its value is its number in the order of all calls."""

    key: bytes
    value: bytes


class Course:
    """Calls and flights as they happen, and what each key's records went out as."""

    def __init__(self) -> None:
        self.group: Grouping[Note] = Grouping()
        self.flights: list[Flight[Note]] = []
        self.put: dict[bytes, list[int]] = defaultdict(list)
        self.sent: dict[bytes, list[int]] = defaultdict(list)
        self.count = 0

    def call(self, keys: list[bytes]) -> None:
        notes = []
        for key in keys:
            self.count += 1
            self.put[key].append(self.count)
            notes.append(Note(key, str(self.count).encode()))
        self.group.put(Entry(notes, asyncio.Future(loop=LOOP), 10.0))

    def take(self) -> None:
        flight = self.group.take(0.0)
        if flight is None:
            return
        for other in self.flights:
            assert flight.keys.isdisjoint(other.keys)
        self.flights.append(flight)
        for entry in flight.entries:
            for note in entry.records:
                self.sent[note.key].append(int(note.value))

    def land(self, number: int) -> None:
        if self.flights:
            self.group.land(self.flights.pop(number % len(self.flights)))


LOOP = asyncio.new_event_loop()
STEPS = st.lists(
    st.one_of(
        st.lists(KEYS, min_size=1, max_size=3),
        st.just("take"),
        st.integers(min_value=0, max_value=3),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_key_goes_out_in_the_order_of_the_calls(steps: list[list[bytes] | str | int]) -> None:
    course = Course()
    for step in steps:
        if isinstance(step, list):
            course.call(step)
        elif isinstance(step, int):
            course.land(step)
        else:
            course.take()
    while course.flights:
        course.land(0)
    course.take()
    # Nothing is on its way that could hold anything up, so all of it is out.
    assert course.sent == course.put
    assert course.group.waiting == 0


def test_who_waits_for_a_key_is_not_overtaken_by_who_comes_later() -> None:
    course = Course()
    course.call([b"a"])
    course.take()
    course.call([b"a", b"b"])
    course.call([b"b"])
    course.call([b"c"])
    course.take()
    assert [one.keys for one in course.flights] == [{b"a"}, {b"c"}]
    course.land(0)
    course.take()
    assert course.sent[b"b"] == [3, 4]


def test_what_was_given_up_is_not_sent_and_what_was_sent_is_counted() -> None:
    course = Course()
    course.call([b"a"])
    course.take()
    course.call([b"b"])
    late = course.group.late(10.0)
    assert len(late) == 2
    for one in late:
        one.future.set_exception(TimeoutError())
        one.future.exception()
    assert course.group.late(10.0) == []
    course.group.tidy()
    assert (course.group.waiting, course.group.abandoned) == (0, 1)
    course.land(0)
    assert course.group.abandoned == 0
