"""Whatever its description allows, and what it does not: the API answers, never with an error of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from proxy.control.api import openapi
from proxy.control.api.application import app_alone
from proxy.control.api.table import ENDPOINTS
from proxy.settings.values import PriceSettings, Settings

SCHEMA = schemathesis.openapi.from_dict(openapi.description(ENDPOINTS))
FEW = settings(
    max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck), derandomize=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("api")
    nowhere = PriceSettings(url="http://127.0.0.1:9/data.json")
    with app_alone(Settings(data_dir=str(folder), run_dir=str(folder / "run"), prices=nowhere)) as app:
        yield TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("method", "path"),
    [(item.method, f"/api/v1/{item.path}".replace(":path}", "}").replace(":int}", "}")) for item in ENDPOINTS],
)
def test_no_input_is_our_own_error(client: TestClient, method: str, path: str) -> None:
    operation = SCHEMA[path][method]

    @FEW
    @given(case=operation.as_strategy())
    def try_it(case: Any) -> None:
        answer = client.request(
            case.method, case.formatted_path, params=case.query or None, headers={"content-type": "application/json"},
            content=json.dumps(case.body).encode() if isinstance(case.body, dict | list | str | int | float) else b"",
        )  # fmt: skip
        assert answer.status_code < 500 or answer.json()["code"] == "unreachable", (answer.status_code, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"]

    try_it()


@pytest.mark.parametrize("path", sorted({f"/api/v1/{item.path}" for item in ENDPOINTS if item.method == "POST"}))
def test_any_bytes_are_refused_in_order(client: TestClient, path: str) -> None:
    target = path.replace("{name}", "none").replace("{number:int}", "1")

    @FEW
    @given(st.binary(max_size=80))
    def try_it(data: bytes) -> None:
        answer = client.post(target, content=data, headers={"content-type": "application/json"})
        assert answer.status_code < 500 or answer.json()["code"] == "unreachable", (answer.status_code, answer.text)

    try_it()
