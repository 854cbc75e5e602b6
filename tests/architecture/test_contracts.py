"""The import contracts of pyproject.toml hold and leave no module out; a breach names the chain of imports."""

from __future__ import annotations

import tomllib
from graphlib import TopologicalSorter

import grimp
import pytest
from importlinter.cli import lint_imports

from tests.support.checkout import ROOT


def test_floors_import_only_floors_below_them(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = lint_imports(no_cache=True, is_debug_mode=False)
    assert exit_code == 0, capsys.readouterr().out


def test_a_library_with_a_home_is_kept_from_everything_else() -> None:
    """A list of who is bound would let new packages through; only the home is let off, for these libraries alone."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    homes = {item["id"]: item for item in contracts if "ignore_imports" in item}
    assert {"sql", "web", "prices", "engine", "terminal", "templates", "yaml"} <= homes.keys()
    for item in homes.values():
        assert item["source_modules"] == ["proxy"]
        let_off = [line.split(" -> ") for line in item["ignore_imports"]]
        assert len({home for home, _ in let_off}) == 1, f"{item['id']} has several homes"
        assert [library for _, library in let_off] == item["forbidden_modules"]


def test_no_module_needs_itself_to_be_imported() -> None:
    """Floors say nothing of modules within a package. Types may be named in a circle, which nothing is imported for."""
    graph = grimp.build_graph("proxy", exclude_type_checking_imports=True, cache_dir=None)
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()
