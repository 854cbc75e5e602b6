"""What the doctor looks at around Dashcam: this shell's variables and versions. No value that may be secret."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from proxy import __version__
from proxy.cli.findings import Finding
from proxy.settings.access import leads_home
from proxy.settings.values import Settings
from proxy.store.engines.sqlite import sqlite_version, sqlite_warning

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK = {"*", "localhost", "127.0.0.1", "::1", "[::1]", "127.0.0.0/8"}


def versions() -> Finding:
    """Tell the program's and its ground's versions."""
    system = f"{platform.system()} {platform.machine()}"
    return Finding("versions", True, f"Dashcam {__version__}, Python {platform.python_version()}, {system}")


def sqlite() -> Finding:
    """Tell what the SQLite is worth that a file is written with."""
    warning = sqlite_warning()
    if not warning:
        return Finding("sqlite", True, sqlite_version())
    detail = f"{warning}. It can lose pages when two write and checkpoint at once; Dashcam has one writer only"
    return Finding("sqlite", None, detail, "nothing, while only Dashcam writes; else a Python with a newer SQLite")


def shell(settings: Settings, url: str) -> Iterator[Finding]:
    """Tell where this shell's programs would call; ``url`` is our address."""
    yield base_url(os.getenv("OPENAI_BASE_URL", "").strip(), settings, url)
    named = [name for name in _PROXIES for name in (name, name.lower()) if os.getenv(name)]
    if named:
        yield proxies(named, os.getenv("NO_PROXY") or os.getenv("no_proxy") or "")


def base_url(said: str, settings: Settings, url: str) -> Finding:
    """Judge OPENAI_BASE_URL as the programs of this shell will take it."""
    subject, next_command = "this shell", 'eval "$(dashcam env)"'
    if not said:
        return Finding(subject, None, "OPENAI_BASE_URL is not set here: its programs do not call us", next_command)
    parts = urlsplit(said)
    if leads_home(said.replace("https://", "http://", 1), urlsplit(url).port or 0, settings.server.allowed_hosts):
        if parts.scheme == "https":
            return Finding(subject, False, "OPENAI_BASE_URL says https, and we speak plain http", next_command)
        if not parts.path.rstrip("/"):
            return Finding(subject, False, "OPENAI_BASE_URL points at us, but without the /v1 at its end", next_command)
        return Finding(subject, True, "OPENAI_BASE_URL points at us")
    if leads_home(said, parts.port or 0) and parts.port is not None:
        detail = f"OPENAI_BASE_URL points at port {parts.port} of this machine, and this Dashcam is at {url}"
        return Finding(subject, None, detail, next_command)
    host = parts.hostname or "something else"
    return Finding(subject, None, f"OPENAI_BASE_URL points at {host}: its programs do not call us", next_command)


def proxies(named: Iterable[str], no_proxy: str) -> Finding:
    """Judge proxy variables: programs may send their calls to this machine through the proxy, which cannot reach it."""
    told = ", ".join(named)
    if {word.strip().lower() for word in no_proxy.replace(",", " ").split()} & _LOOPBACK:
        return Finding("proxies", True, f"{told} set; NO_PROXY keeps calls to this machine away from it")
    detail = f"{told} set: programs may send their calls to us through that proxy. Our own calls do not use it"
    return Finding("proxies", False, detail, "export NO_PROXY=127.0.0.1,localhost")
