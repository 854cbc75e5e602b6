"""``dashcam prices refresh``: new price data, checked and put into the store, where every host finds it."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson

from proxy.cli.terminal import json_text
from proxy.control.configuration import PricesHandler
from proxy.errors import NotFoundError, UsageError
from proxy.loader.amendments import Amender
from proxy.pricing import release
from proxy.settings.values import Settings
from proxy.store.hosts.configuration import PRICES, Proposal
from proxy.store.reading.reader import Reader
from proxy.supervisor import instance

_PATIENCE_SECONDS = 15.0
_POLL_SECONDS = 0.05


def refresh(settings: Settings, *, url: str | None, path: str | None, as_json: bool) -> None:
    """Get new price data from a file or over the network, check it and make it count for later calls."""
    if url and path:
        raise UsageError("--url and --from are two sources; choose one")
    if path:
        data, origin = _read_file(Path(path)), f"file {Path(path).name}"
    else:
        from proxy.control.price_source import download

        origin = url or settings.prices.url
        data = download(origin, release.MAX_BYTES)
    before = release.active(settings.prices_dir)
    found = propose(settings, data, release.describe(data, origin, datetime.fromtimestamp(time.time(), UTC)))
    is_new = before is None or before.sha256 != found.sha256
    if as_json:
        print(json_text({"version": found.version, "sha256": found.sha256, "origin": found.origin, "is_new": is_new,
                         "providers": found.providers, "models": found.models}, orjson.OPT_INDENT_2))  # fmt: skip
        return
    print(f"{found.models:,} models of {found.providers} providers, version {found.version}, SHA-256 {found.sha256}")
    print("They count from the next call on. What is on record keeps its amount; price it anew with: dashcam recost"
          if is_new else "It is the data that counted already.", file=sys.stderr)  # fmt: skip


def propose(settings: Settings, data: bytes, found: release.Release) -> release.Release:
    """Let price data count, on every host of this database; return what it is called there."""
    proposal = Proposal(
        kind=PRICES, sha256=found.sha256, document=asdict(found), data=data, author=f"{_user()}@{socket.gethostname()}"
    )
    number = Amender(settings).write(proposal)
    reader = Reader(settings.database, is_primary=True)
    try:
        revision = reader.config_revision(number)
    finally:
        reader.close()
    if not instance.is_served(Path(settings.data_dir)):
        PricesHandler(settings.prices_dir).apply(revision)
    elif not _is_applied(settings, number):
        print("The running Dashcam has not taken it up yet; its log says why: dashcam doctor", file=sys.stderr)
    return release.from_document(revision.document)


def _is_applied(settings: Settings, number: int) -> bool:
    """Wait until the running Dashcam has put it to use."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while release.applied(settings.prices_dir) != number and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return release.applied(settings.prices_dir) == number


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
