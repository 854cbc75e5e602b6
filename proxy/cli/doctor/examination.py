"""``dashcam doctor``: what was found, what is wrong, the next command; and ``version``.

It changes nothing, and waits for nothing longer than a few seconds. The parts: ``surroundings`` (this shell),
``holdings`` (the data folder), ``reachability`` (providers), and here the configuration and the running instance.
"""

from __future__ import annotations

import platform
import urllib.error
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from proxy import __version__
from proxy.cli.database import calls
from proxy.cli.doctor import holdings, hosts, privacy, reachability, surroundings
from proxy.cli.findings import Finding, report
from proxy.cli.instance import ask_recorder, find, refusal
from proxy.cli.local_servers import PATIENCE_SECONDS, local_servers, with_found
from proxy.cli.serve import check_archive, check_own_prices
from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings.snapshot import load_or_none
from proxy.settings.values import Settings, settings_from_mapping
from proxy.store.engines.sqlite import sqlite_version
from proxy.supervisor import instance
from proxy.supervisor.banner import public_url
from proxy.supervisor.neighbours import who_listens

_MUCH_PENDING_BYTES = 64_000_000


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
        last = len(error.problems) - 1
        hint = error.hint or "correct it, then: dashcam config check"
        for index, text in enumerate(error.problems):
            yield Finding("configuration", False, text, hint if index == last else None)
        return
    url = find(settings)
    yield Finding("configuration", True, "valid; see it with: dashcam config show")
    if not settings.database.is_postgres:
        yield surroundings.sqlite()
    stored = list(holdings.database(settings))
    yield from _server(settings, url, {item.detail for item in stored})
    yield from stored
    yield from holdings.who_has_it(settings)
    yield from hosts.findings(settings)
    yield from holdings.record(settings)
    yield from holdings.text_index(settings)
    yield from privacy.findings(settings)
    yield from holdings.retention(settings)
    yield from holdings.folder(settings)
    yield from holdings.catalogue(settings)
    yield from holdings.left_over(settings)
    yield from surroundings.shell(settings, url or public_url(settings.server.host, settings.server.port))
    found, silent = local_servers(settings, PATIENCE_SECONDS)
    served = with_found(settings, found).providers if url is None else _served(settings)
    yield from map(reachability.silent, silent)
    yield from reachability.findings(served, is_online=is_online)


def _served(settings: Settings) -> tuple[Provider, ...]:
    """Return the providers that the running instance works with now, else those it was started with."""
    snapshot = load_or_none(settings.snapshot_path)
    if snapshot is not None:
        return snapshot.providers
    try:
        return settings_from_mapping(orjson.loads((Path(settings.run_dir) / "settings.json").read_bytes())).providers
    except (OSError, ValueError):
        return settings.providers


def _server(settings: Settings, url: str | None, told: Collection[str]) -> Iterator[Finding]:
    """Tell how the running instance is; what is told of the database anyway is not told twice."""
    if url is None:
        yield Finding("server", None, "not running for this data folder", "dashcam serve")
        yield from _port(settings)
        yield holdings.spool(settings)
        yield from holdings.left_alone(settings)
        return
    said = instance.find(Path(settings.data_dir)) or {}
    if said.get("version", __version__) != __version__:
        detail = f"version {said['version']} runs, and {__version__} is installed"
        yield Finding("server", None, detail, "stop it, then: dashcam serve")
    try:
        ledger = ask_recorder(url, 5.0)
        yield from _recorder(url, ledger, told)
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


def _recorder(url: str, ledger: dict[str, Any], told: Collection[str]) -> Iterator[Finding]:
    yield from _spool_state(ledger)
    failure, pending = ledger["last_error"], ledger["pending"]
    if ledger.get("doing"):
        yield Finding("recorder", None, f"{ledger['doing']}; calls wait in the spool meanwhile")
    if failure:
        wait = "calls wait" if pending is None else "1 call waits" if pending == 1 else f"{pending:,} calls wait"
        if failure in told:
            yield Finding("recorder", False, f"running at {url}; {wait} in the spool for the database to be mended")
            return
        next_step = ledger.get("next_step") or "look at its log"
        yield Finding("recorder", False, f"{failure}; {wait} in the spool", next_step)
        return
    yield Finding("server", True, f"running at {url}; {_stored(ledger)}")
    if ledger.get("balanced") is False:
        detail = "the account does not balance: a call is neither stored nor pending nor counted as lost"
        yield Finding("recorder", False, detail, f"curl -s {url}/api/v1/recorder")
    waiting = ledger.get("pending_bytes") or 0
    if waiting > _MUCH_PENDING_BYTES:
        yield Finding("spool", None, f"{waiting / 1e6:,.0f} MB wait to be loaded", f"curl -s {url}/api/v1/recorder")
    lost = {reason: count for reason, count in (ledger.get("dropped") or {}).items() if count}
    moved = lost.pop("store_moved", 0)
    if moved:
        detail = f"{calls(moved)} went with a database that was moved, replaced or put back while Dashcam ran"
        yield Finding(
            "recorder",
            None,
            detail,
            "they are in the one from before, if it is still there; bring a file back: dashcam db restore FILE",
        )
    yield from _wished_away(lost)
    if lost:
        told = ", ".join(f"{count:,} {reason}" for reason, count in lost.items())
        yield Finding(
            "recorder",
            None,
            f"calls that were not recorded: {told}",
            "free some space, or raise the spool's ceiling; see recording.on_full",
        )
    if ledger.get("quarantined"):
        detail = f"{calls(ledger['quarantined'])} could not be stored; kept aside in table quarantine"
        yield Finding("recorder", None, detail, "look at its column reason")


def _stored(ledger: dict[str, Any]) -> str:
    """Return how many calls are stored, which only an open database knows."""
    accepted = calls(ledger["accepted"])
    if ledger["stored"] is None:
        return f"{accepted} accepted"
    return f"{ledger['stored']:,} of {accepted} stored, {ledger['pending']:,} pending"


def _wished_away(lost: dict[str, int]) -> Iterator[Finding]:
    """Tell of calls that nobody wanted on record, and take them out of those that were lost."""
    if wished := lost.pop("policy", 0):
        told = "1 call is" if wished == 1 else f"{wished:,} calls are"
        yield Finding("recorder", True, f"{told} only counted, as settings, route, key or caller say (depth none)")
    if refused := lost.pop("refused", 0):
        told = "1 refused call has" if refused == 1 else f"{refused:,} refused calls have"
        hint = "nothing, unless each is wanted on record: recording.refused_per_second"
        yield Finding("recorder", None, f"{told} no row: there were too many at once", hint)


def _spool_state(ledger: dict[str, Any]) -> Iterator[Finding]:
    """Tell what the gateways say of their spool; an older server says nothing."""
    for trouble in ledger.get("troubles") or ():
        yield Finding("spool", False, trouble["text"], trouble["hint"])
    for warning in ledger.get("warnings") or ():
        yield Finding("spool", None, warning, "set recording.mode to process or power where there is a disk")
    yield from holdings.told_as_left_alone([(item["path"], item["reason"]) for item in ledger.get("left_alone") or ()])


def _silent(url: str, reason: str) -> Finding:
    detail = f"running at {url}, but its recorder does not answer: {reason}"
    return Finding("server", False, detail, "look at its log")


def versions(*, as_json: bool) -> None:
    """Print versions."""
    found = {"dashcam": __version__, "python": platform.python_version(), "sqlite": sqlite_version()}
    print(orjson.dumps(found).decode() if as_json else f"dashcam {__version__}")
