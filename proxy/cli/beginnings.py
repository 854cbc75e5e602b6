"""Calls that have begun, as the running Dashcam tells them; what has ended, a command reads from the record itself.

A thread listens, and comes back whenever the connection is lost. Where there is nobody to listen to, or nothing to be
told, ``reason`` says why, and calls are shown once they are on record, as without it.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from proxy.cli.instance import find, open_own
from proxy.settings.credentials import read_secret
from proxy.settings.values import Settings

_SILENCE_SECONDS = 60.0
_AGAIN_SECONDS = 2.0
_MOST = 1000


class Beginnings:
    """Listens for calls that a query is for."""

    def __init__(self, settings: Settings, query: str) -> None:
        self._settings = settings
        self._query = query
        self._begun: deque[dict[str, Any]] = deque(maxlen=_MOST)
        self._news = threading.Event()
        self.reason: str | None = None
        threading.Thread(target=self._listen, name="beginnings", daemon=True).start()

    def __repr__(self) -> str:
        return f"<Beginnings {len(self._begun)} reason={self.reason!r}>"

    def wait(self, seconds: float) -> None:
        """Wait until something is told, at most so long."""
        self._news.wait(seconds)
        self._news.clear()

    def take(self) -> list[dict[str, Any]]:
        """Return the calls that have begun since the last time."""
        return [self._begun.popleft() for _ in range(len(self._begun))]

    def _listen(self) -> None:
        while self.reason is None:
            try:
                self._hear()
            except urllib.error.HTTPError as error:
                self.reason = f"it answers {error.code} ({error.reason})"
            except (OSError, http.client.HTTPException, ValueError):
                # It stops, starts anew or is being replaced: what ended meanwhile is on record all the same.
                time.sleep(_AGAIN_SECONDS)

    def _hear(self) -> None:
        url = find(self._settings)
        if url is None:
            self.reason = "no Dashcam runs on this data"
            return
        token = read_secret("DASHCAM_ADMIN_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        target = f"{url}/api/v1/live?{urlencode({'q': self._query})}"
        with open_own(urllib.request.Request(target, headers=headers), _SILENCE_SECONDS) as answer:  # noqa: S310 - our own address
            for name, data in events_in(answer):
                self._take_in(name, data)
        time.sleep(_AGAIN_SECONDS)

    def _take_in(self, name: str, data: dict[str, Any]) -> None:
        if name == "hello" and not data["starts"]:
            self.reason = f"{', '.join(data['unjudged'])} can be told of calls only that have ended"
        if name == "start":
            self._begun.append(data)
        self._news.set()


def events_in(lines: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a stream, each with its data; ``ValueError`` where it is no such stream."""
    name, data = "", b""
    for line in lines:
        field, _, value = line.rstrip(b"\r\n").partition(b": ")
        if field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value
        elif not field and name:
            yield name, json.loads(data)
            name, data = "", b""
