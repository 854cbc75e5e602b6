"""What the doctor looks at in the spool: what waits on disk, what lies there that is not ours, whether it is in RAM.

While Dashcam runs its recorder tells the same of itself (``recorder``), and the files are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from proxy.cli.findings import Finding
from proxy.settings.values import Settings
from proxy.spool.inventory import Stray, strays

_SHOWN = 50


def waiting(settings: Settings) -> Finding:
    """Tell what waits on disk while nothing runs."""
    waits = spool_bytes(settings)
    if not waits:
        return Finding("spool", True, "nothing waits")
    return Finding(
        "spool", None, f"{waits / 1e6:,.1f} MB wait to be loaded, which the next start does", "dashcam serve"
    )


def spool_bytes(settings: Settings) -> int:
    """Return how large the segments on disk are."""
    roots = (settings.spool_dir, settings.other_spool_dir)
    return sum(path.stat().st_size for root in roots for path in root.glob("*/*.seg") if path.is_file())


def left_alone(settings: Settings) -> Iterator[Finding]:
    """Tell of what lies in the spool and is not ours to touch, and of a spool that lies in RAM."""
    if settings.recording.mode == "memory":
        detail = f"recording.mode is 'memory': the spool lies in {settings.spool_dir} and goes with the machine"
        yield Finding("spool", None, detail, "set recording.mode to process or power where there is a disk")
    found: list[Stray] = []
    for root in (settings.spool_dir, settings.other_spool_dir):
        try:
            found += strays(root, _SHOWN)
        except OSError as error:
            yield Finding("spool", False, f"{root} cannot be looked at: {error.strerror}", f"ls -la {root}")
    yield from told_as_left_alone([(item.path, item.reason) for item in found])


def told_as_left_alone(found: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Tell of each reason once, with the first file that it is about."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in found:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        folder = Path(paths[0]).parent
        yield Finding("spool", None, f"left alone: {paths[0]}{more}: {reason}", f"ls -la {folder}")
