"""``dashcam doctor``: what was found, what is wrong, the next command; and ``version``.

It changes nothing, and waits for nothing longer than a few seconds. Here is the order in which things are told, and
the configuration; what each part is about stands in the package's docstring.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from proxy import __version__
from proxy.cli.doctor import database, holdings, hosts, privacy, reachability, server, surroundings
from proxy.cli.findings import Finding, report
from proxy.cli.instance import find
from proxy.cli.local_servers import PATIENCE_SECONDS, local_servers, with_found
from proxy.cli.serve import check_archive, check_own_prices
from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings.snapshot import load_or_none
from proxy.settings.values import Settings, settings_from_mapping
from proxy.store.engines.sqlite import sqlite_version
from proxy.supervisor.banner import public_url


def examine(settings_of: Callable[[], Settings], *, as_json: bool, is_online: bool) -> int:
    """Look at everything, print it, return the exit code."""
    return report(list(_findings(settings_of, is_online=is_online)), as_json=as_json)


def _findings(settings_of: Callable[[], Settings], *, is_online: bool) -> Iterator[Finding]:
    yield surroundings.versions()
    try:
        settings = settings_of()
        check_own_prices(settings)
        check_archive(settings)
    except ConfigurationError as error:
        yield from _mistakes(error)
        return
    url = find(settings)
    yield Finding("configuration", True, "valid; see it with: dashcam config show")
    if not settings.database.is_postgres:
        yield surroundings.sqlite()
    stored = list(database.soundness(settings))
    yield from server.findings(settings, url, {item.detail for item in stored})
    yield from stored
    yield from database.who_has_it(settings)
    yield from hosts.findings(settings)
    yield from database.record(settings)
    yield from database.text_index(settings)
    yield from privacy.findings(settings)
    yield from database.retention(settings)
    yield from holdings.folder(settings)
    yield from holdings.catalogue(settings)
    yield from holdings.left_over(settings)
    yield from surroundings.shell(settings, url or public_url(settings.server.host, settings.server.port))
    found, silent = local_servers(settings, PATIENCE_SECONDS)
    served = with_found(settings, found).providers if url is None else _served(settings)
    yield from map(reachability.silent, silent)
    yield from reachability.findings(served, is_online=is_online)


def _mistakes(error: ConfigurationError) -> Iterator[Finding]:
    """Tell of all that is wrong with the configuration, and at the end what to do."""
    last = len(error.problems) - 1
    hint = error.hint or "correct it, then: dashcam config check"
    for index, text in enumerate(error.problems):
        yield Finding("configuration", False, text, hint if index == last else None)


def _served(settings: Settings) -> tuple[Provider, ...]:
    """Return the providers that the running instance works with now, else those it was started with."""
    snapshot = load_or_none(settings.snapshot_path)
    if snapshot is not None:
        return snapshot.providers
    try:
        return settings_from_mapping(orjson.loads((Path(settings.run_dir) / "settings.json").read_bytes())).providers
    except (OSError, ValueError):
        return settings.providers


def versions(*, as_json: bool) -> None:
    """Print versions."""
    found = {"dashcam": __version__, "python": platform.python_version(), "sqlite": sqlite_version()}
    print(orjson.dumps(found).decode() if as_json else f"dashcam {__version__}")
