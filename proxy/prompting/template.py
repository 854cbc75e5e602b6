"""Rendering texts with minijinja, so that neither time nor memory can run away.

What a template may say is read first (``grammar``). Then: an unknown variable is an error, ``fuel`` stops loops, every
value on its way into the text is counted, and what joins or writes out values is ours and counts too. Nothing is
escaped, white space stays. There are no globals, and no template can name a file: ``load`` gives what it includes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import orjson
from minijinja import Environment, TemplateError

from proxy.prompting.grammar import FILTERS, read
from proxy.prompting.problems import RenderingError

LARGEST_OUTPUT = 1024 * 1024
"""Characters of all that one rendering makes."""
_FUEL = 500_000
"""Steps of the engine, which also counts what it copies: a tenth of a second at most."""
_ENGINES_OWN = [
    "attr",
    "batch",
    "chain",
    "e",
    "escape",
    "format",
    "groupby",
    "indent",
    "lines",
    "map",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "safe",
    "select",
    "selectattr",
    "slice",
    "split",
    "sum",
    "urlencode",
    "zip",
]
_GLOBALS = ["cycler", "debug", "dict", "joiner", "lipsum", "namespace", "range"]
_HINTS = {
    "UndefinedError": "a value that is used there is not given, or has no such member",
    "OutOfFuel": "the template does too much: its loops go round too often, or long texts are gone through too often",
}
_INCLUDED_HINTS = {"undefined value": _HINTS["UndefinedError"], "engine ran out of fuel": _HINTS["OutOfFuel"]}

Load = Callable[[str], str | None]
"""Gives the text of what a template includes, None where there is none."""


def no_partials(_name: str) -> None:
    """Include nothing."""


class Templates:
    """Texts that are rendered together, by their names; for one thread. Made once, used for every call.

    ``texts`` must have been found free of faults. A template that is included is asked for once.
    """

    def __init__(self, texts: Mapping[str, str], load: Load = no_partials) -> None:
        self._texts = texts
        self._load = load
        self._left = 0
        self._environment = _environment(self._source, self._counted)

    def __repr__(self) -> str:
        return f"<Templates {', '.join(self._texts)}>"

    def begin(self) -> None:
        """Begin a rendering: from here on output is counted anew."""
        self._left = LARGEST_OUTPUT

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """Return one text with its values; ``RenderingError`` says why it cannot be."""
        try:
            text = self._environment.render_template(name, **values)
        except TemplateError as error:
            raise RenderingError(_reason_of(name, error)) from error
        if len(text) > LARGEST_OUTPUT:
            _refuse_length()
        return text

    def _source(self, name: str) -> str | None:
        own = self._texts.get(name)
        if own is not None:
            return own
        text = self._load(name)
        if text is not None and read(text).faults:
            raise RenderingError(f"what is included as {name!r} is no template: {read(text).faults[0].reason}")
        return text

    def _counted(self, value: object) -> object:
        """Let a value into the text."""
        if isinstance(value, str):
            self._left -= len(value)
            return value if self._left >= 0 else _refuse_length()
        if isinstance(value, bool) or value is None:
            return {True: "true", False: "false", None: ""}[value]
        if isinstance(value, int | float):
            self._left -= 20
            return value if self._left >= 0 else _refuse_length()
        raise RenderingError("a list or an object cannot stand in a text: say how, with |join(', ') or |tojson")


def variables_in(text: str) -> frozenset[str]:
    """Return the variables that a text without faults uses, those of what it includes left out."""
    return frozenset(_READER.undeclared_variables_in_str(text)) - {"loop"}


def syntax_fault(text: str) -> str | None:
    """Return what the engine has against a text, None where it takes it."""
    try:
        _READER.add_template("text", text)
    except TemplateError as error:
        return f"line {error.line}: {error.message.partition(' (in ')[0]}"
    return None


def _environment(loader: Load | None, finalizer: Callable[[object], object] | None) -> Environment:
    made = Environment(
        loader=loader, debug=False, undefined_behavior="strict", finalizer=finalizer, pycompat=False,
        keep_trailing_newline=True, auto_escape_callback=lambda _name: False, fuel=_FUEL,
    )  # fmt: skip
    for name in _ENGINES_OWN:
        made.remove_filter(name)
    for name in _GLOBALS:
        made.remove_global(name)
    made.add_filter("join", _join)
    made.add_filter("tojson", _to_json)
    return made


def _join(values: Any = None, separator: Any = "", *more: Any) -> str:
    """Join texts and numbers; of a text its letters."""
    if more or not isinstance(separator, str) or not isinstance(values, str | Sequence | Mapping):
        raise RenderingError("join takes a list, and the text that comes between: {{ names|join(', ') }}")
    if isinstance(values, str):
        return separator.join(values) if len(values) * (1 + len(separator)) <= LARGEST_OUTPUT else _refuse_length()
    parts, size = [], 0
    for value in values:
        part = value if isinstance(value, str) else _to_json(value)
        size += len(part) + len(separator)
        if size > LARGEST_OUTPUT:
            _refuse_length()
        parts.append(part)
    return separator.join(parts)


def _to_json(value: Any = None, *more: Any) -> str:
    """Write a value as JSON, its letters as they are."""
    if more:
        raise RenderingError("tojson takes nothing beside its value")
    try:
        text = orjson.dumps(value).decode()
    except TypeError as error:
        raise RenderingError("a value cannot be written as JSON") from error
    return text if len(text) <= LARGEST_OUTPUT else _refuse_length()


def _refuse_length() -> NoReturn:
    raise RenderingError(f"the result is longer than {LARGEST_OUTPUT:,} characters")


def _reason_of(name: str, error: TemplateError) -> str:
    """Return where and why a rendering failed; what failed in an included text is the last cause that is told."""
    line = f"line {error.line}: " if error.line else ""
    if error.kind != "BadInclude":
        return line + _HINTS.get(error.kind, error.message.partition(" (in ")[0])
    cause, _, place = str(error).rpartition("caused by: ")[2].strip().partition(" (in ")
    if cause.startswith("could not render include") or "recursion limit" in cause:
        return f"{line}what it includes goes in a circle"
    included, _, line_there = place.rstrip(")").rpartition(":")
    return f"in {included}, line {line_there}: {_INCLUDED_HINTS.get(cause, cause)}"


_READER = _environment(None, None)
assert {"join", "tojson"} <= FILTERS
