"""How the spool is doing, in words: for the API and the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.control.page_gauges import page_gauges
from proxy.control.spool_state import SpoolState
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.trouble import MEANINGS, Trouble, meanings


def state_of(folder: Path, *pages: Mapping[str, int], mode: str = "process") -> dict[str, Any]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), recording=RecordingSettings(mode=mode, spool_max_bytes=1000)
    )
    return SpoolState(settings).of(pages)


def test_a_spool_that_is_well_has_nothing_to_say(tmp_path: Path) -> None:
    found = state_of(tmp_path)
    assert (found["mode"], found["sealed"]) == ("process", False)
    assert found["warnings"] == found["troubles"] == found["left_alone"] == []


def test_troubles_of_all_gateways_are_told_once(tmp_path: Path) -> None:
    pages = [{"trouble": Trouble.DISK_LOW}, {"trouble": Trouble.DISK_LOW | Trouble.SYNC_FAILED}, {}]
    found = state_of(tmp_path, *pages)["troubles"]
    assert [item["name"] for item in found] == ["disk_low", "sync_failed"]
    assert all(item["text"] and item["hint"] for item in found)


def test_bytes_are_of_the_whole_spool_and_waiting_ones_of_each_gateway(tmp_path: Path) -> None:
    pages = [{"spool_bytes": 700, "spool_files": 3, "waiting_bytes": 5}, {"spool_bytes": 710, "waiting_bytes": 6}]
    found = state_of(tmp_path, *pages)["spool"]
    assert found == {
        "bytes": 710, "max_bytes": 1000, "files": 3, "max_files": 100_000,
        "waiting_bytes": 11, "waiting_max_bytes": 16 * 1024 * 1024,
    }  # fmt: skip


def test_of_the_syncs_the_worst_gateway_is_told(tmp_path: Path) -> None:
    pages = [
        {"fsync_ns_p99": 2_000_000, "fsync_ns_max": 9_000_000, "fsync_failures": 1},
        {"fsync_ns_p99": 3_500_000, "fsync_ns_max": 4_000_000, "fsync_failures": 2},
    ]
    assert state_of(tmp_path, *pages)["sync"] == {"p99_ms": 3.5, "max_ms": 9.0, "failures": 3}


def test_a_spool_in_memory_warns(tmp_path: Path) -> None:
    (warning,) = state_of(tmp_path, mode="memory")["warnings"]
    assert "lies in RAM" in warning


def test_what_is_left_alone_is_listed(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "notes").write_text("mine")
    (found,) = state_of(tmp_path)["left_alone"]
    assert found == {"path": str(tmp_path / "spool" / "notes"), "reason": "not ours"}


@pytest.mark.parametrize("trouble", [item for item in Trouble if item])
def test_every_trouble_has_its_words_and_its_metric(trouble: Trouble) -> None:
    (meaning,) = meanings([trouble])
    assert MEANINGS[trouble] is meaning
    told = {
        labels["trouble"]: value
        for name, _, value, labels in page_gauges([{"trouble": trouble}])
        if name == "dashcam_spool_trouble"
    }
    assert {name for name, value in told.items() if value} == {meaning.name}
    assert len(told) == len(MEANINGS)


def test_a_bit_of_a_newer_gateway_is_passed_over() -> None:
    assert meanings([1 << 40]) == []


def test_modes_keep_their_spools_apart_and_know_of_each_other(tmp_path: Path) -> None:
    disk = Settings(data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))
    memory = replace(disk, recording=RecordingSettings(mode="memory"))
    assert disk.spool_dir == memory.other_spool_dir == tmp_path / "data" / "spool"
    assert disk.other_spool_dir == memory.spool_dir
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert replace(memory, data_dir=str(tmp_path / "link")).spool_dir == memory.spool_dir
    assert replace(memory, data_dir=str(tmp_path / "other")).spool_dir != memory.spool_dir
