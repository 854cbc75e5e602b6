"""Gauges out of the pages of all gateways."""

from __future__ import annotations

from dataclasses import fields

from proxy.control.page_gauges import page_gauges
from proxy.domain.provider import Provider
from proxy.settings.values import LimitSettings, RecordingSettings
from proxy.spool.page import LIMITS


def test_gateways_are_summed_and_the_worst_is_shown() -> None:
    pages = [
        {
            "in_flight": 2,
            "appended_records": 10,
            "append_ns_total": 10_000,
            "slow_loop_ns_max": 5,
            "snapshot_revision": 4,
        },
        {
            "in_flight": 3,
            "appended_records": 10,
            "append_ns_total": 30_000,
            "slow_loop_ns_max": 9,
            "snapshot_revision": 3,
        },
    ]
    found = {name: value for name, _, value, _ in page_gauges(pages)}
    assert found["dashcam_in_flight_requests"] == 5
    assert found["dashcam_spool_append_seconds"] == 2e-6
    assert found["dashcam_loop_stall_max_seconds"] == 9e-9
    assert (found["dashcam_snapshot_revision"], found["dashcam_gateways"]) == (3, 2)


def test_without_a_gateway_there_is_nothing_to_divide_by() -> None:
    assert {value for _, _, value, _ in page_gauges([])} == {0.0}


def test_each_limit_is_told_by_the_name_of_its_setting_also_one_that_never_struck() -> None:
    pages = [{"limit_in_flight": 2, "held_bytes": 10, "upstream_busy": 1}, {"limit_in_flight": 3, "upstream_idle": 4}]
    gauges = list(page_gauges(pages))
    struck = {labels["limit"]: value for name, _, value, labels in gauges if name == "dashcam_limit_reached_total"}
    assert struck == {**dict.fromkeys(LIMITS, 0.0), "in_flight": 5.0}
    known = {item.name for kind in (LimitSettings, RecordingSettings, Provider) for item in fields(kind)}
    assert set(LIMITS) - known == {"control_calls"}
    states = {labels["state"]: value for name, _, value, labels in gauges if name == "dashcam_upstream_connections"}
    assert states == {"busy": 1.0, "idle": 4.0}
