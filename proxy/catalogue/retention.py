"""How long what is on record of a route's or a key's calls is kept, as it is edited: spans such as 30d."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from proxy.catalogue.fields import Document
from proxy.domain.retention import Spans, seconds_of


def _span(text: str) -> str:
    seconds_of(text)
    return text


SpanText = Annotated[str, Field(min_length=1, max_length=10), AfterValidator(_span)]


class RetentionDocument(Document):
    """What is None is as for all calls: ``text`` what was said, ``metadata`` whole calls, ``errors`` failed ones."""

    text: SpanText | None = None
    metadata: SpanText | None = None
    errors: SpanText | None = None

    @model_validator(mode="after")
    def _check_order(self) -> RetentionDocument:
        # Beside what is said for all, which may be another thing tomorrow, errors can stand alone.
        spans = Spans(**self.seconds())
        if (spans.metadata or not spans.errors) and (problem := spans.problem()) is not None:
            raise ValueError(problem)
        return self

    def seconds(self) -> dict[str, int]:
        """Return the spans that are said, in seconds."""
        said = {"text": self.text, "metadata": self.metadata, "errors": self.errors}
        return {name: seconds_of(text) for name, text in said.items() if text is not None}
