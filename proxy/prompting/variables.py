"""What a stored prompt is filled in with: the declared variables, and the values of one call held against them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.errors import Problem
from proxy.prompting.problems import VariableInvalidError, VariableMissingError

LARGEST_VALUE = 1024 * 1024
"""Characters of all texts in the values of one call."""
MOST_PARTS = 20_000
"""Lists, objects and their members in the values of one call."""
MESSAGES = "messages"
REDACTED = "[redacted]"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    MESSAGES: (list,),
}
TYPES = tuple(_KINDS)
_RESERVED = frozenset(
    ("loop", "true", "false", "none", "True", "False", "None", "self", "not", "and", "or", "in", "is")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable. ``max_length`` is of a text's characters or a list's members; ``is_secret`` ones are not recorded.

    One that is not required and has no default is empty where it is not given.
    """

    name: str
    type: str = "string"
    is_required: bool = True
    default: Any = None
    example: Any = None
    max_length: int | None = None
    is_secret: bool = False
    description: str = ""

    def fault_of(self, value: object) -> str | None:
        """Return why this cannot be its value, None where it can."""
        kinds = _KINDS.get(self.type, (object,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return f"must be {_article(self.type)}, not {_article(type_of(value))}"
        if self.max_length is not None and isinstance(value, str | list) and len(value) > self.max_length:
            unit = "characters" if isinstance(value, str) else "members"
            return f"has {len(value):,} {unit}, and at most {self.max_length:,} are allowed"
        if self.type == MESSAGES and isinstance(value, list) and not all(map(is_message, value)):
            return 'must be a list of messages such as {"role": "user", "content": "…"}'
        return None


def is_message(value: object) -> bool:
    """Tell whether a value is a chat message: one with a role."""
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def type_of(value: object) -> str:
    """Return what kind of JSON value this is, in the words that variables are declared with."""
    if value is None:
        return "null"
    named = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}
    return named.get(type(value), type(value).__name__)


def _article(kind: str) -> str:
    return kind if kind in ("null", MESSAGES) else f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def filled(variables: Sequence[Variable], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every variable; ``VariableMissingError`` and ``VariableInvalidError`` name who is to blame."""
    values: dict[str, Any] = {}
    for variable in variables:
        name = variable.name
        value = given.get(name)
        if isinstance(value, str) and variable.type == "string" and variable.max_length is None:
            values[name] = value
        elif value is None:
            if variable.is_required and variable.default is None:
                raise VariableMissingError(f"the variable {name!r} is missing", variable=name)
            values[name] = variable.default if variable.default is not None else _empty(variable.type)
        elif (reason := variable.fault_of(value)) is not None:
            raise VariableInvalidError(f"the variable {name!r} {reason}", variable=name)
        else:
            values[name] = value
    check_size(values)
    return values


def recorded(given: Mapping[str, Any], open_ones: frozenset[str]) -> dict[str, Any]:
    """Return the given values as they may be recorded: only those of variables that are declared and not secret."""
    if given.keys() <= open_ones:
        return dict(given)
    return {name: value if name in open_ones else REDACTED for name, value in given.items()}


def check_size(values: Mapping[str, Any]) -> None:
    """Raise ``VariableInvalidError`` where the values of a call are too large together."""
    size, parts = 0, 0
    waiting: list[Any] = list(values.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            parts += len(value)
            size += sum(map(len, value))
            waiting += value.values()
        elif isinstance(value, list):
            parts += len(value)
            waiting += value
        if size > LARGEST_VALUE or parts > MOST_PARTS:
            most = f"{LARGEST_VALUE:,} characters and {MOST_PARTS:,} members"
            raise VariableInvalidError(f"the variables are too large together: at most {most}")


def _empty(kind: str) -> Any:
    return {"string": "", "list": [], "object": {}, MESSAGES: []}.get(kind)


def variable_from(name: str, values: object, field: str, problems: list[Problem]) -> Variable:
    """Read one declaration: an object, or only a type; what is wrong with it is added to the problems."""
    if isinstance(values, str):
        values = {"type": values}
    if not isinstance(values, dict):
        problems.append(Problem(field, f"must be a type ({', '.join(TYPES)}) or an object, not {type_of(values)}"))
        values = {}
    if not _NAME.match(name) or name in _RESERVED:
        problems.append(
            Problem(field, "a name is letters, digits and _, begins with none of the digits, has at most 64")
        )
    for member in values.keys() - _MEMBERS:
        problems.append(Problem(f"{field}.{member}", f"is not known; there are {', '.join(sorted(_MEMBERS))}"))
    variable = Variable(
        name=name,
        type=str(values.get("type", "string")),
        is_required=bool(values.get("required", values.get("default") is None)),
        default=values.get("default"),
        example=values.get("example"),
        max_length=values.get("max_length"),
        is_secret=bool(values.get("secret", False)),
        description=str(values.get("description", "")),
    )
    _check(variable, values, field, problems)
    return variable


_MEMBERS = frozenset(("type", "required", "default", "example", "max_length", "secret", "description"))


def _check(variable: Variable, values: dict[str, Any], field: str, problems: list[Problem]) -> None:
    if variable.type not in _KINDS:
        problems.append(Problem(f"{field}.type", f"{variable.type[:40]!r} is no type; use one of {', '.join(TYPES)}"))
        return
    for member in ("required", "secret"):
        if member in values and not isinstance(values[member], bool):
            problems.append(Problem(f"{field}.{member}", "must be true or false"))
    most = variable.max_length
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or not 0 < most <= LARGEST_VALUE):
        problems.append(Problem(f"{field}.max_length", f"must be a whole number from 1 to {LARGEST_VALUE:,}"))
        return
    for member in ("default", "example"):
        value = values.get(member)
        reason = variable.fault_of(value) if value is not None else None
        if reason is not None:
            problems.append(Problem(f"{field}.{member}", reason))


def variable_mapping(variable: Variable) -> dict[str, Any]:
    """Return the JSON form, without what is as usual."""
    made: dict[str, Any] = {"type": variable.type}
    if variable.is_required != (variable.default is None):
        made["required"] = variable.is_required
    for name in ("default", "example", "max_length"):
        if getattr(variable, name) is not None:
            made[name] = getattr(variable, name)
    if variable.is_secret:
        made["secret"] = True
    if variable.description:
        made["description"] = variable.description
    return made
