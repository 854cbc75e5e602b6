"""Addresses of a catalogue: outward to anybody, inward only where allowed, and some never, however they are written."""

from __future__ import annotations

import pytest

from proxy.catalogue.addresses import reason_against

NEVER = [
    "http://169.254.169.254/latest",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://0.0.0.0:80/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::808:808]/",
    "http://[2002:7f00:1::]/",
    "http://metadata.google.internal/",
    "http://metadata/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://bücher.example/",
]
INWARD = [
    "http://127.0.0.1/",
    "http://localhost:80/",
    "http://localhost./",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://100.64.0.1/",
    "http://[fc00::1]/",
    "http://gpu/",
    "http://gpu.internal/",
]
ALL = ("0.0.0.0/0", "::/0", "metadata", "metadata.google.internal", "localhost", "gpu", "gpu.internal")


@pytest.mark.parametrize("url", NEVER)
def test_some_are_refused_whatever_is_allowed(url: str) -> None:
    assert reason_against(url, ALL)


@pytest.mark.parametrize("url", INWARD)
def test_inward_ones_need_their_host_or_network_named(url: str) -> None:
    assert "points inward" in (reason_against(url, ()) or "")
    assert reason_against(url, ALL) is None


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "http://8.8.8.8", "http://[2606:4700::1111]", "https://a.b.example"]
)
def test_outward_ones_are_anybodys(url: str) -> None:
    assert reason_against(url, ()) is None
