"""Every route says who may ask; what is no route is a problem."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.routing import Route

from proxy.control import app
from proxy.control.access import is_protected
from proxy.control.api.table import ENDPOINTS
from proxy.control.services import Services
from tests.support.spooling import settings_in

PUBLIC = {"/", "/healthz", "/api/docs", "/api/openapi.json"}


def served(folder: Path) -> list[Route]:
    services = Services(settings_in(folder), lambda _line: None)
    return app.routes(services, app.door_of(services))


def test_every_route_says_who_may_ask(tmp_path: Path) -> None:
    routes = served(tmp_path)
    assert routes
    assert [route.path for route in routes if not is_protected(route.endpoint)] == []


def test_only_these_are_open_to_everybody(tmp_path: Path) -> None:
    routes = served(tmp_path)
    api = {f"/api/v1/{item.path}" for item in ENDPOINTS}
    assert {route.path for route in routes if route.endpoint.__name__ != "checked"} - api == PUBLIC


def test_a_route_that_does_not_say_it_cannot_be_made() -> None:
    async def endpoint(_request: object) -> None:
        return None

    with pytest.raises(ValueError, match="does not say who may ask"):
        app._route("/x", endpoint)  # type: ignore[arg-type]
