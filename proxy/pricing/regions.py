"""OpenAI's regional hosts, which keep data in a region and cost a tenth more for newer models.

The surcharge holds for models released since 5 March 2026 (OpenAI's pricing page). The price data has neither the
surcharge nor release dates, so a model's name decides: its date where it carries one, else its family. Where neither
says anything the amount is without surcharge, and labelled a lower bound.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urlsplit

UPLIFT = Decimal("1.1")
SINCE = "2026-03-05"
_REGIONS = frozenset({"us", "eu", "ae", "au", "in", "jp"})
_OTHER_HOSTS = frozenset({"mtls"})
_DATE = re.compile(r"-(20\d\d-\d\d-\d\d)(?:$|[^0-9])")
_NEWER = ("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6", "gpt-realtime-2", "gpt-image-2")
_OLDER = (
    "ada", "babbage", "chatgpt-4o", "codex-mini", "computer-use", "curie", "davinci", "gpt-3.5", "gpt-35", "gpt-4",
    "gpt-5-", "gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-audio-2025", "gpt-audio-mini", "gpt-image-1", "gpt-realtime-2025",
    "gpt-realtime-mini-2025", "o1", "o3", "o4-mini", "text-", "tts-1", "whisper-1",
)  # fmt: skip
_OLDER_NAMES = frozenset({"gpt-5", "gpt-audio", "gpt-realtime"})


@lru_cache(maxsize=256)
def is_regional(upstream: str) -> bool:
    """Return True for one of OpenAI's regional hosts, known or new."""
    host = (urlsplit(upstream).hostname or "").lower()
    prefix, is_openai = host.removesuffix(".api.openai.com"), host.endswith(".api.openai.com")
    return is_openai and prefix not in _OTHER_HOSTS


def has_uplift(upstream: str, model: str) -> bool | None:
    """Return whether a model costs more on a regional host; None when nobody can tell from its name."""
    host = (urlsplit(upstream).hostname or "").lower()
    if host.removesuffix(".api.openai.com") not in _REGIONS:
        return None
    name = model.lower().removeprefix("ft:")
    dated = _DATE.search(name)
    if dated:
        return dated[1] >= SINCE
    if name.startswith(_NEWER):
        return True
    return False if name in _OLDER_NAMES or name.startswith(_OLDER) else None
