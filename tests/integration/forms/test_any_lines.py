"""Whatever a line says of a call: it is refused with a reason, or the store takes it; nothing in between."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidError
from proxy.forms.calls import BESIDE, entry_of
from proxy.forms.exported import values_of
from proxy.settings.database import DatabaseSettings
from proxy.store.schema.rows import COLUMNS
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.any_calls import any_entries

NOW = 1_800_000_000_000
_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.text(min_size=201, max_size=210)
    | st.sampled_from(["2026-11-27T12:00:00Z", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "completed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
_NAMES = st.sampled_from([*map(str, COLUMNS), *BESIDE])


@st.composite
def lines(draw: st.DrawFn) -> Any:
    """Draw what a line says: a call of which some members, also inner ones, say something else."""
    values = values_of(draw(any_entries()))
    for name in draw(st.lists(_NAMES, min_size=1, max_size=3)):
        inner = values[name]
        if isinstance(inner, list) and inner and draw(st.booleans()):
            inner = inner[0]
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            inner[draw(st.sampled_from(sorted(inner)))] = draw(_ODD)
        else:
            values[name] = draw(_ODD)
    return values


def test_it_is_refused_or_stored(store: DatabaseSettings) -> None:
    writer = StoreWriter(store)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(lines())
    def check(values: Any) -> None:
        try:
            data = orjson.dumps(values)
        except TypeError:
            # Half a character: no line has that.
            return
        try:
            entry = entry_of(orjson.loads(data), NOW)
        except InvalidError:
            return
        writer.write(WriteBatch(entries=[("import", entry)]), lambda _: {})

    check()
    writer.close()
