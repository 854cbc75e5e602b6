"""What /metrics says, as people read it."""

from __future__ import annotations

from prometheus_client.exposition import generate_latest

from proxy.telemetry.exposition import quantile, read
from proxy.telemetry.families import CallFamilies, Totals, registry_of

BUCKET = '{"le": "%s", "model": "m", "operation": "chat", "provider": "p"}'


def test_what_we_render_is_read_back() -> None:
    totals = Totals()
    name = "dashcam_request_duration_seconds"
    totals.seed(
        {
            ("dashcam_requests_total", '{"outcome": "completed"}'): 4.0,
            (f"{name}_bucket", BUCKET % "0.1"): 1.0,
            (f"{name}_bucket", BUCKET % "0.5"): 3.0,
            (f"{name}_sum", BUCKET.replace('"le": "%s", ', "")): 1.2,
        }
    )
    found = read(generate_latest(registry_of(CallFamilies(totals))).decode())
    calls = next(item for item in found if item.name == "dashcam_requests_total")
    assert (dict(calls.labels), calls.value, calls.count) == ({"outcome": "completed"}, 4.0, None)
    took = next(item for item in found if item.name == name)
    assert (took.count, took.value) == (4.0, 0.3)
    assert took.p50 is not None
    assert 0.25 < took.p50 < 0.5


def test_a_quantile_is_within_its_bucket_or_at_the_last_bound() -> None:
    buckets = [(1.0, 2.0), (2.0, 4.0), (float("inf"), 5.0)]
    assert quantile(buckets, 0.4) == 1.0
    assert quantile(buckets, 0.6) == 1.5
    assert quantile(buckets, 0.99) == 2.0
    assert quantile([(1.0, 0.0), (float("inf"), 0.0)], 0.5) is None
