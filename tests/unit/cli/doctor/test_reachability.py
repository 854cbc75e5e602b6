"""Whether providers answer: any answer will do, none keeps anybody waiting, and no key is sent or shown."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from proxy.cli.doctor import reachability
from proxy.cli.doctor.reachability import ask, clock, findings
from proxy.settings.addresses import provider_of
from proxy.settings.credentials import master_key_of
from proxy.settings.provider_secret import seal
from tests.support.processes import free_port
from tests.unit.cli.test_instance import answering


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_any_answer_proves_the_way(status: int) -> None:
    with answering((status, b"")) as server:
        found = ask(provider_of("ollama", f"{server.url}/v1"))
        assert server.asked == ["/v1/models"]
    assert (found.failure, found.status) == (None, status)
    assert found.ahead_seconds is not None
    assert abs(found.ahead_seconds) < 60


def test_who_does_not_listen_or_speak_is_told_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "TIMEOUT_SECONDS", 0.2)
    away = provider_of("ollama", f"http://127.0.0.1:{free_port()}")
    with answering((0, b"220 mail ESMTP\r\n")) as mail, socket.create_server(("127.0.0.1", 0)) as silent:
        odd = provider_of("odd", mail.url)
        mute = provider_of("mute", f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = list(findings([away, odd, mute], is_online=True))
    assert [item.is_ok for item in found] == [False, False, False]
    assert "connection refused" in found[0].detail
    assert found[0].next == "start ollama, or correct its address"
    assert "does not speak HTTP" in found[1].detail
    assert "no answer within" in found[2].detail


def test_keys_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    providers = [provider_of("openai", "https://api.openai.com"), provider_of("groq", "https://api.groq.com/openai/v1")]
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    found = list(findings(providers, is_online=False))
    assert [item.is_ok for item in found] == [True, None]
    assert "key from OPENAI_API_KEY" in found[0].detail
    assert "GROQ_API_KEY is not set here" in found[1].detail
    assert "never-shown" not in found[0].detail


def test_a_stored_key_is_tried_and_one_that_opens_nothing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "k3Y9" * 10
    here = "https://acme.example/v1"
    fits, moved = (seal("sk-x", "acme", url, master_key_of(key)) for url in (here, "https://elsewhere.example/v1"))
    providers = [replace(provider_of("acme", here), key_sealed=sealed) for sealed in (fits, moved)]
    monkeypatch.setenv("DASHCAM_MASTER_KEY", key)
    found = list(findings(providers, is_online=False))
    assert [(item.is_ok, "needs no key" in item.detail) for item in found] == [(True, False), (False, False)]
    assert "was sealed for another provider or address" in found[1].detail
    monkeypatch.delenv("DASHCAM_MASTER_KEY")
    assert [item.is_ok for item in findings(providers, is_online=False)] == [None, None], "the server may have it"


@pytest.mark.parametrize(
    ("ahead", "is_ok", "told"), [(5, True, "agrees"), (-90, False, "90 s behind"), (45, False, "ahead of")]
)
def test_a_wrong_clock_is_told(ahead: float, is_ok: bool, told: str) -> None:
    found = clock(ahead)
    assert (found.is_ok, told in found.detail) == (is_ok, True)
