"""What a template may say: the part of minijinja's language whose work and output are bounded by what goes in.

Allowed are ``{{ name }}``, attributes and items, comparisons, ``and or not in is``, inline ``if``, the filters and
tests below, ``for``, ``if``, ``include "name"``, ``raw`` and comments. Left out is what makes large things of small
ones (joining and repeating values, assignments, ``format``, ``replace``), what runs code (calls, macros, inner members)
and what picks a template by a value. A template is read here before the engine sees it; strings are skipped as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_TEMPLATE = 64 * 1024
"""Bytes of UTF-8."""
MOST_BLOCKS, MOST_TOKENS = 1000, 200
"""Expressions and statements of a template, words and signs of one: the engine takes seconds to read a chain of
thousands, and each of them may go through a long value."""
FILTERS = frozenset(
    (
        "abs", "bool", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join",
        "last", "length", "list", "lower", "max", "min", "reverse", "round", "sort", "string", "title", "tojson",
        "trim", "unique", "upper",
    )
)  # fmt: skip
TESTS = frozenset(
    (
        "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "ge", "gt", "in", "integer", "iterable",
        "le", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined",
        "upper", "startingwith", "endingwith",
    )
)  # fmt: skip
TAGS = frozenset(("for", "endfor", "if", "elif", "else", "endif", "include", "raw", "endraw"))
_OPENING = re.compile(r"\{\{|\{%|\{#")
_END_OF_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<end>[-+]?%\}|[-+]?\}\})|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<number>\d[\d_.eExXoObBa-fA-F]*)|(?P<mark>\*\*|//|==|!=|<=|>=|\S)""",
    re.DOTALL,
)
_GROWING = {
    "~": "joins values; write them side by side: {{ a }}{{ b }}",
    "+": "can join values; write them side by side: {{ a }}{{ b }}",
    "*": "can repeat a text",
    "**": "makes large numbers",
    "{": "begins an object, which a template cannot hold",
    "=": "sets something, which a template cannot do",
}
_INCLUDED = re.compile(r"""\s*include\s+("(?P<a>[^"\\]*)"|'(?P<b>[^'\\]*)')\s*$""")


_CONSTANTS = frozenset(("true", "false", "none"))
_WORDS = frozenset(("in", "and", "or", "not", "if", "else", "is"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a template may not say, and in which line (from 1)."""

    line: int
    reason: str


@dataclass(slots=True)
class Reading:
    """What was found in a template."""

    faults: list[Fault]
    includes: list[str]
    has_loop: bool = False


@dataclass(frozen=True, slots=True)
class _Block:
    """The inside of ``{{ }}`` or ``{% %}``: its tokens as (kind, text)."""

    is_statement: bool
    line: int
    inside: str
    tokens: list[tuple[str, str]]


def read(template: str) -> Reading:
    """Return the faults of a template, what it includes, and whether it loops."""
    reading = Reading([], [])
    if len(template.encode("utf-8", "replace")) > LARGEST_TEMPLATE:
        reading.faults.append(Fault(1, f"is longer than {LARGEST_TEMPLATE // 1024} kB"))
        return reading
    for number, block in enumerate(_blocks(template)):
        if number == MOST_BLOCKS:
            reading.faults.append(
                Fault(block.line, f"is one too many: a template has at most {MOST_BLOCKS:,} {{{{ }}}} and {{% %}}")
            )
            return reading
        tokens = block.tokens
        if len(tokens) > MOST_TOKENS:
            reading.faults.append(
                Fault(block.line, f"has more than {MOST_TOKENS} words and signs in one expression; write several")
            )
            continue
        if block.is_statement:
            tokens = _read_statement(block, reading)
        reason = _refusal(tokens)
        if reason is not None:
            reading.faults.append(Fault(block.line, reason))
    return reading


def _blocks(template: str) -> Iterator[_Block]:
    at = 0
    while (opening := _OPENING.search(template, at)) is not None:
        if opening[0] == "{#":
            end = template.find("#}", opening.end())
            at = len(template) if end < 0 else end + 2
            continue
        tokens, at = _tokens(template, opening.end())
        is_statement = opening[0] == "{%"
        line = template.count("\n", 0, opening.start()) + 1
        yield _Block(is_statement, line, template[opening.end() : at].lstrip("-+").rstrip("%}-+"), tokens)
        if is_statement and tokens[:1] == [("name", "raw")]:
            end_of_raw = _END_OF_RAW.search(template, at)
            at = end_of_raw.end() if end_of_raw is not None else len(template)


def _tokens(template: str, at: int) -> tuple[list[tuple[str, str]], int]:
    """Return the tokens up to the end of a block, and where it ends."""
    found: list[tuple[str, str]] = []
    if template[at : at + 1] in ("-", "+"):
        at += 1
    while (match := _TOKEN.search(template, at)) is not None:
        at = match.end()
        if match.lastgroup == "end":
            return found, at
        found.append((match.lastgroup or "", match[0]))
    return found, len(template)


def _read_statement(block: _Block, reading: Reading) -> list[tuple[str, str]]:
    """Take in what a statement says; return the tokens of its expression."""
    tag = block.tokens[0][1] if block.tokens else ""
    if tag not in TAGS:
        reading.faults.append(Fault(block.line, f"{{% {tag[:40]} %}} is not for templates; there are {_listed(TAGS)}"))
        return []
    if tag == "include":
        included = _INCLUDED.match(block.inside)
        if included is None:
            reading.faults.append(
                Fault(block.line, 'include takes one name in quotes: {% include "tone@production" %}')
            )
            return []
        reading.includes.append(included["a"] if included["a"] is not None else included["b"])
        return []
    if tag == "for":
        reading.has_loop = True
        if ("name", "recursive") in block.tokens:
            reading.faults.append(Fault(block.line, "a loop cannot be recursive"))
    return block.tokens[1:]


def _refusal(tokens: list[tuple[str, str]]) -> str | None:
    """Return why an expression is not for templates, None where it is."""
    opened: list[str] = []
    names = _names_of_loop(tokens)
    for position, (kind, text) in enumerate(tokens):
        if position < names:
            continue
        before = tokens[max(0, position - 2) : position]
        if kind == "name":
            reason = _refusal_of_name(text, before, tokens[position + 1 : position + 2], opened)
        else:
            reason = _refusal_of_mark(text, before, opened) if kind == "mark" else None
        if reason is not None:
            return reason
    return None


def _names_of_loop(tokens: list[tuple[str, str]]) -> int:
    """Return how many tokens name what a loop gives: ``a, b`` in ``for a, b in pairs``."""
    for position, (kind, text) in enumerate(tokens):
        if text == "in" and position:
            return position
        if not (kind == "name" or text == ","):
            break
    return 0


def _refusal_of_mark(text: str, before: list[tuple[str, str]], opened: list[str]) -> str | None:
    if text in _GROWING:
        return f"{text} {_GROWING[text]}"
    if text == "(":
        opened.append("arguments" if _takes_arguments(before) else "group")
        return "this calls something, which a template cannot do" if _is_value(before) else None
    if text == "[":
        opened.append("item" if _is_value(before) else "list")
    elif text in (")", "]") and opened:
        opened.pop()
    elif text == "," and (not opened or opened[-1] in ("group", "item")):
        return "a comma makes a list of values, which a template cannot hold"
    return None


def _takes_arguments(before: list[tuple[str, str]]) -> bool:
    """Tell whether a filter or a test stands before a bracket."""
    return len(before) == 2 and before[1][0] == "name" and before[0][1] in ("|", "is", "not")


def _is_value(before: list[tuple[str, str]]) -> bool:
    """Tell whether what stands before a bracket is a value of which an item can be taken."""
    if not before or _takes_arguments(before):
        return False
    kind, text = before[-1]
    return kind == "string" or text in (")", "]") or (kind == "name" and text not in _WORDS)


def _refusal_of_name(
    name: str, before: list[tuple[str, str]], following: list[tuple[str, str]], opened: list[str]
) -> str | None:
    marks = [text for _, text in before]
    if marks[-1:] == ["|"]:
        return None if name in FILTERS else f"the filter {name[:40]} is not for templates; there are {_listed(FILTERS)}"
    if marks[-1:] == ["is"] or marks[-2:] == ["is", "not"]:
        is_known = name in TESTS or name == "not"
        return None if is_known else f"the test {name[:40]} is not for templates; there are {_listed(TESTS)}"
    if marks[-1:] == ["."] and name.startswith("_"):
        return f"{name[:40]} is an inner member, which a template cannot use"
    if opened and opened[-1] == "list" and name.lower() not in _CONSTANTS:
        return "a list in a template holds texts and numbers, no variables"
    if following and following[0][1] == "(" and name not in _WORDS:
        return f"{name[:40]}(…) calls something, which a template cannot do"
    return None


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
