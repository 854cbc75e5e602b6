"""What the fields of documents are made of: names, lines, texts, parameters, each with the reason it refuses a value.

A document forbids what it does not know, and is never changed: a changed one is a new one. What may stand in a field
travels as JSON to other hosts and into both database engines, so that it holds no NUL, no half character and no
number that JSON has not (``proxy.catalogue.plain`` looks at what came from outside before anything else).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from proxy.prompting.parameters import problems_of

_PROMPT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_VERSION_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
_MOST_PARAMETERS = 64
_FIRST_YEAR, _LAST_YEAR = 1971, 9000


class Document(BaseModel):
    """One noun as it is edited: unknown fields are mistakes, and a document never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_mapping(self) -> dict[str, JsonValue]:
        """Return the JSON form, every field in it."""
        return self.model_dump(mode="json")


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("this is one line of text, without control characters")
    return text


def _parameters(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if "model" in values:
        raise ValueError("model: is said by the target, not as a parameter")
    for problem in problems_of(values, "")[:1]:
        raise ValueError(f"{problem.field.removeprefix('.')}: {problem.reason}")
    return values


def check_prompt_name(name: str) -> str:
    """Return a prompt's name; ``ValueError`` says why nothing can be called that."""
    if not _PROMPT_NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!r} is no prompt name: use a-z, 0-9, '.', '-' and '_', at most 100")
    return name


def check_label(label: str) -> str:
    """Return a label; ``ValueError`` says why it cannot be one."""
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label[:40]!r} is no label: use a-z first, then a-z, 0-9, '-' and '_', at most 40")
    if label == "latest":
        raise ValueError("'latest' always means the highest number, and cannot be given or moved")
    return label


def _version_name(name: str) -> str:
    if not _VERSION_NAME.fullmatch(name) or name.isdigit():
        raise ValueError("a version's name is such as 1.1 or spring-2: letters, digits, '.', '-', '_', no bare number")
    return name


def split_reference(text: str) -> tuple[str, str]:
    """Return (name, what of it) of "name", "name@label", "name@7" or "name@1.1"; nothing said is empty."""
    name, mark, wanted = text.partition("@")
    check_prompt_name(name)
    if mark and not _VERSION_NAME.fullmatch(wanted):
        raise ValueError(f"{wanted[:40]!r} is no label, number or name of a version")
    return name, wanted


def _reference(text: str) -> str:
    split_reference(text)
    return text


def _within_reach(instant: datetime) -> datetime:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"a time is between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_within_reach)]
"""A time with its zone, which both engines can keep."""
Line = Annotated[str, Field(max_length=200), AfterValidator(_line)]
"""One line for people."""
LongText = Annotated[str, Field(max_length=10_000)]
"""Several lines for people."""
Tag = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_line)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000_000, strict=True)]
"""A whole number of something, at least one."""
Parameters = Annotated[dict[str, JsonValue], Field(max_length=_MOST_PARAMETERS), AfterValidator(_parameters)]
"""Parameters of a request by name, each a JSON value."""
PatternNames = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]], Field(max_length=40)]
"""Names of patterns that are taken out of the record."""
Depth = Literal["full", "meta", "none"]
"""How much is kept of a call."""
PromptName = Annotated[str, AfterValidator(check_prompt_name)]
Label = Annotated[str, AfterValidator(check_label)]
VersionName = Annotated[str, AfterValidator(_version_name)]
PromptReference = Annotated[str, AfterValidator(_reference)]
"""A prompt, or one version of it: name, name@label, name@7, name@1.1."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
