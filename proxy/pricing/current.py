"""The prices that count now, without a restart: refreshed data, the user's own file and edited prices are watched.

Whoever asks gets a ``PriceList``, which never changes; a changed file gives a new one. A file that cannot be used
leaves the last price list in place and says so once: calls go on being priced as before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from proxy.errors import ConfigurationError, PriceDataError
from proxy.pricing import edited, overrides, release
from proxy.pricing.rates import PriceList

Signature = tuple[int, int, int] | None


class CurrentPrices:
    """Watches three files; for one thread. ``complain`` is told what is wrong with one, each time it changes."""

    def __init__(self, folder: Path, own: Path | None, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._own = own
        self._complain = complain
        self._seen: tuple[Signature, ...] | None = None
        self._price_list: PriceList | None = None

    def __repr__(self) -> str:
        return f"<CurrentPrices {self._folder} own={self._own} {self._price_list!r}>"

    def price_list(self) -> PriceList:
        """Return the prices as the files say now."""
        watched = self._folder / release.ACTIVE, self._folder / edited.FILE, self._own
        seen = tuple(map(_signature, watched))
        if self._price_list is None or seen != self._seen:
            self._seen = seen
            try:
                self._price_list = open_price_list(self._folder, self._own)
            except (PriceDataError, ConfigurationError) as error:
                self._complain(str(error))
                self._price_list = self._price_list or PriceList()
        return self._price_list


def open_price_list(folder: Path, own: Path | None) -> PriceList:
    """Return what the files say now; ``PriceDataError`` or ``ConfigurationError`` when one is no good."""
    rules = (overrides.load(own) if own is not None else overrides.NONE).over(edited.read(folder))
    found = release.active(folder)
    if found is None:
        return PriceList(own=rules)
    return PriceList(release.load(folder, found), found.version, rules)


def _signature(path: Path | None) -> Signature:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
