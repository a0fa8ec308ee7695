"""Searches of the log while Kafka stands still: answered, bounded, and nothing of them is left."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from tests.support.loopback import NOBODY
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace

from rapport_common.kafka.producer import CLIENTS
from rapport_local.credentials import operator_token
from rapport_local.stack import Stack

pytestmark = [pytest.mark.faults]

SEARCHES = 12


def workers(stack: Stack) -> int:
    """How many processes ingest has, the parent not counted if it has children."""
    return max(1, len(psutil.Process(stack.pid("ingest")).children(recursive=True)))


def clients(stack: Stack) -> int:
    """How many connections to Kafka ingest's processes have."""
    parent = psutil.Process(stack.pid("ingest"))
    port = stack.config.ports.kafka
    open_ones = [
        one
        for process in (parent, *parent.children(recursive=True))
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.raddr
    ]
    return sum(one.raddr.port == port for one in open_ones)


def test_nothing_is_left_of_searches_while_kafka_stands_still(
    stack: Stack, workspace: Workspace
) -> None:
    workspace.order("mara", "12.30", messageId="sent-before")
    headers = {"Authorization": f"Bearer {operator_token(stack.credentials().secret)}"}
    # A producer makes its second client when flushes first overlap, which may be any time.
    usual = clients(stack) + CLIENTS * workers(stack)
    assert usual < SEARCHES + clients(stack), "what searches leave would not be seen"

    def search(number: int) -> int:
        path = f"{stack.url('ingest')}/v1/events/nothing-{number}"
        return httpx.get(path, headers=headers, timeout=HANG_SECONDS, verify=NOBODY).status_code

    with ThreadPoolExecutor(SEARCHES) as crowd:
        searching = [crowd.submit(search, number) for number in range(SEARCHES)]
        kafka = stack.kill("kafka", signal.SIGSTOP)
        try:
            statuses = {one.result() for one in searching}
            statuses |= set(crowd.map(search, range(SEARCHES)))
        finally:
            os.kill(kafka, signal.SIGCONT)
    assert statuses <= {404, 429, 503}
    assert 503 in statuses
    until("no client more than before", lambda: clients(stack) <= usual)
    until("an answer again", lambda: search(0) == 404)
