"""The admin API as commands use it: of the Dashcam that runs on this data, else in this process.

A running one is asked over HTTP, with the admin token where there is one; where none runs, the same application does
the same on the same database (``control.api.application``). Refusals become errors with their exit codes.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

from proxy.cli.instance import find, open_own, wait_until_open
from proxy.cli.terminal import on_one_line
from proxy.errors import DashcamError, NotAllowedError, NotFoundError, StoreError, UnreachableError, UsageError
from proxy.settings.credentials import read_secret
from proxy.settings.values import Settings

_SECONDS = 30.0
_NEEDS_TOKEN = "set DASHCAM_ADMIN_TOKEN, or DASHCAM_ADMIN_TOKEN_FILE, to the one that the server was started with"  # noqa: S105 - words
_WITH_SLASHES = ("models", "routes")
_LOST = re.compile(r"[\\\x00]|(?:^|/)\.{0,2}(?:/|\Z)")
"""What the gateway lets in no path: nothing, ``.`` or ``..`` between slashes, backslashes, NUL."""
_CALLED = {"interactions": "no call has the id", "keys": "no key has the id"}
_LISTED = {"interactions": "logs"}
_KINDS: dict[int, type[DashcamError]] = {
    400: UsageError, 401: NotAllowedError, 403: NotAllowedError, 404: NotFoundError, 409: UsageError, 412: UsageError,
    413: UsageError, 422: UsageError, 429: NotAllowedError, 502: UnreachableError, 503: StoreError,
}  # fmt: skip


class Admin:
    """Asks the admin API for one command."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = find(settings)
        if self._url:
            wait_until_open(self._url)

    def __repr__(self) -> str:
        return f"<Admin at {self._url or 'this process'}>"

    def ask(self, method: str, path: str, body: Any = None, *, text: bytes | None = None, **query: Any) -> Any:
        """Return what an endpoint answers: its JSON, or the text of one that gives a text.

        ``path`` is below ``/api/v1``, in parts that are quoted where they may hold anything (``place``).
        """
        said = {name: str(value) for name, value in query.items() if value is not None}
        target = f"/api/v1/{path}" + (f"?{urlencode(said)}" if said else "")
        data = text if text is not None else None if body is None else json.dumps(body).encode()
        kind = "application/yaml" if text is not None else "application/json"
        status, media, answer = (self._far if self._url else self._near)(method, target, data, kind)
        if status >= 400:
            raise _error_of(status, answer)
        return json.loads(answer) if media.startswith("application/json") else answer.decode()

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return a whole list, page by page."""
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = self.ask("GET", path, limit=500, after=after, **query)
            found += page["data"]
            if not page["has_more"]:
                return found
            after = page["last_id"]

    def _far(self, method: str, target: str, data: bytes | None, kind: str) -> tuple[int, str, bytes]:
        token = read_secret("DASHCAM_ADMIN_TOKEN")
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(f"{self._url}{target}", data, headers, method=method)  # noqa: S310 - our own address
        try:
            with open_own(request, _SECONDS) as answer:
                return answer.status, answer.headers.get("content-type", ""), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("content-type", ""), error.read()
        except (OSError, http.client.HTTPException) as error:
            reason = f"the running Dashcam at {self._url} does not answer: {error}"
            raise UnreachableError(reason, hint="dashcam status") from error

    def _near(self, method: str, target: str, data: bytes | None, kind: str) -> tuple[int, str, bytes]:
        from proxy.control.api.application import ask_alone

        return ask_alone(self._settings, method, target, data, kind)


def place(noun: str, name: str, *below: str) -> str:
    """Return the path of what has a name, or of what is below it: ``place("prompts", "reply", "versions", "3")``.

    Of a name that no path can hold ``NotFoundError``: nothing is called so, and whoever would make it is told by the
    API what a name is. What may have slashes could be made all the same, and never be found again: ``UsageError``.
    """
    has_slashes = noun in _WITH_SLASHES
    for above, said in pairwise((noun, name, *below)):
        if _LOST.search(said) or ("/" in said and not has_slashes):
            what = _CALLED.get(above, f"no {above.removesuffix('s')} can be called")
            kind = UsageError if has_slashes else NotFoundError
            raise kind(f"{what} {said[:80]!r}", hint=f"dashcam {_LISTED.get(noun, f'{noun} list')}")
    return "/".join([noun, *(quote(said, safe="") for said in (name, *below))])


def _error_of(status: int, answer: bytes) -> DashcamError:
    """Return a refusal as an error, with every field and reason."""
    try:
        told: Mapping[str, Any] = json.loads(answer)
    except ValueError:
        told = {"detail": f"it answers {status}"}
    if isinstance(told.get("error"), dict):
        # The gateway itself, in the words of the data plane: control does not answer.
        told = {"detail": told["error"].get("message"), "hint": "dashcam status"}
    reasons = [on_one_line(f"{item['field']}: {item['reason']}".removeprefix(": ")) for item in told.get("errors", ())]
    message = "\n  ".join(reasons) or str(told.get("detail", f"it answers {status}"))
    # What the API says of a header is no help to who typed a command.
    hint = _NEEDS_TOKEN if status in (401, 429) else told.get("hint")
    return _KINDS.get(status, DashcamError)(message, hint=hint)
