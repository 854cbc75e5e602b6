"""Who has a port: nobody, a stranger, another Dashcam, a known Dashcam."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from proxy.supervisor import instance
from proxy.supervisor.neighbours import who_listens
from tests.support.processes import free_port
from tests.unit.cli.test_instance import answering

HOST = "127.0.0.1"
HEALTHY = (200, b'{"status":"ok","service":"dashcam"}\n')


@contextlib.contextmanager
def serving(folder: Path, run_dir: Path, url: str) -> Iterator[None]:
    folder.mkdir()
    run_dir.mkdir(parents=True)
    (run_dir / "settings.json").write_text(json.dumps({"data_dir": str(folder)}))
    descriptor = instance.lock(folder)
    assert descriptor is not None
    instance.announce(folder, {"url": url, "pid": 1})
    yield
    os.close(descriptor)


def test_nobody_and_strangers(tmp_path: Path) -> None:
    assert who_listens(HOST, free_port(), tmp_path / "mine") is None
    for answer in ((200, b"{}"), (404, b"<html>"), (0, b"220 mail ESMTP\r\n"), (200, b"[]")):
        with answering(answer) as server:
            assert who_listens(HOST, server.server_address[1], tmp_path / "mine") == "another program"


def test_a_silent_one_keeps_nobody_waiting(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as silent:
        assert who_listens(HOST, silent.getsockname()[1], tmp_path / "mine") == "another program"


def test_another_dashcam_is_named_with_its_data_folder_where_that_can_be_known(tmp_path: Path) -> None:
    with answering(HEALTHY) as server:
        port = server.server_address[1]
        assert who_listens("0.0.0.0", port, tmp_path / "mine") == "another Dashcam, with another data folder"
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "settings.json").write_text("{")
        with serving(tmp_path / "theirs", tmp_path / "other", f"http://127.0.0.1:{port}"):
            expected = f"another Dashcam, which serves {tmp_path / 'theirs'}"
            assert who_listens(HOST, port, tmp_path / "mine") == expected
