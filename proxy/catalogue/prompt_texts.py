"""Prompts from files that people have already: a plain text, Markdown, YAML or JSON.

A text is one system message, Markdown as well, with parameters, metadata and the like in a front matter where it has
one. YAML and JSON hold a content, a list of messages, a prompt, a list of prompts, or a whole bundle, of which only the
prompts count. A prompt there may be a text as well (``prompt``, ``text`` or ``content``). Variables that a text or a
list of messages uses are declared as texts: it has no place to say it in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from proxy.catalogue.bundle import FORMAT, bundle_from
from proxy.catalogue.fields import check_prompt_name
from proxy.catalogue.yaml_text import MAX_BYTES, read_yaml
from proxy.errors import InvalidError, Problem
from proxy.prompting.grammar import read
from proxy.prompting.template import syntax_fault, variables_in

TEXT, MARKDOWN, DATA = (".txt", ".text"), (".md", ".markdown"), (".yaml", ".yml", ".json")
SUFFIXES = TEXT + MARKDOWN + DATA
_OF_CONTENT = ("engine", "messages", "parameters", "tools", "response_format", "variables")
_TEXTS = ("prompt", "text", "content")
"""How others' lists call the text of a prompt."""
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_DATA_BEGINS = re.compile(
    r"\s*(?:\{(?![{%#])|\[\s*\{)|(?:[ \t]*(?:#.*)?\r?\n)*"
    r"(?:format|engine|messages|content|parameters|variables|tools|response_format)[ \t]*:"
)
"""How YAML or JSON of a prompt begins, where no file's name says what a text is; {{ is a template's."""


def read_prompt_texts(data: bytes, suffix: str, name: str) -> list[dict[str, Any]]:
    """Return the prompts of a file, each as a bundle says one whose next version is to be saved.

    ``suffix`` says what the file is ("" for what has no name: it shows); a prompt that says no name has ``name``.
    ``InvalidError`` holds all that is wrong, with the field and, of YAML, the line.
    """
    found = _found(data, suffix.lower())
    made = [_prompt(item, name if len(found) == 1 else None, at) for at, item in enumerate(found)]
    _check(made)
    return made


def read_content_text(data: bytes, suffix: str) -> tuple[dict[str, Any], list[str]]:
    """Return (the content of the one prompt that a file holds, what else the file says of it, by names).

    Whether the content is sound is not looked at here.
    """
    found = _found(data, suffix.lower())
    if len(found) != 1:
        raise InvalidError([Problem("", f"holds {len(found)} prompts; dashcam prompts import takes them in")])
    prompt = _prompt(found[0], "one", 0)
    if not isinstance(prompt.get("content"), dict):
        raise InvalidError([Problem("content", "must be an object with messages")])
    return prompt["content"], sorted(set(prompt) - {"name", "content"})


def _found(data: bytes, suffix: str) -> list[Any]:
    """Return what a file holds, a prompt each, as it says it."""
    if suffix in DATA:
        return _of_data(read_yaml(data))
    text = _text(data)
    if suffix not in TEXT and _FRONT.match(text):
        return [_of_markdown(text)]
    if suffix not in SUFFIXES and _DATA_BEGINS.match(text):
        return _of_data(read_yaml(text))
    return [_of_text(text)]


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidError([Problem("", f"is larger than {MAX_BYTES // 1024 // 1024} MB")])
    try:
        # However an editor ends lines: the same words are the same version.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidError([Problem("", f"is no UTF-8 text: {error.reason} at byte {error.start}")]) from None


def _of_text(text: str) -> dict[str, Any]:
    if not text.strip():
        raise InvalidError([Problem("", "holds no text")])
    return {"content": _declaring([{"role": "system", "content": text.strip()}])}


def _declaring(messages: list[Any]) -> dict[str, Any]:
    """Return a content of messages that declares their variables, where all of them can be texts."""
    texts = [item["content"] for item in messages if isinstance(item.get("content"), str)]
    names = sorted({name for text in texts for name in _undeclared(text)})
    return {"messages": messages, **({"variables": {name: "string" for name in names}} if names else {})}


def _undeclared(text: str) -> list[str]:
    """Return the variables of a text, where all of them can be texts: what a loop goes through is none."""
    found = read(text)
    return [] if found.faults or found.has_loop or syntax_fault(text) else sorted(variables_in(text))


def _of_markdown(text: str) -> dict[str, Any]:
    front = _FRONT.match(text)
    assert front is not None
    # A line of its own in place of the three dashes: what is wrong is told with the file's own line.
    said = read_yaml("\n" + front[1])
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise InvalidError([Problem("", "begins with a front matter that is no object of names and values")])
    if "messages" in said:
        raise InvalidError([Problem("messages", "are not said in a front matter: the text below is the message")])
    made = _of_text(text[front.end() :])
    content = {**made["content"], **{name: said.pop(name) for name in _OF_CONTENT if name in said}}
    return {**said, "content": content}


def _of_data(values: Any) -> list[Any]:
    if isinstance(values, dict) and values.get("format") == FORMAT:
        values = values.get("prompts")
    if not values:
        raise InvalidError([Problem("", "holds no prompt")])
    if not isinstance(values, list):
        return [values]
    is_conversation = all(isinstance(item, dict) and {"role", "placeholder"} & item.keys() for item in values)
    return [_declaring(values)] if is_conversation else values


def _prompt(item: Any, name: str | None, at: int) -> dict[str, Any]:
    """Return what is said of one prompt, its content apart from the rest."""
    if not isinstance(item, dict):
        raise InvalidError([Problem(str(at), "is no prompt: each of a list has a name, and messages or a text")])
    made = _with_content(item, at)
    if "content" not in made and "versions" not in made:
        made["content"] = {member: made.pop(member) for member in _OF_CONTENT if member in made}
    if "name" not in made and name is not None:
        made["name"] = name
    if not isinstance(made.get("name"), str):
        raise InvalidError([Problem(f"{at}.name", "is missing: each prompt of a list says its own")])
    return made


def _with_content(item: dict[str, Any], at: int) -> dict[str, Any]:
    """Return a prompt with a content where it says a text alone."""
    said = [member for member in _TEXTS if isinstance(item.get(member), str)]
    if len(said) != 1 or not {"messages", "versions", "content"}.isdisjoint(item.keys() - set(said)):
        return dict(item)
    if not item[said[0]].strip():
        raise InvalidError([Problem(f"{at}.{said[0]}", "holds no text")])
    rest = {name: value for name, value in item.items() if name not in said}
    given = {name: rest.pop(name) for name in _OF_CONTENT if name in rest}
    return {**rest, "content": {**_of_text(item[said[0]])["content"], **given}}


def _check(prompts: list[dict[str, Any]]) -> None:
    """Look at prompts as those who take them in will; what is wrong is told by the prompt's own fields."""
    for prompt in prompts:
        try:
            check_prompt_name(prompt["name"])
        except ValueError as error:
            raise InvalidError([Problem("name", str(error))]) from None
    try:
        bundle_from({"format": FORMAT, "prompts": prompts}, datetime(2026, 1, 1, tzinfo=UTC))
    except InvalidError as error:
        raise InvalidError([_said(item, prompts) for item in error.problems]) from None


def _said(problem: Problem, prompts: list[dict[str, Any]]) -> Problem:
    """Return a problem of a bundle by the fields of the file: the only prompt of one needs no name."""
    field = problem.field.removeprefix("prompts.")
    return Problem(field.removeprefix(f"{prompts[0]['name']}.") if len(prompts) == 1 else field, problem.reason)
