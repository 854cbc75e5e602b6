"""Publishing and loading the snapshot: one file, replaced in one step, so that a reader sees the old or the new.

Write beside it, sync, rename, sync the folder: after a power cut there is a whole snapshot too. The revision grows by
one whenever the content differs; publishing what is already published changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson

from proxy.domain.access import ProxyKey
from proxy.domain.snapshot import Snapshot, snapshot_from_mapping
from proxy.settings.access import is_loopback
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings


def base_snapshot(settings: Settings) -> Snapshot:
    """Return what the settings alone say, as revision 0."""
    bound = settings.server.host.strip("[]")
    names = {f"[{bound}]" if ":" in bound else bound, *settings.server.allowed_hosts} - {"0.0.0.0", "[::]"}  # noqa: S104
    return Snapshot(
        revision=0,
        providers=settings.providers,
        allowed_hosts=tuple(sorted(names)),
        keys=tuple(ProxyKey(id=name, digest=digest) for digest, name in settings.proxy_keys.items()),
        requires_key=requires_key(settings),
        record_bodies=settings.recording.usual == "full",
        recording=settings.recording.usual,
        redaction=settings.redaction,
        routes=settings.routes,
    )


def requires_key(settings: Settings) -> bool:
    """Return True when callers need a proxy key: nobody beyond this machine is let in without one."""
    server = settings.server
    return bool(settings.proxy_keys) or server.require_key == "always" or not is_loopback(server.host)


def load(path: Path) -> Snapshot:
    """Load a snapshot; ``OSError`` when there is none, ``ValueError`` when it is no good."""
    values = orjson.loads(path.read_bytes())
    if not isinstance(values, dict):
        raise ValueError("the snapshot is no JSON object")
    return snapshot_from_mapping(values)


def load_or_none(path: Path) -> Snapshot | None:
    """Load the last snapshot, or None when there is none that can be used."""
    try:
        return load(path)
    except (OSError, ValueError):
        return None


def publish(path: Path, snapshot: Snapshot, above: int = 0) -> Snapshot:
    """Publish a snapshot and return it with its revision; unchanged content keeps the published revision.

    A new one comes after the published one and after ``above``, which somebody may have seen: a file that was damaged
    or removed does not let the numbers begin anew.
    """
    published = _said_by(path)
    revision = _revision_of(published)
    same = replace(snapshot, revision=revision)
    # What the files say is compared: making values of thousands of prompts takes longer than all the rest of a change.
    if published == orjson.loads(orjson.dumps(same)):
        return same
    new = replace(snapshot, revision=max(revision, above) + 1)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, orjson.dumps(new, option=orjson.OPT_INDENT_2), is_lasting=True)
    return new


def _said_by(path: Path) -> object:
    """Return what a snapshot's file says, None where it says nothing."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _revision_of(said: object) -> int:
    revision = said.get("revision") if isinstance(said, dict) else None
    return revision if isinstance(revision, int) and not isinstance(revision, bool) and revision > 0 else 0
