"""How many requests were answered, and how long each took."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override

from rapport_common.metrics import LATENCY_BUCKETS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LABELS = ("service", "route", "method", "code")
_BOUNDS = (*map(floatToGoString, LATENCY_BUCKETS), "+Inf")

Key = tuple[str, str, str, int]
"""Service, route template, method and status."""


class _Times:
    """Seconds of requests alike: their sum, and how many ended in each bucket alone."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BOUNDS)
        self.total = 0.0


class HttpMetrics(Collector):
    """Counts requests in plain numbers, for one thread to write: prometheus-client's own take
    a lock for each of four numbers, which was a twentieth of the cost of a request.
    """

    def __init__(self) -> None:
        self._times: dict[Key, _Times] = {}

    def observe(self, service: str, route: str, method: str, status: int, seconds: float) -> None:
        """A request has been answered; `route` is a template, never the path as it was sent."""
        found = self._times.get((service, route, method, status))
        if found is None:
            # Methods are a client's choice: strange ones must not become endless labels.
            shown = method if method in METHODS else "other"
            found = self._times.setdefault((service, route, shown, status), _Times())
        found.total += seconds
        found.buckets[bisect_left(LATENCY_BUCKETS, seconds)] += 1

    @override
    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("rapport_http_requests", "Requests answered.", labels=LABELS)
        durations = HistogramMetricFamily(
            "rapport_http_request_duration_seconds",
            "Time from the first byte of a request to the end of its answer.",
            labels=LABELS[:2],
        )
        routes: dict[tuple[str, str], _Times] = {}
        for (service, route, method, status), times in list(self._times.items()):
            requests.add_metric([service, route, method, str(status)], sum(times.buckets))
            whole = routes.setdefault((service, route), _Times())
            whole.total += times.total
            whole.buckets = [sum(two) for two in zip(whole.buckets, times.buckets, strict=True)]
        for labels, times in routes.items():
            durations.add_metric(labels, _cumulated(times.buckets), times.total)
        yield requests
        yield durations


def _cumulated(buckets: list[int]) -> list[tuple[str, int]]:
    below = 0
    found = []
    for bound, count in zip(_BOUNDS, buckets, strict=True):
        below += count
        found.append((bound, below))
    return found


HTTP = HttpMetrics()
REGISTRY.register(HTTP)
