"""``dashcam doctor``: what was found, what is wrong, the next command; and ``version``."""

from __future__ import annotations

import os
import platform
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from proxy import __version__
from proxy.cli.instance import ask_recorder, find
from proxy.cli.terminal import json_text, on_one_line, paint
from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError, StoreError
from proxy.settings.credentials import read_secret
from proxy.settings.values import Settings, settings_from_mapping
from proxy.store.engine import sqlite_version, sqlite_warning
from proxy.store.reading import Reader

FOUND_PROBLEMS = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``is_ok`` None means worth knowing, not wrong."""

    subject: str
    is_ok: bool | None
    detail: str
    next: str | None = None


def examine(settings_of: Callable[[], Settings], *, as_json: bool) -> int:
    """Look at everything, print it, return the exit code."""
    findings = list(_findings(settings_of))
    if as_json:
        shown = [{"subject": f.subject, "ok": f.is_ok, "detail": f.detail, "next": f.next} for f in findings]
        print(json_text(shown, orjson.OPT_INDENT_2))
    else:
        for item in findings:
            _print(item)
    return FOUND_PROBLEMS if any(item.is_ok is False for item in findings) else 0


def _print(item: Finding) -> None:
    word, colour = {True: ("ok  ", "green"), None: ("note", "yellow"), False: ("bad ", "red")}[item.is_ok]
    print(f"{paint(word, colour)}  {item.subject:<14} {on_one_line(item.detail)}")
    if item.next and item.is_ok is not True:
        print(f"      {'':<14} next: {item.next}")


def _findings(settings_of: Callable[[], Settings]) -> list[Finding]:
    try:
        settings = settings_of()
    except ConfigurationError as error:
        hint = "correct it, then: dashcam doctor"
        last = len(error.problems) - 1
        return [
            Finding("configuration", False, text, hint if index == last else None)
            for index, text in enumerate(error.problems)
        ]
    url = find(settings)
    found = [Finding("configuration", True, "valid"), _server(url), *_database(settings)]
    return [*found, _folder(settings), *map(_provider, settings.providers if url is None else _served(settings))]


def _served(settings: Settings) -> tuple[Provider, ...]:
    """Return the providers that the running instance was started with; its flags are not ours."""
    try:
        return settings_from_mapping(orjson.loads((Path(settings.run_dir) / "settings.json").read_bytes())).providers
    except (OSError, ValueError):
        return settings.providers


def _server(url: str | None) -> Finding:
    if url is None:
        return Finding("server", None, "not running for this data folder", "dashcam serve")
    try:
        ledger = ask_recorder(url, 5.0)
        failure, pending = ledger["last_error"], ledger["pending"]
        detail = f"running at {url}; {ledger['stored']} of {ledger['accepted']} calls stored, {pending} pending"
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return Finding("server", True, f"running at {url}; its recorder answers to the admin token only")
        return _silent(url, str(error))
    except (OSError, ValueError, KeyError) as error:
        return _silent(url, str(error))
    if failure:
        return Finding("recorder", False, f"{failure}; {pending} calls wait in the spool")
    return Finding("server", True, detail)


def _silent(url: str, reason: str) -> Finding:
    detail = f"running at {url}, but its recorder does not answer: {reason}"
    return Finding("server", False, detail, "look at its log")


def _database(settings: Settings) -> list[Finding]:
    warning = sqlite_warning()
    found = [Finding("sqlite", None if warning else True, warning or sqlite_version())]
    try:
        reader = Reader(settings.database_path)
        counts = reader.counts()
        reader.close()
    except StoreError as error:
        if not settings.database_path.exists():
            return [*found, Finding("database", None, error.message, error.hint)]
        hint = error.hint or "move the file away and start again (a new one is made), or restore a backup"
        return [*found, Finding("database", False, error.message, hint)]
    detail = f"{settings.database_path}: {counts['interactions']} calls, {counts['bytes'] / 1e6:,.1f} MB"
    return [*found, Finding("database", True, detail)]


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    is_enough = free > settings.recording.min_free_bytes
    detail = f"{settings.data_dir}: {free / 1e9:,.1f} GB free"
    return Finding("data folder", is_enough, detail, "free some space; bodies are dropped when it is short")


def _provider(provider: Provider) -> Finding:
    subject = f"provider {provider.name}"
    if provider.key_env is None or read_secret(provider.key_env):
        key = "needs no key" if provider.key_env is None else f"key from {provider.key_env}"
        return Finding(subject, True, f"{provider.base_url} ({provider.kind}), {key}")
    detail = f"{provider.key_env} is not set here; where the server has none, clients must send their own key"
    return Finding(subject, None, f"{provider.base_url} ({provider.kind}); {detail}")


def versions(*, as_json: bool) -> None:
    """Print versions."""
    found = {"dashcam": __version__, "python": platform.python_version(), "sqlite": sqlite_version()}
    print(orjson.dumps(found).decode() if as_json else f"dashcam {__version__}")
