"""``dashcam curl``: a call on record as a command that makes it once more.

Standard output carries nothing else, so that ``dashcam curl last | sh`` works. Keys are not on record: the command
takes them from the environment of whoever runs it. A body that is no text, or too long for a command, is piped into it.
"""

from __future__ import annotations

import shlex
import sys

from proxy.cli.instance import find
from proxy.cli.show import NO_CONTENT
from proxy.errors import NotFoundError, UsageError
from proxy.forms.parts import sent_form
from proxy.protocol.multipart import boundary_of
from proxy.settings.values import Settings
from proxy.store.contents.parts import StoredBody
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.supervisor.banner import public_url

_LONGEST = 60_000
"""Bytes of a body within the command; a system takes 128 kB for one argument."""
_LEFT_OUT = frozenset(("user-agent", "content-length", "accept", "accept-encoding"))
_KEY = '-H "authorization: Bearer ${OPENAI_API_KEY:-none}"'


def print_curl(settings: Settings, reference: str, *, is_sent: bool) -> None:
    """Print the command; ``is_sent``: to the provider, with what Dashcam had changed."""
    reader = Reader(settings.database)
    row = reader.interaction(reference)
    body, attempts = reader.body(row["id"], "request"), reader.attempts(row["id"])
    reader.close()
    if is_sent:
        url = _upstream_url(row, attempts)
    else:
        url = (find(settings) or public_url(settings.server.host, settings.server.port)) + row["endpoint"]
    if body is None and row["request_bytes"]:
        raise NotFoundError(
            f"{row['id']} cannot be made once more; its request: {NO_CONTENT[row['content_state']]}",
            hint="dashcam logs",
        )
    if row["content_state"] == "redacted":
        if body is not None and boundary_of(body.facts["media_type"]) is not None:
            hint = f"dashcam show {row['id']}"
            raise NotFoundError(f"the files in the request of {row['id']} were not kept", hint=hint)
        print("dashcam: what redaction took out stands there as [redacted:…]", file=sys.stderr)
    print(command_of(row, url, body, is_sent=is_sent))
    sys.stdout.flush()


def command_of(row: Row, url: str, body: StoredBody | None, *, is_sent: bool) -> str:
    """Return the command for a shell of POSIX."""
    lines = [f"curl -sS -X {shlex.quote(row['method'])} {shlex.quote(url)}", _KEY]
    if body is None:
        return " \\\n  ".join(lines)
    content = sent_form(body) if is_sent else body.content
    headers = dict(body.facts["headers"] or ())
    headers |= {"content-type": body.facts["media_type"]} if body.facts["media_type"] else {}
    for name, value in sorted(headers.items()):
        if name not in _LEFT_OUT and not name.startswith("x-stainless-") and not (is_sent and "dashcam" in name):
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if text and len(content) <= _LONGEST and "\0" not in text:
        lines.append(f"--data-raw {shlex.quote(text)}")
        return " \\\n  ".join(lines)
    lines.append("--data-binary @-")
    side = "--sent" if is_sent else "--request"
    return f"dashcam show {row['id']} --raw {side} | " + " \\\n  ".join(lines)


def _upstream_url(row: Row, attempts: list[Row]) -> str:
    if not attempts or not attempts[-1]["upstream"].startswith("http"):
        raise UsageError("this call was sent to no provider; leave --upstream out")
    if not row["endpoint"].startswith("/v1/"):
        raise UsageError(f"--upstream knows where calls below /v1 went; this one was {row['endpoint'][:80]}")
    return str(attempts[-1]["upstream"]).rstrip("/") + str(row["endpoint"]).removeprefix("/v1")
