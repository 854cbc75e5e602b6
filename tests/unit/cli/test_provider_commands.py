"""Providers as they are typed: with their keys, and with what stands or falls with them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.test_catalogue import fill

pytestmark = pytest.mark.usefixtures("prepared")


def test_who_moves_a_provider_is_told_that_its_key_does_not_go_along(
    dashcam: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "k3Y9" * 10)
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk-acme-0123456789\n"))
    made = dashcam("providers", "add", "acme", "--url", "https://api.acme.example/v1", "--key")
    assert (made.code, "another address" in made.err) == (0, False), made
    assert "another address" not in dashcam("providers", "add", "acme", "--url", "https://api.acme.example/v2").err
    moved = dashcam("providers", "add", "acme", "--url", "https://api.other.example/v1")
    assert (moved.code, "next: dashcam providers add acme --key" in moved.err) == (0, True)


def test_a_key_that_is_refused_is_told_beside_what_was_saved(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHCAM_MASTER_KEY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("sk-acme-0123456789\n"))
    said = dashcam("providers", "add", "acme", "--url", "https://api.acme.example/v1", "--key")
    assert (said.code, "provider acme is saved, without this key" in said.err) == (2, True)
    assert "acme" in dashcam("providers", "list").out


def test_a_provider_goes_with_its_models_and_not_while_a_route_needs_it(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    refused = dashcam("providers", "remove", "acme")
    assert (refused.code, "models" in refused.err) == (2, False)
    assert "routes.summarise.targets.0.provider" in refused.err
    assert "next: acme is still needed there; change that first" in refused.err
    assert dashcam("routes", "remove", "summarise").code == 0
    assert "provider acme removed, and 1 model of it · revision" in dashcam("providers", "remove", "acme").out
    assert dashcam("models", "list").lines[1:] == []
