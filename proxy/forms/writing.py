"""The forms that calls are written out in: JSON lines, one JSON list, CSV, and OpenAI's examples for fine-tuning.

A form makes bytes of one call at a time, so that a million of them need no memory. With its content a call is whole:
bodies byte for byte, texts, every attempt, the price it was charged at and feedback, so that ``calls`` can make it
anew. In CSV a text that a spreadsheet would take for a formula begins with an apostrophe. What cannot be an example is
left out, with the reason.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.forms.parts import assembly_of, sent_form
from proxy.forms.text import is_writable, json_text
from proxy.interpret.assembled import as_object
from proxy.protocol.decoding import decode
from proxy.protocol.jsontext import parse_object
from proxy.store.contents.parts import Parts, StoredBody
from proxy.store.schema.decoding import Row

Call = tuple[Row, Parts | None]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula begins; the last four are how East Asian keyboards write the first four."""
_BEFORE_IT = ' \u00a0\u3000"'
"""What a spreadsheet passes over there."""


class LeftOutError(Exception):
    """A call that this form has no place for; the text is the reason, in few words that many calls share."""


class Form:
    """JSON lines, and what the others have in common. ``needs_parts``: bodies and texts are to be read, too."""

    needs_parts = False
    closing = b""

    def __init__(self, columns: Sequence[str], *, has_content: bool) -> None:
        # Names of the store's own columns are a kind of text that no JSON is made of.
        self.columns = tuple(map(str, columns))
        self.needs_parts = has_content

    def opening(self) -> bytes:
        """Return what stands before the first call."""
        return b""

    def call(self, row: Row, parts: Parts | None, *, is_first: bool) -> bytes:
        """Return a call as it is written; ``LeftOutError`` says why it is not.

        Where it has ``parts``, the row has ``attempts_made``, ``price`` and ``feedback`` too (``Reader.made_of``).
        """
        return json_text(self._object(row, parts)).encode() + b"\n"

    def _object(self, row: Row, parts: Parts | None) -> dict[str, Any]:
        values = {name: row[name] for name in self.columns}
        if parts is not None:
            values |= {"input_text": parts.texts[0], "output_text": parts.texts[1]}
            values |= {"request_body": _body(parts.request), "response_body": _body(parts.response)}
            values |= {name: row[name] for name in ("attempts_made", "price", "feedback")}
        return values


class JsonList(Form):
    """One JSON document."""

    closing = b"\n]\n"

    def opening(self) -> bytes:
        """Return the beginning of the list."""
        return b"["

    def call(self, row: Row, parts: Parts | None, *, is_first: bool) -> bytes:
        """Return one member of it."""
        return (b"\n" if is_first else b",\n") + json_text(self._object(row, parts)).encode()


class Csv(Form):
    """A line for each call, as RFC 4180 has it; what is no text, number or truth is JSON."""

    def opening(self) -> bytes:
        """Return the heading."""
        return _csv_line(self.columns)

    def call(self, row: Row, parts: Parts | None, *, is_first: bool) -> bytes:
        """Return the line."""
        return _csv_line([_cell(row[name]) for name in self.columns])


class FineTuning(Form):
    """OpenAI's shape: ``{"messages": […], "tools": […]}``, the answer as the last message.

    The messages are those that left for the provider, a stored prompt's among them.
    """

    def __init__(self, columns: Sequence[str], *, has_content: bool) -> None:
        super().__init__(columns, has_content=True)

    def call(self, row: Row, parts: Parts | None, *, is_first: bool) -> bytes:
        """Return the example."""
        if row["operation"] != "chat":
            raise LeftOutError("no chat")
        if row["outcome"] != "completed":
            raise LeftOutError("not completed")
        if parts is None or parts.request is None or parts.response is None:
            raise LeftOutError("content not kept")
        asked = parse_object(decode(sent_form(parts.request), parts.request.facts["content_encoding"])[0])
        messages = asked.get("messages") if asked is not None else None
        answer = _answer(row, parts.response)
        if asked is None or not isinstance(messages, list) or answer is None:
            raise LeftOutError("content not readable")
        example = {"messages": [*messages, answer]}
        example |= {name: asked[name] for name in ("tools", "parallel_tool_calls") if name in asked}
        if not is_writable(example):
            raise LeftOutError("content not readable")
        return json_text(example).encode() + b"\n"


_STORED_SO = ("interaction_id", "side", "form")
"""What of a body's row says no more than where it stands and how it is kept."""
FORMS: Mapping[str, type[Form]] = {"jsonl": Form, "json": JsonList, "csv": Csv, "openai": FineTuning}


def _answer(row: Row, body: StoredBody) -> dict[str, Any] | None:
    """Return the first choice of an answer as a message, None where it says nothing."""
    made: Any = as_object(assembly_of(row, body))
    choice = made["choices"][0] if made is not None else {}
    message: dict[str, Any] = {"role": "assistant"}
    if text := choice.get("content") or choice.get("refusal"):
        message["content"] = text
    if calls := choice.get("tool_calls"):
        message["tool_calls"] = [
            {"id": one["id"], "type": "function", "function": {"name": one["name"], "arguments": one["arguments"]}}
            for one in calls
        ]
    return message if len(message) > 1 else None


def _body(body: StoredBody | None) -> dict[str, Any] | None:
    """Return one side as it was kept, its bytes as text, or in base64 where they are none."""
    if body is None:
        return None
    try:
        content, encoding = body.content.decode(), "utf-8"
    except UnicodeDecodeError:
        content, encoding = base64.b64encode(body.content).decode(), "base64"
    facts = {name: value for name, value in body.facts.items() if name not in _STORED_SO}
    return {**facts, "content": content, "encoding": encoding, "timings": body.timings}


def _csv_line(cells: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.lstrip(_BEFORE_IT).startswith(_FORMULA) else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
