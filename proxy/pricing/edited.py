"""Prices that are edited while Dashcam runs, as this host keeps them: a file, so that pricing waits for no database.

The store has what counts. Control writes ``prices/edited.json`` before a changed catalogue is in use, and the loader
takes it up with its next batch; calls that are stored already keep what they were charged (``dashcam recost``
charges them anew). A file that cannot be read is refused whole: half of the prices would charge too little in silence.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import orjson

from proxy.errors import PriceDataError
from proxy.pricing.overrides import NONE, Override, Overrides, ranked
from proxy.settings.private_file import replace_file

FILE = "edited.json"
_FORMAT = 1
_NAMES = frozenset(item.name for item in fields(Override))
_HINT = "start Dashcam with its database: it is written anew"


def write(folder: Path, rules: Overrides) -> None:
    """Let these edited prices count on this host; ``OSError`` when the disk does not take them."""
    content = orjson.dumps({"format": _FORMAT, "rules": [asdict(rule) for rule in rules.rules]})
    if content == _content(folder) or (not rules.rules and not (folder / FILE).exists()):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(folder / FILE, content, is_lasting=True)


def read(folder: Path) -> Overrides:
    """Return the edited prices of this host; ``PriceDataError`` when nobody can tell."""
    path = folder / FILE
    try:
        values = orjson.loads(path.read_bytes())
        if values["format"] != _FORMAT:
            raise PriceDataError(f"{path} is of a newer Dashcam", hint=_HINT)
        return ranked(_rule(item) for item in values["rules"])
    except FileNotFoundError:
        return NONE
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PriceDataError(f"{path} cannot be read: {error}", hint=_HINT) from error


def _rule(values: dict[str, Any]) -> Override:
    rates = tuple((str(unit), str(rate)) for unit, rate in values["rates"])
    return Override(**{name: values[name] for name in _NAMES} | {"rates": rates})


def _content(folder: Path) -> bytes | None:
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return None
