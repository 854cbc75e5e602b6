"""A transaction on each engine in turn, and a catalogue with something of everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.engine import Backend, backend_of
from proxy.store.writing.writer import StoreWriter

MADE_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
VERSIONS = {
    1: {"messages": [{"role": "user", "content": "{{ text }}"}], "variables": {"text": {"type": "string"}}},
    2: {"messages": [{"role": "user", "content": "Short: {{ text }}"}], "variables": {"text": {"type": "string"}}},
}
HASHES = {1: "ab" * 32, 2: "cd" * 32}


def a_catalogue(**changes: Any) -> Catalogue:
    """Return a catalogue with something of every noun; ``changes`` are lists by noun."""
    versions = [
        {"number": number, "sha256": sha256, "made_at": MADE_AT.isoformat(), "author": "kim", "note": "größer"}
        for number, sha256 in HASHES.items()
    ]
    values: dict[str, Any] = {
        "format": 1,
        "providers": [{"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}],
        "models": [{"provider": "acme", "name": "org/model-1", "context_window": 8192, "shutdown_date": "2027-01-31"}],
        "prices": [{"model": "model-1", "provider": "acme", "rates": {"input_mtok": "0.1", "output_mtok": "0.2"}}],
        "routes": [{"name": "summarise", "targets": ["acme/org/model-1"], "prompt": "short@production"}],
        "prompts": [{"name": "short", "goal": "Be brief.", "labels": {"production": 1}, "versions": versions}],
        **changes,
    }
    return catalogue_from_mapping(values)


@pytest.fixture
def backend(store: DatabaseSettings) -> Backend:
    return backend_of(store)


@pytest.fixture
def connection(writer: StoreWriter) -> Iterator[Connection]:
    """One transaction; what a test does in it is committed at its end."""
    with writer.transaction() as made:
        yield made
