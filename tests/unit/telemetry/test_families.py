"""What /metrics renders, and that Prometheus' own linter has nothing to say about it."""

from __future__ import annotations

import shutil
import subprocess

import orjson
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proxy.control.metrics import ledger_gauges
from proxy.control.page_gauges import page_gauges
from proxy.loader.ledger import balance
from proxy.spool.page import Page
from proxy.telemetry import families
from proxy.telemetry.families import CallFamilies, GaugeFamilies, Totals, bound_label, registry_of

PLACE = {"provider": "openai", "model": "gpt-4o-mini"}


def key(family: str, **labels: str) -> tuple[str, str]:
    return family, orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def rendered(totals: Totals) -> str:
    return generate_latest(registry_of(CallFamilies(totals))).decode()


def seeded() -> Totals:
    totals = Totals()
    totals.seed(
        {
            key("dashcam_tokens_total", **PLACE, type="input"): 11.0,
            key("dashcam_time_to_first_token_seconds_bucket", **PLACE, le="0.1"): 2.0,
            key("dashcam_time_to_first_token_seconds_bucket", **PLACE, le="+Inf"): 1.0,
            key("dashcam_time_to_first_token_seconds_sum", **PLACE): 61.5,
        }
    )
    return totals


def samples(text: str, family: str) -> dict[str, float]:
    return {
        sample.name + "".join(f" {value}" for name, value in sorted(sample.labels.items()) if name in ("type", "le")):
            sample.value
        for found in text_string_to_metric_families(text)
        if found.name == family
        for sample in found.samples
    }  # fmt: skip


def test_nothing_is_rendered_before_the_totals_are_known() -> None:
    assert rendered(Totals()) == ""


def test_counters_go_on_where_the_store_left_off() -> None:
    totals = seeded()
    totals.add({key("dashcam_tokens_total", **PLACE, type="input"): 4.0})
    assert samples(rendered(totals), "dashcam_tokens") == {"dashcam_tokens_total input": 15.0}


def test_buckets_are_cumulative_and_carry_sum_and_count() -> None:
    found = samples(rendered(seeded()), "dashcam_time_to_first_token_seconds")
    name = "dashcam_time_to_first_token_seconds"
    assert found[f"{name}_bucket 0.05"] == 0
    assert found[f"{name}_bucket 0.1"] == found[f"{name}_bucket 60.0"] == 2
    assert found[f"{name}_bucket +Inf"] == found[f"{name}_count"] == 3
    assert found[f"{name}_sum"] == 61.5


def test_all_families_are_there_before_the_first_call() -> None:
    totals = Totals()
    totals.seed({})
    names = {family.name for family in text_string_to_metric_families(rendered(totals))}
    wanted = {*families.HISTOGRAMS, *(name.removesuffix("_total") for name in families.COUNTERS)}
    assert wanted <= names


def test_beyond_the_cap_new_series_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "MAX_SERIES", 5)
    totals = seeded()
    totals.add({key("dashcam_requests_total", provider=str(number)): 1.0 for number in range(3)})
    totals.add({key("dashcam_tokens_total", **PLACE, type="input"): 4.0})
    assert samples(rendered(totals), "dashcam_series_refused") == {"dashcam_series_refused_total": 2.0}
    assert samples(rendered(totals), "dashcam_tokens") == {"dashcam_tokens_total input": 15.0}


def test_bounds_are_written_as_prometheus_writes_them() -> None:
    assert [bound_label(bound) for bound in (0.1, 1, None)] == ["0.1", "1.0", "+Inf"]


def everything() -> bytes:
    account = {**balance([]), "pending_bytes": 0, "oldest_pending_seconds": 0.0, "loader_lag_seconds": 0.0}
    page = dict.fromkeys(("in_flight", "open_streams", "appended_records", "append_ns_total"), 1)
    gauges = GaugeFamilies(lambda: [*page_gauges([page]), *ledger_gauges(account)])
    return generate_latest(registry_of(CallFamilies(seeded()), gauges))


def test_gauges_and_counters_are_told_by_their_names() -> None:
    kinds = {found.name: found.type for found in text_string_to_metric_families(everything().decode())}
    assert kinds["dashcam_in_flight_requests"] == "gauge"
    assert kinds["dashcam_records_dropped"] == "counter"


def test_every_page_slot_that_is_shown_exists() -> None:
    slots = {name.lower() for name in vars(Page) if name.isupper()}
    shown = {"in_flight", "open_streams", "appended_records", "append_ns_total", "append_ns_max", "fsync_ns_max"}
    assert shown | {"degraded", "slow_loop_ns_max", "snapshot_revision"} <= slots


@pytest.mark.parametrize("promtool", [path] if (path := shutil.which("promtool")) else [])
def test_promtool_finds_nothing(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "metrics"], input=everything(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
