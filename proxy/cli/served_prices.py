"""The prices that count now: those of the running instance, which may have been started with flags that we were not.

Without that, a command that was not given the server's ``--config`` would price the calls of a user's own prices by the
published ones, or as local and free. What the command itself is told about ``prices.file`` wins. Of a stopped instance
nothing is known.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import orjson

from proxy.pricing.current import open_price_list
from proxy.pricing.rates import PriceList
from proxy.settings.values import Settings, settings_from_mapping
from proxy.supervisor import instance


def served_price_list(settings: Settings) -> PriceList:
    """Return the prices of now, and say where the user's own were taken from the running instance.

    Raises ``PriceDataError`` or ``ConfigurationError`` where a file is no good.
    """
    own = settings.own_prices_path
    if own is None:
        own = _served_file(settings)
        if own is not None:
            print(f"With the prices of the running Dashcam: {own}", file=sys.stderr)
    return open_price_list(settings.prices_dir, own)


def _served_file(settings: Settings) -> Path | None:
    if not instance.is_served(Path(settings.data_dir)):
        return None
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        served = settings_from_mapping(orjson.loads((Path(settings.run_dir) / "settings.json").read_bytes()))
        if served.data_dir == settings.data_dir:
            return served.own_prices_path
    return None
