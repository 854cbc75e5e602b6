"""Whose credentials leave for which provider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.domain.access import ProxyKey
from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.gateway.admission import Admission
from proxy.gateway.authentication import Caller, KeyIndex
from proxy.gateway.body import Inbound
from proxy.gateway.client_head import ClientHead, Headers
from proxy.gateway.guard import Guard
from proxy.gateway.plan import decide
from proxy.gateway.routing import Routing
from proxy.protocol.requests import read
from proxy.settings.credentials import key_digests


def _provider(name: str, kind: str, model: str, source: str = "configured") -> Provider:
    root = f"http://{name}.example"
    return Provider(name=name, kind=kind, base_url=f"{root}/v1", root_url=root, models=(model,), source=source)


SNAPSHOT = Snapshot(
    revision=1,
    providers=(
        _provider("openai", "openai", "gpt"),
        _provider("azure", "azure", "gpt-azure"),
        _provider("plain", "custom", "plain-model"),
        _provider("eu", "openai", "gpt-eu"),
        _provider("edited", "openai", "gpt-edited", "catalogue"),
        _provider("ollama", "ollama", "llama3", "found"),
    ),
    allowed_hosts=("127.0.0.1",),
)
KEYS = {"openai": b"sk-server", "azure": b"azure-server"}
REAL = b"Bearer sk-proj-of-the-client"
PROXY_KEY = "dashcam_proxy_" + "k3Y9" * 10


def leaving(
    model: str, credential: bytes | None, *, path: bytes = b"/v1/chat/completions", **values: object
) -> Headers:
    """Return the credentials that leave for whoever serves the model."""
    lines = _lines(model, credential, path, **values)[2:-1]
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def sent(model: str, *, path: bytes) -> bytes:
    """Return the request line that leaves with a real key for whoever serves the model."""
    return _lines(model, REAL, path)[0]


def _lines(model: str, credential: bytes | None, path: bytes, **values: object) -> list[bytes]:
    snapshot = replace(SNAPSHOT, **values)  # type: ignore[arg-type]
    headers: Headers = [(b"Host", b"127.0.0.1")]
    if credential is not None:
        headers += [(b"Authorization", credential), (b"OpenAI-Organization", b"org-1")]
    head = ClientHead(b"POST", path, headers)
    admission = Admission(
        head, Routing(snapshot), Guard(snapshot.allowed_hosts, has_keys=False), KeyIndex(snapshot), KEYS
    )
    assert admission.place is not None
    assert isinstance(admission.caller, Caller)
    body = b'{"model":"%s"}' % model.encode()
    plan = decide(admission.place, Inbound(body, len(body), read(body)[0]), admission.routing, frozenset())
    return admission.departure(plan, admission.caller).head().lines.split(b"\r\n")


OWN = [(b"Authorization", REAL), (b"OpenAI-Organization", b"org-1")]


@pytest.mark.parametrize(
    ("model", "credential", "left"),
    [
        ("gpt", REAL, OWN),
        ("unknown", REAL, OWN),
        ("gpt", b"Bearer sk-dummy", [(b"Authorization", b"Bearer sk-server")]),
        ("gpt", b"Bearer ", [(b"Authorization", b"Bearer sk-server")]),
        ("gpt", None, [(b"Authorization", b"Bearer sk-server")]),
        ("gpt-azure", REAL, [(b"api-key", b"azure-server")]),
        ("gpt-azure", b"Bearer sk-dummy", [(b"api-key", b"azure-server")]),
        ("plain-model", REAL, []),
        ("gpt-eu", REAL, OWN),
        ("gpt-edited", REAL, []),
        ("llama3", REAL, []),
        ("llama3", b"Bearer ollama", []),
    ],
)
def test_a_model_s_provider_gets_what_is_meant_for_it(model: str, credential: bytes | None, left: Headers) -> None:
    assert leaving(model, credential) == left


def test_a_client_that_names_the_provider_means_its_key_for_it() -> None:
    assert leaving("x", REAL, path=b"/azure/chat/completions") == OWN
    assert leaving("x", REAL, path=b"/plain/v1/chat/completions") == OWN
    assert leaving("x", REAL, path=b"/edited/v1/chat/completions") == OWN
    assert leaving("x", b"Bearer none", path=b"/azure/chat/completions") == [(b"api-key", b"azure-server")]


def test_a_found_provider_gets_nobody_s_key_even_when_it_is_named() -> None:
    assert leaving("x", REAL, path=b"/ollama/v1/chat/completions") == []


def test_a_key_in_the_query_goes_where_the_others_go() -> None:
    assert sent("llama3", path=b"/v1/chat/completions?key=sk-q&a=1") == b"POST /v1/chat/completions?a=1 HTTP/1.1"
    assert sent("gpt", path=b"/v1/chat/completions?key=sk-q") == b"POST /v1/chat/completions?key=sk-q HTTP/1.1"


@pytest.mark.parametrize(("model", "left"), [("gpt", b"sk-server"), ("plain-model", None), ("llama3", None)])
def test_a_proxy_key_is_for_nobody_else(model: str, left: bytes | None) -> None:
    keys = tuple(ProxyKey(id=name, digest=digest) for digest, name in key_digests(PROXY_KEY).items())
    found = leaving(model, b"Bearer " + PROXY_KEY.encode(), keys=keys, requires_key=True)
    assert found == ([(b"Authorization", b"Bearer " + left)] if left else [])
