"""What prices are said in: one table of units, and of what each of them is multiplied with.

The names are those of the price data (genai-prices), with three of our own for what it has no unit for. ``per`` is how
many of the counted thing the price is for: audio is counted in milliseconds and priced by the hour.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1_000_000
THOUSAND = 1000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit price: ``words`` for people, ``each`` what stands behind the amount (``/M``)."""

    name: str
    per: int
    words: str
    each: str


def _tokens(name: str, words: str) -> Unit:
    return Unit(name, MILLION, words, "M")


def _calls(name: str, words: str) -> Unit:
    return Unit(name, THOUSAND, words, "k")


_ALL = (
    _tokens("input_mtok", "input"),
    _tokens("cache_read_mtok", "cached input"),
    _tokens("cache_audio_read_mtok", "cached audio input"),
    _tokens("cache_image_read_mtok", "cached image input"),
    _tokens("cache_write_mtok", "cache writes"),
    _tokens("cache_write_1h_mtok", "cache writes for an hour"),
    _tokens("cache_write_12h_mtok", "cache writes for 12 hours"),
    _tokens("input_audio_mtok", "audio input"),
    _tokens("input_image_mtok", "image input"),
    _tokens("output_mtok", "output"),
    _tokens("output_audio_mtok", "audio output"),
    _tokens("output_image_mtok", "image output"),
    _tokens("output_reasoning_mtok", "reasoning"),
    Unit("audio_hours", HOUR_MS, "audio (ms)", "h"),
    Unit("input_audio_hours", HOUR_MS, "audio (ms)", "h"),
    Unit("input_mchars", MILLION, "characters", "M"),
    _calls("images_kcount", "images"),
    _calls("requests_kcount", "request"),
    _calls("web_searches_kcount", "web searches"),
    _calls("storage_searches_kcount", "file searches"),
    _calls("code_sessions_kcount", "code interpreter sessions"),
)
UNITS = {unit.name: unit for unit in _ALL}
"""All units that an amount may be made of; what else the price data has is not counted on the wire."""

UNKNOWN = Unit("", MILLION, "", "M")


def unit_of(name: str) -> Unit:
    """Return the unit of a rate's name, which may carry a step (``input_mtok>272000``)."""
    return UNITS.get(name.partition(">")[0], UNKNOWN)
