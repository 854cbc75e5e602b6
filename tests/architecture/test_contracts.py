"""The import contracts of pyproject.toml hold; a breach names the chain of imports."""

from __future__ import annotations

import pytest
from importlinter.cli import lint_imports


def test_floors_import_only_floors_below_them(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = lint_imports(no_cache=True, is_debug_mode=False)
    assert exit_code == 0, capsys.readouterr().out
