"""Completion: the scripts are whole, and what is offered comes from the record; failures offer nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from proxy.cli import completion
from proxy.cli.app import app
from proxy.cli.completion import SHELLS, VARIABLE
from tests.support.entries import an_entry
from tests.unit.cli.conftest import Command, Record


def offered(line: str) -> list[str]:
    environment = {**os.environ, VARIABLE: "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    made = subprocess.run([sys.executable, "-m", "proxy"], env=environment, capture_output=True, text=True, timeout=60)
    assert made.stderr == ""
    return made.stdout.split()


@pytest.mark.parametrize("shell", [*SHELLS, "pwsh"])
def test_a_shell_is_taught_by_a_script(dashcam: Command, shell: str) -> None:
    said = dashcam("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert VARIABLE in said.out


def test_bash_takes_its_script(dashcam: Command, tmp_path: Path) -> None:
    script = dashcam("completion", "bash").out
    check = f"{script}\ncomplete -p dashcam"
    made = subprocess.run(["bash", "-c", check], capture_output=True, text=True, check=True)
    assert "_dashcam_completion" in made.stdout


def test_commands_options_and_words_are_offered() -> None:
    assert offered("dashcam se") == ["serve", "search", "sessions"]
    assert "--no-pager" in offered("dashcam show --no")
    assert offered("dashcam logs --outcome client") == ["client_gone"]
    assert offered("dashcam logs --color al") == ["always"]
    assert offered("dashcam env po") == ["powershell"]
    assert offered("dashcam logs --sort cost_u") == ["cost_usd"]
    assert offered("dashcam logs --fields id,cost_u") == ["id,cost_usd"]
    assert offered("dashcam export --format p") == ["parquet"]
    assert offered("dashcam redaction test --pattern e") == ["email"]
    assert offered("dashcam keys create --record m") == ["meta"]
    assert offered("dashcam feedback last y") == ["yes"]


def test_models_and_ids_of_the_record_are_offered(record: Record) -> None:
    entries = [an_entry(model=name) for name in ("gpt-5", "gpt-5-mini", "o4", "gpt-5")]
    record(*entries)
    assert offered("dashcam logs --model gpt") == ["gpt-5", "gpt-5-mini"]
    record(*(an_entry(user_id="kim", session_id=f"s-{number}") for number in range(2)), an_entry(user_id="lea"))
    assert offered("dashcam purge --user k") == ["kim"]
    assert sorted(offered("dashcam logs --session s-")) == ["s-0", "s-1"]
    ids = offered("dashcam show ")
    assert ids[0] == "last"
    assert entries[-1].interaction.id[:18] in ids


def test_names_of_the_catalogue_are_offered(dashcam: Command, tmp_path: Path) -> None:
    for arguments in (
        ("providers", "add", "acme", "--url", "https://api.acme.example/v1"),
        ("models", "add", "acme/m-1"),
        ("prompts", "starters", "summarise", "--create", "short"),
        ("prompts", "label", "short", "production", "1"),
        ("routes", "set", "fast", "--target", "acme/m-1"),
        ("keys", "create"),
    ):
        assert dashcam(*arguments).code == 0
    context = typer.Context(get_command(app))
    assert completion.providers(context, "ac") == ["acme"]
    assert completion.catalogue_models(context, "ac") == ["acme/m-1"]
    assert completion.catalogue_models(context, "b") == []
    assert completion.keys(context, "")[0].startswith("dck_")
    assert completion.references_to_prompts(context, "short") == ["short", "short@production"]
    assert "summarise" in completion.starters()
    assert offered("dashcam routes show ") == ["fast"]
    assert offered("dashcam prompts label short ") == ["production"]
    assert offered("dashcam prompts show short --version ") == ["production", "latest"]


def test_without_a_record_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    assert offered("dashcam logs --model g") == []
    (tmp_path / ".env").write_text("DASHCAM_NONSENSE=1")
    assert offered("dashcam logs --provider o") == []
    assert offered("dashcam prompts show s") == []
