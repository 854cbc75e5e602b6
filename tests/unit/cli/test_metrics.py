"""``dashcam metrics``: a running instance's counters are shown by the acceptance tests; here what is on record."""

from __future__ import annotations

import json

from proxy.domain.outcome import Outcome
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def test_totals_of_the_record_are_by_model(dashcam: Command, record: Record) -> None:
    record(an_entry(), an_entry(), an_entry(model="other", outcome=Outcome.TIMED_OUT, cost_pico_usd=None))
    said = dashcam("metrics", "--database", "--json")
    first, second = json.loads(said.out)
    assert (first["model"], first["calls"], first["errors"], first["cost_usd"]) == ("gpt-5", 2, 0, "0.000005")
    assert (first["input_tokens"], first["output_tokens"]) == (20, 10)
    assert 1200 <= first["p50_ms"] <= 1270
    assert (second["model"], second["errors"], second["unpriced"]) == ("other", 1, 1)
    shown = dashcam("metrics", "--database", is_terminal=True)
    assert "gpt-5" in shown.out
    assert "3 calls on record, $0.00000500 in all" in shown.err


def test_without_an_instance_there_is_nothing_to_ask(dashcam: Command) -> None:
    said = dashcam("metrics")
    assert said.code == 5
    assert "dashcam metrics --database" in said.err
    assert dashcam("metrics", "--raw", "--database").code == 2
