"""Counting requests by route, method and status."""

from prometheus_client import CollectorRegistry

from rapport_common.http_metrics import HttpMetrics

SECONDS = "rapport_http_request_duration_seconds"


def test_what_was_observed_is_shown() -> None:
    registry, http = CollectorRegistry(), HttpMetrics()
    registry.register(http)
    for status, seconds in ((200, 0.001), (200, 0.0011), (503, 20.0)):
        http.observe("ingest", "/v1/track", "POST", status, seconds)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(
            name, {"service": "ingest", "route": "/v1/track", **labels}
        )

    assert value("rapport_http_requests_total", method="POST", code="200") == 2
    assert value("rapport_http_requests_total", method="POST", code="503") == 1
    assert value(f"{SECONDS}_bucket", le="0.001") == 1
    assert value(f"{SECONDS}_bucket", le="0.0025") == 2
    assert value(f"{SECONDS}_bucket", le="10.0") == 2
    assert value(f"{SECONDS}_bucket", le="+Inf") == value(f"{SECONDS}_count") == 3
    assert value(f"{SECONDS}_sum") == 0.001 + 0.0011 + 20.0


def test_strange_methods_are_one() -> None:
    registry, http = CollectorRegistry(), HttpMetrics()
    registry.register(http)
    for number in range(100):
        http.observe("ingest", "/v1/track", f"METHOD{number}", 405, 0.1)
    labels = {"service": "ingest", "route": "/v1/track", "method": "other", "code": "405"}
    assert registry.get_sample_value("rapport_http_requests_total", labels) == 100
