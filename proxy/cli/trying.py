"""``dashcam try``: one streamed call to the built-in echo model, and the row it made."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
import urllib.error
import urllib.request

from proxy.cli.instance import TemporaryInstance, open_own
from proxy.cli.terminal import one_line, short_id
from proxy.errors import NotAllowedError, NotFoundError, StoreError, UnreachableError
from proxy.settings.credentials import read_secret, split_keys
from proxy.settings.values import Settings
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row

_QUESTION = "Hello Dashcam, please record this call and say it back to me."
ROW_SECONDS = 10.0


def try_it(settings: Settings) -> None:
    """Call, print what streams back, and show that it is on record."""
    with TemporaryInstance(settings) as url:
        identity = _call(url)
        # The answer is data: redirected into a file it is a line there, and the talk follows elsewhere.
        print(flush=True)
        row = wait_for_row(settings, identity)
    print(f"\nOn record: {one_line(row)}", file=sys.stderr)
    print(f"Read it back with: dashcam show {short_id(identity)}", file=sys.stderr)


def _call(url: str) -> str:
    body = {"model": "dashcam/echo", "stream": True, "messages": [{"role": "user", "content": _QUESTION}]}
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json", **_credentials()}
    )
    print(f"Asking dashcam/echo at {url}/v1 …\n", file=sys.stderr)
    try:
        with open_own(request, 30.0) as answer:
            for line in answer:
                _print_delta(line)
            return str(answer.headers["x-dashcam-id"])
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise UnreachableError(f"the call failed: {error}", hint="dashcam doctor") from error
        hint = "set DASHCAM_PROXY_KEYS here as well, then: dashcam try"
        raise NotAllowedError(f"the Dashcam at {url} wants one of its proxy keys", hint=hint) from error
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"the call failed: {error}", hint="dashcam doctor") from error


def _credentials() -> dict[str, str]:
    """Return the header that lets us in where callers must show a key, and we know it."""
    keys = split_keys(read_secret("DASHCAM_PROXY_KEYS"))
    return {"authorization": f"Bearer {keys[0]}"} if keys else {}


def _print_delta(line: bytes) -> None:
    if not line.startswith(b"data: {"):
        return
    choices = json.loads(line[6:]).get("choices") or [{}]
    sys.stdout.write(choices[0].get("delta", {}).get("content") or "")
    sys.stdout.flush()


def wait_for_row(settings: Settings, identity: str) -> Row:
    """Return the row of a call; the first call ever may be answered before control has made the database."""
    deadline = time.monotonic() + ROW_SECONDS
    while True:
        try:
            with contextlib.closing(Reader(settings.database)) as reader:
                return reader.interaction(identity)
        except (NotFoundError, StoreError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
