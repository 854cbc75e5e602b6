"""What is asked for where patterns are tried."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proxy.catalogue.trial import MAX_TEXT, RedactionTrial


def test_a_text_of_ordinary_length_and_names_of_patterns() -> None:
    assert RedactionTrial(text="x").patterns == []
    for values in ({"text": "x" * (MAX_TEXT + 1)}, {"text": "x", "patterns": ["No Name"]}, {"text": "x", "save": True}):
        with pytest.raises(ValidationError):
            RedactionTrial.model_validate(values)
