"""A saved view: a search under a name, with the columns and the order in which its calls are shown.

It is looked at whenever it is saved, so that a name always opens something; it belongs to no revision of the catalogue:
going back to other providers takes nobody's searches away.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated

from pydantic import AfterValidator, Field

from proxy.catalogue.fields import Document, LongText
from proxy.domain.interaction import Interaction
from proxy.query.parsing import LONGEST, QueryError, parse

TOKENS = "tokens"
"""A column of lists only: both counts in one."""
COLUMNS = (*(item.name for item in fields(Interaction)), "cost_usd", "input_cost_usd", "output_cost_usd")
"""What a call has; the store's columns, which a test holds this to."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MOST_COLUMNS = 30


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a view's name is of a-z, 0-9, '.', '-' and '_', at most 100")
    return name


def _query(text: str) -> str:
    try:
        parse(text)
    except QueryError as error:
        raise ValueError(error.message.removeprefix("the query ")) from error
    return text


def _columns(names: list[str]) -> list[str]:
    _known(names, (TOKENS, *COLUMNS))
    if len(set(names)) < len(names):
        raise ValueError("each column is there once")
    return names


def _sort(name: str) -> str:
    _known([name.removeprefix("-")], COLUMNS)
    return name


def _known(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name[:60], known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            raise ValueError(f"{name[:60]!r} is no column; {meant}")


class ViewDocument(Document):
    """A search by its name. Without columns it has the usual ones; without a sort it is by time.

    ``sort`` is a column, the largest last, or with a minus before it the smallest last.
    """

    name: Annotated[str, AfterValidator(_name)]
    query: Annotated[str, Field(max_length=LONGEST), AfterValidator(_query)] = ""
    columns: Annotated[list[str], Field(max_length=_MOST_COLUMNS), AfterValidator(_columns)] = Field(default=[])
    sort: Annotated[str, Field(max_length=100), AfterValidator(_sort)] | None = None
    note: LongText = ""
