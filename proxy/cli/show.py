"""``dashcam show``: one call read back, as a page, as JSON, or as the bytes that went over the wire."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.cli.cost import lines_of
from proxy.cli.pager import paged
from proxy.cli.terminal import duration, harmless, is_writable, json_text, local_time, money, on_one_line, paint, tokens
from proxy.errors import NotFoundError
from proxy.forms.parts import assembly_of, sent_form
from proxy.interpret.assembled import as_object
from proxy.protocol.decoding import decode
from proxy.protocol.injection import is_addition
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
            _print_facts(row, bodies["request"], attempts, price)


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


def _print_facts(row: Row, body: StoredBody | None, attempts: list[Row], price: Row | None) -> None:
    cached = f", {row['cached_tokens']} cached" if row["cached_tokens"] else ""
    first = "" if row["ttft_ms"] is None else f", first token after {duration(row['ttft_ms'])}"
    counted = tokens(row)
    facts = [
        ("tokens", f"{counted} ({row['usage_source']}){cached}" if counted != "-" else "none reported"),
        ("cost", f"{money(row['cost_usd'])} ({row['cost_status']}){_UNKNOWN.get(row['cost_status'], '')}"),
        *(("", line) for line in lines_of(row, price)),
        ("time", f"{duration(row['duration_ms'])}{first}, our part {duration(row['overhead_ms'])}"),
        *_finish(row),
    ]
    if row["request_modified"]:
        facts.append(("changed", f"{_changes(row, body)}; see the request as it was sent with --raw --sent"))
    if row.get("score_count"):
        facts.append(("score", f"{row['score']:.2f} of {row['score_count']} that were given"))
    facts += _prompt(row)
    facts += _labels(row)
    facts += [(f"attempt {item['number']}", _attempt(item)) for item in attempts]
    for name, text in facts:
        print(f"{paint(f'{name:<10}', 'dim')} {text}")


_UNKNOWN = {"unpriced": "; what to do about it: dashcam prices unpriced"}


def _finish(row: Row) -> list[tuple[str, str]]:
    """Return why the answer ended, in the provider's word, and in ours where that is another; nothing of no answer."""
    said, kind = row["finish_reason"], row["finish_kind"]
    if not said:
        return []
    return [("finish", on_one_line(said if kind in (None, said) else f"{said} ({kind})"))]


def _prompt(row: Row) -> list[tuple[str, str]]:
    """Return which stored prompt the call used, and what was filled into it."""
    if not row["prompt_name"]:
        return []
    version = f"@{row['prompt_version']}" if row["prompt_version"] is not None else ""
    label = f" ({row['prompt_label']})" if row["prompt_label"] else ""
    values = row.get("prompt_variables") or {}
    found = [("prompt", on_one_line(f"{row['prompt_name']}{version}{label}"))]
    return found + [("variable", on_one_line(f"{name} = {_short(value)}")) for name, value in values.items()]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json_text(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


_LONGEST_VALUE = 200
_LABELS = ("user_id", "session_id", "trace_id", "app", "environment", "client_request_id")


def _labels(row: Row) -> list[tuple[str, str]]:
    """Return what the caller said about the call."""
    said = [(name.removesuffix("_id").replace("client_request", "own id"), row.get(name)) for name in _LABELS]
    found = [(name, on_one_line(value)) for name, value in said if value]
    if row["tags"]:
        found.append(("tags", on_one_line(", ".join(row["tags"]))))
    found += [("metadata", on_one_line(f"{key} = {value}")) for key, value in (row["metadata"] or {}).items()]
    if row.get("retry_count"):
        before = f" of {row['parent_id']}" if row["parent_id"] else ""
        found.append(("retry", f"the client's retry {row['retry_count']}{before}"))
    return found


def _changes(row: Row, body: StoredBody | None) -> str:
    """Return what the proxy changed in the request."""
    if row.get("prompt_name"):
        return "a stored prompt was put in"
    edits = body.facts["edits"] or () if body is not None else ()
    added = [text for offset, removed, text in edits if is_addition((offset, removed, text))]
    is_given = bool(row.get("route")) and any("include_usage" not in text for text in added)
    is_asked = any("include_usage" in text for text in added) if is_given else bool(added)
    is_kept = any(not is_addition((offset, removed, text)) for offset, removed, text in edits)
    words = (
        ("its route gave it a model or parameters", is_given), ("usage was asked for", is_asked),
        ("metadata stayed here", is_kept),
    )  # fmt: skip
    done = [word for word, is_done in words if is_done]
    return " and ".join(done) or "bytes were changed"


def _attempt(item: Row) -> str:
    answered = f"answered {item['http_status']}" if item["http_status"] else ""
    failed = f"failed ({item['error']})" if item["error"] else ""
    ended = ", then ".join(filter(None, (answered, failed)))
    reused = ", connection reused" if item["reused"] else ""
    return f"{on_one_line(item['upstream'])}: {ended or 'no answer'} in {duration(item['duration_ms'])}{reused}"


def _size(body: StoredBody) -> str:
    return f"{on_one_line(body.facts['media_type'] or 'no media type')}, {body.facts['length']} bytes; see --raw"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in harmless(text).splitlines())
