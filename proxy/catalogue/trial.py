"""A text on which patterns are tried, as it is asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from proxy.catalogue.fields import Document, PatternNames

MAX_TEXT = 1024 * 1024


class RedactionTrial(Document):
    """``patterns`` are looked for, on or not, and ``own`` ones by their names; none of either: those of all calls."""

    text: Annotated[str, Field(max_length=MAX_TEXT)]
    patterns: PatternNames = Field(default=[])
    own: Annotated[dict[str, str], Field(max_length=32)] = Field(default={})
