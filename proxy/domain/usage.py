"""Token counts of one call, normalised; the provider's own object is kept raw beside them.

Cached, cache-write, audio and image counts are *parts of* the input (or output) total, reasoning is part of the
output total: the normaliser in ``protocol.usage`` brings exceptions such as xAI into this form.
``None`` means "not said", which is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from proxy.domain.outcome import UsageSource


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Usage:
    """Counts in tokens; ``reported_cost_usd`` is the provider's own charge as exact decimal text.

    ``cache_write_1h_tokens`` and ``cache_write_12h_tokens`` are the parts of the cache writes that live longer. What is
    billed beside tokens is in ``QUANTITIES``: calls of hosted tools, milliseconds of audio, characters, images. No unit
    has a name for ``other_fees``: sources of a live search, images that a tool made, drawings.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    cached_audio_tokens: int | None = None
    cached_image_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    cache_write_12h_tokens: int | None = None
    web_searches: int | None = None
    file_searches: int | None = None
    code_sessions: int | None = None
    other_fees: int | None = None
    audio_ms: int | None = None
    characters: int | None = None
    images: int | None = None
    source: UsageSource = UsageSource.NONE
    reported_cost_usd: str | None = None
    raw: Mapping[str, object] | None = field(default=None, compare=False)

    @property
    def audio_tokens(self) -> int | None:
        """All audio tokens, in and out; None when neither was said."""
        if self.input_audio_tokens is None and self.output_audio_tokens is None:
            return None
        return (self.input_audio_tokens or 0) + (self.output_audio_tokens or 0)

    def quantities(self) -> dict[str, int]:
        """Return what is billed beside tokens and was counted, by its name in ``QUANTITIES``."""
        # Most calls have none; this is asked for every one of them.
        if not any(_read_quantities(self)):
            return {}
        return {name: number for name, number in zip(QUANTITIES, _read_quantities(self), strict=True) if number}


QUANTITIES = ("web_searches", "file_searches", "code_sessions", "other_fees", "audio_ms", "characters", "images")
_read_quantities = attrgetter(*QUANTITIES)
NO_USAGE = Usage()
