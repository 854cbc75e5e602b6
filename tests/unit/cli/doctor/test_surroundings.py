"""What the doctor thinks of this shell."""

from __future__ import annotations

import pytest

from proxy.cli.doctor.surroundings import base_url, proxies, shell
from proxy.settings.values import ServerSettings, Settings

SETTINGS = Settings(data_dir="/d", run_dir="/r", server=ServerSettings(allowed_hosts=("dash.example",)))
URL = "http://127.0.0.1:8484"


@pytest.mark.parametrize(
    ("said", "is_ok", "told"),
    [
        ("", None, "is not set here"),
        (f"{URL}/v1", True, "points at us"),
        ("http://localhost:8484/v1/", True, "points at us"),
        ("http://dash.example:8484/openrouter", True, "points at us"),
        (URL, False, "without the /v1"),
        ("https://127.0.0.1:8484/v1", False, "we speak plain http"),
        ("http://127.0.0.1:9999/v1", None, "points at port 9999 of this machine"),
        ("https://user:secret@api.openai.com/v1", None, "points at api.openai.com"),
        ("nonsense", None, "points at something else"),
    ],
)
def test_the_address_of_this_shell_is_judged(said: str, is_ok: bool | None, told: str) -> None:
    found = base_url(said, SETTINGS, URL)
    assert (found.is_ok, told in found.detail, "secret" in found.detail) == (is_ok, True, False)
    assert is_ok is True or found.next == 'eval "$(dashcam env)"'


@pytest.mark.parametrize(
    ("no_proxy", "is_ok"), [("", False), ("example.com", False), ("a, localhost", True), ("*", True)]
)
def test_a_proxy_that_calls_to_us_would_go_through_is_a_problem(no_proxy: str, is_ok: bool) -> None:
    assert proxies(["HTTP_PROXY"], no_proxy).is_ok is is_ok


def test_proxies_are_told_by_their_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = [item for item in shell(SETTINGS, URL) if item.subject == "proxies"]
    assert len(found) == 1
    assert "https_proxy" in found[0].detail
    assert "secret" not in found[0].detail
