"""``dashcam show``: one call read back, as a page, as JSON, or as the bytes that went over the wire.

The page has what was said in it as people read it; what is known of it beside is ``call_facts``. Where nothing is on
record it says why.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.cli.call_facts import facts_of
from proxy.cli.pager import paged
from proxy.cli.terminal import harmless, is_writable, json_text, local_time, on_one_line, paint
from proxy.errors import NotFoundError
from proxy.forms.parts import assembly_of, sent_form
from proxy.interpret.assembled import as_object
from proxy.protocol.decoding import decode
from proxy.protocol.jsontext import items, mapping, parse_object
from proxy.protocol.multipart import Form, boundary_of, reduce
from proxy.settings.values import Settings
from proxy.store.contents.parts import StoredBody
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row, with_truths

NO_CONTENT = {
    "off": "not recorded: settings, route, key or caller keep facts only, or content of this kind is never kept",
    "redacted": "left out: it could not be looked through for what must not be on record",
    "pruned": "removed by retention, or by hand",
    "truncated": "only a part was kept",
    "stored": "there was none",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which call, which sides, in which form (text, json, raw); ``is_sent`` wants the request as it was sent.

    ``is_utc`` gives its time in UTC, ``has_pager`` a long page through the pager.
    """

    reference: str
    sides: tuple[str, ...]
    form: str
    is_sent: bool
    is_utc: bool = False
    has_pager: bool = True


def show(settings: Settings, wanted: Wanted) -> None:
    """Print one call."""
    reader = Reader(settings.database)
    row = reader.interaction(wanted.reference)
    bodies = {side: reader.body(row["id"], side) for side in ("request", "response")}
    attempts, price = reader.attempts(row["id"]), reader.price(row["price_id"])
    reader.close()
    if wanted.form == "raw":
        _print_raw(row, bodies, wanted)
        return
    with paged(is_wanted=wanted.has_pager):
        if wanted.form == "json":
            sides = {side: _readable(body) for side, body in bodies.items()}
            answer = as_object(assembly_of(row, bodies["response"]))
            facts = {**with_truths(row), "attempts_made": attempts, "price": price, "answer": answer}
            print(json_text({**facts, **sides}, orjson.OPT_INDENT_2))
        else:
            _print_head(row, is_utc=wanted.is_utc)
            _print_request(row, bodies["request"])
            _print_answer(row, bodies["response"])
            for name, text in facts_of(row, bodies["request"], attempts, price):
                print(f"{paint(f'{name:<10}', 'dim')} {text}")


def _print_raw(row: Row, bodies: dict[str, StoredBody | None], wanted: Wanted) -> None:
    if not any(bodies[side] for side in wanted.sides):
        sides = " and ".join(wanted.sides)
        raise NotFoundError(f"no {sides} to show: {NO_CONTENT[row['content_state']]}", hint=f"dashcam show {row['id']}")
    for side in wanted.sides:
        body = bodies[side]
        if body is None:
            print(f"dashcam: no {side} to show: {NO_CONTENT[row['content_state']]}", file=sys.stderr)
        else:
            sys.stdout.buffer.write(sent_form(body) if wanted.is_sent and side == "request" else body.content)
            sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
    sys.stdout.buffer.flush()


def _readable(body: StoredBody | None) -> Any:
    if body is None:
        return None
    plain = decoded_of(body)
    value = parse_object(plain)
    content = value if value is not None and is_writable(value) else plain.decode("utf-8", "replace")
    return {**body.facts, "content": content, "timings": body.timings}


def _print_head(row: Row, *, is_utc: bool) -> None:
    colour = "green" if row["success"] else "yellow" if row["outcome"] == "client_gone" else "red"
    name, when = on_one_line(row["model"] or row["operation"]), local_time(row["started_at"], is_utc=is_utc)
    print(f"{paint(name, 'bold')}  {paint(row['outcome'], colour)}  {row['http_status'] or '-'}   {row['id']}")
    print(f"{when}  {on_one_line(row['method'])} {on_one_line(row['endpoint'])} → {row['provider'] or '-'}")
    if row["error_message"] or row["error_code"]:
        kind = " / ".join(dict.fromkeys(filter(None, (row["error_type"], row["error_code"])))) or "error"
        print(paint(on_one_line(": ".join(filter(None, (kind, row["error_message"])))), "red"))
    print()


def _print_request(row: Row, body: StoredBody | None) -> None:
    if body is None:
        print(paint(f"request: {NO_CONTENT[row['content_state']]}", "dim"), end="\n\n")
        return
    boundary = boundary_of(body.facts["media_type"])
    if boundary is not None:
        _print_form(reduce(body.content, boundary)[0])
        return
    # Of a call with a stored prompt the messages are those that left, which the model has seen.
    sent = sent_form(body) if row["prompt_name"] and not body.facts["content_encoding"] else None
    values = parse_object(decoded_of(body) if sent is None else sent)
    said = values.get("messages", values.get("input", values.get("prompt"))) if values else None
    if said is None:
        print(paint(f"request: {_size(body)}", "dim"), end="\n\n")
        return
    if row["tool_names"]:
        print(paint(f"tools: {on_one_line(', '.join(row['tool_names']))}", "dim"), end="\n\n")
    for message in said if isinstance(said, list) else [{"role": "user", "content": said}]:
        _print_message(mapping(message) or {"role": "user", "content": message})


def decoded_of(body: StoredBody) -> bytes:
    """Return the bytes without their Content-Encoding, as far as that can be undone."""
    return decode(body.content, body.facts["content_encoding"])[0]


def _print_form(form: Form) -> None:
    print(paint("form", "bold"))
    for name, value in form.fields:
        print(_indent(f"{name}: {value}"))
    for item in form.files:
        print(_indent(f"{item.name}: {item.filename} ({item.media_type or 'no media type'}, {item.size} bytes)"))
    print()


def _print_message(message: dict[str, Any]) -> None:
    print(paint(on_one_line(message.get("role") or message.get("type") or "?"), "bold"))
    content = message.get("content", message.get("output"))
    if isinstance(content, str):
        print(_indent(content))
    for part in items(content):
        found = mapping(part)
        print(_indent(str(found["text"]) if "text" in found else f"[{found.get('type', 'part')}]"))
    calls = [mapping(mapping(call).get("function")) for call in items(message.get("tool_calls"))]
    if message.get("type") == "function_call":
        calls.append(message)
    for call in calls:
        print(_indent(f"→ {call.get('name')}({call.get('arguments')})"))
    print()


def _print_answer(row: Row, body: StoredBody | None) -> None:
    print(paint("answer", "bold"))
    if body is None or not body.content:
        print(_indent(NO_CONTENT[row["content_state"]] if row["content_state"] != "stored" else "nothing was received"))
        print()
        return
    assembly = assembly_of(row, body)
    if assembly is None or not assembly.choices:
        print(_indent(_size(body)))
    else:
        for index in sorted(assembly.choices):
            choice = assembly.choices[index]
            if choice.reasoning:
                print(paint(_indent("".join(choice.reasoning)), "dim"))
            text = "".join(choice.content or choice.refusal or choice.transcript)
            if text or not choice.tool_calls:
                print(_indent(text))
            for call in choice.tool_calls:
                print(_indent(f"→ {call.name}({''.join(call.arguments)})"))
    print()


def _size(body: StoredBody) -> str:
    return f"{on_one_line(body.facts['media_type'] or 'no media type')}, {body.facts['length']} bytes; see --raw"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in harmless(text).splitlines())
