"""Waiting for something to become true, with a deadline: the only place in the tests where time passes on purpose."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_INTERVAL_SECONDS = 0.02


def wait_until(
    condition: Callable[[], Found], what: str, *, seconds: float = 40.0, interval: float = _INTERVAL_SECONDS
) -> Found:
    """Return the first true value of ``condition``; ``AssertionError`` naming ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what} (last seen: {found!r})")
        pause.wait(interval)
    return found


async def wait_until_async(
    condition: Callable[[], Found], what: str, *, seconds: float = 40.0, interval: float = _INTERVAL_SECONDS
) -> Found:
    """Do the same without holding the event loop."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what} (last seen: {found!r})")
        await asyncio.sleep(interval)
    return found


async def wait_until_still(value: Callable[[], int], seconds: float = 0.2) -> None:
    """Wait until a count that grows has stood still for so long."""
    loop = asyncio.get_running_loop()
    seen, since = value(), loop.time()

    def stands() -> bool:
        nonlocal seen, since
        if value() != seen:
            seen, since = value(), loop.time()
        return seen > 0 and loop.time() - since >= seconds

    await wait_until_async(stands, "the count stands still")
