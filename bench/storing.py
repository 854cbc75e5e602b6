"""What the store weighs and how fast it answers: an agent's trace on disk, a page of the list at a million rows."""

from __future__ import annotations

import argparse
import datetime
import http.client
import inspect
import itertools
import json
import random
import ssl
import subprocess
import time
import zipfile
from collections.abc import Iterator

from bench.recording import catch_up
from bench.relaying import Figures
from bench.targets import Target
from proxy.domain.outcome import Outcome
from proxy.store.reading import Reader
from proxy.store.statements import Filters
from tests.support.dashcam import RunningDashcam

TURNS, TRACES, LOOKS = 50, 4, 20
_TEXT = "".join(inspect.getsource(module) for module in (argparse, datetime, inspect, ssl, subprocess, zipfile))
_SCHEMA = {"type": "object", "properties": {"path": {"type": "string", "description": "Where."}}, "required": ["path"]}
_PAGES = (Filters(), Filters(model="gpt-4o-mini"), Filters(outcome=Outcome.COMPLETED), Filters(provider="openai"))


def measure_trace(target: Target, running: RunningDashcam) -> Figures:
    """Send agents' conversations, each turn with the whole history again; compare bytes on the wire and on disk."""
    catch_up(running)
    before, sent = _bytes_kept(running), 0
    for number in range(TRACES):
        for body in _turns(random.Random(number)):
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


def _turns(chance: random.Random) -> Iterator[bytes]:
    """Yield the requests of one conversation: twelve tools, and one tool call with its result more at each turn."""
    functions = [{"name": name, "description": doc, "parameters": _SCHEMA} for name, doc in _functions(chance)]
    tools = [{"type": "function", "function": function} for function in functions]
    messages = [{"role": "system", "content": _source(chance, 4000)}, {"role": "user", "content": _source(chance, 300)}]
    for number in range(TURNS):
        yield json.dumps({"model": "gpt-4o-mini", "tools": tools, "messages": messages}).encode()
        call = {"name": functions[number % 12]["name"], "arguments": json.dumps({"path": _source(chance, 60)})}
        calls = [{"id": f"call_{number}", "type": "function", "function": call}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})  # type: ignore[dict-item]
        result = _source(chance, chance.randrange(300, 6000))
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": result})


def _functions(chance: random.Random) -> list[tuple[str, str]]:
    return [(f"tool_{number}", _source(chance, 400)) for number in range(12)]


def _source(chance: random.Random, size: int) -> str:
    """Return a piece of Python's own source, which is what an agent that programs reads all day."""
    start = chance.randrange(len(_TEXT) - size)
    return _TEXT[start : start + size]


def _bytes_kept(running: RunningDashcam) -> int:
    (row,) = running.query("select page_count * page_size as bytes from pragma_page_count, pragma_page_size")
    return int(row["bytes"])


def measure_list(running: RunningDashcam, label: str) -> Figures:
    """Ask for the newest page of several lists as the command line does; return the 95th percentile."""
    taken = []
    for filters, _ in itertools.product(_PAGES, range(LOOKS)):
        began = time.perf_counter()
        reader = Reader(running.database)
        reader.list_interactions(filters, 21)
        reader.close()
        taken.append(time.perf_counter() - began)
    return {f"list_page_p95_ms_{label}": sorted(taken)[int(len(taken) * 0.95)] * 1e3}
