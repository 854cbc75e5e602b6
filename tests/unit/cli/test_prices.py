"""``dashcam prices``: what counts now, refreshing it from a file, and what has no price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.outcome import CostStatus
from proxy.pricing.rates import source_version
from tests.support.entries import an_entry
from tests.support.price_data import price_data
from tests.unit.cli.conftest import Command, Record

OWN = '[[price]]\nmodel = "garage-*"\nprovider = "vllm"\ninput_mtok = "0.10"\noutput_mtok = "0.20"\n'


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    monkeypatch.setenv("DASHCAM_PRICES__FILE", str(path))
    return path


def test_prices_are_listed_for_people_and_for_programs(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = dashcam("prices", "list", "--model", "gpt-4o-mini", is_terminal=True)
    assert shown.code == 0
    assert shown.lines[0].split() == ["PROVIDER", "MODEL", "TIER", "INPUT", "MTOK", "CACHE", "READ", "MTOK", "OUTPUT",
                                      "MTOK", "OTHER", "SOURCE"]  # fmt: skip
    assert source_version() in shown.err
    rows = json.loads(dashcam("prices", "list", "--model", "GPT-4o*", "--provider", "openai", "--json").out)
    mini = next(row for row in rows if row["model"] == "gpt-4o-mini")
    assert (mini["input_mtok"], mini["output_mtok"]) == ("0.15", "0.6")
    tabs = dashcam("prices", "list", "--model", "gpt-4o-mini", "--provider", "openai").lines
    assert tabs[0].split("\t")[:3] == ["provider", "model", "tier"]
    assert tabs[1].split("\t")[:3] == ["openai", "gpt-4o-mini", "default"]


def test_one_s_own_prices_are_listed_first(dashcam: Command, own: Path) -> None:
    rows = json.loads(dashcam("prices", "list", "--json").out)
    assert (rows[0]["model"], rows[0]["provider"], rows[0]["source"]) == ("garage-*", "vllm", "file:own.toml")
    found = json.loads(dashcam("prices", "show", "garage-8b", "--provider", "vllm", "--json").out)
    assert found[0]["rates"] == {"input_mtok": "0.10", "output_mtok": "0.20"}
    assert json.loads(dashcam("prices", "show", "garage-8b", "--json").out) == found


def test_all_mistakes_of_the_file_are_told_by_every_command_that_needs_it(dashcam: Command, own: Path) -> None:
    own.write_text("[[price]]\nmodel = 'x'\ninput_mtok = -1\ngold = 1\n")
    for command in (["prices", "list"], ["recost"], ["reinterpret"], ["config", "check"]):
        found = dashcam(*command)
        assert found.code == 4
        assert f"{own}: price[1].input_mtok: -1 is negative" in found.err
        assert "price[1].gold" in found.err


def test_the_doctor_and_the_check_know_of_the_file(dashcam: Command, own: Path) -> None:
    assert str(own) in dashcam("config", "check").out
    own.write_text("[[price]]\n")
    found = dashcam("doctor", "--offline")
    assert (found.code, "price[1].model: is missing" in found.out) == (7, True)


def test_a_server_does_not_start_with_a_file_that_is_no_good(dashcam: Command, own: Path, tmp_path: Path) -> None:
    own.write_text("[[price]]\ninput_mtok = 1\n")
    found = dashcam("serve")
    assert (found.code, "price[1].model: is missing" in found.err) == (4, True)
    assert not (tmp_path / "run").exists()


def test_nothing_that_matches_is_not_found(dashcam: Command) -> None:
    assert dashcam("prices", "list", "--model", "no-such").code == 3
    found = dashcam("prices", "show", "grok-4")
    assert (found.code, "--provider xai" in found.err) == (3, True)
    assert dashcam("prices", "show", "no-such").code == 3


def test_a_model_is_shown_tier_by_tier(dashcam: Command) -> None:
    text = dashcam("prices", "show", "gpt-5.4").out
    assert "openai gpt-5.4, priority tier: genai-prices" in text
    assert "openai gpt-5.4, batch tier: genai-prices" in text
    assert "input, beyond 272,000 input tokens" in text
    tiers = [item["tier"] for item in json.loads(dashcam("prices", "show", "gpt-5.4", "--json").out)]
    assert tiers == ["default", "flex", "priority", "fast", "batch"]


def test_audio_by_the_hour_is_shown_once(dashcam: Command) -> None:
    assert [line.split() for line in dashcam("prices", "show", "whisper-1").lines[1:]] == [["audio", "(ms)", "$0.36/h"]]


def test_refreshed_from_a_file_they_count_at_once(dashcam: Command, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_bytes(price_data("9.75"))
    found = dashcam("prices", "refresh", "--from", "data.json", "--json")
    said = json.loads(found.out)
    assert (found.code, said["is_new"], said["models"], said["origin"]) == (0, True, 1, "file data.json")
    shown = json.loads(dashcam("prices", "show", "gpt-4o-mini", "--json").out)
    assert [(item["rates"]["input_mtok"], item["source_version"]) for item in shown] == [("9.75", said["version"])]
    again = dashcam("prices", "refresh", "--from", "data.json")
    assert "counted already" in again.err
    assert "refreshed" in dashcam("prices", "list").err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--from", "nothing.json"), 3, "no file"),
        (("--from", "bad.json"), 1, "no JSON"),
        (("--from", "."), 2, "cannot be read"),
        (("--from", "bad.json", "--url", "https://a.example"), 2, "choose one"),
        (("--url", "http://127.0.0.1:9/data.json"), 5, "cannot be reached"),
        (("--url", "ftp://a.example/x"), 5, "cannot be reached"),
    ],
)
def test_what_cannot_be_refreshed_is_told_and_changes_nothing(
    dashcam: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    (tmp_path / "bad.json").write_text("<html>")
    found = dashcam("prices", "refresh", *arguments)
    assert (found.code, reason in found.err) == (code, True), found.err
    assert not (tmp_path / "data" / "prices").exists()


def test_unpriced_calls_are_listed_with_the_next_command(dashcam: Command, record: Record) -> None:
    unknown: dict[str, Any] = {
        "cost_pico_usd": None,
        "cost_status": CostStatus.UNPRICED,
        "model": "brand-new",
        "provider": "openai",
    }
    record(an_entry(**unknown), an_entry(**unknown, output_tokens=7), an_entry(cost_status=CostStatus.COMPUTED))
    rows = json.loads(dashcam("prices", "unpriced", "--json").out)
    assert [(row["provider"], row["model"], row["calls"], row["output_tokens"]) for row in rows] == [
        ("openai", "brand-new", 2, 12)
    ]
    shown = dashcam("prices", "unpriced", is_terminal=True)
    assert "brand-new" in shown.lines[1]
    assert "dashcam recost --model 'brand-new' --yes" in shown.err
    assert "Every call has a price" in dashcam("prices", "unpriced", "--until", "2020-01-01").err


def test_unpriced_calls_fit_a_terminal(dashcam: Command, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    record(an_entry(cost_pico_usd=None, cost_status=CostStatus.UNPRICED, model="a-model-of-a-usual-length"))
    monkeypatch.setenv("COLUMNS", "80")
    lines = dashcam("prices", "unpriced", is_terminal=True).lines
    assert ("a-model-of-a-usual-length" in lines[1], max(map(len, lines)) <= 80) == (True, True), lines


def test_a_call_that_reported_nothing_is_not_said_to_lack_a_price(dashcam: Command, record: Record) -> None:
    nothing: dict[str, Any] = {
        "cost_pico_usd": None, "cost_status": CostStatus.UNPRICED, "model": "gpt-5", "provider": "openai",
    }  # fmt: skip
    batch = an_entry(**nothing, operation="batches", input_tokens=None, output_tokens=None)
    record(batch)
    assert [row["uncounted"] for row in json.loads(dashcam("prices", "unpriced", "--json").out)] == [1]
    told = dashcam("prices", "unpriced").err
    assert "with the call that first read it complete" in told
    assert "recost" not in told
    record(an_entry(**{**nothing, "model": "brand-new"}))
    assert "dashcam recost --model 'brand-new' --yes" in dashcam("prices", "unpriced").err
