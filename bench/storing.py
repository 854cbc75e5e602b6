"""What the store weighs and how fast it answers: an agent's trace on disk, a page of the list at a million rows."""

from __future__ import annotations

import http.client
import itertools
import math
import random
import time

from bench.recording import catch_up
from bench.relaying import Figures
from bench.targets import Target
from proxy.domain.outcome import Outcome
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from tests.support.conversations import agent
from tests.support.dashcam import RunningDashcam
from tests.support.waiting import wait_until

TRACES, LOOKS = 12, 20
_PAGES = (Filters(), Filters(model="gpt-4o-mini"), Filters(outcome=Outcome.COMPLETED), Filters(provider="openai"))


def measure_trace(target: Target, running: RunningDashcam) -> Figures:
    """Send agents' conversations, each turn with the whole history again; compare bytes on the wire and on disk.

    What is on disk is all of the file: texts, indexes, and the full-text index when it has caught up.
    """
    catch_up(running)
    before, sent = _bytes_kept(running), 0
    for number in range(TRACES):
        for body, _ in agent(random.Random(number)):
            sent += len(body) + _ask(target, body)
    catch_up(running)
    return {"trace_bytes_ratio_raw_to_disk": sent / (_bytes_kept(running) - before)}


def _ask(target: Target, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", target.port)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        return len(connection.getresponse().read())
    finally:
        connection.close()


def _bytes_kept(running: RunningDashcam) -> int:
    wait_until(lambda: not _waiting(running), "the text index has caught up", seconds=120, interval=0.2)
    (row,) = running.query("select page_count * page_size as bytes from pragma_page_count, pragma_page_size")
    return int(row["bytes"])


def _waiting(running: RunningDashcam) -> int:
    return int(running.query("select count(*) as calls from text_unindexed")[0]["calls"])


def measure_list(running: RunningDashcam, label: str) -> Figures:
    """Ask for the newest page of several lists as the command line does; return the 95th percentile."""
    taken = []
    for filters, _ in itertools.product(_PAGES, range(LOOKS)):
        began = time.perf_counter()
        reader = Reader(running.database)
        reader.list_interactions(filters, 21)
        reader.close()
        taken.append(time.perf_counter() - began)
    return {f"list_page_p95_ms_{label}": sorted(taken)[math.ceil(len(taken) * 0.95) - 1] * 1e3}
