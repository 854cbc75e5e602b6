"""The loader's end of the spool: all sources, and what each of them is (``sources``, ``segment_reader``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxy.spool.disk import Disk, RealDisk
from proxy.spool.names import is_source, segment_numbers
from proxy.spool.sealing import KeyRing
from proxy.spool.sources import Source


class SpoolReader:
    """All sources below one spool folder, or several."""

    def __init__(
        self, root: Path, disk: Disk | None = None, *, others: Sequence[Path] = (), keys: KeyRing | None = None
    ) -> None:
        self._roots = (root, *others)
        self._disk = disk or RealDisk()
        self._keys = keys or KeyRing()

    def names(self) -> list[str]:
        """Return the sources' names, sorted; a folder without a segment is none (yet): its writer locks it first.

        What is not called like one is not ours: a file manager's notes, the ``lost+found`` of a volume.
        """
        found = [(root, name) for root in self._roots for name in self._disk.names(root) if is_source(name)]
        return sorted(name for root, name in found if self._has_segments(root, name))

    def _has_segments(self, root: Path, name: str) -> bool:
        try:
            return bool(segment_numbers(self._disk.names(root / name)))
        except NotADirectoryError:
            return False
        except OSError:
            # Whoever reads it learns why, without holding the other sources up.
            return True

    def source(self, name: str) -> Source:
        """Return one source."""
        root = next((root for root in self._roots[1:] if name in self._disk.names(root)), self._roots[0])
        return Source(root, name, self._disk, self._keys)
