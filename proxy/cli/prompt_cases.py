"""``prompts test``: saved cases rendered and held against what is expected of them, with a diff of what differs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.catalogue.bundle import FORMAT, bundle_from, imported
from proxy.catalogue.cases import CaseDocument, Verdict, judge, read_cases, updated, write_cases
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.contents import Content
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.prompt_files import CASES, HEAD
from proxy.catalogue.yaml_text import read_yaml
from proxy.cli.catalogue import print_document
from proxy.cli.findings import FOUND_PROBLEMS
from proxy.cli.given_files import problems_in, read_file
from proxy.cli.prompt_diff import diff_lines, print_diff
from proxy.cli.prompt_folders import write_folder
from proxy.cli.terminal import counted, on_one_line, paint
from proxy.errors import DashcamError, InvalidError, NotFoundError, UsageError

_SHAPE = "it says format: dashcam-cases/1 and cases:, each with name and variables (and prompt, version, expected)"
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""When a version was made makes no difference here."""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases; ``prompt`` is the one it lies beside."""

    path: Path
    prompt: str | None
    cases: Sequence[CaseDocument]


@dataclass(frozen=True, slots=True)
class Stored:
    """Prompts with the contents of their versions."""

    prompts: Mapping[str, PromptDocument]
    contents: Mapping[str, Content]


def stored_from(found: list[dict[str, Any]]) -> Stored:
    """Return prompts that are written as a bundle has them."""
    bundle = bundle_from({"format": FORMAT, "prompts": found}, _SOME_TIME)
    return Stored(prompts=imported(Catalogue(), bundle).prompts, contents=bundle.contents)


def find_cases(source: str) -> list[CaseFile]:
    """Return the files of cases in a file, a prompt's folder, or a folder of those; in a fixed order.

    ``NotFoundError`` where there are none, ``UsageError`` names file, field and reason of what is wrong.
    """
    path = Path(source)
    if source == "-":
        raise UsageError("cases are read from a file or a folder, not from standard input")
    if path.is_dir():
        paths = [path / CASES] if (path / CASES).is_file() else sorted(path.glob(f"*/{CASES}"))
        if not paths:
            raise NotFoundError(f"there is no {CASES} in {source}, nor in a folder in it", hint=_SHAPE)
    else:
        paths = [path]
    return [_case_file(item) for item in paths]


def _case_file(path: Path) -> CaseFile:
    prompt = _prompt_beside(path) if path.name == CASES else None
    try:
        cases = read_cases(read_file(str(path)))
    except InvalidError as error:
        raise UsageError(problems_in(str(path), error)) from error
    for case in cases:
        if case.prompt is None and prompt is None:
            raise UsageError(f"{path}: {case.name!r} says no prompt")
    return CaseFile(path, prompt, cases)


def _prompt_beside(path: Path) -> str:
    """Return the name of the prompt whose folder this is."""
    head = path.with_name(HEAD)
    if head.is_file():
        try:
            values = read_yaml(read_file(str(head)))
        except InvalidError as error:
            raise UsageError(problems_in(str(head), error)) from error
        if isinstance(values, dict) and isinstance(values.get("name"), str):
            return str(values["name"])
    return path.resolve().parent.name


def run_cases(files: Sequence[CaseFile], stored: Stored, *, as_json: bool) -> int:
    """Render all cases and print what came of them; return the exit code."""
    found = [
        (file, judge(case, file.prompt, stored.prompts, stored.contents.get)) for file in files for case in file.cases
    ]
    if as_json:
        print_document([_told(file, verdict) for file, verdict in found])
    else:
        for _, verdict in found:
            _print(verdict)
        wrong = sum(not verdict.is_ok for _, verdict in found)
        print(f"{counted(len(found), 'case')}, {wrong or 'none'} not as expected", file=sys.stderr)
    return 0 if all(verdict.is_ok for _, verdict in found) else FOUND_PROBLEMS


def update_cases(files: Sequence[CaseFile], stored: Stored) -> int:
    """Let all cases expect what is rendered now; return the exit code, which tells of what cannot be rendered."""
    failed = 0
    for file in files:
        cases = []
        for case in file.cases:
            try:
                cases.append(updated(case, file.prompt, stored.prompts, stored.contents.get))
            except DashcamError as error:
                print(f"dashcam: {on_one_line(case.name)} stays as it was: {error.message}", file=sys.stderr)
                cases.append(case)
                failed += 1
        changed = sum(one != other for one, other in zip(cases, file.cases, strict=True))
        if changed:
            write_folder(file.path.parent, {file.path.name: write_cases(cases)})
        print(f"{file.path}: {changed} of {counted(len(cases), 'case')} changed")
    return FOUND_PROBLEMS if failed else 0


def _print(verdict: Verdict) -> None:
    word = paint("ok  ", "green") if verdict.is_ok else paint("bad ", "red")
    print(f"{word}  {on_one_line(verdict.title)}  {on_one_line(verdict.case.name)}")
    if verdict.reason is not None:
        print(f"      {on_one_line(verdict.reason)}")
    if verdict.case.expected is None and verdict.after:
        print("      --update writes what is rendered now")
    elif not verdict.is_ok and verdict.reason is None:
        print_diff(verdict.before, verdict.after, "expected", f"rendered by {verdict.title}")


def _told(file: CaseFile, verdict: Verdict) -> dict[str, Any]:
    lines = [] if verdict.reason else diff_lines(verdict.before, verdict.after, "expected", "rendered")
    return {
        "file": str(file.path), "case": verdict.case.name, "version": verdict.title, "ok": verdict.is_ok,
        "reason": verdict.reason, "diff": lines or None,
    }  # fmt: skip
