"""The description of the admin API as a page to read: no script, nothing from elsewhere, all of it in one answer."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from proxy import __version__
from proxy.control.api.endpoint import Endpoint
from proxy.control.api.openapi import ABOUT, path_of

_TITLES = {
    "analytics": "What calls came to",
    "audit": "Audit log",
    "export": "Export",
    "feedback": "Feedback",
    "import": "Import",
    "interactions": "Calls",
    "keys": "Proxy keys",
    "live": "Calls as they come",
    "models": "Models",
    "prices": "Prices",
    "prompts": "Prompts",
    "providers": "Providers",
    "query": "Sums",
    "revisions": "Revisions",
    "routes": "Routes",
    "search": "Search",
    "secrets": "Sealed keys",
    "sessions": "Sessions",
    "tokens": "Admin tokens",
    "views": "Saved views",
}
_ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")


def page(endpoints: Sequence[Endpoint], description: Mapping[str, Any]) -> str:
    """Return the page; ``description`` is that of the same endpoints."""
    nouns = itertools.groupby(sorted(endpoints, key=_place), key=_noun)
    groups = [(noun, list(items)) for noun, items in nouns]
    links = " ".join(f'<a href="#{noun}">{html.escape(_title(noun))}</a>' for noun, _ in groups)
    return (
        _PAGE.replace("{about}", html.escape(ABOUT))
        .replace("{version}", html.escape(__version__))
        .replace("{links}", links)
        .replace("{sections}", "".join(_section(noun, items, description) for noun, items in groups))
    )


def headers() -> dict[str, str]:
    """Return what keeps the page from doing anything but being read."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; "
    return {
        "content-security-policy": f"{policy}frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


def _noun(item: Endpoint) -> str:
    return item.path.partition("/")[0]


def _place(item: Endpoint) -> tuple[str, str, int]:
    return _noun(item), item.path, _ORDER.index(item.method)


def _title(noun: str) -> str:
    return _TITLES.get(noun, noun.capitalize())


def _section(noun: str, items: Sequence[Endpoint], description: Mapping[str, Any]) -> str:
    shown = "".join(_endpoint(item, description) for item in items)
    return f'<section id="{noun}"><h2>{html.escape(_title(noun))}</h2>{shown}</section>'


def _endpoint(item: Endpoint, description: Mapping[str, Any]) -> str:
    """Return one endpoint: a line, and what there is to say beside it where it is opened."""
    line = (
        f'<b class="method {item.method.lower()}">{item.method}</b> <code>{_path(item)}</code>'
        f'<span class="says">{html.escape(item.summary)}</span><span class="scope">{item.scope}</span>'
    )
    told = _parameters(item, description) + _body(item, description) + _answer(item, description)
    if not told:
        return f'<div class="endpoint">{line}</div>'
    return f'<details class="endpoint"><summary>{line}</summary>{told}</details>'


def _path(item: Endpoint) -> str:
    """Return the path with room to break after each part."""
    return html.escape(path_of(item)).replace("/", "/<wbr>")


def _parameters(item: Endpoint, description: Mapping[str, Any]) -> str:
    found = description["paths"][path_of(item)][item.method.lower()]["parameters"]
    rows = [
        (item["name"], item["in"], _kind(item["schema"]), item.get("description", ""))
        for item in found
        if item["in"] != "path"
    ]
    return _table("Query and headers", rows)


def _body(item: Endpoint, description: Mapping[str, Any]) -> str:
    if item.takes is None:
        return f"<h3>Body</h3><p>{html.escape(item.says)}</p>" if item.says else ""
    schema = description["components"]["schemas"][item.takes.__name__]
    needed = schema.get("required", ())
    rows = [
        (name, "needed" if name in needed else "", _kind(said)) for name, said in schema["properties"].items()
    ]  # fmt: skip
    told = str(schema.get("description", "")).replace("``", "")
    return _table("Body", rows, told)


def _answer(item: Endpoint, description: Mapping[str, Any]) -> str:
    """Return what is answered: in words, and the names of its members."""
    if item.gives is None:
        return ""
    schema = description["components"]["schemas"][item.gives.__name__]
    told = html.escape(str(schema.get("description", "")).replace("``", ""))
    members = ", ".join(f"<code>{html.escape(name)}</code>" for name in schema["properties"])
    title = "Answer, each row" if "limit" in item.query else "Answer"
    return f"<h3>{title}</h3><p>{told}</p><p>{members}</p>"


def _table(title: str, rows: Sequence[tuple[str, ...]], told: str = "") -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for name, *rest in rows
    )
    said = f"<p>{html.escape(told)}</p>" if told else ""
    return f'<h3>{title}</h3>{said}<table class="of{len(rows[0])}">{cells}</table>'


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a value is."""
    if "anyOf" in schema:
        return " or ".join(_kind(item) for item in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].removesuffix("Document")
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format", kind))


_STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--paper:#fff;--soft:#5c636b;--line:#dfe3e8;--tint:#f6f7f9;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--paper:#15171a;--soft:#a2a9b1;--line:#31363c;--tint:#1d2024;
--link:#8ab4f8}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.75rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}
h3{font-size:.8rem;margin:.75rem 0 .25rem;color:var(--soft);font-weight:600}
p{margin:.5rem 0;max-width:46rem}details p{font-size:.9rem;margin-top:0;margin-bottom:0}a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin-top:1rem}
code{font:14px/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.endpoint{border:1px solid var(--line);border-top-width:0;background:var(--paper)}
h2+.endpoint{border-top-width:1px}
summary,div.endpoint{display:grid;grid-template-columns:4.5rem minmax(0,1.15fr) minmax(0,1fr) 3.5rem;gap:.75rem;
align-items:baseline;padding:.5rem .75rem}
summary{cursor:pointer;list-style:none}summary::-webkit-details-marker{display:none}
summary:hover,details[open]>summary{background:var(--tint)}
summary .says::after{content:" ▾"}details[open] .says::after{content:" ▴"}
.method{font:600 12px/1.6 ui-monospace,Menlo,Consolas,monospace;text-align:center;border-radius:4px;color:#fff;
background:#0b57d0}
.method.post{background:#146c2e}.method.put,.method.patch{background:#8a5000}.method.delete{background:#b3261e}
.says{color:var(--soft)}.scope{color:var(--soft);font-size:.8rem;text-align:right}
details>:not(summary){margin-left:.75rem;margin-right:.75rem}
details>:last-child{margin-bottom:.75rem}
table{border-collapse:collapse;width:calc(100% - 1.5rem);font-size:.9rem}
td{padding:.25rem .75rem .25rem 0;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td:first-child{width:13rem}td:nth-child(2){width:5rem;color:var(--soft)}.of4 td:nth-child(3){width:12rem}
@media(max-width:40rem){summary,div.endpoint{grid-template-columns:4.5rem minmax(0,1fr) 3.5rem}.says{grid-column:2/4}
.scope{grid-row:1;grid-column:3}td{display:block;border:0;padding:0 0 .25rem;width:auto!important}
td:first-child{border-top:1px solid var(--line);padding-top:.25rem}}
"""
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dashcam admin API</title>'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><style>'
    + _STYLE
    + "</style></head><body><h1>Dashcam admin API</h1><p>{about}</p><p>Version {version}. The same for programs: "
    '<a href="/api/openapi.json">/api/openapi.json</a>. Send an admin token as <code>Authorization: Bearer TOKEN'
    "</code>; from this machine none is needed while none is set. Each line ends with the scope that a token "
    "needs.</p><nav>{links}</nav>{sections}</body></html>"
)
