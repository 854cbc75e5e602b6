"""What the commands of prompts print of one: its messages, who saved a version, how often it was used.

What is not the prompt itself is a comment, on standard error or behind ``#``: so the output can be saved again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.terminal import counted, harmless, json_text, local_time, on_one_line, paint


def print_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Print messages as people read them."""
    for item in messages:
        content = item.get("content")
        text = content if isinstance(content, str) else json_text(content, orjson.OPT_INDENT_2)
        print(f"{paint(str(item.get('role')), 'bold')}\n{harmless(text)}\n")


def print_version(name: str, found: Mapping[str, Any], prompt: Mapping[str, Any]) -> None:
    """Print as comments who saved a version and why, and which others of the prompt there are."""
    number, called = found["number"], f" ({found['name']})" if found.get("name") else ""
    saved = f"# {name}@{number}{called}, saved by {found['author']} at {found['made_at']}"
    print(saved + (f": {on_one_line(found['note'])}" if found.get("note") else ""), file=sys.stderr)
    others = [item["number"] for item in prompt.get("versions", ()) if item["number"] != number]
    labels = [f"{label} is {at}" for label, at in prompt.get("labels", {}).items()]
    if others or labels:
        told = [f"other versions: {_spans(others)}"] if others else []
        print(f"# {'; '.join(told + labels)}", file=sys.stderr)


def _spans(numbers: Sequence[int]) -> str:
    """Return numbers in order in a few words: "1 to 4, 6"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)


def print_use(prompt: Mapping[str, Any]) -> None:
    """Print how often a prompt was used, and what came of its last call as comments, where that is told."""
    if not prompt["calls"]:
        print("# never used" if prompt["calls"] == 0 else "# this prompt was deleted", file=sys.stderr)
        return
    last = local_time(prompt["last_used"], is_utc=False)
    call = f": dashcam show {prompt['last_call']}" if prompt["last_call"] else ""
    print(f"# used {counted(prompt['calls'], 'time')}, last at {last}{call}", file=sys.stderr)
    if "last_output" not in prompt:
        return
    output = prompt["last_output"]
    print("# its last call answered:" if output else "# of its last call no answer is on record")
    for line in harmless(output or "").splitlines():
        print(f"#   {line}")
