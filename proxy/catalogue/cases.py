"""Saved cases of prompts: values for the variables of a version, and the messages that are expected of it.

They lie beside an exported prompt (``cases.yaml``), or in any file. A label or nothing in place of a number lets a case
follow what is served; its expected messages then say what is to be looked at when the label moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, JsonValue

from proxy.catalogue.contents import Load
from proxy.catalogue.fields import Document, Line, PromptName
from proxy.catalogue.parsing import parse
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.rendered import render_stored
from proxy.catalogue.yaml_text import read_yaml, write_yaml
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.prompting.problems import RenderingError

FORMAT = "dashcam-cases/1"
_MOST = 10_000


class CaseDocument(Document):
    """One case. ``version`` is a number, name or label; ``expected`` messages are compared, ``parameters`` where said.

    ``prompt`` may be left out beside an exported one.
    """

    name: Annotated[Line, Field(min_length=1)]
    prompt: PromptName | None = None
    version: Annotated[str, Field(max_length=40)] = ""
    variables: dict[str, JsonValue] = Field(default={})
    expected: list[dict[str, JsonValue]] | None = None
    parameters: dict[str, JsonValue] | None = None


class CasesDocument(Document):
    """A file of cases."""

    format: str
    cases: Annotated[list[CaseDocument], Field(max_length=_MOST)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a case: ``title`` names the version, ``before`` and ``after`` what is expected and what is now.

    ``reason`` says why nothing could be compared.
    """

    case: CaseDocument
    title: str
    before: str = ""
    after: str = ""
    reason: str | None = None

    @property
    def is_ok(self) -> bool:
        """True where it is rendered as expected."""
        return self.reason is None and self.before == self.after


def read_cases(data: bytes) -> list[CaseDocument]:
    """Return the cases of a file; ``InvalidError`` names field (and line) of what is wrong."""
    values = read_yaml(data)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InvalidError([Problem("format", f"is not {FORMAT}; a file of cases has format and cases")])
    if isinstance(values.get("cases"), list):
        # A number is what most versions are said by.
        values["cases"] = [_with_text(item) for item in values["cases"]]
    cases = parse(CasesDocument, values).cases
    names = [case.name for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidError([Problem("cases", f"{twice[0]!r} is there twice; each name is for one")])
    return cases


def _with_text(case: object) -> object:
    if isinstance(case, dict) and isinstance(case.get("version"), int) and not isinstance(case["version"], bool):
        return {**case, "version": str(case["version"])}
    return case


def write_cases(cases: Iterable[CaseDocument]) -> str:
    """Return a file of cases."""
    written = [case.model_dump(mode="json", exclude_defaults=True) for case in cases]
    return write_yaml({"format": FORMAT, "cases": written})


def judge(case: CaseDocument, prompt: str | None, prompts: Mapping[str, PromptDocument], load: Load) -> Verdict:
    """Render a case and compare; ``prompt`` is the one that it is of where it says none."""
    name = case.prompt or prompt or ""
    title = f"{name}@{case.version}" if case.version else name
    try:
        found = render_stored(prompts, load, name, case.version, case.variables)
    except (NotFoundError, RenderingError) as error:
        return Verdict(case=case, title=title, reason=error.message)
    now = _said(found.rendered.messages, found.rendered.extras.parameters if case.parameters is not None else None)
    if case.expected is None:
        return Verdict(case=case, title=found.title, after=now, reason="says nothing of what is expected")
    return Verdict(case=case, title=found.title, before=_said(case.expected, case.parameters), after=now)


def updated(case: CaseDocument, prompt: str | None, prompts: Mapping[str, PromptDocument], load: Load) -> CaseDocument:
    """Return a case that expects what is rendered now; errors as ``render_stored``."""
    found = render_stored(prompts, load, case.prompt or prompt or "", case.version, case.variables).rendered
    parameters = dict(found.extras.parameters) if case.parameters is not None else None
    return parse(CaseDocument, {**case.to_mapping(), "expected": found.messages, "parameters": parameters})


def _said(messages: Iterable[Mapping[str, Any]], parameters: Mapping[str, Any] | None) -> str:
    made: dict[str, Any] = {"messages": list(messages)}
    if parameters is not None:
        made["parameters"] = parameters
    return write_yaml(_ordered(made))


def _ordered(value: Any) -> Any:
    """Return a value whose members have one order: in which they were written makes no difference."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: (name != "role", name))}
    return value
