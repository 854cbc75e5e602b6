"""Getting new price data over the network, when a person asks for it and never otherwise.

One request, without credentials, at an address of the settings or one that was typed: through the same door as all that
control asks (``fetching``), which follows nothing, reads no variables of the environment and judges what the name
resolves to. What comes is bytes: whether they are price data is for ``pricing.release`` to say.
"""

from __future__ import annotations

import asyncio

from proxy.control.fetching import Manners, ask
from proxy.errors import PriceDataError, UnreachableError

TIMEOUT_SECONDS = 30.0
_HINT = "get the file another way and give it with: dashcam prices refresh --from FILE"
_REASONS = {
    "not_allowed": "no address of this host may be connected to",
    "name_not_found": "no name server knows this host",
    "refused": "nothing listens there",
    "timed_out": f"it has not answered within {TIMEOUT_SECONDS:.0f} s",
    "tls": "its certificate is not trusted",
}


def download(url: str, limit: int) -> bytes:
    """Return what is at an address; ``UnreachableError`` when it is not to be had, ``PriceDataError`` when too large.

    Not for an event loop.
    """
    answer = asyncio.run(ask(url, Manners(seconds=TIMEOUT_SECONDS, max_bytes=limit)))
    if answer.failure == "too_large":
        raise PriceDataError(f"what is at {url} is larger than {limit / 1024 / 1024:.3g} MB", hint=_HINT)
    if answer.failure is not None:
        reason = _REASONS.get(answer.failure, "this is no address of a file, or the connection broke")
        raise UnreachableError(f"{url} cannot be reached: {reason}", hint=_HINT)
    if answer.status in (301, 302, 303, 307, 308):
        raise UnreachableError(f"{url} leads elsewhere; give the address that the file is at", hint=_HINT)
    if answer.status != 200:
        raise UnreachableError(f"{url} answers {answer.status} instead of price data", hint=_HINT)
    return answer.data
