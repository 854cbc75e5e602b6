"""The table of filters."""

from __future__ import annotations

import re

from proxy.query.fields import ALIASES, FIELDS, PRESENT, Kind


def test_names_are_plain_words_and_each_filter_says_what_it_takes() -> None:
    for name, field in FIELDS.items():
        assert re.fullmatch("[a-z_]+", name)
        assert field.about
        assert bool(field.words) is (field.kind is Kind.WORD)
    assert set(ALIASES.values()) | set(PRESENT) <= set(FIELDS)
    assert not set(ALIASES) & set(FIELDS)
