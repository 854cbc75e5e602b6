"""Whether what the admin API answers is what it says in its description: status, members, and what each of them is."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from proxy.control.api import openapi
from proxy.control.api.endpoint import Endpoint
from proxy.control.api.table import ENDPOINTS

JSON = "application/json"


def assert_described(method: str, path: str, status: int, body: Any) -> None:
    """Fail where an answer with JSON in it is another one than is described; ``path`` is below ``/api/v1``."""
    if status >= 400:
        _validator("#/components/schemas/Problem").validate(body)
        return
    item = _endpoint(method, path.partition("?")[0])
    described = _description()["paths"][openapi.path_of(item)][method.lower()]["responses"]
    statuses = {str(item.status), "200"}
    assert str(status) in statuses, f"{method} {path} answers {status}"
    schema = described[str(item.status)]["content"][JSON]["schema"]
    jsonschema_rs.validator_for(_whole(schema)).validate(body)
    unknown = set(body) - set(_members(schema))
    assert not unknown, f"{method} {path} answers {sorted(unknown)}, which are not described"
    if "limit" in item.query and item.gives is not None:
        rows = {name for row in body["data"] for name in row}
        known = set(_description()["components"]["schemas"][item.gives.__name__]["properties"]) | {"id"}
        assert rows <= known, f"rows of {path} have {sorted(rows - known)}, which are not described"


@functools.cache
def _description() -> dict[str, Any]:
    return openapi.description(ENDPOINTS)


@functools.cache
def _validator(reference: str) -> Any:
    return jsonschema_rs.validator_for(_whole({"$ref": reference}))


def _whole(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "components": _description()["components"]}


def _endpoint(method: str, path: str) -> Endpoint:
    """Return the row that serves a path: the first one, as in the table."""
    for item in ENDPOINTS:
        pattern = re.sub(r"\{\w+:path\}", ".+", item.path)
        pattern = re.sub(r"\{\w+:int\}", "[0-9]+", pattern)
        pattern = re.sub(r"\{\w+\}", "[^/]+", pattern)
        if item.method == method and re.fullmatch(pattern, path):
            return item
    raise AssertionError(f"{method} {path} is no endpoint")


def _members(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        schema = _description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", ())
    for part in schema.get("allOf", ()):
        yield from _members(part)
