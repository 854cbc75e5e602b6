"""What the doctor finds where Dashcam runs, or would: does it answer, which version, who has its port meanwhile.

What it answers is judged by ``recorder``. Where it does not run, what waits for it is looked at in the spool's files.
"""

from __future__ import annotations

import urllib.error
from collections.abc import Collection, Iterator
from pathlib import Path

from proxy import __version__
from proxy.cli.doctor import recorder, spool
from proxy.cli.findings import Finding
from proxy.cli.instance import ask_recorder, refusal
from proxy.settings.values import Settings
from proxy.supervisor import instance
from proxy.supervisor.neighbours import who_listens

_SECONDS = 5.0


def findings(settings: Settings, url: str | None, told: Collection[str]) -> Iterator[Finding]:
    """Tell how the running instance is; what is told of the database anyway is not told twice."""
    if url is None:
        yield Finding("server", None, "not running for this data folder", "dashcam serve")
        yield from _port(settings)
        yield spool.waiting(settings)
        yield from spool.left_alone(settings)
        return
    said = instance.find(Path(settings.data_dir)) or {}
    if said.get("version", __version__) != __version__:
        detail = f"version {said['version']} runs, and {__version__} is installed"
        yield Finding("server", None, detail, "stop it, then: dashcam serve")
    try:
        yield from recorder.findings(url, ask_recorder(url, _SECONDS), told)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 429):
            yield Finding("server", True, f"running at {url}; its recorder answers to the admin token only")
        else:
            yield _silent(url, refusal(error))
    except (OSError, ValueError, KeyError) as error:
        yield _silent(url, str(error))


def _port(settings: Settings) -> Iterator[Finding]:
    """Tell who has our port while we do not run."""
    host, port = settings.server.host, settings.server.port
    other = who_listens(host, port, Path(settings.run_dir))
    if other is not None:
        yield Finding("port", None, f"{port} is taken by {other}", f"stop it, or: dashcam serve --port {port + 1}")
    else:
        yield Finding("port", True, f"{port} is free")


def _silent(url: str, reason: str) -> Finding:
    detail = f"running at {url}, but its recorder does not answer: {reason}"
    return Finding("server", False, detail, "look at its log")
