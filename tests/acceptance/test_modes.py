"""`recording.mode`, sealing, and the one instance that a spool has, with the installed program."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.settings.values import RecordingSettings, Settings
from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.processes import ROOT, free_port
from tests.support.raw_http import exchange, request
from tests.support.spooling import question
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until

MASTER_KEY = "kX8vQ2mZ7pL4tR9wB3nF6yH1cJ5dG0sA"


def chat(text: str) -> bytes:
    return request(json.dumps(oracle_upstream.question(text, False, 3)).encode())


@pytest.fixture
def start(start_dashcam: Starter, oracle: str) -> Iterator[Starter]:
    """Start with settings of `recording`; what lies in RAM afterwards is removed."""
    made: list[RunningDashcam] = []

    def with_recording(**recording: str) -> RunningDashcam:
        environment = {f"DASHCAM_RECORDING__{name.upper()}": value for name, value in recording.items()}
        environment["DASHCAM_MASTER_KEY"] = MASTER_KEY
        made.append(start_dashcam("--upstream", f"openai={oracle}/v1", environment=environment))
        return made[-1]

    yield with_recording
    for dashcam in made:
        dashcam.stop()
        shutil.rmtree(in_memory(dashcam), ignore_errors=True)


def in_memory(dashcam: RunningDashcam) -> Path:
    settings = Settings(
        data_dir=str(dashcam.data_dir), run_dir=str(dashcam.run_root), recording=RecordingSettings(mode="memory")
    )
    return settings.spool_dir


@pytest.mark.parametrize("recording", [{"mode": "power"}, {"mode": "memory"}, {"mode": "process", "seal": "true"}])
async def test_killing_everything_loses_nothing_in_any_mode(start: Starter, recording: dict[str, str]) -> None:
    dashcam = await asyncio.to_thread(lambda: start(**recording))
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        await asyncio.to_thread(dashcam.kill_everything)
        await asyncio.to_thread(dashcam.start)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings["completed"] > 0
    assert set(endings) <= {"completed", "interrupted", "client_gone"}
    assert dashcam.ledger()["mode"] == recording["mode"]


def test_a_spool_in_memory_warns_wherever_one_looks(start: Starter) -> None:
    dashcam = start(mode="memory")
    assert exchange(dashcam.port, chat("in memory")).status == 200
    dashcam.settle()
    wait_until(lambda: "Warning" in dashcam.log(), "the banner is there")
    assert "recording.mode is 'memory'" in dashcam.log()
    assert "lies in RAM" in dashcam.ledger()["warnings"][0]
    assert dashcam.samples()["dashcam_recorder_mode"][frozenset({("mode", "memory")})] == 1.0
    assert b"lies in RAM" in dashcam.cli("doctor", "--offline").stdout
    assert list((dashcam.data_dir / "spool").glob("*")) == []
    dashcam.stop()
    assert b"recording.mode is 'memory'" in dashcam.cli("doctor", "--offline").stdout


def test_a_folder_has_one_instance_whatever_path_leads_to_it(start: Starter, tmp_path: Path) -> None:
    dashcam = start(mode="process")
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(dashcam.data_dir)
    other.mkdir(0o700)
    (other / "spool").symlink_to(dashcam.data_dir / "spool")
    for folder in (dashcam.data_dir, link, other):
        refused = dashcam.cli("serve", "--port", str(free_port()), "--data-dir", str(folder))
        assert refused.returncode == 5
        said = refused.stderr.decode()
        assert "already serves" in said
        assert f"(pid {dashcam.pid})" in said
        assert f"kill {dashcam.pid}" in said
    assert exchange(dashcam.port, chat("goes on")).status == 200
    dashcam.settle()


def test_of_a_sealed_spool_nothing_can_be_read(start: Starter) -> None:
    dashcam = start(seal="true", segment_seconds="3600")
    assert exchange(dashcam.port, chat("a secret question")).status == 200
    dashcam.settle()
    assert dashcam.row(input_preview="a secret question")["outcome"] == "completed"
    for path in (dashcam.data_dir / "spool").rglob("*"):
        assert path.is_dir() or b"secret question" not in path.read_bytes()


FULL = str(1 << 60)
"""More than any disk has free."""


@pytest.mark.parametrize(
    ("policy", "status", "dropped", "bodies"),
    [("metadata_only", 200, {}, 1.0), ("drop", 200, {"spool_full": 1}, 0.0), ("reject", 503, {"spool_full": 1}, 0.0)],
)
def test_what_was_chosen_for_a_full_disk_is_done_counted_and_told(
    start: Starter, policy: str, status: int, dropped: dict[str, int], bodies: float
) -> None:
    dashcam = start(on_full=policy, min_free_bytes=FULL)
    wait_until(lambda: dashcam.ledger()["troubles"], "the gateway has looked at the disk")
    reply = exchange(dashcam.port, chat("a full disk"))
    assert reply.status == status
    if policy == "reject":
        assert b"recorder_full" in reply.body
        assert int(reply.header("retry-after") or 0) >= 1
    dashcam.settle()
    ledger = dashcam.ledger()
    assert (ledger["accepted"], ledger["dropped"], ledger["balanced"]) == (1, dropped, True)
    assert [item["name"] for item in ledger["troubles"]] == ["disk_low"]
    rows = dashcam.rows()
    assert [(row["outcome"], row["content_state"]) for row in rows] == [("completed", "truncated")] * (not dropped)
    samples = dashcam.samples()
    assert samples["dashcam_bodies_dropped_total"][frozenset()] == bodies
    assert samples["dashcam_recorder_degraded"][frozenset()] == 1.0
    assert samples["dashcam_spool_trouble"][frozenset({("trouble", "disk_low")})] == 1.0
    lost = samples["dashcam_records_dropped_total"]
    assert {dict(labels)["reason"]: count for labels, count in lost.items() if count} == dropped
    assert b"recording.min_free_bytes" in dashcam.cli("doctor", "--offline").stdout
    assert "recorder_degraded" in dashcam.log()


def test_a_spool_of_an_earlier_program_is_drained(start: Starter) -> None:
    """It was killed in the middle of a write; see tests/data/spool."""
    dashcam = start()
    dashcam.stop()
    old = dashcam.data_dir / "spool" / "6ab2d5c-0"
    shutil.copytree(ROOT / "tests/data/spool/6ab2d5c-0", old)
    dashcam.start()
    wait_until(lambda: not old.exists(), "the old spool is drained")
    dashcam.settle()
    found = {row["input_preview"].split(" x")[0]: row for row in dashcam.rows()}
    assert {asked: (row["outcome"], row["output_preview"], row["content_state"]) for asked, row in found.items()} == {
        "Say hi": ("completed", "an old answer", "stored"),
        "an old large question": ("completed", "to a large question", "stored"),
        "streamed": ("completed", "an old stream", "stored"),
        "never answered": ("interrupted", None, "stored"),
    }
    large = found["an old large question"]
    assert dashcam.body(large["id"], "request") == question("an old large question" + " x" * 200)
    ledger = dashcam.ledger()
    assert (ledger["accepted"], ledger["stored"], ledger["balanced"]) == (4, 4, True)
    assert "calls_recovered" in dashcam.log()
