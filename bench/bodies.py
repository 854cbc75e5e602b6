"""What bodies weigh: conversations of each shape as they go over the wire, against the database that has them all.

Rows, indexes, rollups and texts are part of the weight: it is the disk that fills. Calls are interpreted and stored by
the product, and their bytes are read back and compared.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

from bench.relaying import Figures
from proxy.settings.database import DatabaseSettings
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.conversations import SHAPES, Turn, stored_as

CONVERSATIONS = {"chat": 150, "agent": 12, "retrieval": 15, "images": 15}


def measure(database: DatabaseSettings, label: str, conversations: dict[str, int] | None = None) -> Figures:
    """Store conversations of each shape in a database that has our tables; return bytes on the wire per byte of it."""
    figures: Figures = {}
    for shape, count in (conversations or CONVERSATIONS).items():
        before, sent = _size(database), 0
        for number in range(count):
            turns = list(SHAPES[shape](random.Random(f"{shape} {number}")))
            sent += sum(len(request) + len(answer) for request, answer in turns)
            _keep(database, turns)
        figures[f"body_ratio_raw_to_disk_{label}_{shape}"] = sent / (_size(database) - before)
    return figures


def _keep(database: DatabaseSettings, turns: Sequence[Turn]) -> None:
    """Store a conversation and hold the last turn against what was sent: it has all that was said before."""
    entries = [stored_as(request, answer) for request, answer in turns]
    with contextlib.closing(StoreWriter(database)) as writer:
        writer.write(WriteBatch([("bodies", entry) for entry in entries]), lambda _: {})
    with contextlib.closing(Reader(database)) as reader:
        for side, sent in zip(("request", "response"), turns[-1], strict=True):
            kept = reader.body(entries[-1].interaction.id, side)
            assert kept is not None
            assert kept.content == sent, f"{side} came back otherwise"


def _size(database: DatabaseSettings) -> int:
    with contextlib.closing(Reader(database)) as reader:
        return int(reader.counts()["bytes"])
