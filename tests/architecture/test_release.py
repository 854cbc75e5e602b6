"""A release is whole: version and changelog agree, and the wheel carries what the program needs at run time."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import proxy
from tests.support.checkout import ROOT


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == proxy.__version__
    assert re.fullmatch(r"0\.\d+\.\d+", proxy.__version__)


def test_the_wheel_carries_migrations_and_configuration_and_nothing_else_of_ours(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("dashcam-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"proxy", f"dashcam-{proxy.__version__}.dist-info"}
    carried = {"proxy/_config/dashcam.toml", "proxy/_config/starters/summarise.yaml", "proxy/_migrations/env.py"}
    assert {*carried, "proxy/py.typed"} <= set(names)
    assert any(re.fullmatch(r"proxy/_migrations/versions/.+\.py", name) for name in names)
