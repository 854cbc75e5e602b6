"""/metrics on the running program: understood by Prometheus's own tools, few labels, the same after a restart."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.checkout import ROOT
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import exchange, request

PERSONAL = {"user", "user_id", "session", "session_id", "key", "key_id", "id", "prompt", "trace_id"}


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    running = start_dashcam("--upstream", f"openai={oracle}/v1")
    for number in range(4):
        body = json.dumps({**oracle_upstream.question(f"call {number}", number % 2 == 0, 4), "user": f"u{number}"})
        assert exchange(running.port, request(body.encode())).status == 200
    for number in range(20):
        unknown = b'{"model":"made-up-%d","messages":[]}' % number
        assert exchange(running.port, request(unknown)).status == 400
    running.settle()
    return running


def test_every_family_that_is_served_is_described(dashcam: RunningDashcam) -> None:
    text = dashcam.get("/metrics")[1].decode()
    served = {line.split()[2] for line in text.split("\n") if line.startswith("# TYPE dashcam_")}
    described = (ROOT / "METRICS.md").read_text()
    assert sorted(name for name in served if f"`{name}`" not in described) == []


def test_prometheus_own_linter_finds_no_mistake(dashcam: RunningDashcam) -> None:
    """Where promtool is not installed the parser of the Python client has to do (``samples``)."""
    assert dashcam.samples()
    promtool = shutil.which("promtool")
    if promtool is not None:
        text = dashcam.get("/metrics")[1]
        linted = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
        assert (linted.returncode, linted.stderr) == (0, b"")


def test_no_label_tells_who_called_and_models_of_failed_calls_are_one(dashcam: RunningDashcam) -> None:
    samples = dashcam.samples()
    labels = {label for values in samples.values() for series in values for label in series}
    assert {name for name, _ in labels} & PERSONAL == set()
    assert [value for name, value in labels if name == "model" and value.startswith("made-up")] == []


def test_totals_equal_the_rows_and_survive_a_restart(dashcam: RunningDashcam) -> None:
    rows = dashcam.query("select count(*) as calls, sum(output_tokens) as output from interaction")[0]
    for _ in range(2):
        samples = dashcam.samples()
        assert sum(samples["dashcam_requests_total"].values()) == rows["calls"]
        tokens = samples["dashcam_tokens_total"]
        assert sum(number for series, number in tokens.items() if ("type", "output") in series) == rows["output"]
        dashcam.stop()
        dashcam.start()
        dashcam.settle()
