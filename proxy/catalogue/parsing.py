"""Documents from decoded JSON or YAML: every mistake at once, each with its field and what to do."""

from __future__ import annotations

import difflib
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.catalogue.fields import Document
from proxy.catalogue.plain import MAX_PROBLEMS, below, impurities
from proxy.errors import InvalidError, Problem

Kind = TypeVar("Kind", bound=Document)

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*): (.+)", re.DOTALL)
_SHOULD = re.compile(r"(?:Input|Value|String|List|Dictionary|Data) should (be|have|match pattern) ")
"""How pydantic says what a value is to be; beside a field's name it reads as ours: "must be at least 1"."""
_WORDS = {"be": "must be ", "have": "must have ", "match pattern": "must have this form: "}
_IS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object of names and values",
    "model_type": "must be an object of names and values",
    "model_attributes_type": "must be an object of names and values",
    "date_type": "must be a day, such as 2026-11-01",
    "date_parsing": "must be a day, such as 2026-11-01",
    "date_from_datetime_parsing": "must be a day, such as 2026-11-01",
    "date_from_datetime_inexact": "must be a day, such as 2026-11-01",
    "datetime_type": "must be a time, such as 2026-11-01T12:00:00Z",
    "datetime_parsing": "must be a time, such as 2026-11-01T12:00:00Z",
    "datetime_from_date_parsing": "must be a time, such as 2026-11-01T12:00:00Z",
    "timezone_aware": "must be a time with its zone, such as 2026-11-01T12:00:00Z",
}


def parse(kind: type[Kind], values: object, place: str = "") -> Kind:
    """Return a document; ``InvalidError`` holds all that is wrong, each field as it stands below ``place``."""
    if problems := impurities(values, place):
        raise InvalidError(problems)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidError(problems_of(error, kind, place)) from None


def problems_of(error: ValidationError, kind: type[BaseModel], place: str = "") -> list[Problem]:
    """Return what pydantic found as problems; what was given is not repeated, a secret may stand there."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    return list(dict.fromkeys(_problem(item, kind, place) for item in found))[:MAX_PROBLEMS]


def _problem(item: ErrorDetails, kind: type[BaseModel], place: str) -> Problem:
    for part in item["loc"]:
        if part != "[key]":
            place = below(place, part)
    if item["type"] == "extra_forbidden":
        return Problem(place, "is not a field" + _meant(str(item["loc"][-1]), kind, len(item["loc"])))
    said = _SHOULD.sub(lambda found: _WORDS[found[1]], item["msg"].removeprefix("Value error, "), count=1)
    reason = _IS.get(item["type"]) or said.replace(" after validation", "")
    named = _NAMED.fullmatch(reason) if item["type"] == "value_error" else None
    return Problem(below(place, named[1]), named[2]) if named else Problem(place, reason)


def _meant(name: str, kind: type[BaseModel], depth: int) -> str:
    if depth != 1:
        return " here"
    close = difflib.get_close_matches(name, kind.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(kind.model_fields)}"
