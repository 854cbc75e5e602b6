"""Bad changes of what is edited while Dashcam runs, tried on the running program over HTTP and by command.

Each is refused with the field and the reason, and nothing of it is to be seen: the catalogue, the snapshot's file and
what a call gets are what they were.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD
from tests.support.dashcam import RunningDashcam
from tests.support.raw_http import RawAnswer, exchange, request
from tests.support.waiting import wait_until

BODY = json.dumps({"model": "summarise", "max_tokens": 3, "messages": [{"role": "user", "content": "n"}]}).encode()
PUBLIC = "https://api.acme.example/v1"


def content(text: str, **more: object) -> dict[str, Any]:
    return {"content": {"messages": [{"role": "system", "content": text}], **more}}


def provider(**changes: object) -> dict[str, Any]:
    return {"name": "bad", "kind": "custom", "base_url": PUBLIC, **changes}


def route(**changes: object) -> dict[str, Any]:
    return {"name": "bad", "targets": ["acme/gpt-4o-mini"], **changes}


def price(**changes: object) -> dict[str, Any]:
    return {"provider": "acme", "model": "gpt-4o-mini", "rates": {"input_mtok": "1"}, **changes}


SET_UP: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "models", {"provider": "acme", "name": "gpt-4o-mini"}),
    ("POST", "prices", price(valid_from="2026-01-01")),
    ("POST", "prompts", {"name": "short", **content("Be brief."), "labels": ["production"], "version_name": "1.0"}),
    ("POST", "prompts", {"name": "outer", **content("{% include 'short' %}"), "labels": ["production"]}),
    ("POST", "routes", {"name": "second", "targets": ["acme/gpt-4o-mini"]}),
    ("POST", "routes", {"name": "first", "targets": ["acme/gpt-4o-mini"], "fallbacks": [{"route": "second"}]}),
    ("POST", "routes", {"name": "summarise", "targets": ["acme/gpt-4o-mini"], "prompt": "outer@production"}),
)


@dataclass(frozen=True)
class Bad:
    """A change that must not be; ``field`` is what the answer's first mistakes must name, if anything."""

    what: str
    method: str
    path: str
    body: object
    field: str = ""
    status: int = 422


def inward(what: str, url: str) -> Bad:
    return Bad(f"an address that leads inward: {what}", "POST", "providers", provider(base_url=url), "base_url")


def hostile(what: str, text: str, **more: object) -> Bad:
    return Bad(f"a template: {what}", "POST", "prompts", {"name": "bad", **content(text, **more)}, "messages")


CASES = (
    # unknown fields and wrong types
    Bad("an unknown field of a provider", "POST", "providers", provider(role="admin"), "role"),
    Bad("an unknown field of a route", "POST", "routes", route(api_base=PUBLIC), "api_base"),
    Bad("an unknown field of a target", "POST", "routes", route(targets=[{"provider": "acme", "url": PUBLIC}]), "url"),
    Bad("an unknown field of a key", "POST", "keys", {"owner": "x", "scope": "admin"}, "scope"),
    Bad("an unknown field of a prompt", "POST", "prompts", {"name": "bad", **content("x"), "public": True}, "public"),
    Bad("an unknown field of a content", "POST", "prompts", {"name": "bad", **content("x", code="y")}, "code"),
    Bad("an unknown scope", "POST", "tokens", {"owner": "x", "scope": "root"}, "scope"),
    Bad("a number for a list", "POST", "routes", route(targets=7), "targets"),
    Bad(
        "a text for a number", "POST", "models", {"provider": "acme", "name": "m", "context_window": "much"}, "context"
    ),
    Bad("a list for a text", "POST", "providers", provider(base_url=[PUBLIC]), "base_url"),
    Bad("a limit below one", "POST", "keys", {"owner": "x", "limits": {"requests_per_minute": -1}}, "requests"),
    Bad("a list for an object", "POST", "prices", ["x"]),
    Bad("a parameter out of its range", "POST", "routes", route(forced={"temperature": 9}), "temperature"),
    Bad(
        "a prompt's parameter out of its range",
        "POST",
        "prompts",
        {"name": "bad", **content("x", parameters={"top_p": 2})},
        "top_p",
    ),
    Bad(
        "a role that there is not",
        "POST",
        "prompts",
        {"name": "bad", "content": {"messages": [{"role": "root", "content": "x"}]}},
        "role",
    ),
    Bad(
        "a type of a variable that there is not",
        "POST",
        "prompts",
        {"name": "bad", **content("{{ a }}", variables={"a": {"type": "code"}})},
        "variables",
    ),
    Bad("a name that is a path", "POST", "providers", provider(name="../etc"), "name"),
    # references that lead nowhere
    Bad("a provider that there is not", "POST", "routes", route(targets=["nobody/x"]), "targets.0.provider"),
    Bad("a model of nobody", "POST", "models", {"provider": "nobody", "name": "m"}, "provider"),
    Bad("a prompt that there is not", "POST", "routes", route(prompt="nothing@production"), "prompt"),
    Bad("a label that there is not", "POST", "routes", route(prompt="short@nothing"), "prompt"),
    Bad("a fallback route that there is not", "POST", "routes", route(fallbacks=[{"route": "nobody"}]), "fallbacks"),
    Bad("a part that there is not", "POST", "prompts", {"name": "bad", **content("{% include 'none' %}")}, "versions"),
    Bad(
        "a version that there is not", "PUT", "prompts/short/labels/production", {"version": "99"}, "labels.production"
    ),
    Bad("a revision that there is not", "POST", "revisions/99999/rollback", None, status=404),
    Bad("the key of a provider that there is not", "PUT", "providers/nobody/key", {"key": "sk-x"}, status=404),
    Bad("a provider that routes name, removed", "DELETE", "providers/acme", None, "targets.0.provider"),
    Bad("a prompt that another includes, removed", "DELETE", "prompts/short", None, "outer"),
    # circles
    Bad("routes in a circle", "PATCH", "routes/second", {"fallbacks": [{"route": "first"}]}, "fallbacks"),
    Bad(
        "a route that falls back on itself", "PATCH", "routes/second", {"fallbacks": [{"route": "second"}]}, "fallbacks"
    ),
    Bad(
        "parts in a circle",
        "POST",
        "prompts/short/versions",
        {**content("{% include 'outer' %}"), "labels": ["production"]},
        "versions",
    ),
    # names twice
    Bad("a provider of the settings' name", "POST", "providers", provider(name="openai"), "name"),
    Bad("a provider of the same name", "POST", "providers", provider(name="acme"), status=409),
    Bad("a route of the same name", "POST", "routes", route(name="first"), status=409),
    Bad("a prompt of the same name", "POST", "prompts", {"name": "short", **content("x")}, status=409),
    Bad(
        "a version of the same name",
        "POST",
        "prompts/short/versions",
        {**content("another"), "version_name": "1.0"},
        "version_name",
    ),
    Bad("a label that is a number", "PUT", "prompts/short/labels/7", {"version": "1"}, "label"),
    Bad("the label latest", "PUT", "prompts/short/labels/latest", {"version": "1"}, "label"),
    # prices
    Bad("prices that overlap", "POST", "prices", price(valid_from="2026-06-01"), "valid_from"),
    Bad(
        "a price that ends before it begins",
        "POST",
        "prices",
        price(valid_from="2025-06-01", valid_until="2025-01-01"),
        "valid_until",
    ),
    Bad("a price of a unit that there is not", "POST", "prices", price(model="m", rates={"input": "1"}), "rates"),
    Bad("a price below zero", "POST", "prices", price(model="m", rates={"input_mtok": "-1"}), "rates"),
    # keys of another host
    Bad("any variable of the server as a key", "POST", "providers", provider(key_env="PATH"), "key_env"),
    Bad("the admin token as a key", "POST", "providers", provider(key_env="DASHCAM_ADMIN_TOKEN"), "key_env"),
    Bad("another provider's key", "POST", "providers", provider(kind="openai", key_env="OPENAI_API_KEY"), "key_env"),
    Bad("a key as a header", "POST", "providers", provider(headers={"Authorization": "Bearer x"}), "headers"),
    # addresses
    inward("metadata", "http://169.254.169.254/latest"),
    inward("metadata of another cloud", "http://100.100.100.200/v1"),
    inward("metadata in IPv6", "http://[fd00:ec2::254]/v1"),
    inward("a private network", "http://10.0.0.1/v1"),
    inward("loopback in IPv6", "http://[::1]:8080/v1"),
    inward("another loopback address", "http://127.0.0.2/v1"),
    inward("IPv4 in IPv6", "http://[::ffff:10.0.0.1]/v1"),
    inward("NAT64", "http://[64:ff9b::a00:1]/v1"),
    inward("a number", "http://167772161/v1"),
    inward("hex", "http://0x0a000001/v1"),
    inward("octal", "http://012.0.0.1/v1"),
    inward("short", "http://10.1/v1"),
    inward("this network", "http://0.0.0.0/v1"),
    inward("a name of this machine", "http://localhost/v1"),
    inward("a local name", "http://printer.local/v1"),
    inward("credentials in it", "https://user:pass@api.acme.example/v1"),
    inward("a query in it", "https://api.acme.example/v1?x=1"),
    inward("a file", "file:///etc/passwd"),
    inward("a socket", "unix:///run/x"),
    inward("no host", "https:///v1"),
    Bad("an outgoing proxy that leads inward", "POST", "providers", provider(proxy="http://10.0.0.1:3128"), "proxy"),
    # templates
    hostile("a loop", "{% for i in range(1000000000) %}x{% endfor %}"),
    hostile("a product", "{{ 'x' * 1000000000 }}"),
    hostile("a wide format", "{{ '%1000000000d' | format(1) }}"),
    hostile("a macro that calls itself", "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    hostile("an attribute", "{{ ''.__class__.__mro__ }}"),
    hostile("a variable that nobody declares", "{{ unknown }}"),
    hostile("an open block", "{% if a %}", variables={"a": {"default": "x"}}),
    hostile("200 kB of it", "x" * 200_000),
    # the rest
    Bad("an old document", "PATCH", "routes/first", {"description": "x"}, status=412),
    Bad("an overlap that goes back in time", "POST", "keys/nobody/rotate", {"overlap_hours": -1}, "overlap_hours"),
    Bad("a provider that was never saved, asked", "POST", "providers/nobody/test", {}, status=404),
)


def bundle(text: str) -> bytes:
    return f"format: dashcam-bundle/1\n{text}\n".encode()


BOMB = "a: &a [x]\n" + "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi"))
IMPORTS: tuple[tuple[str, bytes, int, str], ...] = (
    ("a bomb of aliases", BOMB.encode(), 422, ""),
    ("deep nesting", b"routes: " + b"[" * 100_000, 422, ""),
    ("ten megabytes", b"# " + b"x" * 10_000_000, 413, ""),
    ("twenty megabytes", b"# " + b"x" * 20_000_000, 413, ""),
    ("a tag that makes an object", b"routes: !!python/object/apply:os.system [true]", 422, ""),
    ("a name twice", bundle("routes: []\nroutes: []"), 422, ""),
    ("an entry twice", bundle("routes: [{name: r, targets: [acme]}, {name: r, targets: [acme]}]"), 422, "routes"),
    ("no text", b"\xff\xfe\x00", 422, ""),
    ("no object", b"- a\n- b\n", 422, ""),
    ("a noun that there is not", bundle("admin_tokens: [x]"), 422, "admin_tokens"),
    ("a newer format", b"format: 99\n", 422, "format"),
    ("a key in it", bundle("providers: [{name: p, kind: custom, base_url: 'https://a.b', key: x}]"), 422, "key"),
    ("a provider that leads inward", bundle("providers: [{name: p, kind: custom, base_url: 'http://10.0.0.1/v1'}]"),
     422, "base_url"),
    ("routes in a circle", bundle("routes:\n- {name: x, targets: [acme], fallbacks: [{route: y}]}\n"
     "- {name: y, targets: [acme], fallbacks: [{route: x}]}"), 422, "fallbacks"),
    ("half of it good", bundle("routes: [{name: good, targets: [acme]}, {name: bad, targets: [nobody]}]"),
     422, "targets"),
)  # fmt: skip


class Guarded:
    """A running Dashcam whose state is known, to be found the same after each attempt."""

    def __init__(self, dashcam: RunningDashcam) -> None:
        self.dashcam = dashcam

    def ask(self, method: str, path: str, data: bytes, *headers: str) -> RawAnswer:
        return exchange(self.dashcam.port, request(data, *headers, path=f"/api/v1/{path}", method=method), method)

    def state(self) -> tuple[object, ...]:
        """Return what gateways read, what the store says, and what a call gets."""
        call = exchange(self.dashcam.port, request(BODY, path="/v1/chat/completions"))
        listed = [self.dashcam.get(f"/api/v1/{noun}")[1] for noun in ("keys", "tokens", "revisions", "export")]
        published = json.loads((self.dashcam.data_dir / "snapshot.json").read_bytes())
        # What providers list may come at any time.
        lists = {"models": None, "entries": None}
        published = {**published, "revision": 0, "providers": [{**item, **lists} for item in published["providers"]]}
        return call.status, call.header("x-dashcam-prompt"), published, *listed


@pytest.fixture(scope="module")
def guarded(start_dashcam: Starter, oracle: str) -> Guarded:
    """A small catalogue."""
    dashcam = start_dashcam("--upstream", "openai=https://api.openai.com/v1", environment=INWARD)
    made = Guarded(dashcam)
    wait_until(lambda: dashcam.get("/api/v1/export")[0] == 200, "the admin API has its database")
    first = ("POST", "providers", {"name": "acme", "kind": "openai", "base_url": f"{oracle}/v1"})
    for method, path, body in (first, *SET_UP):
        answer = made.ask(method, path, json.dumps(body).encode())
        assert answer.status == 201, answer.body
    assert made.state()[:2] == (200, "outer@1")
    return made


@pytest.mark.parametrize("bad", CASES, ids=[item.what for item in CASES])
def test_what_is_wrong_is_refused_with_field_and_reason(guarded: Guarded, bad: Bad) -> None:
    before = guarded.state()
    headers = ('If-Match: "0"',) if bad.status == 412 else ()
    data = b"" if bad.body is None else json.dumps(bad.body).encode()
    answer = guarded.ask(bad.method, bad.path, data, *headers)
    assert_told(answer, bad.status, bad.field)
    assert guarded.state() == before


@pytest.mark.parametrize(("what", "data", "status", "field"), IMPORTS, ids=[item[0] for item in IMPORTS])
def test_a_bad_bundle_is_refused_as_a_whole(guarded: Guarded, what: str, data: bytes, status: int, field: str) -> None:
    before = guarded.state()
    assert_told(guarded.ask("POST", "import", data, "Content-Type: application/yaml"), status, field)
    assert guarded.state() == before


def assert_told(answer: RawAnswer, status: int, field: str) -> None:
    """Check a refusal: its status, its words for machines, and that it names the field with a reason."""
    assert answer.status == status, answer.body[:500]
    told = json.loads(answer.body)
    assert answer.header("content-type") == "application/problem+json"
    assert told["status"] == status
    assert told["code"]
    assert told["detail"]
    if status == 422:
        assert told["errors"]
        assert all(item["reason"] for item in told["errors"])
    if field:
        named = [item["field"] for item in told["errors"]]
        assert any(field in name for name in named), told["errors"]


COMMANDS: tuple[tuple[tuple[str, ...], bytes, str], ...] = (
    (("providers", "add", "bad", "--url", "http://169.254.169.254/v1"), b"", "base_url"),
    (("providers", "add", "bad", "--url", PUBLIC, "--set", "role=admin"), b"", "role"),
    (("providers", "remove", "acme"), b"", "targets"),
    (("routes", "set", "second", "--target", "acme", "--set", 'fallbacks=[{"route":"first"}]'), b"", "circle"),
    (("routes", "set", "bad", "--target", "nobody/x"), b"", "there is no provider"),
    (("models", "add", "acme/m", "--set", "context_window=much"), b"", "context_window"),
    (("prompts", "create", "bad", "-"), b"messages: [{role: system, content: '{{ unknown }}'}]", "messages"),
    (("prompts", "label", "short", "production", "99"), b"", "99"),
    (("prompts", "label", "short", "latest", "1"), b"", "latest"),
    (("keys", "create", "--owner", "x", "--rpm", "-1"), b"", "requests_per_minute"),
    (("keys", "create", "--owner", "x", "--expires", "soon"), b"", "expires"),
    (("config", "import", "-", "--yes"), BOMB.encode(), "refers to something else"),
    (("config", "import", "-", "--yes"), b"# " + b"x" * 10_000_000, "larger"),
    (("config", "rollback", "99999", "--yes"), b"", "99999"),
    (("prices", "import", "-", "--yes"), b"{}", "no price"),
)  # fmt: skip


@pytest.mark.parametrize(("arguments", "stdin", "told"), COMMANDS, ids=[" ".join(item[0][:4]) for item in COMMANDS])
def test_a_command_is_refused_in_words(guarded: Guarded, arguments: tuple[str, ...], stdin: bytes, told: str) -> None:
    before = guarded.state()
    said = guarded.dashcam.cli(*arguments, stdin=stdin)
    assert said.returncode in (2, 3, 4), (said.returncode, said.stderr)
    assert told.encode() in said.stderr, said.stderr
    assert b"Traceback" not in said.stderr
    assert len(said.stderr) < 3000
    assert guarded.state() == before
