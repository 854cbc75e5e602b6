"""``dashcam run -- CMD``: one program with its calls recorded, and a summary at its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

from proxy.cli.instance import TemporaryInstance, wait_until_recorded
from proxy.cli.instants import now
from proxy.cli.terminal import money
from proxy.domain.cost import from_pico
from proxy.errors import NotFoundError, StoreError
from proxy.settings.values import Settings
from proxy.store.reading.reader import Reader


def run(settings: Settings, command: list[str]) -> int:
    """Run the program; return its exit code."""
    began = now()
    proxy = TemporaryInstance(settings)
    with proxy as url:
        environment = {**os.environ, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1"}  # noqa: TID251 - handed on
        status = _run_child(command, environment)
        wait_until_recorded(url)
    try:
        _summarise(settings, began, url, is_shared=proxy.is_shared)
    except StoreError as error:
        # The program's own exit code is what scripts look at.
        print(f"dashcam: no summary: {error.message}", file=sys.stderr)
    return status


def _run_child(command: list[str], environment: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environment)
    except FileNotFoundError as error:
        raise NotFoundError(f"{command[0]!r} is no program that can be found") from error
    except PermissionError as error:
        raise NotFoundError(f"{command[0]!r} cannot be run: {error.strerror}") from error
    # Ctrl+C reaches the child too: it decides, and the summary still comes. What ends us is handed on to it.
    previous = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            previous[number] = signal.signal(number, lambda received, _frame: child.send_signal(received))
    try:
        status = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _instant(milliseconds: int) -> str:
    """Return an instant as it is typed."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _summarise(settings: Settings, began: int, url: str, *, is_shared: bool) -> None:
    with contextlib.closing(Reader(settings.database)) as reader:
        sums = reader.summary(began)
    if not sums["calls"]:
        print(f"dashcam: no call came to {url}/v1; does the program read OPENAI_BASE_URL?", file=sys.stderr)
        return
    cost = "unknown" if sums["cost_pico_usd"] is None else money(from_pico(sums["cost_pico_usd"]))
    note = f" ({sums['unpriced']} without a price)" if sums["unpriced"] else ""
    # Callers of a running instance are not told apart.
    whose = " meanwhile, of every program that uses this Dashcam" if is_shared else ""
    print(
        f"dashcam: {sums['calls']} call{'s' if sums['calls'] > 1 else ''}{whose}, {sums['errors']} not completed, "
        f"{sums['input_tokens']:,} + {sums['output_tokens']:,} tokens, cost {cost}{note}. "
        f"List them: dashcam logs --since {_instant(began)}",
        file=sys.stderr,
    )
