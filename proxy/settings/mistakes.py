"""What is wrong with settings, in words: where it was said, which key, what is wrong, what was given or meant.

pydantic finds it; here it gets the words of people who write settings. What may be a secret is never repeated.
"""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.settings.layers import Layers
from proxy.settings.schema import SettingsFile

_NOT_SHOWN = frozenset({"headers", "url", "read_url", "database", "key_env", "proxy", "proxy_auth_env"})
_IS_SECTION = frozenset({"model_type", "dict_type"})


def check(layers: Layers, problems: list[str]) -> SettingsFile | None:
    """Return the settings that all layers say together, None where they are none: ``problems`` say why."""
    try:
        return SettingsFile.model_validate(layers.merged)
    except ValidationError as error:
        problems += [f"{origin(item['loc'], layers)}: {_told(item, layers.defaults)}" for item in error.errors()]
        return None


def origin(loc: tuple[int | str, ...], layers: Layers) -> str:
    """Return where the value that is wrong was said: in the last layer that says most of its keys."""

    def depth(layer: Any) -> int:
        count = 0
        for part in loc:
            if not isinstance(layer, dict) or part not in layer:
                break
            layer, count = layer[part], count + 1
        return count

    return max(reversed(layers.said), key=lambda name: depth(layers.said[name]))


def _told(item: ErrorDetails, known: dict[str, Any]) -> str:
    """Return key, what is wrong with it, and what was given, unless a secret may stand there."""
    key = ".".join(str(part) for part in item["loc"] if part != "[key]")
    if item["type"] == "extra_forbidden":
        return f"{key}: is not a setting{_meant(item['loc'], known)}"
    if item["type"] in _IS_SECTION:
        return f"{key}: is a section, not a value"
    said = item["msg"].removeprefix("Value error, ")
    # Of a section as a whole its settings are named in what is wrong with it.
    is_shown = item["type"] != "missing" and not isinstance(item["input"], dict)
    is_shown = is_shown and not _NOT_SHOWN.intersection(item["loc"])
    return f"{key}: {said}" + (f" (given: {str(item['input'])[:60]!r})" if is_shown else "")


def _meant(loc: tuple[int | str, ...], known: Any) -> str:
    """Return which setting of the same section may be meant, as a remark in brackets, or nothing."""
    *sections, name = loc
    for section in sections:
        known = known.get(section) if isinstance(known, dict) else None
    close = difflib.get_close_matches(str(name), known, n=1) if isinstance(known, dict) else []
    return f" (did you mean {close[0]}?)" if close else ""
