"""What is known of a call beside what was said in it, as ``dashcam show`` tells it: counts, cost, times, labels, tries.

Each fact is a name and a text, whatever characters callers and providers have chosen. What nobody said is left out.
"""

from __future__ import annotations

from proxy.cli.cost import lines_of
from proxy.cli.terminal import duration, json_text, money, on_one_line, tokens
from proxy.protocol.injection import is_addition
from proxy.store.contents.parts import StoredBody
from proxy.store.schema.decoding import Row

_UNKNOWN = {"unpriced": "; what to do about it: dashcam prices unpriced"}
_LONGEST_VALUE = 200
_LABELS = ("user_id", "session_id", "trace_id", "app", "environment", "client_request_id")


def facts_of(row: Row, body: StoredBody | None, attempts: list[Row], price: Row | None) -> list[tuple[str, str]]:
    """Return the facts of a call in their order; ``body`` is its request, a name "" goes on with the fact before."""
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
    return [
        *facts,
        *_prompt(row),
        *_labels(row),
        *((f"attempt {item['number']}", _attempt(item)) for item in attempts),
    ]


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
