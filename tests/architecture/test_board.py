"""The Grafana board asks for metrics and labels that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest

from proxy.domain.interaction import Attempt, Entry
from proxy.domain.outcome import CostStatus
from proxy.loader.totals import ModelNames, totals_of
from proxy.telemetry.families import HISTOGRAMS
from tests.architecture import documents
from tests.support.checkout import ROOT
from tests.support.entries import an_interaction

GRAFANA = ROOT / "config" / "grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "dashcam.json").read_text())
QUESTIONS = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]]


def families() -> set[str]:
    named = set(re.findall(r"`(dashcam_\w+)`", documents.metrics_table()))
    return named | {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}


def labels() -> set[str]:
    attempt = Attempt(interaction_id="i", number=1, provider="p", upstream="u", started_at=0)
    calls = [
        an_interaction(ttft_ms=5.0, overhead_ms=1.0, cost_status=CostStatus.COMPUTED),
        an_interaction(cost_pico_usd=None, cost_status=CostStatus.UNPRICED),
    ]
    found = totals_of([Entry(interaction=call, attempts=(attempt,)) for call in calls], ModelNames())
    return {name for _, text in found for name in orjson.loads(text)}


@pytest.mark.parametrize(("title", "expression"), QUESTIONS)
def test_every_question_is_about_metrics_and_labels_that_exist(title: str, expression: str) -> None:
    asked = set(re.findall(r"\bdashcam_\w+", expression))
    assert asked
    assert asked <= families()
    grouped = {name for group in re.findall(r"by \(([\w, ]+)\)", expression) for name in re.split(r", *", group)}
    assert grouped <= labels()
    chosen = {name for part in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)[!=]", part)}
    assert chosen <= labels()


def test_panels_do_not_overlap_and_have_their_own_ids() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def test_panels_ask_the_source_that_is_provisioned() -> None:
    source = (GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    assert {panel["datasource"]["uid"] for panel in BOARD["panels"]} == set(re.findall(r"uid: (\S+)", source))
