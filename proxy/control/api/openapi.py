"""The description of the admin API, OpenAPI 3.1, made of its table: what a row says is what is described."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from proxy import __version__
from proxy.control.api.endpoint import Endpoint
from proxy.control.api.parameters import ANY_KEY

ABOUT = (
    "The record of calls, read back; and providers, models, prices, routes, prompts, keys and tokens, edited while "
    "Dashcam runs. A change answers with its revision, and live: whether every gateway of the host has it in use. "
    "Mistakes are problems (RFC 9457) with every field that is wrong; each answer has its number in x-request-id."
)
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_JSON, _PROBLEM_JSON = "application/json", "application/problem+json"
_TEXT: dict[str, Any] = {"type": "string"}
_TRUTH: dict[str, Any] = {"type": "boolean"}
_QUERY: dict[str, tuple[str, dict[str, Any]]] = {
    "limit": ("At most so many rows.", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
    "after": ("The id of a row: what comes behind it.", _TEXT),
    "before": ("The id of a row: the page that ends right before it; with after, what lies between.", _TEXT),
    "order": ("asc or desc; calls, revisions and the audit log begin with the newest.", {"enum": ["asc", "desc"]}),
    "fields": ("Only these members of each row, with commas between; id always comes along.", _TEXT),
    "include": ("What else is wanted: last_output, the text of the last answer; reading it is audited.", _TEXT),
    "q": ('A query: status:error latency:>2s model:gpt-* -user:kim "refund"', _TEXT),
    "count": ("Also count the rows that match, up to 10000.", _TRUTH),
    "dry_run": ("Only say what would change.", _TRUTH),
    "whole": ("Also where it is too large to be taken in at once.", _TRUTH),
    "replace": ("Take away what the bundle does not have.", _TRUTH),
    "since": ("From this day or instant on.", _TEXT),
    "until": ("Before this day or instant.", _TEXT),
    "only": ("Only these: nouns of the catalogue, or kinds of providers of a price file, with commas between.", _TEXT),
    "kind": ("Rows of this kind.", _TEXT),
}
_KEYED = {"style": "deepObject", "explode": True, "schema": {"type": "object", "additionalProperties": _TEXT}}
_FILTER = "Only rows whose {} is exactly this."
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; may be matched by programs."},
        "detail": _TEXT,
        "hint": {"type": "string", "description": "What to do."},
        "request_id": {"type": "string", "description": "The same as in x-request-id and in the log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": _TEXT, "reason": _TEXT},
            },
        },
    },
}
_LIST = {
    "type": "object",
    "required": ["object", "data", "first_id", "last_id", "has_more"],
    "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"type": "object"}},
        "first_id": {"type": ["string", "null"]},
        "last_id": {"type": ["string", "null"], "description": "What after is to be for the next page."},
        "has_more": _TRUTH,
    },
}
_CHANGED = {
    "revision": {"type": "integer", "description": "The revision that the change made."},
    "live": {"type": "boolean", "description": "Whether every gateway of this host has it in use."},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what was read: where it is another one by now, the answer is 412 and nothing changes.",
    "schema": _TEXT,
}
_LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that was taken: what ended since is told first.",
    "schema": _TEXT,
}
_ETAG = {"ETag": {"description": "Changes with the document; for If-Match.", "schema": _TEXT}}


def description(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the whole description."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "List": _LIST}
    paths: dict[str, dict[str, Any]] = {}
    for item in endpoints:
        paths.setdefault(path_of(item), {})[item.method.lower()] = _operation(item, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dashcam admin API", "version": __version__, "description": ABOUT},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def path_of(item: Endpoint) -> str:
    """Return the whole path, with its parameters in braces."""
    return "/api/v1/" + _PARAMETER.sub(r"{\1}", item.path)


def _operation(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "summary": item.summary,
        "operationId": re.sub(r"\W+", "_", item.summary.lower()).strip("_"),
        "tags": [item.path.partition("/")[0]],
        "x-scope": item.scope,
        "parameters": _parameters(item),
        "responses": {
            str(item.status): _reply(item, schemas),
            "default": {
                "description": "It cannot be done.",
                "content": {_PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    body = _body(item, schemas)
    return {**made, "requestBody": body} if body else made


def _parameters(item: Endpoint) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if kind == "int" else "string"}}
        for name, kind in _PARAMETER.findall(item.path)
    ]
    for name in item.query:
        usual, schema = _QUERY.get(name, (_FILTER.format(name), _TEXT))
        shown = {"name": name, "in": "query", "description": item.about.get(name, usual), "schema": schema}
        made.append({**shown, "name": name.removesuffix(ANY_KEY), **_KEYED} if name.endswith(ANY_KEY) else shown)
    headers = [_IF_MATCH] if item.is_guarded else [_LAST_EVENT] if item.streams else []
    return [*made, *headers]


def _reply(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"description": "Done."}
    if item.has_tag:
        made["headers"] = _ETAG
    if "limit" in item.query:
        return {**made, "content": {_JSON: {"schema": _listed(item, schemas)}}}
    if item.gives is None:
        return made
    shown: dict[str, Any] = {**_shown(item.gives, schemas)}
    if item.streams:
        # OpenAPI 3.1 has no word for events: the schema is that of what stands behind data.
        return {**made, "content": {"text/event-stream": {"schema": _TEXT, "x-data": shown}}}
    if item.method != "GET" and item.is_change:
        shown = {"allOf": [shown, {"type": "object", "properties": _CHANGED}]}
    return {**made, "content": {_JSON: {"schema": shown}}}


def _listed(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    envelope = {"$ref": "#/components/schemas/List"}
    if item.gives is None:
        return envelope
    members = {"data": {"type": "array", "items": _shown(item.gives, schemas)}}
    beside = [_shown(item.beside, schemas)] if item.beside else []
    return {"allOf": [envelope, *beside, {"type": "object", "properties": members}]}


def _body(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any] | None:
    if item.takes is not None:
        return {"required": True, "content": {_JSON: {"schema": _schema(item.takes, schemas)}}}
    if item.takes_object:
        return {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
    if item.takes_text:
        return {"required": True, "content": {"application/yaml": {"schema": _TEXT}}}
    return None


def _schema(kind: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """Name what may be sent."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _shown(kind: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """Name what is answered, of which no member is always there: ``fields`` leaves out what is not wanted."""
    name = kind.__name__
    if name not in schemas:
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = {key: value for key, value in schema.items() if key not in ("additionalProperties", "required")}
    return {"$ref": f"#/components/schemas/{name}"}
