"""Each unit of a price is known by its name, with or without a step."""

from __future__ import annotations

from genai_prices import units as theirs

from proxy.pricing.units import UNITS, unit_of

OURS = {"images_kcount", "code_sessions_kcount", "cache_write_12h_mtok"}


def test_a_step_changes_nothing_about_the_unit() -> None:
    assert unit_of("input_mtok>272000") is UNITS["input_mtok"]
    assert unit_of("nobody_knows").name == ""


def test_our_units_mean_what_the_price_data_means() -> None:
    """Audio is counted in seconds there and in milliseconds here."""
    registry = theirs._get_registry()
    for name, unit in UNITS.items():
        if name not in OURS and not name.startswith("requests"):
            per = registry.unit_for_price_key(name).per
            assert unit.per == (per * 1000 if name.endswith("hours") else per), name
