"""The description is true, the page that shows it needs nothing from elsewhere, and a command can do the same."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from proxy.catalogue.access import NewKey
from proxy.control.api import openapi
from proxy.control.api.application import app_alone
from proxy.control.api.table import ENDPOINTS
from proxy.errors import UnreachableError
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


def client(app: object) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://dashcam")  # type: ignore[arg-type]


def test_every_endpoint_is_described_once() -> None:
    found = openapi.description(ENDPOINTS)
    operations = [item for path in found["paths"].values() for item in path.values()]
    assert len(operations) == len(ENDPOINTS)
    assert len({item["operationId"] for item in operations}) == len(ENDPOINTS)
    assert set(found["components"]["schemas"]["NewKey"]["properties"]) == set(NewKey.model_fields)


def test_every_answer_but_a_text_is_described() -> None:
    assert [item.path for item in ENDPOINTS if item.gives is None] == ["export"]


async def test_the_page_needs_nothing_from_elsewhere(settings: Settings) -> None:
    with app_alone(settings) as app:
        async with client(app) as api:
            answer = await api.get("/api/docs")
            assert (await api.get("/api/openapi.json")).json()["openapi"] == "3.1.0"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert answer.text.count('class="endpoint"') == len(ENDPOINTS)


async def test_the_description_is_made_once_and_not_sent_again(settings: Settings) -> None:
    with app_alone(settings) as app:
        async with client(app) as api:
            for path in ("/api/openapi.json", "/api/docs"):
                first, again = await api.get(path), await api.get(path)
                assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
                known = await api.get(path, headers={"if-none-match": first.headers["etag"]})
                assert (known.status_code, known.content) == (304, b"")


def test_lists_guards_and_numbers_of_requests_are_described() -> None:
    found = openapi.description(ENDPOINTS)
    patch = found["paths"]["/api/v1/providers/{name}"]["patch"]
    assert "If-Match" in [item["name"] for item in patch["parameters"]]
    assert "ETag" in patch["responses"]["200"]["headers"]
    listed = found["paths"]["/api/v1/providers"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    envelope, rows = listed["allOf"]
    assert set(found["components"]["schemas"]["List"]["required"]) == {
        "object",
        "data",
        "first_id",
        "last_id",
        "has_more",
    }
    assert (envelope["$ref"][-4:], rows["properties"]["data"]["items"]["$ref"][-8:]) == ("List", "Provider")
    assert "request_id" in found["components"]["schemas"]["Problem"]["properties"]


async def test_a_command_does_what_control_would(settings: Settings) -> None:
    with app_alone(settings) as app:
        async with client(app) as api:
            made = await api.post("/api/v1/keys", json={"owner": "me"})
            assert made.status_code == 201
            (deed,) = (await api.get("/api/v1/audit")).json()["data"]
    assert (deed["action"], deed["source"]) == ("create", "command")
    with app_alone(settings) as app:
        async with client(app) as api:
            assert [item["owner"] for item in (await api.get("/api/v1/keys")).json()["data"]] == ["me"]


def test_two_at_once_are_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"))
    with app_alone(settings), pytest.raises(UnreachableError, match="works with this data"), app_alone(settings):
        pass
