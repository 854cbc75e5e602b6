"""Conversations of every shape come back byte for byte on both engines, however clients write their JSON."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from functools import partial

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.settings.database import DatabaseSettings
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.conversations import SHAPES, Turn, stored_as
from tests.support.rollups import ask

TURNS = 4
STYLES: list[Callable[[object], str]] = [
    json.dumps, partial(json.dumps, ensure_ascii=False, separators=(",", ":")), partial(json.dumps, indent=2)
]  # fmt: skip


def turns_of(shape: str, seed: int, style: Callable[[object], str], said: str) -> list[Turn]:
    """Return the first turns of a conversation as a client writes them; the first message ends in what was said."""
    turns = []
    for request, answer in itertools.islice(SHAPES[shape](random.Random(seed)), TURNS):
        document = orjson.loads(request)
        document["messages"].insert(0, {"role": "user", "content": said})
        turns.append((style(document).encode(), answer))
    return turns


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32), style=st.sampled_from(STYLES), said=st.text(st.characters(codec="utf-8"), max_size=99)
)
def test_what_was_sent_comes_back(
    writer: StoreWriter, reader: Reader, shape: str, seed: int, style: Callable[[object], str], said: str
) -> None:
    turns = turns_of(shape, seed, style, said)
    entries = [stored_as(request, answer) for request, answer in turns]
    # Slices are found in the batch that brings them, and in the store when the next turn comes.
    for batch in (entries[:2], entries[2:]):
        writer.write(WriteBatch([("boot-0", entry) for entry in batch]), lambda _: {})
    kept = reader.parts_of([entry.interaction.id for entry in entries])
    for (request, answer), entry in zip(turns, entries, strict=True):
        found = kept[entry.interaction.id]
        assert found.request is not None
        assert found.response is not None
        assert (found.request.content, found.response.content) == (request, answer)


def test_a_picture_that_is_sent_again_is_kept_once(store: DatabaseSettings, writer: StoreWriter) -> None:
    turns = list(itertools.islice(SHAPES["images"](random.Random(1)), TURNS))
    writer.write(WriteBatch([("boot-0", stored_as(*turn)) for turn in turns]), lambda _: {})
    ((kept,),) = ask(store, "SELECT sum(length(data)) FROM body_chunk")
    assert kept < len(turns[-1][0])
