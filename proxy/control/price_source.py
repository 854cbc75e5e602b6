"""Getting new price data over the network, when a person asks for it and never otherwise.

One request, without credentials, size and time bounded. What comes is bytes: whether they are price data is for
``pricing.release`` to say.
"""

from __future__ import annotations

import httpx2

from proxy.errors import PriceDataError, UnreachableError

TIMEOUT_SECONDS = 30.0
_HINT = "get the file another way and give it with: dashcam prices refresh --from FILE"


def download(url: str, limit: int) -> bytes:
    """Return what is at an address; ``UnreachableError`` when it is not to be had, ``PriceDataError`` when too large.

    Outgoing proxies of the environment are honoured: a person's own machine may have no other way out.
    """
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True, max_redirects=3) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise UnreachableError(f"{url} answers {answer.status_code} instead of price data", hint=_HINT)
            return _read(answer, limit)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"{url} cannot be reached: {reason}", hint=_HINT) from error


def _read(answer: httpx2.Response, limit: int) -> bytes:
    data = bytearray()
    for part in answer.iter_bytes():
        data += part
        if len(data) > limit:
            raise PriceDataError(f"what is at {answer.url} is larger than {limit // 1024 // 1024} MB", hint=_HINT)
    return bytes(data)
