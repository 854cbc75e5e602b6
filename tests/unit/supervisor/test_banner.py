"""What is said at the start."""

from __future__ import annotations

import dataclasses
import re

import pytest

from proxy.domain.provider import Provider
from proxy.domain.redaction import RedactionRules
from proxy.settings.values import RecordingSettings, ServerSettings, Settings
from proxy.supervisor.banner import public_url, render

SETTINGS = Settings(
    data_dir="/data", run_dir="/run/dashcam",
    providers=(
        Provider(name="openai", kind="openai", base_url="https://api.openai.com/v1", root_url="https://api.openai.com"),
        Provider(name="local", kind="ollama", base_url="http://127.0.0.1:11434/v1", root_url="http://127.0.0.1:11434"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8484"),
        ("localhost", "http://localhost:8484"),
        ("0.0.0.0", "http://127.0.0.1:8484"),
        ("::", "http://127.0.0.1:8484"),
        ("[::]", "http://127.0.0.1:8484"),
        ("::1", "http://[::1]:8484"),
        ("[::1]", "http://[::1]:8484"),
        ("10.1.2.3", "http://10.1.2.3:8484"),
    ],
)
def test_the_address_is_one_that_a_caller_on_this_machine_can_use(host: str, url: str) -> None:
    assert public_url(host, 8484) == url


def test_the_base_url_is_ready_to_copy_with_the_port_that_was_really_bound() -> None:
    said = render(SETTINGS, 8485, "1.2.3", colours=False)
    assert "Dashcam 1.2.3 is recording at http://127.0.0.1:8485\n" in said
    lines = [line.split(maxsplit=1)[1] for line in said.splitlines() if "OPENAI_BASE_URL" in line]
    assert lines == [
        "export OPENAI_BASE_URL=http://127.0.0.1:8485/v1",
        '$env:OPENAI_BASE_URL = "http://127.0.0.1:8485/v1"',
        "OPENAI_BASE_URL=http://127.0.0.1:8485/v1",
    ]
    assert "8484" not in said


def test_it_tells_where_the_data_is_who_is_asked_and_how_to_go_on() -> None:
    said = render(SETTINGS, 8484, "1.2.3", colours=False)
    assert "/data/dashcam.db" in said
    assert "openai (https://api.openai.com/v1), local (http://127.0.0.1:11434/v1)" in said
    assert "dashcam try" in said
    assert "Ctrl+C" in said


def test_it_tells_whether_what_is_said_is_kept() -> None:
    assert "requests and answers" in render(SETTINGS, 8484, "1", colours=False)
    assert "DASHCAM_RECORDING__DEPTH=meta" in render(SETTINGS, 8484, "1", colours=False)
    for depth, words in (("meta", "facts only, no requests or answers"), ("none", "nothing: calls are only counted")):
        less = dataclasses.replace(SETTINGS, recording=RecordingSettings(depth=depth))
        assert words in render(less, 8484, "1", colours=False)
    redacted = dataclasses.replace(SETTINGS, redaction=RedactionRules(patterns=("email", "phone")))
    assert "without email, phone" in render(redacted, 8484, "1", colours=False)


def test_it_tells_callers_to_show_a_key_where_one_is_wanted() -> None:
    guarded = dataclasses.replace(SETTINGS, proxy_keys={"k": "digest"})
    assert "show one of DASHCAM_PROXY_KEYS" in render(guarded, 8484, "1", colours=False)
    assert "DASHCAM_PROXY_KEYS" not in render(SETTINGS, 8484, "1", colours=False)


def test_it_has_at_most_twelve_lines() -> None:
    on_ipv6 = dataclasses.replace(SETTINGS, server=ServerSettings(host="::1"), proxy_keys={"k": "digest"})
    assert len(render(on_ipv6, 8484, "1", colours=True).splitlines()) <= 12


def test_colours_are_only_there_when_asked_for_and_change_no_word() -> None:
    plain, coloured = (render(SETTINGS, 8484, "1", colours=colours) for colours in (False, True))
    assert "\x1b" not in plain
    assert coloured != plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
