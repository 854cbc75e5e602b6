"""The table in README.md names each fault once; what proves it is there, and runs on the engines that it says."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.checkout import ROOT

NUMBERS = {
    "K": (1, 2, 3, 5, 6, 7, 9, 10, 12),
    "D": (1, 2, 3, 5, 6, 7, 9, 10, 11),
    "E": (1, 2, 3, 4, 5, 6),
    "F": (1, 3, 4, 5, 6, 8),
    "N": (1, 3, 4, 5, 6, 8, 9, 11),
    "C": (1, 2, 4, 5, 6, 7),
    "L": (1, 2, 3),
    "S": (1, 3, 4, 5),
    "T": (1, 2),
    "P": (1, 3, 4, 5),
    "H": (1, 2, 3, 4, 5, 6, 7, 8),
    "M": (1, 2, 4),
}
BOTH = ("sqlite", "postgres")
NAMES = {
    frozenset(BOTH): "both",
    frozenset({"sqlite"}): "SQLite",
    frozenset({"postgres"}): "Postgres",
}

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "tests/faults/README.md").read_text().splitlines()
    if re.match(r"\| [A-Z]\d+ \|", line)
]


@cache
def cases_in(path: str) -> dict[str, tuple[str, ...] | None]:
    """Return the tests of a file and which engines each is marked with; None where nothing is said."""
    tree = ast.parse((ROOT / path).read_text())
    whole = [node.value for node in tree.body if isinstance(node, ast.Assign) and "pytestmark" in ast.dump(node)]
    return {
        node.name: next((found for item in (*node.decorator_list, *whole) if (found := engines_of(item))), None)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def engines_of(decorator: ast.expr) -> tuple[str, ...] | None:
    """Return what ``pytest.mark.engines`` says, None where this is another decorator."""
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.engines":
        return tuple(ast.literal_eval(argument) for argument in decorator.args)
    return None


def proofs(cell: str) -> list[tuple[str, str]]:
    found = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
    return [(path if "/" in path else f"tests/faults/{path}", name) for path, name in found]


def engines_in(cell: str) -> str | None:
    """Return on which engines the fault tests of a row run, None where none of them is one of ours."""
    marks = [
        marked
        for path, name in proofs(cell)
        if path.startswith("tests/faults/")
        for test, marked in cases_in(path).items()
        if test.startswith(name)
    ]
    if not marks:
        return None
    short = frozenset(engine for marked in marks for engine in marked or ("sqlite",))
    long = frozenset(engine for marked in marks for engine in marked or BOTH)
    return NAMES[short] if short == long else f"{NAMES[short]}; long form: {NAMES[long]}"


def test_every_fault_is_there_once() -> None:
    wanted = [f"{family}{number}" for family, numbers in NUMBERS.items() for number in numbers]
    assert sorted(row[0] for row in ROWS) == sorted(wanted)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_proves_it_is_there(row: list[str]) -> None:
    assert proofs(row[2]) or row[0] == "M1"
    for path, name in proofs(row[2]):
        assert any(test.startswith(name) for test in cases_in(path)), f"{path} has no {name}"
    assert row[4] == (engines_in(row[2]) or row[4])


def test_what_is_here_is_in_the_table() -> None:
    named = {
        (path, test)
        for row in ROWS
        for path, name in proofs(row[2])
        for test in cases_in(path)
        if test.startswith(name)
    }
    here = {
        (f"tests/faults/{path.name}", test)
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for test in cases_in(f"tests/faults/{path.name}")
        if re.match(r"test_[a-z]\d", test)
    }
    assert here - named == set()
