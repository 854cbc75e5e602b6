"""Start what is measured: our upstream, Dashcam in front of it, and nginx in front of it where there is one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from bench.generator import Plan, Seen
from bench.processes import MEASURED, OTHERS, pin
from tests.support.dashcam import RunningDashcam
from tests.support.processes import ROOT, children, clean_environment, end, free_port
from tests.support.waiting import wait_until

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 100m; client_body_buffer_size 16k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream bench {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


class Target:
    """Something that relays: a name, a port, and the process whose CPU time counts."""

    def __init__(self, name: str, port: int, pid: int | None = None) -> None:
        self.name = name
        self.port = port
        self.pid = pid

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let nothing but the measured process and the load run meanwhile."""
        yield


class DashcamTarget(Target):
    """A gateway. While it is measured alone control is stopped: the spool takes everything, and is loaded after.

    On two cores control would take the load generator's, and after the run that of whoever is measured next; what
    both manage together is a measure of its own (``recording``).
    """

    def __init__(self, running: RunningDashcam) -> None:
        (gateway,), (self._control,) = running.pids("proxy.gateway"), running.pids("proxy.control")
        super().__init__("dashcam", running.port, gateway)
        self.running = running
        pin(gateway, MEASURED)
        pin(self._control, OTHERS)

    def unpin(self) -> None:
        """Let gateway and control have all cores, as in daily life."""
        for pid in (self.pid, self._control):
            assert pid is not None
            pin(pid, MEASURED | OTHERS)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Stop control, then let it catch up."""
        with self.paused_control():
            yield
        wait_until(self.running.is_settled, "the backlog is gone", seconds=900, interval=0.2)

    @contextlib.contextmanager
    def paused_control(self) -> Iterator[None]:
        """Stop control meanwhile: the spool takes everything."""
        os.kill(self._control, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._control, signal.SIGCONT)


@contextlib.contextmanager
def upstream() -> Iterator[Target]:
    """Run our upstream."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.upstream"],
        cwd=ROOT, env=clean_environment(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    pin(process.pid, OTHERS)
    try:
        yield Target("upstream", int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


@contextlib.contextmanager
def nginx(folder: Path, behind: Target) -> Iterator[Target | None]:
    """Run nginx with one worker; None where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if program is None:
        yield None
        return
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, upstream=behind.port))
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        worker = wait_until(lambda: next(iter(children(process.pid)), 0), "nginx has its worker")
        pin(worker, MEASURED)
        yield Target("nginx", port, worker)
    finally:
        end(process, 10)


@contextlib.contextmanager
def dashcam(
    folder: Path, behind: Target, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[DashcamTarget, RunningDashcam]]:
    """Run Dashcam with one gateway on the measured core, everything else on the others; recording is on."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"openai=http://127.0.0.1:{behind.port}/v1"
    running = RunningDashcam(folder, "--upstream", address, "--workers", "1", *arguments, environment=environment)
    try:
        running.start()
        target = DashcamTarget(running)
        wait_until(lambda: running.get("/api/v1/recorder")[0] == 200, "control is there")
        yield target, running
    finally:
        running.close()


def start_load(plan: Plan) -> subprocess.Popen[bytes]:
    """Start a load generator."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.generator", json.dumps(asdict(plan))],
        cwd=ROOT, env=clean_environment(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    pin(process.pid, OTHERS)
    return process


def load(plan: Plan) -> Seen:
    """Run a load to its end and return what it saw."""
    with start_load(plan) as process:
        output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"the load generator failed at port {plan.port}")
    return Seen(**json.loads(output.split(b"\n")[-2]))
