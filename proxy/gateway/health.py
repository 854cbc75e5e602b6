"""``/healthz`` and ``/readyz``: about this gateway only, so that a database or control away takes nobody out.

Alive is who answers; ready is who takes calls. A draining gateway is alive and not ready.
"""

from __future__ import annotations

from proxy.gateway.call import ClientCall
from proxy.gateway.reply_head import ReplyHead
from proxy.spool.page import Page

_PATHS = (b"/healthz", b"/readyz")


def answer(call: ClientCall, page: Page, *, is_draining: bool) -> bool:
    """Answer a health question; False when the call is none."""
    path = call.head.target.partition(b"?")[0]
    if path not in _PATHS or call.head.method not in ("GET", "HEAD"):
        return False
    is_ready = bool(page.get(Page.READY)) and not is_draining
    status = 200 if path == b"/healthz" or is_ready else 503
    word = b"draining" if is_draining else b"ok" if is_ready else b"starting"
    body = b'{"status":"%s","service":"dashcam"}\n' % word
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    call.begin(status, ReplyHead(headers), body, last=True)
    return True
