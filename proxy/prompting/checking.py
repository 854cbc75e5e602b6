"""Reading a version's JSON form, and all that is wrong with it at once, each with its place.

What passes here renders, whatever the values: that is why templates are read, tried by the engine and held against the
declared variables here. Whether what a template includes exists is the catalogue's business; circles are found here
where ``load`` gives the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from proxy.errors import Problem
from proxy.prompting import parameters
from proxy.prompting.grammar import read
from proxy.prompting.template import syntax_fault, variables_in
from proxy.prompting.variables import MESSAGES, Variable, type_of, variable_from
from proxy.prompting.version import ENGINE, ROLES, Content, Message, PromptVersion, text_of_part, texts_of

MOST_MESSAGES, MOST_VARIABLES, MOST_TOOLS = 200, 100, 128
LARGEST_VERSION = 512 * 1024
"""Bytes of the JSON form."""
_MEMBERS = frozenset(("engine", "messages", "parameters", "tools", "response_format", "variables"))
_MESSAGE_MEMBERS = frozenset(("role", "content", "name", "placeholder"))


def read_version(values: object, kind: str | None = None) -> tuple[PromptVersion, list[Problem]]:
    """Return the version that a JSON object says, and its problems; ``kind`` is that of the provider it is meant for.

    With problems, the version holds what could be read.
    """
    problems: list[Problem] = []
    if not isinstance(values, dict):
        return PromptVersion(messages=(), parameters={}), [Problem("", f"must be an object, not {type_of(values)}")]
    _refuse_unknown(values, _MEMBERS, "", problems)
    version = PromptVersion(
        messages=_messages(values.get("messages"), problems),
        parameters=_parameters(values.get("parameters"), kind, problems),
        tools=_tools(values.get("tools"), problems),
        response_format=_response_format(values.get("response_format"), problems),
        variables=_variables(values.get("variables"), problems),
        engine=str(values.get("engine", ENGINE)),
    )
    if version.engine != ENGINE:
        problems.append(Problem("engine", f"is {version.engine[:40]!r}; this Dashcam has {ENGINE}"))
    if not problems:
        _check_whole(version, problems)
    return version, problems


def cycle_of(name: str, includes_of: Callable[[str], list[str]]) -> list[str] | None:
    """Return the circle that leads from a prompt back to itself by includes, None where there is none.

    ``includes_of`` gives what a prompt's templates include, by prompt names.
    """
    path: list[str] = []
    done: set[str] = set()
    waiting: list[tuple[str, bool]] = [(name, False)]
    while waiting:
        current, is_left = waiting.pop()
        if is_left:
            path.pop()
            done.add(current)
            continue
        if current in path:
            return [*path[path.index(current) :], current]
        if current in done:
            continue
        path.append(current)
        waiting.append((current, True))
        waiting += [(other, False) for other in includes_of(current)]
    return None


def includes_of(version: PromptVersion) -> list[str]:
    """Return what the templates of a version include, as they write it, each once."""
    return list(dict.fromkeys(found for text in texts_of(version).values() for found in read(text).includes))


def _refuse_unknown(values: Mapping[str, Any], known: frozenset[str], field: str, problems: list[Problem]) -> None:
    for name in values.keys() - known:
        place = f"{field}.{name[:64]}" if field else name[:64]
        problems.append(Problem(place, f"is not known; there are {', '.join(sorted(known))}"))


def _messages(values: object, problems: list[Problem]) -> tuple[Message, ...]:
    if not isinstance(values, list) or not values:
        problems.append(Problem("messages", "must be a list of at least one message"))
        return ()
    if len(values) > MOST_MESSAGES:
        problems.append(Problem("messages", f"has {len(values)} messages; at most {MOST_MESSAGES} are allowed"))
        return ()
    return tuple(_message(item, f"messages[{at}]", problems) for at, item in enumerate(values))


def _message(values: object, field: str, problems: list[Problem]) -> Message:
    if not isinstance(values, dict):
        problems.append(Problem(field, f"must be an object with role and content, not {type_of(values)}"))
        return Message()
    _refuse_unknown(values, _MESSAGE_MEMBERS, field, problems)
    placeholder = values.get("placeholder")
    if placeholder is not None:
        if not isinstance(placeholder, str) or values.keys() - {"placeholder"}:
            problems.append(Problem(field, "a placeholder is the name of a variable, and has neither role nor content"))
        return Message(placeholder=str(placeholder))
    role, name = values.get("role"), values.get("name")
    if role not in ROLES:
        problems.append(Problem(f"{field}.role", f"must be one of {', '.join(ROLES)}"))
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= 64):
        problems.append(Problem(f"{field}.name", "must be a text of 1 to 64 characters"))
    return Message(role=str(role), content=_content(values.get("content"), f"{field}.content", problems), name=name)


def _content(value: object, field: str, problems: list[Problem]) -> Content:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        problems.append(Problem(field, f"must be a text or a list of parts, not {type_of(value)}"))
        return ""
    for at, part in enumerate(value):
        is_part = isinstance(part, dict) and part.get("type") in ("text", "image_url")
        if not is_part or not isinstance(text_of_part(part)[1], str):
            expected = '{"type": "text", "text": "…"} or {"type": "image_url", "image_url": {"url": "…"}}'
            problems.append(Problem(f"{field}[{at}]", f"must be {expected}"))
    return tuple(part if isinstance(part, dict) else {} for part in value)


def _parameters(values: object, kind: str | None, problems: list[Problem]) -> Mapping[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        problems.append(Problem("parameters", f"must be an object, not {type_of(values)}"))
        return {}
    problems += parameters.problems_of(values, "parameters", kind)
    return values


def _tools(values: object, problems: list[Problem]) -> tuple[dict[str, Any], ...]:
    if values is None:
        return ()
    if not isinstance(values, list) or len(values) > MOST_TOOLS:
        problems.append(Problem("tools", f"must be a list of at most {MOST_TOOLS} tools"))
        return ()
    for at, tool in enumerate(values):
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            expected = '{"type": "function", "function": {"name": "…", "parameters": {…}}}'
            problems.append(Problem(f"tools[{at}]", f"must be an object such as {expected}"))
    return tuple(tool if isinstance(tool, dict) else {} for tool in values)


def _response_format(value: object, problems: list[Problem]) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        problems.append(Problem("response_format.type", "must be text, json_object or json_schema"))
        return None
    schema = value.get("json_schema")
    if value["type"] == "json_schema" and not (isinstance(schema, dict) and isinstance(schema.get("schema"), dict)):
        problems.append(Problem("response_format.json_schema", 'must be {"name": "…", "schema": {…}}'))
    return value


def _variables(values: object, problems: list[Problem]) -> tuple[Variable, ...]:
    if values is None:
        return ()
    if not isinstance(values, dict):
        problems.append(Problem("variables", f"must be an object of declarations by name, not {type_of(values)}"))
        return ()
    if len(values) > MOST_VARIABLES:
        problems.append(Problem("variables", f"has {len(values)}; at most {MOST_VARIABLES} are allowed"))
        return ()
    return tuple(variable_from(name, item, f"variables.{name[:64]}", problems) for name, item in values.items())


def _check_whole(version: PromptVersion, problems: list[Problem]) -> None:
    """Check what concerns several parts: templates against variables, placeholders, the size of all."""
    declared = {item.name: item for item in version.variables}
    for at, message in enumerate(version.messages):
        name = message.placeholder
        if name is not None and (name not in declared or declared[name].type != MESSAGES):
            declaration = f"declare it: variables: {name}: {{type: {MESSAGES}}}"
            problems.append(
                Problem(f"messages[{at}].placeholder", f"{name!r} is no variable of type messages; {declaration}")
            )
    for place, text in texts_of(version).items():
        problems += [Problem(place, reason) for reason in _faults_of(text, declared)]
    try:
        size = len(orjson.dumps(version.to_mapping()))
    except TypeError:
        problems.append(Problem("", "holds a value that JSON has none for, such as a number beyond 64 bits"))
        return
    if size > LARGEST_VERSION:
        problems.append(Problem("", f"is {size:,} bytes as JSON; at most {LARGEST_VERSION:,} are allowed"))


def _faults_of(text: str, declared: Mapping[str, Variable]) -> list[str]:
    reading = read(text)
    if reading.faults:
        return [f"line {fault.line}: {fault.reason}" for fault in reading.faults]
    reason = syntax_fault(text)
    if reason is not None:
        return [reason]
    missing = sorted(variables_in(text) - declared.keys())
    found = [f"uses {name!r}, which is not declared; add it under variables" for name in missing]
    lists = [name for name in variables_in(text) & declared.keys() if declared[name].type == MESSAGES]
    return found + [f"uses {name!r}, which is a list of messages; only a placeholder can" for name in sorted(lists)]
