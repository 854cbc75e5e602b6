"""YAML in and out, and of it only what JSON has too: no tags, no aliases, no dates, no names that are said twice.

Values are made from the parser's events, one after the other, so that no text can grow beyond its size or nest deeper
than we look, and a mistake has its field and line. Plain scalars mean what YAML 1.2 says: true and false, but neither
yes nor 1:30; a number with an exponent has a point. Whatever is written here is read here as the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml  # type: ignore[import-untyped]

from proxy.catalogue.plain import MAX_DEPTH, below, impurities
from proxy.errors import InvalidError, Problem

MAX_BYTES = 8 * 1024 * 1024
MAX_VALUES = 200_000

# The same parser in C where PyYAML was built with it; without, only slower.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,29})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,30}\.[0-9]{0,30}(?:[eE][-+]?[0-9]{1,4})?")


def read_yaml(data: bytes | str, *, most_bytes: int = MAX_BYTES, most_values: int = MAX_VALUES) -> Any:
    """Return the value of one YAML (or JSON) document; ``InvalidError`` says what is wrong, and in which line."""
    if len(data) > most_bytes:
        raise InvalidError([Problem("", f"is larger than {most_bytes // 1024 // 1024} MB")])
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = _read_json(text) if text.lstrip()[:1] in ("{", "[") else None
        if value is None:
            value = _Builder(most_values).build(yaml.parse(text, Loader=_SafeLoader))
    except UnicodeDecodeError as error:
        raise InvalidError([Problem("", f"is no UTF-8 text: {error.reason} at {error.start}")]) from None
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise InvalidError([Problem("", f"is no YAML: {error.problem or error.context}{where}")]) from None
    except yaml.YAMLError as error:
        reason = str(error).partition("\n")[0][:200]
        raise InvalidError([Problem("", f"is no YAML: {reason}")]) from None
    return _checked(value)


def _checked(value: Any) -> Any:
    if problems := impurities(value):
        raise InvalidError(problems)
    return value


def _read_json(text: str) -> Any:
    """Return what a JSON text says, None for what is none: YAML reads most of JSON, but no pairs of half characters."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(members)
    if len(made) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidError([Problem(below("", twice), "is said twice in one object")])
    return made


def write_yaml(value: Any) -> str:
    """Return a value that JSON has as YAML for people: members in their order, long texts as blocks."""
    written: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return written


def too_much_of(value: Any, text: str) -> str | None:
    """Return why a value that was written as this text could not be read again, or None."""
    if len(text.encode()) > MAX_BYTES:
        return f"is larger than {MAX_BYTES // 1024 // 1024} MB"
    return f"holds more than {MAX_VALUES:,} values" if _nodes_of(value) > MAX_VALUES else None


def _nodes_of(value: Any) -> int:
    """Return how many values the reader will count: containers, members' names, and what is in them."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_nodes_of, value.values()))
    return 1 + sum(map(_nodes_of, value)) if isinstance(value, list) else 1


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes nothing twice by reference, and texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
    return node


_Dumper.add_representer(str, _represent_text)


class _Container:
    """A list or object that is being made; ``name`` is the member of an object whose value comes next."""

    __slots__ = ("made", "name")

    def __init__(self, made: list[Any] | dict[str, Any]) -> None:
        self.made = made
        self.name: str | None = None

    @property
    def place(self) -> str:
        """Which member we are at, as a part of a field."""
        return str(len(self.made)) if isinstance(self.made, list) else self.name or ""


class _Builder:
    """Makes a value of events; ``_open`` are the containers around the place where we are."""

    def __init__(self, most_values: int) -> None:
        self._most = most_values
        self._open: list[_Container] = []
        self._values = 0
        self._root: Any = None
        self._has_document = False

    def build(self, events: Iterator[Any]) -> Any:
        """Return the value of the events of one document."""
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self._has_document:
                    self._refuse(event, "is a second document in one text; write one")
                self._has_document = True
            elif isinstance(event, yaml.AliasEvent):
                self._refuse(event, f"refers to something else (*{event.anchor}), which is not read here; write it out")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._forget_name()
        return self._root

    def _node(self, event: Any) -> None:
        self._values += 1
        if self._values > self._most:
            self._refuse(event, f"is one value too many: there are more than {self._most:,}")
        if event.tag not in (None, "!"):
            self._refuse(event, f"has the tag {str(event.tag)[:80]}, and tags are not read here; leave it out")
        if self._open and isinstance(self._open[-1].made, dict) and self._open[-1].name is None:
            self._begin_member(event, self._open[-1])
        elif isinstance(event, yaml.ScalarEvent):
            self._put(_scalar(event))
            self._forget_name()
        else:
            if len(self._open) >= MAX_DEPTH:
                self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels")
            made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._put(made)
            self._open.append(_Container(made))

    def _begin_member(self, event: Any, container: _Container) -> None:
        """Take an event as the name of the member that follows: always a text, whatever it looks like."""
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, "has a list or an object where a name belongs")
        if event.value in container.made:
            self._refuse(event, f"says {event.value[:80]!r} twice")
        container.name = event.value

    def _put(self, value: Any) -> None:
        if not self._open:
            self._root = value
            return
        container = self._open[-1]
        if isinstance(container.made, list):
            container.made.append(value)
        else:
            container.made[container.name or ""] = value

    def _forget_name(self) -> None:
        if self._open:
            self._open[-1].name = None

    def _refuse(self, event: Any, reason: str) -> NoReturn:
        place = ""
        for container in self._open:
            place = below(place, container.place) if container.place else place
        raise InvalidError([Problem(place, f"{reason} (line {event.start_mark.line + 1})")])


def _scalar(event: Any) -> Any:
    """Return what a scalar means: one that is quoted is a text."""
    text: str = event.value
    if not event.implicit[0] or event.tag is not None:
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
