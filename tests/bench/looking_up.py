"""People are looked up at a rate, by a process of its own, while something else is measured."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import urlencode

from tests.bench import people

OK = 200
PATIENCE_SECONDS = 30.0
CONNECTIONS = 10
"""Who waits long for an answer keeps the others from nothing."""


@dataclass(frozen=True)
class Asking:
    """Whom to ask, how often a second, and among how many `people`; `token` is an operator's."""

    host: str
    port: int
    token: str
    people: int
    rate: float


@contextmanager
def asked(asking: Asking) -> Iterator[list[float]]:
    """Look people up while the block runs; afterwards the list has the seconds of each answer.

    In a process of its own: what the block does would keep a thread from reading its answers. A
    request is due at a fixed time, and its seconds count from then, as they do for who waits.
    """
    ours, theirs = (context := get_context("spawn")).Pipe()
    asker = context.Process(target=_ask, args=(asking, theirs))
    asker.start()
    answers: list[float] = []
    try:
        ours.recv()  # it has begun
        yield answers
        ours.send(None)
        answers += ours.recv()
    finally:
        asker.join(PATIENCE_SECONDS)
        asker.kill()


def _ask(asking: Asking, told: Connection) -> None:
    stop, answers = threading.Event(), list[float]()
    askers = [
        threading.Thread(target=_ask_in_turn, args=(asking, number, stop, answers))
        for number in range(CONNECTIONS)
    ]
    for one in askers:
        one.start()
    told.send(None)
    told.recv()
    stop.set()
    for one in askers:
        one.join()
    told.send(answers)


def _ask_in_turn(asking: Asking, number: int, stop: threading.Event, answers: list[float]) -> None:
    """Ask over one connection, its share of the rate; ends with an error of its own."""
    connection = http.client.HTTPConnection(asking.host, asking.port, timeout=PATIENCE_SECONDS)
    headers = {"Authorization": f"Bearer {asking.token}"}
    chance, period = random.Random(number), CONNECTIONS / asking.rate
    due = time.perf_counter() + period * number / CONNECTIONS
    while not stop.wait(max(0.0, due - time.perf_counter())):
        kind, value = chance.choice(people.customer(chance.randrange(asking.people)))
        path = f"/v1/profiles?{urlencode({'kind': kind, 'value': value})}"
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != OK:
            message = f"looking up {kind} {value}: {answer.status}"
            raise RuntimeError(message)
        answers.append(time.perf_counter() - due)
        due += period
