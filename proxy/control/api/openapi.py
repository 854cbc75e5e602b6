"""The description of the admin API, OpenAPI 3.1, made of its table, and a page to read it that needs nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from proxy import __version__
from proxy.control.api.endpoint import Endpoint

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}


def description(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the whole description."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for item in endpoints:
        paths.setdefault(_path(item), {})[item.method.lower()] = _operation(item, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dashcam admin API", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


_ABOUT = (
    "Providers, models, prices, routes, prompts, keys and tokens, edited while Dashcam runs. A change answers with its "
    "revision, and live: whether every gateway of the host has it in use. Mistakes are problems (RFC 9457)."
)


def _operation(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if kind == "int" else "string"}}
        for name, kind in _PARAMETER.findall(item.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in item.query]
    made: dict[str, Any] = {
        "summary": item.summary,
        "operationId": re.sub(r"\W+", "_", item.summary.lower()).strip("_"),
        "tags": [item.path.partition("/")[0]],
        "x-scope": item.scope,
        "parameters": parameters,
        "responses": {
            str(item.status): {"description": "Done.", **_content(item.gives, schemas)},
            "default": {
                "description": "It cannot be done.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    body = _body(item, schemas)
    return {**made, "requestBody": body} if body else made


def _body(item: Endpoint, schemas: dict[str, Any]) -> dict[str, Any] | None:
    if item.takes is not None:
        return {"required": True, **_content(item.takes, schemas)}
    if item.takes_object:
        return {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    if item.takes_text:
        return {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}
    return None


def _content(kind: type[BaseModel] | None, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}}


def _path(item: Endpoint) -> str:
    return "/api/v1/" + _PARAMETER.sub(r"{\1}", item.path)


def page(endpoints: Sequence[Endpoint]) -> str:
    """Return the description as a page of its own."""
    rows = "".join(
        f"<tr><td><b>{item.method}</b></td><td><code>{html.escape(_path(item))}</code></td>"
        f"<td>{html.escape(item.summary)}</td><td>{item.scope}</td>"
        f"<td>{html.escape(', '.join(_fields(item)))}</td></tr>"
        for item in sorted(endpoints, key=lambda item: (item.path.partition("/")[0], item.path, item.method))
    )
    return _PAGE.replace("{rows}", rows).replace("{version}", html.escape(__version__)).replace("{about}", _ABOUT)


def _fields(item: Endpoint) -> Sequence[str]:
    return item.query or (tuple(item.takes.model_fields) if item.takes is not None else ())


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;"
    "border-bottom:1px solid #ddd;vertical-align:top}code{font:14px ui-monospace,monospace}th{position:sticky;top:0;"
    "background:#fff}@media(prefers-color-scheme:dark){body,th{background:#151515;color:#eee}td,th{border-color:#333}"
    "a{color:#8ab4f8}}"
)
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dashcam admin API</title>'
    '<meta name="viewport" content="width=device-width"><style>'
    + STYLE
    + "</style></head><body><h1>Dashcam admin API</h1><p>{about}</p><p>Version {version}. The same for programs: "
    '<a href="/api/openapi.json">/api/openapi.json</a>. Send an admin token as <code>Authorization: Bearer TOKEN'
    "</code>; from this machine none is needed while none is set.</p><table><thead><tr><th>Method</th><th>Path</th>"
    "<th>What it does</th><th>Scope</th><th>Fields</th></tr></thead><tbody>{rows}</tbody></table></body></html>"
)
