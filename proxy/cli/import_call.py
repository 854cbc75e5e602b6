"""One line of an import as a call, or why it is none: nothing of what stands there is ever executed or repeated.

A line says a call as an export has it (``Exported``), or as ``POST /api/v1/interactions`` takes it (``Telling``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from proxy.catalogue.parsing import parse
from proxy.catalogue.told_call import ToldCall
from proxy.cli.import_line import Line
from proxy.cli.instants import now
from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.errors import InvalidError, Problem
from proxy.forms import exported
from proxy.forms.calls import entry_of
from proxy.forms.facts import facts_of, has_texts
from proxy.forms.redacting import redactor_of
from proxy.forms.redacting_exports import redacted_export
from proxy.forms.sql import is_statement, values_of
from proxy.forms.told import Teller, entry_of_told
from proxy.loader.recosting import kind_of, kinds_of
from proxy.pricing.cost import cost_of
from proxy.pricing.current import open_price_list
from proxy.settings.values import Settings

_MOST_BRACKETS = 1_000_000
Call = tuple[Mapping[str, Any], Entry]
"""What an export says of a call, and the entry that it is."""


class RefusedError(Exception):
    """A line that is no call; the text is the reason, without anything of the line."""


class Exported:
    """Makes calls of what exports say, without what must not be on record by these settings.

    ``left_out`` counts those whose texts are not kept here, which are calls of which they were there.
    """

    def __init__(self, settings: Settings) -> None:
        self._redactor = redactor_of(settings.redaction)
        self._keeps_texts = settings.recording.usual == "full"
        self.left_out = 0

    def __call__(self, values: object) -> Call:
        """Return a call; ``InvalidError``: why it is none."""
        entry = entry_of(values, now())
        assert isinstance(values, dict)
        kept = values
        if not self._keeps_texts and has_texts(values):
            kept = facts_of(values)
            self.left_out += 1
        if self._redactor is not None:
            kept = redacted_export(kept, self._redactor)
        return kept, entry if kept is values else entry_of(kept, now())


class Telling:
    """Makes calls of what somebody tells who made them himself, with the prices and redaction of these settings.

    ``left_out`` as of ``Exported``.
    """

    def __init__(self, settings: Settings) -> None:
        self.left_out = 0
        self._kinds = kinds_of(settings)
        self._urls = {provider.name: provider.base_url for provider in settings.providers}
        prices = open_price_list(settings.prices_dir, settings.own_prices_path)
        self._teller = Teller(
            name="import", cost_of=partial(cost_of, price_list=prices), keeps_bodies=settings.recording.usual == "full",
            redactor=redactor_of(settings.redaction),
        )  # fmt: skip

    def __call__(self, values: object) -> Call:
        """Return a call; one without an id has one of what it says, so that said twice it is there once."""
        said = parse(ToldCall, values)
        if said.id is None:
            if said.started_at is None:
                raise InvalidError([Problem("started_at", "or id says when it was")])
            identity = _id_of(values, round(said.started_at.timestamp() * 1000))
            said = said.model_copy(update={"id": identity})
        name = said.provider or ""
        kind = kind_of(name, self._kinds) if name else ""
        entry = entry_of_told(said, replace(self._teller, kind=kind, upstream=self._urls.get(name, "")))
        has_content = said.record == "full" and (said.request is not None or said.response is not None)
        self.left_out += has_content and not self._teller.keeps_bodies
        return exported.values_of(entry), entry


def _id_of(values: object, milliseconds: int) -> str:
    """Return the id that a call has which says this: its millisecond, and a digest of all of it."""
    digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()
    tail = int.from_bytes(digest[:10], "big") & (1 << 74) - 1
    number = milliseconds << 80 | 7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    return id_text(number.to_bytes(16, "big"))


def call_of(line: Line, made_of: Callable[[object], Call]) -> Call | None:
    """Return the call that a line says, None for an empty one. ``RefusedError`` says why it is none."""
    if line.data is None:
        raise RefusedError("is longer than a call can be; see recording.max_body_bytes")
    if not line.data.strip():
        return None
    if line.data.count(b"[") + line.data.count(b"{") > _MOST_BRACKETS + len(line.data) // 2:
        raise RefusedError("is a maze of brackets")
    try:
        values = values_of(line.data) if is_statement(line.data) else _loaded(line.data)
        return None if values is None else made_of(values)
    except InvalidError as error:
        raise RefusedError("; ".join(str(problem) for problem in error.problems[:3])) from error


def _loaded(data: bytes) -> Any:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"is no JSON: {_unquoted(error)}") from error
    # Nothing else than an object is a call; null would pass for an empty line.
    return [] if found is None else found


def _unquoted(error: orjson.JSONDecodeError) -> str:
    """Return what is wrong with JSON, at which character; nothing of the text is in it."""
    return f"{error.msg.partition(':')[0]} at character {error.pos + 1}"
