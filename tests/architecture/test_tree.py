"""The tree keeps its shape: names that say something, files of a size to read, a test beside each pure module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, tracked

NAMES_THAT_SAY_NOTHING = {
    *("utils", "helpers", "common", "misc", "base", "manager", "handler", "handlers", "types", "models"),
}
PURE_PACKAGES = ("domain", "protocol", "interpret", "pricing", "catalogue", "query", "redaction")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

MODULES = sorted((ROOT / "proxy").rglob("*.py"))
SOURCES = [path for path in tracked("*.py") if path.exists()]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("package", PURE_PACKAGES)
def test_each_pure_module_that_does_something_has_its_test(package: str) -> None:
    modules = [path for path in (ROOT / "proxy" / package).glob("*.py") if any(functions(path))]
    without = [path.name for path in modules if not (ROOT / f"tests/unit/{package}/test_{path.name}").exists()]
    assert without == []


def test_each_unit_test_mirrors_a_module() -> None:
    strays = [
        name_of(path)
        for path in (ROOT / "tests/unit").rglob("test_*.py")
        if not (ROOT / "proxy" / path.relative_to(ROOT / "tests/unit").parent / path.name[5:]).exists()
    ]
    assert strays == []


def test_names_say_something_and_hide_no_standard_module() -> None:
    forbidden = NAMES_THAT_SAY_NOTHING | set(sys.stdlib_module_names) - {"__main__"}
    assert [name_of(path) for path in MODULES if path.stem in forbidden] == []


def test_files_are_of_a_size_to_read() -> None:
    assert [name_of(path) for path in SOURCES if path.read_text().count("\n") > LONGEST_FILE] == []


def test_functions_are_of_a_size_to_read() -> None:
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        if "versions" not in path.parts  # a first migration makes every table, and is never edited again
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno > LONGEST_FUNCTION
    ]
    assert long == []


def test_everything_is_caught_only_where_it_is_recorded_or_raised_again() -> None:
    """The loader's batch, the edge of an observation, the top of a process; elsewhere only to clean up and raise."""
    allowed = {"cli", "gateway", "loader", "control", "supervisor"}
    broad = {
        path.relative_to(ROOT / "proxy").parts[0]
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises_again(node)
    }
    assert broad <= allowed


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """True for a bare raise, and for one that translates: ``raise … from error``."""
    last = handler.body[-1]
    if not isinstance(last, ast.Raise):
        return False
    return last.exc is None or (isinstance(last.cause, ast.Name) and last.cause.id == handler.name)
