"""The real Datasette, where it is installed: pages, questions and facets of a record, and nothing of its secrets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.means import require


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    require("datasette")
    writer = StoreWriter(fresh_sqlite(tmp_path / "data" / "dashcam.db"))
    writer.write(WriteBatch(entries=[("s", an_entry(tags=("a",))) for _ in range(5)]), lambda _: {})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DASHCAM_DATA_DIR": str(tmp_path / "data"), "DASHCAM_RUN_DIR": str(tmp_path / "run")}
    command = [sys.executable, "-m", "proxy", "datasette", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=Path.cwd(), stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
        writer.close()


def ask(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Return the answer; Datasette is waited for."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(address + path, headers=headers), timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                return error.code, error.read()
        except OSError:
            assert time.monotonic() < deadline, "Datasette does not answer"
            time.sleep(0.1)


def sql(address: str, statement: str) -> Any:
    return json.loads(ask(address, f"/dashcam.json?sql={quote(statement)}")[1])


def test_it_shows_what_is_on_record_and_no_more(address: str) -> None:
    status, page = ask(address, "/dashcam/interaction")
    assert (status, b"gpt-5" in page, b"1.2005" in page) == (200, True, True), page.decode()[:2000]
    tables = {item["name"]: item["hidden"] for item in json.loads(ask(address, "/dashcam.json")[1])["tables"]}
    assert (tables["interaction"], tables["api_key"], tables["body_chunk"]) == (False, True, True)
    queries = json.loads(ask(address, "/dashcam.json")[1])["queries"]
    for name in [item["name"] for item in queries]:
        assert ask(address, f"/dashcam/{name}.json")[0] == 200, name
    facets = json.loads(ask(address, "/dashcam/interaction.json?_facet=model")[1])["facet_results"]
    assert facets["model"]["results"][0]["count"] == 5
    assert sql(address, "SELECT count(*) FROM interaction")["rows"] == [[5]]
    assert "prohibited" in sql(address, "SELECT digest FROM api_key")["error"]
    assert "SELECT" in sql(address, "DELETE FROM interaction")["error"]
    assert ask(address, "/dashcam.db")[0] == 403
    assert ask(address, "/", Host="evil.example")[0] == 403
