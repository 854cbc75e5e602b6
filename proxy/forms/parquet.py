"""Calls as a Parquet file: typed columns, a row group for each portion, so that a million of them need no memory.

Instants are of milliseconds in UTC, whole numbers of 64 bits; amounts in USD are exact decimals; tags and metadata are
lists and maps, what a provider said of usage is JSON. With their content calls are whole, as they are in JSON lines.
A file has its name only when it is whole and has as many rows as were written; ``rows_in`` reads one back. pyarrow is
an extra, and loaded here.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from proxy.errors import StoreError, UsageError
from proxy.forms.writing import Call
from proxy.store.contents.parts import Parts, StoredBody
from proxy.store.schema.columns import instant_text, milliseconds_of
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import KINDS, USD

INSTALL = f"{sys.executable} -m pip install pyarrow"
_TEXT_LISTS, _MAPS = ("tags", "tool_names"), ("metadata", "quantities")
_FACTS = ("media_type", "content_encoding", "length", "sha256")
_SAID = ("headers", "edits")
_BESIDE = ("input_text", "output_text", "attempts_made", "price", "feedback", "request_body", "response_body")
_USD_DIGITS, _USD_PLACES = 19, 12


def library() -> Any:
    """Return pyarrow; ``UsageError`` says how to install it where it is not there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "writing Parquet needs pyarrow, which is not installed", hint=f"install it: {INSTALL}"
        ) from error
    return pyarrow


def write_file(path: Path, columns: Sequence[str], portions: Iterable[Sequence[Call]], *, has_content: bool) -> int:
    """Write a file of calls, and give it its name when it is whole; return how many they are.

    Rows have these columns, and with their content what ``Reader.made_of`` gives. ``OSError``: no room.
    """
    arrow = library()
    fields = _fields(arrow, tuple(map(str, columns)), has_content=has_content)
    schema = arrow.schema([(name, kind) for name, (kind, _) in fields.items()])
    part, written = path.with_name(f"{path.name}.part"), 0
    with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        with arrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for portion in portions:
                values = {name: [value_of(call) for call in portion] for name, (_, value_of) in fields.items()}
                writer.write_table(arrow.Table.from_pydict(values, schema))
                written += len(portion)
        file.flush()
        os.fsync(file.fileno())
    if rows_of(part) != written:
        raise StoreError(f"{part} has not the {written:,} calls that were written", hint="is its disk sound?")
    part.replace(path)
    return written


def rows_of(path: Path) -> int:
    """Return how many rows a file says it has; ``UsageError`` where it is damaged."""
    with _readable(path):
        return int(library().parquet.read_metadata(path).num_rows)


_Field = tuple[Any, Callable[[Call], Any]]


def _fields(arrow: Any, columns: Sequence[str], *, has_content: bool) -> Mapping[str, _Field]:
    """Return of each column its type, and what gives its value of a call."""
    fields = {name: (_type(arrow, name), _column(name)) for name in columns}
    if has_content:
        fields |= {name: _beside(arrow, name) for name in _BESIDE}
    return fields


def _type(arrow: Any, name: str) -> Any:
    if name in USD:
        return arrow.decimal128(_USD_DIGITS, _USD_PLACES)
    if name in _TEXT_LISTS:
        return arrow.list_(arrow.string())
    if name in _MAPS:
        return arrow.map_(arrow.string(), arrow.string() if name == "metadata" else arrow.int64())
    kinds = {
        "instant": arrow.timestamp("ms", tz="UTC"), "truth": arrow.bool_(), "whole": arrow.int64(),
        "number": arrow.float64(), "json": arrow.string(), "text": arrow.string(),
    }  # fmt: skip
    return kinds[KINDS[name]]


def _column(name: str) -> Callable[[Call], Any]:
    convert: Callable[[Any], Any] = _CONVERSIONS.get(KINDS[name], _same)
    if name in USD:
        convert = _exact
    elif name in _TEXT_LISTS:
        convert = _same
    elif name in _MAPS:
        convert = _pairs

    def value_of(call: Call) -> Any:
        value = call[0][name]
        return None if value is None else convert(value)

    return value_of


def _same(value: Any) -> Any:
    return value


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _exact(value: float) -> Decimal:
    """Return an amount exactly: it is so many pico-dollars."""
    return Decimal(round(value * 10**_USD_PLACES)).scaleb(-_USD_PLACES)


def _pairs(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"instant": milliseconds_of, "json": _json, "truth": bool}


def _beside(arrow: Any, name: str) -> _Field:
    """Return what stands beside the columns: texts, both bodies, and as JSON attempts, the price and feedback."""
    if name in ("input_text", "output_text"):
        return arrow.string(), lambda call: _parts(call).texts[name == "output_text"]
    if name in ("attempts_made", "price", "feedback"):
        return arrow.string(), lambda call: None if call[0][name] is None else _json(call[0][name])
    members = [("content", arrow.binary()), *((fact, arrow.string()) for fact in _FACTS if fact != "length")]
    members += [("length", arrow.int64()), *((said, arrow.string()) for said in (*_SAID, "timings"))]
    side = name.removesuffix("_body")
    return arrow.struct(members), lambda call: _body(getattr(_parts(call), side))


def _parts(call: Call) -> Parts:
    parts = call[1]
    assert parts is not None
    return parts


def _body(body: StoredBody | None) -> Row | None:
    if body is None:
        return None
    said = {name: None if body.facts[name] is None else _json(body.facts[name]) for name in _SAID}
    facts = {name: body.facts[name] for name in _FACTS}
    return {"content": body.content, **facts, **said, "timings": _json(body.timings)}


def rows_in(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what a file of ours says of calls, as an export of JSON lines says it; a row group is in memory.

    ``UsageError`` where it is damaged. Amounts in USD are left out: the exact ones stand beside them.
    """
    with _readable(path), library().parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            for row in file.read_row_group(number).to_pylist():
                yield {name: _back(name, value) for name, value in row.items() if name not in USD}


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (library().ArrowException, OSError) as error:
        raise UsageError(f"{path} is damaged, or no Parquet file: {type(error).__name__}") from error


def _back(name: str, value: Any) -> Any:
    """Return a value of a column as JSON lines have it; what is not as we write it stays as it is, to be refused."""
    try:
        return None if value is None else _BACK.get(_kind_of(name), _same)(value)
    except (ValueError, TypeError, AttributeError, KeyError):
        return value


def _kind_of(name: str) -> str:
    if name in _MAPS or name in _TEXT_LISTS:
        return "map" if name in _MAPS else "list"
    if name in _BESIDE:
        return "body" if name.endswith("_body") else "text" if name.endswith("_text") else "json"
    return KINDS.get(name, "text")


def _instant(value: datetime) -> str:
    return instant_text(round(value.timestamp() * 1000))


def _body_back(value: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: None if value[name] is None else orjson.loads(value[name]) for name in (*_SAID, "timings")}
    facts = {name: value[name] for name in _FACTS}
    return {**facts, **said, "content": base64.b64encode(value["content"]).decode(), "encoding": "base64"}


_BACK: Mapping[str, Callable[[Any], Any]] = {
    "instant": _instant, "json": orjson.loads, "map": dict, "list": list, "body": _body_back,
}  # fmt: skip
