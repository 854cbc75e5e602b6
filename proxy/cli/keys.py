"""What is said of a proxy key on the command line, as the admin API takes it: of a new one, or of one that is there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from proxy.cli.instants import later
from proxy.errors import UsageError

_LIMITS = {"rpm": "requests_per_minute", "tpm": "tokens_per_minute", "concurrent": "concurrent"}
IN_USE, ENDED, REVOKED = "in use", "ended", "revoked"
_SPANS = ("text", "metadata", "errors")


def state_of(key: Mapping[str, Any]) -> str:
    """Return whether a key opens anything now, as the list says it."""
    if key["revoked_at"]:
        return REVOKED
    end = key["expires_at"]
    return ENDED if end and datetime.fromisoformat(end) <= datetime.fromtimestamp(time.time(), UTC) else IN_USE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWish:
    """Options as they were typed, None where one was not; ``limits`` by the names of theirs."""

    owner: str | None
    note: str | None
    routes: Sequence[str] | None
    limits: Mapping[str, int | None]
    expires: str | None
    recording: str | None
    redaction: Sequence[str] | None
    retention: Sequence[str] | None

    def new(self) -> dict[str, Any]:
        """Return what makes a key."""
        limits = {_LIMITS[name]: value for name, value in self.limits.items() if value is not None}
        spans = {name: span for name, span in self._spans().items() if span}
        return {
            "owner": self.owner or "", "note": self.note or "", "routes": _list(self.routes), "limits": limits or None,
            "expires_at": later(self.expires or None, "--expires"), "recording": self.recording or None,
            "redaction": _list(self.redaction), "retention": spans or None,
        }  # fmt: skip

    def changing(self, former: Mapping[str, Any]) -> dict[str, Any]:
        """Return what changes the key that is there; ``UsageError`` where nothing was said."""
        said = {
            "owner": self.owner, "note": self.note, "recording": self.recording,
            "routes": None if self.routes is None else _list(self.routes),
            "redaction": None if self.redaction is None else _list(self.redaction),
            "expires_at": self.expires and later(self.expires, "--expires"),
        }  # fmt: skip
        # Of these nothing is said by null, of the lists and texts by an empty one.
        body = {
            name: value or (None if name in ("recording", "expires_at") else value)
            for name, value in said.items()
            if value is not None
        }
        limits = {_LIMITS[name]: value or None for name, value in self.limits.items() if value is not None}
        body |= _laid_over("limits", former, limits) | _laid_over("retention", former, self._spans())
        if not body:
            raise UsageError("nothing is said that is to change", hint="such as: --record meta, or --retention text=7d")
        return body

    def _spans(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for said in self.retention or ():
            if not said:
                found |= dict.fromkeys(_SPANS)
                continue
            name, equals, span = said.partition("=")
            if name not in _SPANS or not equals:
                raise UsageError(
                    f"--retention: {said[:40]!r} does not say what is kept for how long",
                    hint=f"write WHAT=SPAN, as in text=7d or metadata=90d; WHAT is one of {', '.join(_SPANS)}",
                )
            found[name] = span or None
        return found


def _list(said: Sequence[str] | None) -> list[str]:
    return [item for item in said or () if item]


def _laid_over(name: str, former: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member that has members of its own, with some of them changed; nothing where none is."""
    if not said:
        return {}
    left = {key: value for key, value in {**(former.get(name) or {}), **said}.items() if value is not None}
    return {name: left or None}
