"""The import contracts of pyproject.toml hold and leave no package out; a breach names the chain of imports."""

from __future__ import annotations

import tomllib

import pytest
from importlinter.cli import lint_imports

from tests.support.checkout import ROOT


def test_floors_import_only_floors_below_them(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = lint_imports(no_cache=True, is_debug_mode=False)
    assert exit_code == 0, capsys.readouterr().out


@pytest.mark.parametrize(("contract", "home"), [("sql", "store"), ("web", "control"), ("prices", "pricing")])
def test_a_library_with_a_home_is_kept_from_every_other_package(contract: str, home: str) -> None:
    """Unlike the floors, these contracts name who is bound by them: a new package would slip through."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (sources,) = [item["source_modules"] for item in contracts if item["id"] == contract]
    packages = {path.parent.name for path in (ROOT / "proxy").glob("*/__init__.py")}
    assert sorted(sources) == sorted(f"proxy.{name}" for name in packages - {home})
